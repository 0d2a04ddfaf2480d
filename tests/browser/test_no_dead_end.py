"""Whoever cannot show a factor sets one up anew on the way, and still ends at the service."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage

import pytest

from tests.browser.conftest import Campus, Walks
from tests.browser.walk import Walk
from tests.servers.chromium import LANGUAGES, Visitor
from tests.servers.shibboleth import REDIRECT, REFEDS_MFA
from tests.simulators.person import Person
from tests.simulators.phone import Phone

ON_CAMPUS, ON_VPN = "192.0.2.10", "198.51.100.10"
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
LANGUAGE = pytest.mark.parametrize("language", sorted(LANGUAGES))
_CODE = re.compile(r"^(\d{6})\r?$", re.MULTILINE)
_PASSED_ON = ("/saml/", "/Shibboleth.sso/")
"""Where a page that nobody sees posts itself on."""


@dataclass(slots=True)
class Steps:
    """What a journey costs: the pages that were seen, the fields that were typed."""

    walk: Walk
    pages: list[str] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.walk.page.on("framenavigated", lambda frame: self._came(frame.url))

    def _came(self, url: str) -> None:
        if url.startswith("https://") and not any(part in url for part in _PASSED_ON):
            self.pages.append(url)

    def type(self, name: str, text: str) -> None:
        self.typed.append(name)
        self.walk.page.fill(f"input[name={name}]", text)

    def send(self, name: str, text: str) -> None:
        self.type(name, text)
        self.walk.page.press(f"input[name={name}]", "Enter")

    def press(self, action: str) -> None:
        self.walk.page.click(f"form[action$='{action}'] button")

    def password(self, person: Person) -> None:
        self.walk.expect("signin.password")
        self.type("username", person.login)
        self.send("password", person.password)


def own_address(person: Person) -> str:
    return f"{person.login}@home.example"


def code_in(mails: Sequence[EmailMessage]) -> str:
    """The code of the newest mail that has one."""
    for mail in reversed(mails):
        part = mail.get_body(("plain",))
        found = None if part is None else _CODE.search(str(part.get_content()))
        if found:
            return found[1]
    raise AssertionError([mail["Subject"] for mail in mails])


@pytest.fixture
def owner(campus: Campus, newcomer: Person) -> Person:
    """Somebody whose phone is about to break, and who has a re-issue address."""
    newcomer.phone = campus.idp.set_up_phone(newcomer.login, own_address(newcomer))
    return newcomer


def lost(walk: Walk) -> None:
    """Press "I can't use this device or app" on the yellow page."""
    walk.expect("signin.challenge")
    walk.page.click("details.lost summary")
    walk.page.click("form[action$='/reissue'] button")


def new_key(walk: Walk) -> Phone:
    """Set the phone up by the key that the page shows."""
    return Phone(walk.page.locator("[data-totp-key]").get_attribute("data-totp-key") or "")


@LANGUAGE
def test_with_a_broken_phone_to_the_service_on_one_phone_sized_screen(
    campus: Campus, walks: Walks, owner: Person, language: str
) -> None:
    walk = walks(Visitor(language, PHONE))
    steps = Steps(walk)
    walk.page.goto(campus.service.login(REDIRECT))
    steps.password(owner)
    lost(walk)
    walk.expect("portal.reissue.2")
    steps.press("/send")
    walk.page.wait_for_selector("input[name=code]")
    steps.send("code", code_in(campus.post.to(own_address(owner), 2)))
    walk.expect("portal.reissue.3")
    steps.press("/key")
    walk.expect("portal.reissue.4")
    assert fits(walk)
    owner.phone = new_key(walk)
    steps.send("code", owner.phone.code())
    walk.page.click("a.main")
    assert walk.arrived()["eppn"] == owner.principal_name
    assert len(steps.pages) <= 8, steps.pages
    assert len(steps.typed) <= 4, steps.typed


def fits(walk: Walk) -> bool:
    return bool(
        walk.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    )


def test_the_old_code_and_the_mailed_one_let_nobody_in(
    campus: Campus, walks: Walks, owner: Person
) -> None:
    walk = walks(Visitor("en", PHONE))
    old = owner.phone
    assert old is not None
    walk.page.goto(campus.service.login(REDIRECT))
    walk.give_password(owner)
    lost(walk)
    walk.page.click("form[action$='/send'] button")
    walk.page.wait_for_selector("input[name=code]")
    mailed = code_in(campus.post.to(own_address(owner), 2))
    walk.page.go_back()
    walk.page.goto(waiting(walk))
    for code in (mailed, old.at(1)):
        walk.expect("signin.challenge")
        walk.page.fill("input[name=code]", code)
        walk.page.press("input[name=code]", "Enter")
        walk.page.wait_for_selector("[aria-invalid=true]")
    # Nothing was re-issued: the old phone is the right one still.
    walk.give_code(owner)
    assert walk.arrived()["eppn"] == owner.principal_name


def waiting(walk: Walk) -> str:
    """The way back to the sign-in that the page offers."""
    link = walk.page.locator("a[href^='/signin/']").first
    return walk.page.evaluate("link => link.href", link.element_handle())


# -- set up first --------------------------------------------------------------------------------


def set_up_first(walk: Walk) -> None:
    """From the page that says what is missing to the one that shows a key."""
    walk.expect("signin.refused")
    walk.page.click("form[action$='/set-up'] button")
    walk.expect("portal.mail")
    walk.page.click("form[action='/portal/totp/begin'] button")
    walk.expect("portal.totp.setup")


def demanded(campus: Campus) -> str:
    return campus.service.login(REDIRECT, authnContextClassRef=REFEDS_MFA)


@LANGUAGE
def test_who_has_nothing_sets_it_up_on_the_way_and_types_the_password_once(
    campus: Campus, walks: Walks, newcomer: Person, language: str
) -> None:
    walk = walks(Visitor(language, PHONE, address=ON_CAMPUS))
    steps = Steps(walk)
    walk.page.goto(demanded(campus))
    steps.password(newcomer)
    set_up_first(walk)
    newcomer.phone = new_key(walk)
    steps.send("code", newcomer.phone.code())
    walk.expect("portal.totp.done")
    walk.page.click("a.main")
    came = walk.arrived()
    assert came["eppn"] == newcomer.principal_name
    assert came["Shib-AuthnContext-Class"] == REFEDS_MFA
    assert steps.typed == ["username", "password", "code"]


def test_whoever_loses_the_last_page_finds_the_sign_in_all_the_same(
    campus: Campus, walks: Walks, newcomer: Person
) -> None:
    walk = walks(Visitor(address=ON_CAMPUS))
    walk.page.goto(demanded(campus))
    walk.give_password(newcomer)
    sign_in = walk.page.url
    other = Walk(walk.page.context.new_page())
    other.page.goto(demanded(campus))
    other.give_password(newcomer)
    other.expect("signin.refused")
    set_up_first(walk)
    newcomer.phone = new_key(walk)
    walk.page.fill("input[name=code]", newcomer.phone.code())
    walk.page.press("input[name=code]", "Enter")
    walk.expect("portal.totp.done")
    walk.page.close()
    # The other tab was asked for the same, and one set-up is enough for both.
    other.page.reload()
    assert other.arrived()["eppn"] == newcomer.principal_name
    other.page.goto(sign_in)
    assert other.arrived()["eppn"] == newcomer.principal_name


def test_a_password_alone_is_led_to_no_set_up_from_the_vpn_or_outside(
    campus: Campus, walks: Walks, newcomer: Person
) -> None:
    for address in (ON_VPN, None):
        walk = walks(Visitor(address=address))
        walk.page.goto(demanded(campus))
        walk.give_password(newcomer)
        walk.expect("signin.refused")
        assert walk.page.locator("form[action$='/set-up']").count() == 0
        walk.page.goto(f"{walk.page.url}/set-up")
        walk.expect("signin.refused")
        walk.page.goto(f"{campus.idp.origin}/portal/totp")
        walk.give_password(newcomer)
        walk.expect("signin.refused")
