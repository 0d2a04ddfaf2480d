"""The ring of sealing keys: its life, what it refuses, and how a running server follows it."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from idp_mfa.model import CredentialId, UserId
from idp_mfa.ports import Unavailable
from idp_mfa.sealed import Header, Sealer, Unreadable, UnreadableBecause, header_of
from idp_mfa.sealing_folder import SealingKeyFolder
from idp_mfa.sealing_keys import (
    RingRefusal,
    activate_key,
    add_key,
    create_ring,
    load_ring,
    retire_key,
)

PLAIN = b'{"key":"JBSWY3DPEHPK3PXP"}'
PLACE = {
    "user": UserId("id-of-alice"),
    "kind": "totp",
    "credential": CredentialId("c1"),
    "generation": 3,
}


def sealed(by: Sealer) -> bytes:
    return by.seal(PLAIN, **PLACE)


def opened(value: bytes, by: Sealer) -> bytes | Unreadable:
    return by.open(value, **PLACE)


class Ticking:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


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
    assert header_of(sealed(now)) == Header("2027a", 3, "totp", CredentialId("c1"))

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
    assert add_key(tmp_path, "c", os.urandom) is RingRefusal.HAS_NEXT
    assert retire_key(tmp_path, "b") is None
    assert add_key(tmp_path, "c", os.urandom) is None
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


def test_a_next_key_opens_and_an_older_ring_without_one_is_read(tmp_path: Path) -> None:
    create_ring(tmp_path, "a", os.urandom)
    add_key(tmp_path, "b", os.urandom)
    assert load_ring(tmp_path).next == "b"
    assert set(load_ring(tmp_path).keys) == {"a", "b"}
    activate_key(tmp_path, "b")
    assert load_ring(tmp_path).next is None
    ring = json.loads((tmp_path / "ring.json").read_text())
    del ring["next"]
    (tmp_path / "ring.json").write_text(json.dumps(ring))
    assert load_ring(tmp_path).active == "b"


def test_a_running_server_follows_a_rotation(tmp_path: Path) -> None:
    clock = Ticking()
    create_ring(tmp_path, "a", os.urandom)
    running = Sealer(SealingKeyFolder(tmp_path, clock), os.urandom)
    old = sealed(running)
    add_key(tmp_path, "b", os.urandom)
    activate_key(tmp_path, "b")
    assert running.active == "a", "the files are not looked at on every use"
    clock.pass_(1)
    assert running.active == "b"
    assert opened(old, running) == PLAIN
    retire_key(tmp_path, "a")
    clock.pass_(1)
    assert opened(old, running) == Unreadable(UnreadableBecause.RETIRED_KEY)


def test_a_value_under_a_key_that_is_not_known_yet_is_looked_up_at_once(tmp_path: Path) -> None:
    clock = Ticking()
    create_ring(tmp_path, "a", os.urandom)
    behind = Sealer(SealingKeyFolder(tmp_path, clock), os.urandom)
    assert behind.active == "a"
    add_key(tmp_path, "b", os.urandom)
    activate_key(tmp_path, "b")
    ahead = Sealer(SealingKeyFolder(tmp_path, clock), os.urandom)
    assert opened(sealed(ahead), behind) == PLAIN


def test_a_clock_that_was_set_back_does_not_stop_the_looking(tmp_path: Path) -> None:
    clock = Ticking()
    create_ring(tmp_path, "a", os.urandom)
    running = SealingKeyFolder(tmp_path, clock)
    running.current()
    add_key(tmp_path, "b", os.urandom)
    clock.pass_(-3600)
    assert running.current().next == "b"


def test_a_broken_ring_does_not_replace_a_good_one_and_is_told(tmp_path: Path) -> None:
    clock = Ticking()
    create_ring(tmp_path, "a", os.urandom)
    running = SealingKeyFolder(tmp_path, clock)
    running.ping()
    good = (tmp_path / "ring.json").read_text()
    (tmp_path / "ring.json").write_text("{")
    clock.pass_(1)
    assert running.current().active == "a"
    with pytest.raises(Unavailable, match="no key ring"):
        running.ping()
    (tmp_path / "ring.json").write_text(good)
    clock.pass_(1)
    running.ping()


def test_a_key_file_that_comes_after_its_list_is_taken_when_it_is_there(tmp_path: Path) -> None:
    clock = Ticking()
    create_ring(tmp_path, "a", os.urandom)
    running = SealingKeyFolder(tmp_path, clock)
    running.current()
    add_key(tmp_path, "b", os.urandom)
    (tmp_path / "b.key").rename(tmp_path / "late")
    clock.pass_(1)
    assert running.current().next is None
    (tmp_path / "late").rename(tmp_path / "b.key")
    clock.pass_(1)
    assert running.current().next == "b"


def test_without_a_first_ring_nothing_is_sealed(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        SealingKeyFolder(tmp_path, Ticking()).current()
