"""One's own pages, one after another in a real browser, with the mail that they send."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import Campus, Walks
from tests.browser.test_no_dead_end import LANGUAGE, PHONE, code_in, fits, new_key, own_address
from tests.browser.walk import Walk
from tests.servers.chromium import Visitor
from tests.simulators.person import Person

_SECRET = re.compile(r"[A-Z2-7]{32}")


@pytest.fixture
def owner(campus: Campus, newcomer: Person) -> Person:
    """Somebody with a phone and a re-issue address."""
    newcomer.phone = campus.idp.set_up_phone(newcomer.login, own_address(newcomer))
    return newcomer


def go(walk: Walk, campus: Campus, path: str, mark: str) -> None:
    """Open a page of the portal, which fits its screen."""
    walk.page.goto(f"{campus.idp.origin}{path}")
    walk.expect(mark)
    assert fits(walk), path


def enter(walk: Walk, name: str, text: str) -> None:
    walk.page.fill(f"input[name={name}]", text)
    walk.page.press(f"input[name={name}]", "Enter")


@LANGUAGE
def test_through_every_page_with_one_code_and_one_mail(
    campus: Campus, walks: Walks, owner: Person, language: str
) -> None:
    walk = walks(Visitor(language, PHONE))
    page = walk.page
    page.goto(f"{campus.idp.origin}/portal/totp/show")
    walk.give_password(owner)
    walk.give_code(owner)
    walk.expect("portal.totp.show")
    assert owner.phone is not None
    assert new_key(walk).key == owner.phone.key
    # Two tabs: the second one changes the address while the first still shows the key.
    second = Walk(page.context.new_page())
    new = f"{owner.login}-{language}@new.example"
    go(second, campus, "/portal/mail", "portal.mail")
    enter(second, "address", new)
    second.page.wait_for_selector("input[name=code]")
    enter(second, "code", code_in(campus.post.to(new)))
    second.expect("portal.mail.done")
    page.reload()
    walk.expect("portal.totp.show")
    go(walk, campus, "/portal/codes", "portal.codes")
    page.click("form[action$='/begin'] button")
    page.wait_for_selector("ol.codes")
    codes = page.locator("ol.codes code").all_inner_texts()
    enter(walk, "code", codes[0])
    walk.expect("portal.codes.done")
    go(walk, campus, "/portal/reissue", "portal.reissue.closed")
    for path, mark in (("/portal/fido2", "portal.fido2"), ("/", "portal.home")):
        go(walk, campus, path, mark)
    go(walk, campus, "/portal/activity", "portal.activity")
    seen = {str(row.get_attribute("data-event")) for row in page.locator("[data-event]").all()}
    assert {"key.shown", "address.changed", "factor.bound"} <= seen


def test_after_signing_out_going_back_shows_nothing_of_one(
    campus: Campus, walks: Walks, owner: Person
) -> None:
    walk = walks(Visitor())
    page = walk.page
    page.goto(f"{campus.idp.origin}/portal/totp/show")
    walk.give_password(owner)
    walk.give_code(owner)
    walk.expect("portal.totp.show")
    page.goto(f"{campus.idp.origin}/sign-out")
    page.click("form[action='/sign-out']:not(:has(input[name=switch])) button.main")
    walk.expect("signin.signed-out")
    for _ in range(2):
        page.go_back()
        page.wait_for_load_state()
        assert not _SECRET.search(page.content())
        assert owner.login not in page.locator("body").inner_text()
