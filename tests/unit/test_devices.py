"""Known browsers: made for one person, forgettable, never a factor."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from idp_mfa.devices import Devices
from idp_mfa.model import UserId
from idp_mfa.store.memory import MemoryStore

ALICE, BOB = UserId("id-alice"), UserId("id-bob")
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def devices() -> Devices:
    return Devices(MemoryStore(lambda: NOW), os.urandom, b"k" * 32)


def test_a_browser_is_known_to_its_owner_alone(devices: Devices) -> None:
    cookie = devices.remember(ALICE, None)
    assert devices.known(ALICE, cookie) is not None
    assert devices.known(BOB, cookie) is None
    assert devices.known(ALICE, None) is None


@pytest.mark.parametrize("forged", ["", ".", "~", "a.b", "x" * 5000, "é.é", "~~~~"])
def test_what_we_did_not_make_is_unknown(devices: Devices, forged: str) -> None:
    devices.remember(ALICE, None)
    assert devices.known(ALICE, forged) is None


def test_a_cut_or_changed_cookie_is_unknown(devices: Devices) -> None:
    cookie = devices.remember(ALICE, None)
    device, _, mac = cookie.partition(".")
    for forged in (cookie[:-1], f"{device}x.{mac}", f"{device}.{mac[::-1]}", device):
        assert devices.known(ALICE, forged) is None


def test_the_oldest_of_too_many_is_forgotten(devices: Devices) -> None:
    cookies = [devices.remember(ALICE, None) for _ in range(6)]
    known = [devices.known(ALICE, cookie) is not None for cookie in cookies]
    assert known == [False, True, True, True, True, True]


def test_people_who_share_a_browser_do_not_lose_it_to_each_other(devices: Devices) -> None:
    cookie = devices.remember(BOB, devices.remember(ALICE, None))
    assert devices.known(ALICE, cookie) is not None
    assert devices.known(BOB, cookie) is not None
    again = devices.remember(ALICE, cookie)
    assert again.count("~") == 1, "one part a person"


def test_all_can_be_forgotten(devices: Devices) -> None:
    cookie = devices.remember(ALICE, None)
    devices.forget_all(ALICE)
    assert devices.known(ALICE, cookie) is None


def test_another_sites_key_makes_another_cookie(devices: Devices) -> None:
    other = Devices(devices.store, os.urandom, b"o" * 32)
    assert other.known(ALICE, devices.remember(ALICE, None)) is None
