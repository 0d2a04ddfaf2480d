"""The journeys of the manual, walked in Chromium; each page of interest becomes a picture."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
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
WIDTH = 390
PHONE = {
    "viewport": {"width": WIDTH, "height": 844},
    "is_mobile": True,
    "has_touch": True,
}
TALLEST = 1000
"""CSS pixels of a page that a picture shows; what stands below is not what it is about."""
_SECRETS = ".key, .qr, .codes code, [data-passcode]"
MARGIN = 20
"""CSS pixels round a part of a page."""
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
    """Puts pictures of pages into a folder; none of them shows a key or a code on paper.

    ``sharpness`` is in device pixels for one of CSS.
    """

    folder: Path
    sharpness: int

    def take(self, name: str, page: Page) -> None:
        """The page from its top."""
        self._prepare(page)
        width, height = page.evaluate(
            "[innerWidth, Math.ceil(document.querySelector('main').getBoundingClientRect().bottom)]"
        )
        self._shoot(name, page, {"x": 0, "y": 0, "width": width, "height": min(height, TALLEST)})

    def part(self, name: str, page: Page, first: str, last: str) -> None:
        """From one element of the page to another, by their selectors."""
        self._prepare(page)
        boxes = [page.locator(each).first.bounding_box() for each in (first, last)]
        above, below = (box for box in boxes if box is not None)
        left = min(above["x"], below["x"])
        right = max(above["x"] + above["width"], below["x"] + below["width"])
        top, bottom = above["y"] - MARGIN, below["y"] + below["height"] + MARGIN
        width = right - left + 2 * MARGIN
        clip = {"x": left - MARGIN, "y": top, "width": width, "height": bottom - top}
        self._shoot(name, page, clip)

    def _prepare(self, page: Page) -> None:
        page.evaluate(
            """secrets => { document.activeElement?.blur(); scrollTo(0, 0);
                for (const one of document.querySelectorAll(secrets))
                    one.style.filter = 'blur(5px)'; }""",
            _SECRETS,
        )

    def _shoot(self, name: str, page: Page, clip: Mapping[str, float]) -> None:
        page.screenshot(
            path=self.folder / f"{name}.png", full_page=True, animations="disabled", clip={**clip}
        )


@dataclass(slots=True)
class Journeys:
    """One newcomer's way through everything in a language; ``offered`` are the site's factors."""

    place: Stand
    language: str
    person: Person
    pictures: Pictures
    offered: Collection[str]

    def walk_all(self) -> None:
        """From the first set-up to the last method; later journeys use what earlier ones set up."""
        self.menu()
        self.first_set_up()
        self.sign_in_and_re_issue()
        self.more_methods()
        self.other_methods()

    def menu(self) -> None:
        """What somebody sees who is not signed in."""
        with self._tab() as walk:
            walk.page.goto(self.place.idp.origin)
            walk.expect("portal.home")
            self.pictures.take("menu", walk.page)

    def first_set_up(self) -> None:
        """On campus: an address, a key, a code."""
        address = f"{self.person.login}@home.example"
        with self._tab(ON_CAMPUS) as walk:
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
        with self._tab() as walk:
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
            page.click("details.lost summary")
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
        """Whatever else the site offers, and what was done lately."""
        with self._tab() as walk:
            page = walk.page
            devices = page.context.new_cdp_session(page)
            devices.send("WebAuthn.enable")
            devices.send("WebAuthn.addVirtualAuthenticator", {"options": _AUTHENTICATOR})
            page.goto(f"{self.place.idp.origin}/portal/activity")
            walk.give_password(self.person)
            walk.give_code(self.person)
            walk.expect("portal.activity")
            for factor, set_up in (
                ("recovery_code", self._recovery_codes),
                ("image_matrix", self._image_matrix),
                ("fido2", self._passkey),
            ):
                if factor in self.offered:
                    set_up(walk)
            page.goto(f"{self.place.idp.origin}/portal/activity")
            walk.expect("portal.activity")
            self.pictures.take("sign-ins", page)

    def _recovery_codes(self, walk: Walk) -> None:
        page = walk.page
        page.goto(f"{self.place.idp.origin}/portal/codes")
        walk.expect("portal.codes")
        page.click("form.question button")
        page.wait_for_selector(".codes")
        codes = page.locator(".codes code").all_inner_texts()
        self.pictures.take("recovery-codes", page)
        _send(page, codes[0])
        page.wait_for_selector(".notice.done")

    def _image_matrix(self, walk: Walk) -> None:
        page = walk.page
        page.goto(f"{self.place.idp.origin}/portal/matrix")
        walk.expect("portal.matrix.begin")
        page.click("form.question button")
        walk.expect("portal.matrix.pattern")
        self.pictures.take("matrix-pattern", page)
        pattern = [one.get_attribute("data-picture") for one in page.locator(".pattern li").all()]
        page.click("form.question button")
        walk.expect("portal.matrix.question")
        self.pictures.take("matrix-practice", page)
        for _ in range(2):
            walk.expect("portal.matrix.question")
            figures = {
                cell.get_attribute("data-picture"): cell.get_attribute("data-digit") or ""
                for cell in page.locator(".board li").all()
            }
            _send(page, "".join(figures[one] for one in pattern))
        walk.expect("portal.matrix.done")

    def _passkey(self, walk: Walk) -> None:
        page = walk.page
        page.goto(f"{self.place.idp.origin}/portal/fido2/new")
        walk.expect("portal.fido2.new")
        self.pictures.take("passkey-new", page)
        page.click("form[data-passkey] button.main")
        walk.expect("portal.fido2.done")
        self.pictures.take("passkey-done", page)

    def other_methods(self) -> None:
        """The yellow page, and everything else that it offers."""
        with self._tab() as walk:
            page = walk.page
            self._ask(page)
            walk.give_password(self.person)
            walk.expect("signin.challenge")
            choose = page.locator("a[href$='/choose']").get_attribute("href") or ""
            for factor, picture in (
                ("image_matrix", "yellow-matrix"),
                ("recovery_code", "yellow-recovery-code"),
                ("fido2", "yellow-passkey"),
            ):
                # Not by a click: while the browser asks for a passkey, it takes none.
                page.goto(f"{self.place.idp.origin}{choose}")
                walk.expect("signin.choose")
                self.pictures.take("choose", page)
                if factor in self.offered:
                    page.click(f"button[value={factor}]")
                    page.wait_for_selector(f"body[data-factor={factor}]")
                    self.pictures.take(picture, page)

    @contextmanager
    def _tab(self, address: str | None = None) -> Iterator[Walk]:
        screen = {**PHONE, "device_scale_factor": self.pictures.sharpness}
        visitor = Visitor(self.language, screen, address=address)
        with visit(self.place.browser, visitor) as context:
            yield Walk(context.new_page())

    def _ask(self, page: Page) -> None:
        from_the_service(self.place, page)


def from_the_service(place: Stand, page: Page) -> None:
    """Come from the library."""
    sso = f"{place.idp.origin}/saml/sso"
    request = SERVICE.authn_request(datetime.now(UTC), id=f"_{time.time_ns()}", destination=sso)
    page.goto(f"{sso}?{SERVICE.query(request).decode()}")


def _send(page: Page, text: str) -> None:
    page.fill("input[name=code]", text)
    with page.expect_navigation():
        page.press("input[name=code]", "Enter")


def _shown(page: Page) -> Phone:
    return Phone(page.locator("[data-totp-key]").get_attribute("data-totp-key") or "")
