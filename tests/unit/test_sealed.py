"""A sealed value opens in its own place, under a key of the ring, and nowhere else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from idp_mfa.model import CredentialId, UserId
from idp_mfa.ports import Unavailable
from idp_mfa.sealed import (
    Header,
    KeyEncryptionKeys,
    RingRefusal,
    Sealer,
    Unreadable,
    UnreadableBecause,
    activate_key,
    add_key,
    create_ring,
    header_of,
    load_ring,
    retire_key,
)

ALICE, BOB = UserId("id-of-alice"), UserId("id-of-bob")
TOTP, FIRST = "totp", CredentialId("c1")
KEY = bytes(range(32))
PLAIN = b'{"key":"JBSWY3DPEHPK3PXP"}'


def sealer(**ring: object) -> Sealer:
    return Sealer(KeyEncryptionKeys(**{"active": "k1", "keys": {"k1": KEY}, **ring}), os.urandom)


def sealed(by: Sealer | None = None) -> bytes:
    return (by or sealer()).seal(PLAIN, user=ALICE, kind=TOTP, credential=FIRST, generation=3)


def opened(value: bytes, by: Sealer | None = None, **place: object) -> bytes | Unreadable:
    there = {"user": ALICE, "kind": TOTP, "credential": FIRST, "generation": 3, **place}
    return (by or sealer()).open(value, **there)


def test_opens_where_it_was_sealed() -> None:
    value = sealed()
    assert opened(value) == PLAIN
    assert header_of(value) == Header("k1", 3, TOTP, FIRST)


def test_shows_nothing_of_what_it_holds_and_is_never_the_same_twice() -> None:
    assert b"JBSWY" not in sealed()
    assert sealed() != sealed()
    assert KEY.hex() not in repr(KeyEncryptionKeys("k1", {"k1": KEY}))
    assert str(KEY) not in repr(KeyEncryptionKeys("k1", {"k1": KEY}))


def test_does_not_open_for_another_user() -> None:
    assert opened(sealed(), user=BOB) == Unreadable(UnreadableBecause.ALTERED)


@pytest.mark.parametrize(
    "place", [{"kind": "fido2"}, {"credential": CredentialId("c2")}, {"generation": 2}]
)
def test_does_not_open_in_another_place(place: dict[str, object]) -> None:
    assert opened(sealed(), **place) == Unreadable(UnreadableBecause.MISPLACED)


@pytest.mark.parametrize(
    ("part", "text", "place"),
    [
        (3, "4", {"generation": 4}),
        (4, "fido2", {"kind": "fido2"}),
        (5, "c2", {"credential": CredentialId("c2")}),
    ],
)
def test_an_edited_header_is_seen(part: int, text: str, place: dict[str, object]) -> None:
    parts = sealed().decode().split("$")
    parts[part] = text
    assert opened("$".join(parts).encode(), **place) == Unreadable(UnreadableBecause.ALTERED)


def test_a_kid_changed_to_another_key_of_the_ring_is_seen() -> None:
    both = sealer(keys={"k1": KEY, "k2": KEY})
    moved = sealed(both).replace(b"$k1$", b"$k2$")
    assert opened(moved, both) == Unreadable(UnreadableBecause.ALTERED)


def test_every_changed_byte_is_seen() -> None:
    value = sealed()
    for place in range(len(value)):
        for other in (value[place] ^ 1, value[place] ^ 0x20):
            edited = value[:place] + bytes([other]) + value[place + 1 :]
            assert isinstance(opened(edited), Unreadable), edited


def test_the_last_character_has_one_spelling() -> None:
    by = sealer()
    value = by.seal(b"xy", user=ALICE, kind=TOTP, credential=FIRST, generation=3)
    spellings = [value[:-1] + bytes([one]) for one in range(33, 127)]
    assert [one for one in spellings if opened(one) == b"xy"] == [value]


@pytest.mark.parametrize("junk", [b"", b"$", b"$1$k1$3$totp$c1$", b"$1$k1$3$totp$c1$AA", b"\xff"])
def test_junk_is_a_value_not_an_exception(junk: bytes) -> None:
    assert opened(junk) == Unreadable(UnreadableBecause.MALFORMED)


def test_unknown_and_retired_keys_are_told_apart() -> None:
    value = sealed()
    others = {"active": "k2", "keys": {"k2": KEY}}
    assert opened(value, sealer(**others)) == Unreadable(UnreadableBecause.UNKNOWN_KEY)
    retired = sealer(**others, retired=frozenset({"k1"}))
    assert opened(value, retired) == Unreadable(UnreadableBecause.RETIRED_KEY)


@pytest.mark.parametrize("text", ["", "a$b", "有", "x" * 129])
def test_a_header_holds_no_separator(text: str) -> None:
    with pytest.raises(ValueError, match="header"):
        sealer().seal(PLAIN, user=ALICE, kind=TOTP, credential=CredentialId(text), generation=1)


def test_a_ring_lives_from_first_key_to_retirement(tmp_path: Path) -> None:
    ring = tmp_path / "ring"
    assert create_ring(ring, "2026a", os.urandom) is None
    old = sealed(Sealer(load_ring(ring), os.urandom))

    assert add_key(ring, "2027a", os.urandom) is None
    assert load_ring(ring).active == "2026a"
    assert activate_key(ring, "2027a") is None
    now = Sealer(load_ring(ring), os.urandom)
    assert now.active == "2027a"
    assert opened(old, now) == PLAIN
    assert header_of(sealed(now)) == Header("2027a", 3, TOTP, FIRST)

    assert retire_key(ring, "2026a") is None
    (ring / "2026a.key").unlink()
    last = Sealer(load_ring(ring), os.urandom)
    assert opened(old, last) == Unreadable(UnreadableBecause.RETIRED_KEY)


def test_a_ring_refuses_what_would_lose_keys(tmp_path: Path) -> None:
    create_ring(tmp_path, "a", os.urandom)
    add_key(tmp_path, "b", os.urandom)
    key = (tmp_path / "a.key").read_bytes()
    assert create_ring(tmp_path, "a", os.urandom) is RingRefusal.EXISTS
    assert add_key(tmp_path, "a", os.urandom) is RingRefusal.EXISTS
    assert (tmp_path / "a.key").read_bytes() == key
    assert add_key(tmp_path, "../x", os.urandom) is RingRefusal.BAD_NAME
    assert activate_key(tmp_path, "z") is RingRefusal.NO_SUCH_KEY
    assert retire_key(tmp_path, "a") is RingRefusal.STILL_ACTIVE
    assert retire_key(tmp_path, "b") is None
    assert activate_key(tmp_path, "b") is RingRefusal.RETIRED


def test_key_files_are_made_private(tmp_path: Path) -> None:
    create_ring(tmp_path, "a", os.urandom)
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "ring.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o620, 0o644])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    create_ring(tmp_path, "a", os.urandom)
    (tmp_path / "a.key").chmod(mode)
    with pytest.raises(Unavailable, match="open to group or others"):
        load_ring(tmp_path)


def test_a_ring_that_others_can_write_is_refused(tmp_path: Path) -> None:
    create_ring(tmp_path, "a", os.urandom)
    (tmp_path / "ring.json").chmod(0o666)
    with pytest.raises(Unavailable, match="open to group or others"):
        load_ring(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"active":"../x","decrypt":[],"retired":[]}', '{"active":"a"}']
)
def test_a_broken_ring_says_so(tmp_path: Path, text: str) -> None:
    create_ring(tmp_path, "a", os.urandom)
    (tmp_path / "ring.json").write_text(text)
    with pytest.raises(Unavailable, match="no key ring"):
        load_ring(tmp_path)


@pytest.mark.parametrize("text", ["", "short", "A" * 42, "A" * 44, "=" * 43])
def test_a_broken_key_says_so_and_not_what_it_is(tmp_path: Path, text: str) -> None:
    create_ring(tmp_path, "a", os.urandom)
    (tmp_path / "a.key").chmod(0o600)
    (tmp_path / "a.key").write_text(text)
    with pytest.raises(Unavailable, match="32 bytes") as told:
        load_ring(tmp_path)
    assert not text or text not in str(told.value)


def test_a_missing_key_of_the_ring_is_not_passed_over(tmp_path: Path) -> None:
    create_ring(tmp_path, "a", os.urandom)
    ring = json.loads((tmp_path / "ring.json").read_text())
    (tmp_path / "ring.json").write_text(json.dumps({**ring, "decrypt": ["gone"]}))
    with pytest.raises(Unavailable, match=r"gone\.key"):
        load_ring(tmp_path)
