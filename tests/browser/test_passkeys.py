"""Chromium with its virtual authenticator: passkeys registered, used, refused and removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.passkey_device import Device, Devices
from tests.browser.walk import Walk
from tests.servers.chromium import DESKTOP, PHONE, chromium
from tests.servers.demo import Demo, demo
from tests.servers.shibboleth import REFEDS_MFA
from tests.simulators.person import Person

IPAD = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Safari/605.1.15"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
)


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


@pytest.fixture
def devices(newcomers_browser: Browser) -> Iterator[Devices]:
    with ExitStack() as stack:
        yield Devices(newcomers_browser, stack)


def register(started: Demo, device: Device, person: Person) -> None:
    walk = device.walk
    walk.page.goto(f"{started.idp}/portal/fido2/new")
    walk.give_password(person)
    walk.expect("signin.challenge")
    if walk.page.locator("body").get_attribute("data-factor") == "fido2":
        walk.page.click("a[href$='/choose']")
        walk.page.click("button[value=totp]")
        walk.page.wait_for_selector("body[data-factor=totp]")
    walk.give_code(person)
    walk.expect("portal.fido2.new")
    walk.page.click("form[data-passkey] button.main")
    walk.expect("portal.fido2.done")


def to_the_yellow_screen(started: Demo, device: Device, person: Person) -> None:
    device.walk.page.goto(started.service)
    device.walk.page.click("button.main")
    device.walk.give_password(person)


def said_class(walk: Walk) -> str | None:
    walk.expect("demo.service")
    return walk.page.locator("[data-authn-class]").get_attribute("data-authn-class")


def said(walk: Walk, name: str) -> str:
    walk.page.wait_for_selector(f"[data-said='{name}']:visible", timeout=10_000)
    return walk.page.locator(f"[data-said='{name}']").inner_text()


def test_registered_used_by_itself_and_removed(started: Demo, devices: Devices) -> None:
    alice = started.people["alice"]
    phone = devices.new({**PHONE, "user_agent": IPHONE})
    register(started, phone, alice)
    assert "iPhone (" in phone.walk.page.locator(".notice.done").inner_text()

    other = devices.new(DESKTOP)
    other.take(phone.credentials())
    to_the_yellow_screen(started, other, alice)
    assert said_class(other.walk) == REFEDS_MFA

    page = phone.walk.page
    page.goto(f"{started.idp}/portal/fido2")
    phone.walk.expect("portal.fido2")
    assert "last used" in page.locator(".keys").inner_text()
    page.click(".keys summary")
    page.click("form[action$='/remove'] button")
    phone.walk.expect("portal.fido2")
    assert page.locator(".keys").count() == 0
    page.goto(f"{started.idp}/portal/activity")
    assert page.locator("[data-event='factor.removed']").count() == 1
    late = devices.new(DESKTOP)
    late.take(phone.credentials())
    to_the_yellow_screen(started, late, alice)
    late.walk.expect("signin.challenge")
    assert late.walk.page.locator("body").get_attribute("data-factor") == "totp"


def test_without_a_name_only_with_pin_or_biometrics(started: Demo, devices: Devices) -> None:
    helen = started.people["helen"]
    home = devices.new(DESKTOP, hasResidentKey=True)
    register(started, home, helen)
    synced = home.credentials()
    quick = devices.new(DESKTOP, hasResidentKey=True)
    quick.take(synced)
    quick.walk.page.goto(started.service)
    quick.walk.page.click("button.main")
    assert said_class(quick.walk) == REFEDS_MFA

    touched = devices.new(DESKTOP, hasResidentKey=True, isUserVerified=False)
    touched.take(synced)
    touched.walk.page.goto(started.service)
    touched.walk.page.click("button.main")
    touched.walk.expect("signin.password")
    touched.walk.page.click("button[data-start]")
    said(touched.walk, "cancelled")
    touched.walk.expect("signin.password")


def test_where_none_is_registered_the_page_says_so_and_another_method_is_near(
    started: Demo, devices: Devices
) -> None:
    ivan = started.people["ivan"]
    register(started, devices.new(DESKTOP), ivan)
    strange = devices.new(PHONE)
    to_the_yellow_screen(started, strange, ivan)
    walk = strange.walk
    said(walk, "press")
    walk.page.wait_for_timeout(1_200)
    walk.page.click("button[data-start]")
    assert "no passkey of yours on this device" in said(walk, "cancelled")
    walk.page.click("a[href$='/choose']")
    walk.expect("signin.choose")
    walk.page.click("button[value=totp]")
    walk.give_code(ivan)
    assert said_class(walk) == REFEDS_MFA


def test_a_copy_is_refused_and_told(started: Demo, devices: Devices) -> None:
    olga = started.people["olga"]
    home = devices.new(DESKTOP)
    register(started, home, olga)
    first, copied = devices.new(DESKTOP), devices.new(DESKTOP)
    first.take(home.credentials(), signCount=50)
    to_the_yellow_screen(started, first, olga)
    assert said_class(first.walk) == REFEDS_MFA
    copied.take(home.credentials(), signCount=20)
    to_the_yellow_screen(started, copied, olga)
    copied.walk.page.wait_for_selector(".notice.refused:visible", timeout=10_000)
    assert "may have been copied" in copied.walk.page.locator(".notice.refused").inner_text()
    copied.walk.expect("signin.challenge")


@pytest.mark.parametrize(
    ("screen", "touch", "kind", "words"),
    [
        ({**DESKTOP, "user_agent": IPAD}, 5, {}, ("iPad", "Passkey of one device")),
        ({**DESKTOP, "user_agent": IPAD}, 0, {}, ("Mac", "Passkey of one device")),
        (
            DESKTOP,
            0,
            {"defaultBackupEligibility": True, "defaultBackupState": True},
            ("Synced passkey", "kept in your account"),
        ),
        (DESKTOP, 0, {"transport": "usb"}, ("Security key",)),
    ],
)
def test_what_it_is_is_shown(
    started: Demo,
    devices: Devices,
    screen: dict[str, Any],
    touch: int,
    kind: dict[str, Any],
    words: tuple[str, ...],
) -> None:
    dave = started.people["dave"]
    device = devices.new(screen, touch=touch, **kind)
    register(started, device, dave)
    page = device.walk.page
    page.goto(f"{started.idp}/portal/fido2")
    newest = page.locator(".keys > li").last.inner_text()
    assert all(word in newest for word in words), newest


def test_a_touch_without_pin_counts_behind_the_password(started: Demo, devices: Devices) -> None:
    olga = started.people["olga"]
    key = devices.new(DESKTOP, transport="usb", hasUserVerification=False, isUserVerified=False)
    register(started, key, olga)
    other = devices.new(DESKTOP, transport="usb", hasUserVerification=False, isUserVerified=False)
    other.take(key.credentials())
    to_the_yellow_screen(started, other, olga)
    assert said_class(other.walk) == REFEDS_MFA


def test_with_somebody_elses_passkey_there_is_a_way_on(started: Demo, devices: Devices) -> None:
    helen, ivan = started.people["helen"], started.people["ivan"]
    theirs, mine = devices.new(DESKTOP), devices.new(DESKTOP)
    register(started, theirs, helen)
    register(started, mine, ivan)
    strange = devices.new(PHONE)
    strange.take(theirs.credentials())
    to_the_yellow_screen(started, strange, ivan)
    walk = strange.walk
    said(walk, "press")
    walk.page.click("a[href$='/choose']")
    walk.expect("signin.choose")
    walk.page.click("button[value=totp]")
    walk.give_code(ivan)
    assert said_class(walk) == REFEDS_MFA


def test_a_browser_that_cannot_says_so_and_another_method_is_near(
    started: Demo, devices: Devices
) -> None:
    ivan = started.people["ivan"]
    register(started, devices.new(DESKTOP), ivan)
    inside = devices.new(PHONE)
    inside.walk.page.add_init_script("delete window.PublicKeyCredential")
    to_the_yellow_screen(started, inside, ivan)
    walk = inside.walk
    assert "cannot use passkeys" in said(walk, "impossible")
    assert walk.page.locator("button[data-start]").is_hidden()
    walk.page.click("a[href$='/choose']")
    walk.page.click("button[value=totp]")
    walk.give_code(ivan)
    assert said_class(walk) == REFEDS_MFA
