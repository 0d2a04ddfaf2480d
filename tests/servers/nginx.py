"""Debian's nginx ending TLS for several host names on one loopback port."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers.certificates import Authority, KeyPair, authority, issued
from tests.servers.foreground import folder, free_port, hand_over, listening, running

ADDRESS_HEADER = "X-Test-Address"
"""By this header a test says from where it seems to come; without it, from off campus."""

OFF_CAMPUS = "203.0.113.10"


@dataclass(frozen=True, slots=True)
class Front:
    """A running proxy; ``authority`` is whom its clients have to trust."""

    port: int
    authority: Authority
    certificate: KeyPair

    def origin(self, host: str) -> str:
        """The origin that browsers see."""
        return origin(host, self.port)


def origin(host: str, port: int) -> str:
    """The origin of a host behind a proxy that will run on ``port``."""
    return f"https://{host}:{port}"


@contextlib.contextmanager
def nginx(upstreams: Mapping[str, str], *, port: int | None = None) -> Iterator[Front]:
    """Serve each host name from the http origin that it is mapped to."""
    port = port or free_port()
    with folder("nginx") as place:
        ca = authority(place)
        pair = issued(place, ca, tuple(upstreams))
        (place / "nginx.conf").write_text(_configuration(place, port, pair, upstreams))
        hand_over(place, "www-data")
        command = ("/usr/sbin/nginx", "-p", str(place), "-e", str(place / "nginx.log"))
        with running(
            (*command, "-c", str(place / "nginx.conf")),
            log=place / "nginx.out",
            ready=lambda: listening(port),
        ):
            yield Front(port, ca, pair)


def _configuration(place: Path, port: int, pair: KeyPair, upstreams: Mapping[str, str]) -> str:
    owner = "user www-data;" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f"    {kind}_temp_path {place}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    servers = "\n".join(
        f"""    server {{
        listen 127.0.0.1:{port} ssl;
        server_name {host};
        location / {{ proxy_pass {upstream}; }}
    }}"""
        for host, upstream in upstreams.items()
    )
    variable = ADDRESS_HEADER.lower().replace("-", "_")
    return f"""daemon off;
worker_processes 1;
pid {place}/nginx.pid;
error_log {place}/nginx.log warn;
{owner}
events {{ worker_connections 256; }}
http {{
    access_log off;
{temporary}
    ssl_certificate {pair.certificate};
    ssl_certificate_key {pair.key};
    large_client_header_buffers 4 16k;
    client_max_body_size 256k;
    map $http_{variable} $seen {{ default $http_{variable}; "" {OFF_CAMPUS}; }}
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $seen;
    proxy_set_header X-Forwarded-Proto https;
{servers}
}}
"""
