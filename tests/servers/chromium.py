"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from tests.servers.certificates import KeyPair
from tests.servers.nginx import ADDRESS_HEADER

EXECUTABLE = Path("/usr/bin/chromium")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_DRIVERS: list[Playwright] = []
"""The one that runs, and once more for each browser that uses it."""

PHONE = {"viewport": {"width": 320, "height": 640}, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
LANGUAGES = {"ja": "ja-JP", "en": "en-GB"}


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sits before the browser: language, screen, script, and the address they come from."""

    language: str = "en"
    screen: dict[str, Any] = field(default_factory=lambda: DESKTOP)
    script: bool = True
    address: str | None = None


@contextlib.contextmanager
def chromium(
    hosts: Sequence[str] = (), *, trusted: KeyPair | None = None, port: int | None = None
) -> Iterator[Browser]:
    """A browser for which ``hosts`` are this machine and every other name does not exist.

    ``trusted`` is the one server certificate that it takes without a known authority; ``port`` is
    where the hosts are reached, if their addresses name none.
    """
    here = "127.0.0.1" if port is None else f"127.0.0.1:{port}"
    rules = ", ".join((*(f"MAP {host} {here}" for host in hosts), *_NOWHERE))
    flags = [*_QUIET, f"--host-resolver-rules={rules}"]
    if trusted is not None:
        flags.append(f"--ignore-certificate-errors-spki-list={_pin(trusted)}")
    with _driver() as playwright:
        browser = playwright.chromium.launch(executable_path=str(EXECUTABLE), args=flags)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def _driver() -> Iterator[Playwright]:
    """One driver for all browsers of a process: a second one does not start beside the first."""
    if not _DRIVERS:
        _DRIVERS.append(sync_playwright().start())
    _DRIVERS.append(_DRIVERS[0])
    try:
        yield _DRIVERS[0]
    finally:
        _DRIVERS.pop()
        if len(_DRIVERS) == 1:
            _DRIVERS.pop().stop()


@contextlib.contextmanager
def visit(browser: Browser, visitor: Visitor) -> Iterator[BrowserContext]:
    """A fresh profile for one visitor."""
    context = browser.new_context(
        locale=LANGUAGES[visitor.language],
        java_script_enabled=visitor.script,
        extra_http_headers={ADDRESS_HEADER: visitor.address} if visitor.address else {},
        **visitor.screen,
    )
    try:
        yield context
    finally:
        context.close()


_NOWHERE = ("MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1", "EXCLUDE localhost")


def _pin(pair: KeyPair) -> str:
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode()
