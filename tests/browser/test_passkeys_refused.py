"""Chromium's passkeys where nothing comes of them: nobody answers, or the account was closed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import Campus
from tests.browser.passkey_device import Device, Devices
from tests.servers.chromium import DESKTOP, PHONE
from tests.servers.shibboleth import REDIRECT
from tests.servers.slapd import PEOPLE
from tests.simulators.person import Person

IN_A_HURRY = """
    const parse = JSON.parse;
    JSON.parse = (text) => {
        const read = parse(text);
        return read.timeout === 300000 ? { ...read, timeout: 4000 } : read;
    };
"""
"""A prompt of four seconds instead of five minutes; it is the browser that ends it."""
LANGUAGE = pytest.mark.parametrize("language", ["ja", "en"])
TOO_LONG = {"ja": "時間切れ", "en": "It took too long."}
NOT_CONFIRMED = {"ja": "パスキーを確認できませんでした", "en": "The passkey was not accepted"}


@pytest.fixture
def devices(browser: Browser) -> Iterator[Devices]:
    with ExitStack() as stack:
        yield Devices(browser, stack)


def register(campus: Campus, device: Device, person: Person) -> None:
    """A first passkey, by somebody who has a phone already."""
    walk = device.walk
    walk.page.goto(f"{campus.idp.origin}/portal/fido2/new")
    walk.give_password(person)
    walk.give_code(person)
    walk.expect("portal.fido2.new")
    walk.page.click("form[data-passkey] button.main")
    walk.expect("portal.fido2.done")


@LANGUAGE
def test_a_prompt_that_nobody_answers_says_so_and_can_be_tried_again(
    campus: Campus, devices: Devices, person: Person, language: str
) -> None:
    home = devices.new(DESKTOP, language=language)
    register(campus, home, person)
    slow = devices.new(PHONE, language=language, automaticPresenceSimulation=False)
    slow.take(home.credentials())
    walk = slow.walk
    walk.page.add_init_script(IN_A_HURRY)
    walk.page.goto(campus.service.login(REDIRECT))
    walk.give_password(person)
    walk.expect("signin.challenge")
    told = walk.page.locator("[data-said='timed-out']")
    told.wait_for(state="visible", timeout=15_000)
    assert TOO_LONG[language] in told.inner_text()
    slow.touched(by_itself=True)
    walk.page.click("button[data-start]")
    assert walk.arrived()["eppn"] == person.principal_name


@LANGUAGE
def test_a_closed_account_gets_nowhere_without_a_name_either(
    campus: Campus, devices: Devices, person: Person, language: str
) -> None:
    """Nor is told more than whoever holds no passkey of anybody: the password's road says it."""
    home = devices.new(DESKTOP, hasResidentKey=True, language=language)
    register(campus, home, person)
    quick = devices.new(DESKTOP, hasResidentKey=True, language=language)
    quick.take(home.credentials())
    entry = f"uid={person.login},{PEOPLE}"
    campus.directory.put(entry, "pwdAccountLockedTime", "000001010000Z")
    quick.walk.page.goto(campus.service.login(REDIRECT))
    told = quick.walk.page.get_by_text(NOT_CONFIRMED[language])
    told.wait_for(state="visible", timeout=15_000)
    quick.touched(by_itself=False)
    quick.walk.expect("signin.password")
    quick.walk.page.goto(f"{campus.idp.origin}/portal/activity")
    quick.walk.expect("signin.password")
