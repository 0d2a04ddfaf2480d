"""The deployment files say what their programs understand, and keep what the documents promise."""

from __future__ import annotations

import configparser
import http.client
import json
import re
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

from tests.servers.certificates import authority, issued
from tests.servers.foreground import folder, free_port, hand_over, listening, running

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
HOST = "idp.example.ac.jp"


class _Echo(BaseHTTPRequestHandler):
    """Answers with the request as it arrived behind the proxy."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        told = {
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": len(self.rfile.read(size)),
        }
        answer = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = _answer  # noqa: N815

    def address_string(self) -> str:
        return "nginx"

    def log_message(self, format: str, *arguments: object) -> None:
        del format, arguments


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 16


class Site:
    """The shipped nginx site, really running, with an echo behind it."""

    def __init__(self, port: int, context: ssl.SSLContext, log: Path) -> None:
        self.port = port
        self.context = context
        self.log = log

    def request(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> tuple[int, dict[str, object]]:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection = http.client.HTTPConnection(HOST, self.port)
        connection.sock = self.context.wrap_socket(plain, server_hostname=HOST)
        try:
            connection.request(method, path, body, {"Host": HOST, **headers})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(text) if answer.status == 200 else {}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with folder("nginx-site") as place:
        ca = authority(place)
        pair = issued(place, ca, (HOST,))
        port, plain = free_port(), free_port()
        echo = _UnixServer(str(place / "http.socket"), _Echo)
        (place / "http.socket").chmod(0o777)
        threading.Thread(target=echo.serve_forever, daemon=True).start()
        text = (DEPLOY / "nginx/idp_mfa.conf").read_text()
        for pattern, replacement in {
            r"/etc/ssl/\S+/fullchain\.pem": str(pair.certificate),
            r"/etc/ssl/\S+/key\.pem": str(pair.key),
            r"/run/idp_mfa/http\.socket": str(place / "http.socket"),
            r"/var/log/nginx/": f"{place}/",
            r" *listen \[::\]:\d+.*\n": "",
            r"listen 443": f"listen 127.0.0.1:{port}",
            r"listen 80": f"listen 127.0.0.1:{plain}",
        }.items():
            text, count = re.subn(pattern, replacement, text)
            assert count, f"the site has no {pattern}"
        (place / "site.conf").write_text(text)
        temporary = "".join(
            f"{kind}_temp_path {place}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (place / "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {place}/nginx.pid; error_log {place}/nginx.log;\n"
            "events { worker_connections 64; }\n"
            f"http {{\naccess_log off;\n{temporary}include {place}/site.conf;\n}}\n"
        )
        hand_over(place, "www-data")
        try:
            with running(
                ("/usr/sbin/nginx", "-p", str(place), "-c", str(place / "nginx.conf")),
                log=place / "nginx.out",
                ready=lambda: listening(port),
            ):
                context = ssl.create_default_context(cafile=str(ca.pair.certificate))
                yield Site(port, context, place / "idp_mfa.log")
        finally:
            echo.shutdown()
            echo.server_close()


class TestNginx:
    FORGED: ClassVar = {
        "X-Forwarded-For": "192.0.2.10",
        "X-Real-IP": "192.0.2.10",
        "Forwarded": "for=192.0.2.10",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "X-Remote-User": "admin",
        "Remote-User": "admin",
        "X_Forwarded_For": "192.0.2.10",
        "X-Original-URL": "/admin",
        "X-SSL-Client-S-DN": "CN=admin",
    }

    def test_nothing_that_a_client_made_up_arrives(self, site: Site) -> None:
        status, seen = site.request("GET", "/", self.FORGED)
        assert status == 200
        headers = seen["headers"]
        assert isinstance(headers, dict)
        assert headers["x-forwarded-for"] == "127.0.0.1"
        assert headers["host"] == HOST
        arrived = set(headers) & {name.lower().replace("_", "-") for name in self.FORGED}
        assert arrived == {"x-forwarded-for"}

    def test_what_a_browser_needs_arrives(self, site: Site) -> None:
        sent = {
            "Cookie": "a=b",
            "Accept-Language": "ja",
            "Origin": "https://sp.example",
            "Sec-Fetch-Site": "cross-site",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        _, seen = site.request("POST", "/saml/sso", sent, b"x" * 200_000)
        headers = seen["headers"]
        assert isinstance(headers, dict)
        assert {name: headers[name.lower()] for name in sent} == sent
        assert seen["body"] == 200_000

    def test_a_long_signed_request_passes_and_a_longer_one_does_not(self, site: Site) -> None:
        assert site.request("GET", "/saml/sso?SAMLRequest=" + "A" * 8_000, {})[0] == 200
        assert site.request("GET", "/saml/sso?SAMLRequest=" + "A" * 20_000, {})[0] == 414

    def test_a_body_beyond_the_limit_is_refused(self, site: Site) -> None:
        assert site.request("POST", "/saml/sso", {}, b"x" * 300_000)[0] == 413

    def test_the_path_goes_on_as_it_came(self, site: Site) -> None:
        for path in ("/portal/%2e%2e/admin", "/portal//admin", "/a;b?c=%41"):
            assert site.request("GET", path, {})[1]["path"] == path

    def test_the_log_holds_no_query_and_no_id(self, site: Site) -> None:
        site.request("GET", "/signin/SECRETID?SAMLRequest=SECRETMESSAGE", {})
        end = time.monotonic() + 5
        while "/signin/-" not in site.log.read_text() and time.monotonic() < end:
            time.sleep(0.02)
        text = site.log.read_text()
        assert "/signin/-" in text
        assert "SECRET" not in text


def _unit() -> dict[str, list[str]]:
    """The [Service] section; systemd lets a key stand more than once."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in (DEPLOY / "systemd/idp_mfa.service").read_text().splitlines():
        text = line.strip()
        if text.startswith("["):
            section = text
        elif text and not text.startswith("#"):
            key, separator, value = text.partition("=")
            assert separator, f"not a setting: {text}"
            if section == "[Service]":
                found.setdefault(key, []).append(value)
    return found


