"""A browser profile with a virtual authenticator of its own."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, CDPSession

from tests.browser.walk import Walk
from tests.servers.chromium import PHONE, Visitor, visit

PLATFORM = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": False}
VERIFIES = {"hasUserVerification": True, "isUserVerified": True}
AT_ONCE = {"automaticPresenceSimulation": True}


@dataclass
class Device:
    """A browser profile with an authenticator of its own."""

    walk: Walk
    cdp: CDPSession
    id: str

    def credentials(self) -> list[dict[str, Any]]:
        found = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        kept: list[dict[str, Any]] = found["credentials"]
        return kept

    def take(self, credentials: list[dict[str, Any]], **lies: Any) -> None:
        for one in credentials:
            told = {"authenticatorId": self.id, "credential": {**one, **lies}}
            self.cdp.send("WebAuthn.addCredential", told)

    def touched(self, *, by_itself: bool) -> None:
        """Whether its owner confirms whatever is asked, or does not answer."""
        told = {"authenticatorId": self.id, "enabled": by_itself}
        self.cdp.send("WebAuthn.setAutomaticPresenceSimulation", told)


class Devices:
    """Hands out profiles; ``kind`` is what the protocol says of a virtual authenticator."""

    def __init__(self, browser: Browser, stack: ExitStack) -> None:
        self._browser = browser
        self._stack = stack

    def new(
        self, screen: dict[str, Any] = PHONE, *, language: str = "en", touch: int = 0, **kind: Any
    ) -> Device:
        visitor = Visitor(language, screen)
        page = self._stack.enter_context(visit(self._browser, visitor)).new_page()
        if touch:
            value = f"{{ get: () => {touch} }}"
            page.add_init_script(
                f"Object.defineProperty(Navigator.prototype, 'maxTouchPoints', {value})"
            )
        cdp = page.context.new_cdp_session(page)
        cdp.send("WebAuthn.enable")
        options = {**PLATFORM, **VERIFIES, **AT_ONCE, **kind}
        made = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return Device(Walk(page), cdp, made["authenticatorId"])
