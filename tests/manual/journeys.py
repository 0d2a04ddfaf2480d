"""The journeys of the manual, walked in Chromium; each page of interest becomes a picture."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.walk import Walk
from tests.manual.stand import SERVICE, Stand
from tests.servers.chromium import Visitor, visit
from tests.simulators.person import Person
from tests.simulators.phone import Phone

ON_CAMPUS = "192.0.2.10"
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1000, "height": 760}}
TALLEST = 1180
"""CSS pixels of a page that a picture shows; what stands below is not what it is about."""
_SECRETS = ".key, .qr, .codes code"
_AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@dataclass(frozen=True, slots=True)
class Pictures:
    """Puts pictures of pages into a folder; none of them shows a key or a code on paper."""

    folder: Path

    def take(self, name: str, page: Page) -> None:
        page.evaluate(
            """secrets => { document.activeElement?.blur(); scrollTo(0, 0);
                for (const one of document.querySelectorAll(secrets))
                    one.style.filter = 'blur(5px)'; }""",
            _SECRETS,
        )
        size = page.evaluate("[document.documentElement.clientWidth, document.body.scrollHeight]")
        page.screenshot(
            path=self.folder / f"{name}.png",
            full_page=True,
            animations="disabled",
            scale="css" if size[0] > PHONE["viewport"]["width"] else "device",
            clip={"x": 0, "y": 0, "width": size[0], "height": min(size[1], TALLEST)},
        )


@dataclass(slots=True)
class Journeys:
    """One newcomer's way through everything, in one language."""

    place: Stand
    language: str
    person: Person
    pictures: Pictures

    def walk_all(self) -> None:
        """From the first set-up to the last method; later journeys use what earlier ones set up."""
        self.menu()
        self.first_set_up()
        self.sign_in_and_re_issue()
        self.more_methods()
        self.other_methods()

    def menu(self) -> None:
        """What somebody sees who is not signed in."""
        with self._tab(DESKTOP) as walk:
            walk.page.goto(self.place.idp.origin)
            walk.expect("portal.home")
            self.pictures.take("menu", walk.page)

    def first_set_up(self) -> None:
        """On campus: an address, a key, a code."""
        address = f"{self.person.login}@home.example"
        with self._tab(PHONE, ON_CAMPUS) as walk:
            page = walk.page
            page.goto(f"{self.place.idp.origin}/portal/totp")
            walk.give_password(self.person)
            walk.expect("portal.mail")
            page.fill("input[name=address]", address)
            self.pictures.take("address", page)
            before = self.place.outbox.mails()
            page.click("form.question button")
            page.wait_for_selector("input[name=code]")
            self.pictures.take("address-code", page)
            _send(page, self.place.outbox.code_since(before))
            walk.expect("portal.totp.begin")
            page.click("form.question button")
            walk.expect("portal.totp.setup")
            self.pictures.take("key", page)
            self.person.phone = _shown(page)
            _send(page, self.person.phone.code())
            walk.expect("portal.totp.done")
            self.pictures.take("set-up-done", page)

    def sign_in_and_re_issue(self) -> None:
        """Off campus, a wrong code, and then the phone is gone."""
        with self._tab(PHONE) as walk:
            page = walk.page
            self._ask(page)
            walk.expect("signin.password")
            self.pictures.take("password", page)
            walk.give_password(self.person)
            walk.expect("signin.challenge")
            self.pictures.take("yellow", page)
            assert self.person.phone is not None
            _send(page, self.person.phone.at(1))
            page.wait_for_selector("[aria-invalid=true]")
            self.pictures.take("wrong-code", page)
            page.click("form[action$='/reissue'] button")
            walk.expect("portal.reissue.2")
            self.pictures.take("re-issue-ask", page)
            before = self.place.outbox.mails()
            page.click("form[action$='/send'] button")
            page.wait_for_selector("input[name=code]")
            self.pictures.take("re-issue-code", page)
            _send(page, self.place.outbox.code_since(before))
            walk.expect("portal.reissue.3")
            self.pictures.take("re-issue-confirm", page)
            page.click("form[action$='/key'] button")
            walk.expect("portal.reissue.4")
            self.pictures.take("re-issue-key", page)
            self.person.phone = _shown(page)

    def more_methods(self) -> None:
        """Recovery codes, a passkey and the image matrix, and what was done lately."""
        with self._tab(PHONE) as walk:
            page = walk.page
            devices = page.context.new_cdp_session(page)
            devices.send("WebAuthn.enable")
            devices.send("WebAuthn.addVirtualAuthenticator", {"options": _AUTHENTICATOR})
            page.goto(f"{self.place.idp.origin}/portal/codes")
            walk.give_password(self.person)
            walk.give_code(self.person)
            walk.expect("portal.codes")
            page.click("form.question button")
            page.wait_for_selector(".codes")
            codes = page.locator(".codes code").all_inner_texts()
            self.pictures.take("recovery-codes", page)
            _send(page, codes[0])
            page.wait_for_selector(".notice.done")
            page.goto(f"{self.place.idp.origin}/portal/fido2/new")
            walk.expect("portal.fido2.new")
            self.pictures.take("passkey-new", page)
            page.click("form[data-passkey] button.main")
            walk.expect("portal.fido2.done")
            self.pictures.take("passkey-done", page)
            page.goto(f"{self.place.idp.origin}/portal/matrix")
            walk.expect("portal.matrix.begin")
            page.click("form.question button")
            walk.expect("portal.matrix.pattern")
            self.pictures.take("matrix-pattern", page)
            pattern = [
                one.get_attribute("data-picture") for one in page.locator(".pattern li").all()
            ]
            page.click("form.question button")
            for again in (False, True):
                page.wait_for_selector(".stepper" if not again else ".notice.done")
                board = page.locator(".board li").all()
                figures = {
                    one.get_attribute("data-picture"): one.get_attribute("data-digit") or ""
                    for one in board
                }
                if not again:
                    self.pictures.take("matrix-practice", page)
                _send(page, "".join(figures[one] for one in pattern))
            walk.expect("portal.matrix.done")
            page.goto(f"{self.place.idp.origin}/portal/activity")
            walk.expect("portal.activity")
            self.pictures.take("sign-ins", page)

    def other_methods(self) -> None:
        """The yellow page, and everything else that it offers."""
        with self._tab(PHONE) as walk:
            page = walk.page
            self._ask(page)
            walk.give_password(self.person)
            for name, picture in (
                ("image_matrix", "yellow-matrix"),
                ("recovery_code", "yellow-recovery-code"),
                ("fido2", "yellow-passkey"),
            ):
                walk.expect("signin.challenge")
                page.click("a[href$='/choose']")
                walk.expect("signin.choose")
                if name == "image_matrix":
                    self.pictures.take("choose", page)
                page.click(f"button[value={name}]")
                page.wait_for_selector(f"body[data-factor={name}]")
                if name == "fido2":
                    page.wait_for_selector("[data-start]:visible")
                self.pictures.take(picture, page)

    @contextmanager
    def _tab(self, screen: dict[str, object], address: str | None = None) -> Iterator[Walk]:
        sharp = {**screen, "device_scale_factor": 2}
        with visit(self.place.browser, Visitor(self.language, sharp, address=address)) as context:
            yield Walk(context.new_page())

    def _ask(self, page: Page) -> None:
        """Come from a service."""
        sso = f"{self.place.idp.origin}/saml/sso"
        request = SERVICE.authn_request(datetime.now(UTC), id=f"_{time.time_ns()}", destination=sso)
        page.goto(f"{sso}?{SERVICE.query(request).decode()}")


def _send(page: Page, text: str) -> None:
    page.fill("input[name=code]", text)
    with page.expect_navigation():
        page.press("input[name=code]", "Enter")


def _shown(page: Page) -> Phone:
    return Phone(page.locator("[data-totp-key]").get_attribute("data-totp-key") or "")
