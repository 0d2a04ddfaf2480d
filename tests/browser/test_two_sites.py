"""Chromium signs in at a service of another site, over TLS, so that SameSite bites."""

from __future__ import annotations

import pytest

from tests.browser.conftest import IDP_HOST, SERVICE_HOST, Campus, Walks
from tests.browser.walk import Walk
from tests.servers.chromium import DESKTOP, PHONE, Visitor
from tests.servers.shibboleth import POST, REDIRECT
from tests.simulators.person import Person
from tests.simulators.phone import Phone

ON_CAMPUS = "192.0.2.10"
LANGUAGE = pytest.mark.parametrize("language", ["ja", "en"])
SCREEN = pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
BINDING = pytest.mark.parametrize("binding", [REDIRECT, POST], ids=["redirect", "post"])
YELLOW = {"ja": "ワンタイムパスワードを入力してください", "en": "Enter your one-time code"}


@LANGUAGE
@SCREEN
@BINDING
def test_the_whole_way_in_each_language_on_each_screen(
    campus: Campus,
    walks: Walks,
    person: Person,
    language: str,
    screen: dict[str, object],
    binding: str,
) -> None:
    walk = walks(Visitor(language, screen))
    walk.page.goto(campus.service.login(binding))
    walk.give_password(person)
    walk.expect("signin.challenge")
    assert walk.page.locator("h1").inner_text() == YELLOW[language]
    assert walk.page.locator("html").get_attribute("lang") == language
    assert _scrolls_sideways(walk) is False
    walk.give_code(person)
    assert walk.arrived()["eppn"] == person.principal_name


def _scrolls_sideways(walk: Walk) -> bool:
    return bool(
        walk.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
    )


@BINDING
def test_the_session_is_known_when_another_site_sends_the_browser_again(
    campus: Campus, walks: Walks, person: Person, binding: str
) -> None:
    walk = walks(Visitor(address=ON_CAMPUS))
    walk.page.goto(campus.service.login(binding))
    walk.give_password(person)
    first = walk.arrived()
    walk.page.context.clear_cookies(domain=SERVICE_HOST)
    walk.go(campus.service.login(binding, target=campus.service.secure))
    second = walk.arrived()
    assert second["Shib-Session-ID"] != first["Shib-Session-ID"]
    assert second["Shib-Authentication-Instant"] == first["Shib-Authentication-Instant"]


def test_our_cookies_are_bound_to_our_host_and_kept_from_scripts_and_other_sites(
    campus: Campus, walks: Walks, person: Person
) -> None:
    walk = walks(Visitor(address=ON_CAMPUS))
    walk.page.goto(campus.service.secure)
    walk.give_password(person)
    walk.arrived()
    cookies = [each for each in walk.page.context.cookies() if each["domain"] == IDP_HOST]
    assert any(cookie["name"] == "__Host-idp" for cookie in cookies)
    for cookie in cookies:
        assert cookie["name"].startswith("__Host-"), cookie["name"]
        assert cookie["secure"], cookie["name"]
        assert cookie["httpOnly"], cookie["name"]
        assert cookie["sameSite"] == "Lax", cookie["name"]


def test_without_javascript_two_more_buttons_and_it_works(
    campus: Campus, walks: Walks, person: Person
) -> None:
    walk = walks(Visitor(script=False))
    walk.page.goto(campus.service.login(POST))
    walk.page.click("input[type=submit]")
    walk.give_password(person)
    walk.give_code(person)
    walk.expect("saml.post")
    walk.page.click("button")
    assert walk.arrived()["eppn"] == person.principal_name


@LANGUAGE
def test_with_the_keyboard_alone(
    campus: Campus, walks: Walks, person: Person, language: str
) -> None:
    walk = walks(Visitor(language))
    keyboard = walk.page.keyboard
    walk.page.goto(campus.service.secure)
    walk.expect("signin.password")
    walk.tab_to("username")
    keyboard.type(person.login)
    walk.tab_to("password")
    keyboard.type(person.password)
    keyboard.press("Enter")
    walk.expect("signin.challenge")
    walk.tab_to("code")
    keyboard.type(person.phone.code())
    keyboard.press("Enter")
    assert walk.arrived()["eppn"] == person.principal_name


