"""A signing key follows another: who reads our metadata daily verifies at each minute."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from idp_mfa.key_folder import KeyFolder, KeyRow, KeyState, NoRotation
from idp_mfa.keys import KeyType, PublicKey, read_certificate
from idp_mfa.saml.metadata import metadata
from tests.unit.saml_parts import IDP

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
PUBLISHED_FOR = 2 * DAY


class Ticking:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def learnt(metadata_: bytes) -> list[PublicKey]:
    """The keys that a service takes from our metadata."""
    found = etree.fromstring(metadata_).iterfind(".//{*}KeyDescriptor//{*}X509Certificate")
    keys = [read_certificate(base64.b64decode(each.text or "")) for each in found]
    return [key for key in keys if isinstance(key, PublicKey)]


def test_a_daily_reader_verifies_at_each_minute_of_the_roll_over(tmp_path: Path) -> None:
    clock = Ticking()
    ours = KeyFolder(tmp_path, clock, os.urandom)
    first = ours.create(KeyType.P_256, "idp.example")
    assert isinstance(first, KeyRow)
    begin = clock.now
    steps = {
        begin + DAY + 17 * MINUTE: lambda: ours.create(KeyType.P_256, "idp.example"),
        begin + DAY + 17 * MINUTE + PUBLISHED_FOR: lambda: ours.promote(PUBLISHED_FOR),
        begin + 5 * DAY: lambda: ours.retire(first.id),
    }
    known: list[PublicKey] = []
    signers = set()
    while clock.now < begin + 7 * DAY:
        if step := steps.get(clock.now):
            assert isinstance(step(), KeyRow)
        keys = ours.keys()
        if (clock.now - begin) % DAY == timedelta(0):
            known = learnt(metadata(IDP, keys.published))
        said = clock.now.isoformat().encode()
        signature = keys.active.sign(said)
        signers.add(keys.active.id)
        assert any(key.verify(keys.active.algorithm, signature, said) for key in known), clock.now
        clock.now += MINUTE
    assert len(signers) == 2
    assert [row.state for row in ours.rows()] == [KeyState.ACTIVE]


def test_both_keys_are_in_the_metadata_until_the_old_one_is_retired(tmp_path: Path) -> None:
    clock = Ticking()
    ours = KeyFolder(tmp_path, clock, os.urandom)
    first = ours.create(KeyType.P_256, "idp.example")
    assert isinstance(first, KeyRow)

    def published() -> int:
        clock.now += timedelta(seconds=1)
        return len(learnt(metadata(IDP, ours.keys().published)))

    assert published() == 1
    ours.create(KeyType.P_256, "idp.example")
    assert published() == 2
    assert ours.keys().active.id == first.id
    assert ours.promote(PUBLISHED_FOR) is NoRotation.NEXT_TOO_YOUNG
    clock.now += PUBLISHED_FOR
    ours.promote(PUBLISHED_FOR)
    assert published() == 2
    assert ours.keys().active.id != first.id
    ours.retire(first.id)
    assert published() == 1


@pytest.mark.parametrize("early", [MINUTE, DAY])
def test_a_key_does_not_sign_before_services_can_know_it(tmp_path: Path, early: timedelta) -> None:
    clock = Ticking()
    ours = KeyFolder(tmp_path, clock, os.urandom)
    ours.create(KeyType.P_256, "idp.example")
    ours.create(KeyType.P_256, "idp.example")
    clock.now += PUBLISHED_FOR - early
    assert ours.promote(PUBLISHED_FOR) is NoRotation.NEXT_TOO_YOUNG
