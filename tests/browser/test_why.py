"""Chromium reads why it is asked or refused, how it is seen, and gets on by what it reads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.walk import Walk
from tests.servers.chromium import DESKTOP, LANGUAGES, PHONE, chromium
from tests.servers.demo import Demo, demo
from tests.servers.shibboleth import REFEDS_MFA
from tests.simulators.phone import Phone

CAMPUS, CAMPUS_6, VPN, OUTSIDE = "192.0.2.10", "2001:db8:1::10", "198.51.100.10", "203.0.113.10"
UNREADABLE = "_hidden"
LANGUAGE = pytest.mark.parametrize("language", ["ja", "en"])
SCREEN = pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])


@pytest.fixture(scope="module")
def started() -> Iterator[Demo]:
    """One demo for all; it believes the header by which a proxy names the address."""
    with demo() as running:
        yield running


@pytest.fixture(scope="module")
def any_browser() -> Iterator[Browser]:
    """A Chromium that knows loopback alone."""
    with chromium() as program:
        yield program


@contextlib.contextmanager
def visitor(
    browser: Browser, language: str, address: str, screen: dict[str, Any] = DESKTOP
) -> Iterator[Walk]:
    """A fresh profile at an address."""
    profile = browser.new_context(
        locale=LANGUAGES[language], extra_http_headers={"X-Forwarded-For": address}, **screen
    )
    try:
        yield Walk(profile.new_page())
    finally:
        profile.close()


def words(page: Page) -> str:
    return " ".join(page.locator("main").inner_text().split())


def fits(page: Page) -> bool:
    return bool(
        page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    )


NETWORK = {
    CAMPUS: ("campus", "nothing", "学内ネットワーク", "Campus network"),
    CAMPUS_6: ("campus", "nothing", "学内ネットワーク", "Campus network"),
    VPN: ("vpn", "nothing", "VPN", "VPN"),
    OUTSIDE: ("outside", "factor", "学外ネットワーク", "Outside the campus network"),
    UNREADABLE: ("unknown", "factor", "確認できません", "We could not tell"),
}
ASKED = {
    "nothing": ("コードの入力は求められません", "no code is asked at sign-in"),
    "factor": ("コードの入力が必要です", "a code is asked at sign-in"),
}


@LANGUAGE
@SCREEN
@pytest.mark.parametrize("address", NETWORK)
def test_anybody_sees_how_they_are_seen(
    started: Demo, any_browser: Browser, language: str, screen: dict[str, Any], address: str
) -> None:
    place, asked, *names = NETWORK[address]
    with visitor(any_browser, language, address, screen) as walk:
        page = walk.page
        page.goto(f"{started.idp}/network")
        walk.expect("network")
        assert page.context.cookies() == []
        assert page.locator("[data-place]").get_attribute("data-place") == place
        read = words(page)
        in_language = ("ja", "en").index(language)
        assert names[in_language] in read
        assert ASKED[asked][in_language] in read
        assert ("." in address or ":" in address) == (address in read)
        told_how = {"ja": "学内の無線LANまたは有線LAN", "en": "Connect to the campus Wi-Fi"}
        assert (told_how[language] in read) == (place == "outside")
        assert page.locator("[data-reference]").count() == 1
        assert "127.0.0.1" not in read
        assert fits(page)


WHY = {
    (OUTSIDE, ""): (
        f"学外ネットワーク（{OUTSIDE}）からのアクセスのため、確認が必要です。",
        f"You are connecting from outside the campus network ({OUTSIDE}), so we need to check",
    ),
    (UNREADABLE, ""): (
        "接続元を確認できなかったため、確認が必要です。",
        "We could not tell where you are connecting from, so we need to check it is you.",
    ),
    (CAMPUS, "mfa"): (
        "デモサービス は、学内からでも二要素認証を求めています。 "
        f"接続元：学内ネットワーク（{CAMPUS}）",
        "Demo service asks for two-factor sign-in even on campus. "
        f"You are connecting from the campus network ({CAMPUS}).",
    ),
    (VPN, "mfa"): (
        f"デモサービス は、学内からでも二要素認証を求めています。 接続元：VPN（{VPN}）",
        "Demo service asks for two-factor sign-in even on campus. "
        f"You are connecting from the VPN ({VPN}).",
    ),
}


@LANGUAGE
@SCREEN
@pytest.mark.parametrize(("address", "wish"), WHY)
def test_the_yellow_page_says_why_and_loses_nothing_while_one_looks_how_one_is_seen(
    started: Demo,
    any_browser: Browser,
    language: str,
    screen: dict[str, Any],
    address: str,
    wish: str,
) -> None:
    with visitor(any_browser, language, address, screen) as walk:
        page = walk.page
        page.goto(started.service)
        page.click(f"button[name=wish][value='{wish}']")
        walk.give_password(started.people["dave"])
        walk.expect("signin.challenge")
        assert WHY[address, wish][("ja", "en").index(language)] in words(page)
        assert page.locator("[data-reference]").inner_text() != ""
        assert fits(page)
        page.click("a[href='/network']")
        walk.expect("network")
        page.go_back()
        walk.expect("signin.challenge")
        assert page.locator("input[name=code]").is_editable()


@LANGUAGE
def test_a_page_of_ours_that_asks_for_the_place_says_where_it_would_not(
    started: Demo, any_browser: Browser, language: str
) -> None:
    with visitor(any_browser, language, OUTSIDE, PHONE) as walk:
        page = walk.page
        page.goto(started.idp)
        page.click("button.main")
        walk.give_password(started.people["dave"])
        walk.expect("signin.challenge")
        how = {"ja": "大学のVPNに接続してください。", "en": "Connect to the university's VPN."}
        page.locator("details", has_text=how[language]).locator("summary").click()
        assert page.get_by_text(how[language]).is_visible()
        assert fits(page)


@LANGUAGE
@SCREEN
def test_a_settings_page_out_of_its_zone_says_how_to_reach_the_zone(
    started: Demo, any_browser: Browser, language: str, screen: dict[str, Any]
) -> None:
    how = {"ja": "学内の無線LANまたは有線LANに接続", "en": "Connect to the campus Wi-Fi"}
    other = {"ja": "大学のVPNに接続", "en": "Connect to the university's VPN"}
    with visitor(any_browser, language, VPN, screen) as walk:
        page = walk.page
        page.goto(f"{started.idp}/portal/totp")
        walk.give_password(started.people["bob"])
        walk.expect("signin.refused")
        assert how[language] in words(page)
        assert other[language] not in words(page), "from the VPN it is refused as well"
        assert VPN in words(page)
        assert fits(page)
        # The same once somebody is signed in: the menu opens on the VPN, the set-up does not.
        page.goto(started.idp)
        page.click("button.main")
        walk.give_password(started.people["bob"])
        walk.expect("portal.home")
        page.goto(f"{started.idp}/portal/totp")
        walk.expect("portal.refused")
        assert how[language] in words(page)
        assert other[language] not in words(page)
        assert page.locator("[data-reference]").count() == 1
        assert fits(page)


@LANGUAGE
def test_who_has_nothing_and_is_asked_for_two_is_told_so_and_where_to_go(
    started: Demo, any_browser: Browser, language: str
) -> None:
    told = {
        "ja": "デモサービス は学内からでも二要素認証を求めていますが、利用できる認証方法が",
        "en": "Demo service asks for two-factor sign-in even on campus, and you have not set up",
    }
    how = {"ja": "学内の無線LANまたは有線LANに接続", "en": "Connect to the campus Wi-Fi"}
    with visitor(any_browser, language, VPN, PHONE) as walk:
        page = walk.page
        page.goto(started.service)
        page.click("button[name=wish][value=mfa]")
        walk.give_password(started.people["bob"])
        walk.expect("signin.refused")
        assert told[language] in words(page)
        assert how[language] in words(page)
        assert page.locator("a[href='/portal/totp']").count() == 0
        assert fits(page)


def test_who_has_nothing_sets_it_up_from_there_and_gets_in(
    started: Demo, any_browser: Browser
) -> None:
    bob = started.people["bob"]
    with visitor(any_browser, "en", CAMPUS) as walk:
        page = walk.page
        page.goto(started.service)
        page.click("button[name=wish][value=mfa]")
        walk.give_password(bob)
        walk.expect("signin.refused")
        page.click("form[action$='/set-up'] button")
        walk.expect("portal.mail")
        page.get_by_role("button", name="Go on without an address").click()
        walk.expect("portal.totp.setup")
        bob.phone = Phone(page.locator("[data-totp-key]").get_attribute("data-totp-key") or "")
        page.fill("input[name=code]", bob.phone.code())
        page.press("input[name=code]", "Enter")
        walk.expect("portal.totp.done")
        page.click("a.main")
        walk.expect("demo.service")
        assert page.locator("[data-authn-class]").get_attribute("data-authn-class") == REFEDS_MFA