def test_two_tabs_each_finish_their_own_sign_in(
    campus: Campus, walks: Walks, person: Person
) -> None:
    one = walks(Visitor())
    two = Walk(one.page.context.new_page())
    one.page.goto(campus.service.login(REDIRECT, target=campus.service.secure))
    two.page.goto(campus.service.login(POST, target=campus.service.open))
    one.give_password(person)
    two.give_password(person)
    two.give_code(person)
    assert two.arrived()["eppn"] == person.principal_name
    assert two.page.url == campus.service.open
    one.give_code(person)
    assert one.arrived()["eppn"] == person.principal_name
    assert one.page.url == campus.service.secure


def test_going_back_shows_where_one_is_and_repeats_nothing(
    campus: Campus, walks: Walks, person: Person
) -> None:
    walk = walks(Visitor())
    walk.page.goto(campus.service.secure)
    walk.give_password(person)
    walk.expect("signin.challenge")
    walk.page.go_back()
    walk.expect("signin.challenge")
    walk.give_code(person)
    walk.arrived()
    walk.page.go_back()
    walk.page.wait_for_load_state()
    walk.page.goto(campus.service.secure)
    assert walk.arrived()["eppn"] == person.principal_name


def test_a_wrong_code_is_said_and_the_next_right_one_counts(
    campus: Campus, walks: Walks, person: Person
) -> None:
    walk = walks(Visitor("ja"))
    walk.page.goto(campus.service.secure)
    walk.give_password(person)
    walk.expect("signin.challenge")
    walk.page.fill("input[name=code]", person.phone.at(1))
    walk.page.press("input[name=code]", "Enter")
    walk.page.wait_for_selector("[aria-invalid=true]")
    assert "コードが違います" in walk.page.locator("body").inner_text()
    walk.page.get_by_text("English").click()
    walk.page.wait_for_selector("html[lang=en]")
    walk.give_code(person)
    assert walk.arrived()["eppn"] == person.principal_name


def test_switching_the_language_keeps_the_sign_in(
    campus: Campus, walks: Walks, person: Person
) -> None:
    walk = walks(Visitor("en"))
    walk.page.goto(campus.service.secure)
    walk.give_password(person)
    walk.expect("signin.challenge")
    walk.page.get_by_text("日本語").click()
    walk.page.wait_for_selector("html[lang=ja]")
    assert walk.page.locator("h1").inner_text() == YELLOW["ja"]
    walk.give_code(person)
    assert walk.arrived()["eppn"] == person.principal_name


def test_logging_out_at_the_service_ends_the_session_here(
    campus: Campus, walks: Walks, person: Person
) -> None:
    walk = walks(Visitor(address=ON_CAMPUS))
    walk.page.goto(campus.service.secure)
    walk.give_password(person)
    walk.arrived()
    walk.page.goto(campus.service.logout)
    walk.page.wait_for_load_state()
    walk.page.goto(campus.service.secure)
    walk.expect("signin.password")


def test_a_newcomer_sets_up_a_phone_on_campus_and_uses_it_off_campus(
    campus: Campus, walks: Walks, newcomer: Person
) -> None:
    walk = walks(Visitor("ja", PHONE, address=ON_CAMPUS))
    walk.page.goto(f"{campus.idp.origin}/portal/totp")
    walk.give_password(newcomer)
    walk.expect("portal.mail")
    walk.page.click("form[action='/portal/totp/begin'] button")
    walk.expect("portal.totp.setup")
    key = walk.page.locator("[data-totp-key]").text_content()
    assert key
    newcomer.phone = Phone(key.strip())
    walk.page.fill("input[name=code]", newcomer.phone.code())
    walk.page.press("input[name=code]", "Enter")
    walk.expect("portal.totp.done")
    away = walks(Visitor("ja", PHONE))
    away.page.goto(campus.service.secure)
    away.give_password(newcomer)
    away.give_code(newcomer)
    assert away.arrived()["eppn"] == newcomer.principal_name