class TestSystemd:
    def test_it_is_a_unit(self) -> None:
        parser = configparser.RawConfigParser(strict=False, interpolation=None)
        parser.read(DEPLOY / "systemd/idp_mfa.service")
        assert set(parser.sections()) == {"Unit", "Service", "Install"}

    def test_it_runs_without_rights_and_without_secrets_in_its_environment(self) -> None:
        unit = _unit()
        assert unit["User"] == ["idp_mfa"]
        assert unit["CapabilityBoundingSet"] == [""]
        assert unit["NoNewPrivileges"] == ["yes"]
        assert unit["ProtectSystem"] == ["strict"]
        assert unit["LimitCORE"] == ["0"]
        assert "@system-service" in unit["SystemCallFilter"]
        assert len(unit["LoadCredential"]) == 2
        assert not [line for line in unit.get("Environment", []) if "PASSWORD" in line.upper()]


class TestContainers:
    def test_compose_opens_only_loopback_and_names_no_secret(self) -> None:
        text = (DEPLOY / "compose.yaml").read_text()
        services = yaml.safe_load(text)["services"]
        assert set(services) == {"idp_mfa", "store"}
        assert services["idp_mfa"]["ports"] == ["127.0.0.1:8000:8000"]
        assert "ports" not in services["store"]
        assert services["store"]["networks"] == ["inside"]
        assert "noeviction" in services["store"]["command"]
        for service in services.values():
            assert service["cap_drop"] == ["ALL"]
            assert service["read_only"] is True
            assert "environment" not in service

    def test_the_image_does_not_run_as_root(self) -> None:
        lines = (DEPLOY / "Dockerfile").read_text().splitlines()
        words = [line.split() for line in lines if line and not line.startswith(("#", " "))]
        assert {instruction for instruction, *_ in words} <= {
            *("FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "EXPOSE"),
            *("HEALTHCHECK", "ENTRYPOINT", "CMD"),
        }
        assert [arguments for instruction, *arguments in words if instruction == "USER"] == [
            ["idp_mfa"]
        ]
        assert json.loads(" ".join(words[-1][1:])) == ["serve"]
