"""Leaving for sure, and clocks compared, in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route

from tests.browser.walk import Walk
from tests.servers.chromium import DESKTOP, PHONE, Visitor, chromium, visit
from tests.servers.demo import Demo, demo


@pytest.fixture(scope="module")
def started() -> Iterator[Demo]:
    """One demo for all walks."""
    with demo() as running:
        yield running


@pytest.fixture(scope="module")
def program() -> Iterator[Browser]:
    """A Chromium that knows loopback alone."""
    with chromium() as running:
        yield running


def test_after_leaving_the_back_button_shows_nothing(started: Demo, program: Browser) -> None:
    person = started.people["ivan"]
    with visit(program, Visitor("ja", PHONE)) as profile:
        walk = Walk(profile.new_page()).listen(started.idp)
        page = walk.page
        page.goto(f"{started.idp}/portal/activity")
        walk.give_password(person)
        walk.give_code(person)
        walk.expect("portal.activity")
        page.click(".account form button")
        walk.expect("signin.signed-out")
        names = {cookie["name"] for cookie in profile.cookies()}
        assert not [name for name in names if name == "idp" or name.startswith("idp-tx-")]
        for _ in range(3):
            page.go_back()
            page.wait_for_load_state()
            assert person.login not in page.locator("main").inner_text(), page.url
        page.goto(f"{started.idp}/portal/activity")
        walk.expect("signin.password")
        assert walk.complaints == []


@pytest.mark.parametrize(
    ("seconds", "kind", "amount"),
    [(0, "right", None), (372, "behind", "6 min 1"), (-372, "ahead", "6 min 1")],
)
def test_the_clock_page_says_how_far_a_device_is_off(
    started: Demo, program: Browser, seconds: int, kind: str, amount: str | None
) -> None:
    def answer(route: Route) -> None:
        came = route.fetch()
        text = re.sub(
            r'data-now="(\d+)"',
            lambda found: f'data-now="{int(found[1]) + seconds * 1000}"',
            came.text(),
        )
        route.fulfill(response=came, body=text)

    with visit(program, Visitor("en", DESKTOP)) as profile:
        walk = Walk(profile.new_page()).listen(started.idp)
        walk.page.route("**/clock", answer)
        walk.page.goto(f"{started.idp}/clock")
        shown = walk.page.locator(f"[data-clock={kind}]")
        shown.wait_for()
        others = walk.page.locator("[data-clock]:visible")
        assert others.count() == 1
        assert amount is None or amount in shown.inner_text()
        assert walk.complaints == []


def test_without_a_script_both_pages_say_what_they_can(started: Demo, program: Browser) -> None:
    with visit(program, Visitor("en", PHONE, script=False)) as profile:
        page = profile.new_page()
        page.goto(f"{started.idp}/clock")
        assert page.locator("[data-clock]:visible").count() == 1
        page.goto(f"{started.idp}/help")
        page.fill("input[name=q]", "printer")
        page.press("input[name=q]", "Enter")
        assert page.locator("[data-found='0']").is_visible()
        page.goto(f"{started.idp}/help#clock")
        assert page.locator("#clock h2").is_visible()
