"""Chromium walks the demo, as a newcomer with no phone and no servers does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.walk import Walk
from tests.servers.chromium import DESKTOP, PHONE, Visitor, chromium, visit
from tests.servers.demo import Demo, demo
from tests.servers.shibboleth import REFEDS_MFA

PASSWORD_ONLY = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"

LOG_OUT = "form[action='/log-out'] button"


@pytest.fixture(scope="module")
def started() -> Iterator[Demo]:
    """One demo for all walks."""
    with demo() as running:
        yield running


@pytest.fixture(scope="module")
def newcomers_browser() -> Iterator[Browser]:
    """A Chromium that knows loopback alone."""
    with chromium() as program:
        yield program


def said_class(walk: Walk) -> str | None:
    """The class that the demo's service was told."""
    walk.expect("demo.service")
    return walk.page.locator("[data-authn-class]").get_attribute("data-authn-class")


@pytest.mark.parametrize(
    ("login", "language", "screen", "greeting"),
    [
        ("alice", "ja", PHONE, "ようこそ"),
        ("dave", "en", PHONE, "Hello"),
        ("helen", "ja", DESKTOP, "ようこそ"),
        ("ivan", "en", DESKTOP, "Hello"),
    ],
)
def test_off_campus_out_on_campus_asked_for_mfa_and_out(
    started: Demo,
    newcomers_browser: Browser,
    login: str,
    language: str,
    screen: dict[str, Any],
    greeting: str,
) -> None:
    person = started.people[login]
    with visit(newcomers_browser, Visitor(language, screen)) as profile:
        walk = Walk(profile.new_page())
        page = walk.page
        page.goto(started.service)
        page.click("button.main")
        walk.give_password(person)
        walk.give_code(person)
        assert said_class(walk) == REFEDS_MFA
        assert greeting in page.locator("h1").inner_text()

        page.click(LOG_OUT)
        page.wait_for_selector("[data-notice=gone]")
        page.click("button[value=campus]")
        page.click("button.main")
        walk.give_password(person)
        assert said_class(walk) == PASSWORD_ONLY

        page.click("button[value=mfa]")
        walk.give_code(person)
        assert said_class(walk) == REFEDS_MFA

        page.click(LOG_OUT)
        page.wait_for_selector("[data-notice=gone]")
        page.click("button.main")
        walk.expect("signin.password")
