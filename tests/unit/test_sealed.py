"""A sealed value opens in its own place, under a key of the ring, and nowhere else."""

from __future__ import annotations

import os

import pytest

from idp_mfa.model import CredentialId, UserId
from idp_mfa.sealed import Header, Sealer, Unreadable, UnreadableBecause, header_of
from idp_mfa.sealing_keys import KeyEncryptionKeys

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
