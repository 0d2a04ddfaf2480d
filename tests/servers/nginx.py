"""Debian's nginx ending TLS for several host names on one loopback port.

The identity provider's host is served by the site that we ship; only places, names and where the
client's address comes from are replaced.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers.certificates import Authority, KeyPair, authority, issued
from tests.servers.foreground import folder, free_port, hand_over, listening, running

ADDRESS_HEADER = "X-Test-Address"
"""By this header a test says from where it seems to come; without it, from off campus."""

OFF_CAMPUS = "203.0.113.10"
_SHIPPED = Path(__file__).parents[2] / "deploy" / "nginx" / "idp_mfa.conf"


@dataclass(frozen=True, slots=True)
class Front:
    """A running proxy; ``authority`` is whom its clients have to trust."""

    port: int
    authority: Authority
    certificate: KeyPair


def origin(host: str, port: int) -> str:
    """The origin of a host behind a proxy on ``port``."""
    return f"https://{host}:{port}"


@contextlib.contextmanager
def nginx(
    port: int, *, idp: tuple[str, int], services: Mapping[str, int], more_nodes: Sequence[int] = ()
) -> Iterator[Front]:
    """Serve the identity provider's host and the services' hosts from their loopback ports.

    ``more_nodes`` are ports of further nodes of the identity provider, taken in turn.
    """
    with folder("nginx") as place:
        ca = authority(place)
        pair = issued(place, ca, (idp[0], *services))
        (place / "idp.conf").write_text(
            _shipped_site(place, port, pair, idp[0], (idp[1], *more_nodes))
        )
        (place / "nginx.conf").write_text(_configuration(place, port, pair, services))
        hand_over(place, "www-data")
        command = ("/usr/sbin/nginx", "-p", str(place), "-e", str(place / "nginx.log"))
        with running(
            (*command, "-c", str(place / "nginx.conf")),
            log=place / "nginx.out",
            ready=lambda: listening(port),
        ):
            yield Front(port, ca, pair)


def _shipped_site(place: Path, port: int, pair: KeyPair, host: str, nodes: Sequence[int]) -> str:
    text = _SHIPPED.read_text()
    for pattern, replacement in {
        r"/etc/ssl/\S+/fullchain\.pem": str(pair.certificate),
        r"/etc/ssl/\S+/key\.pem": str(pair.key),
        r"server unix:/run/idp_mfa/http\.socket([^;]*);": " ".join(
            rf"server 127.0.0.1:{node}\1;" for node in nodes
        ),
        r"/var/log/nginx/": f"{place}/",
        r" *listen \[::\]:\d+.*\n": "",
        r"listen 443": f"listen 127.0.0.1:{port}",
        r"listen 80": f"listen 127.0.0.1:{free_port()}",
        r"server_name \S+;": f"server_name {host};",
        r"(X-Forwarded-For +)\$remote_addr": r"\1$seen",
    }.items():
        text, count = re.subn(pattern, replacement, text)
        assert count, f"the shipped site has no {pattern}"
    return text


def _configuration(place: Path, port: int, pair: KeyPair, services: Mapping[str, int]) -> str:
    owner = "user www-data;" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f"    {kind}_temp_path {place}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    servers = "\n".join(
        f"""    server {{
        listen 127.0.0.1:{port} ssl http2;
        server_name {host};
        ssl_certificate {pair.certificate};
        ssl_certificate_key {pair.key};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_set_header Host $http_host;
        }}
    }}"""
        for host, upstream in services.items()
    )
    variable = f"$http_{ADDRESS_HEADER.lower().replace('-', '_')}"
    return f"""daemon off;
worker_processes 1;
pid {place}/nginx.pid;
error_log {place}/nginx.log warn;
{owner}
events {{ worker_connections 256; }}
http {{
    access_log off;
{temporary}
    map {variable} $seen {{ default {variable}; "" {OFF_CAMPUS}; }}
    include {place}/idp.conf;
{servers}
}}
"""
