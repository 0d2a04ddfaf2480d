"""The outbox on every adapter: no letter in two hands, none lost, none before its time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from idp_mfa.letters import Awaited, CodePurpose, MailedCode, Notice, NoticeKind
from idp_mfa.model import CredentialId, Reference, Seen, UserId
from idp_mfa.ports import Outbox, Waiting
from idp_mfa.sealed import Sealer
from idp_mfa.sealing_keys import KeyEncryptionKeys
from idp_mfa.store.memory_outbox import MemoryOutbox
from idp_mfa.store.redis.outbox import RedisOutbox
from tests.contracts.store_acts import connected_to, race
from tests.servers.valkey import StoreServer

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
IN_HAND = timedelta(seconds=30)
SEEN = Seen(ip_address("203.0.113.9"), ())
KEYS = KeyEncryptionKeys("k", {"k": bytes(32)})
CODE = MailedCode(
    CodePurpose.REISSUE,
    UserId("ユーザー 1"),
    AT,
    SEEN,
    Reference("ABCD2345"),
    "ja",
    "hanako@example.org",
    "135790",
    AT + timedelta(minutes=30),
)
ADDED = Awaited(CredentialId("abc"), 2)


@pytest.fixture
def outbox(server_if_any: StoreServer | None) -> Iterator[Outbox]:
    if server_if_any is None:
        yield MemoryOutbox()
    else:
        with connected_to(server_if_any) as ours:
            yield RedisOutbox(ours, Sealer(KEYS, os.urandom), os.urandom)


def notice(minute: int = 0) -> Notice:
    at = AT + timedelta(minutes=minute)
    return Notice(
        NoticeKind.FACTOR_ADDED,
        UserId("u1"),
        at,
        SEEN,
        Reference("ABCD2345"),
        "en",
        "TOTP (2026-11)",
        ("old@example.org",),
    )


def later(minutes: int) -> datetime:
    return AT + timedelta(minutes=minutes)


def test_what_is_put_is_taken_as_it_was(outbox: Outbox) -> None:
    outbox.put(CODE)
    outbox.put(notice(1))
    assert [one.letter for one in outbox.take(9, later(2), IN_HAND)] == [CODE, notice(1)]


def test_a_letter_is_in_one_hand_until_that_hand_may_be_dead(outbox: Outbox) -> None:
    outbox.put(CODE)
    (first,) = outbox.take(9, later(0), IN_HAND)
    assert outbox.take(9, later(0) + IN_HAND / 2, IN_HAND) == []
    (again,) = outbox.take(9, later(0) + 2 * IN_HAND, IN_HAND)
    assert (first.tries, again.tries, again.id) == (0, 1, first.id)


def test_of_many_postmen_one_gets_it(outbox: Outbox) -> None:
    outbox.put(CODE)
    taken = race(lambda _: outbox.take(9, later(1), IN_HAND))
    assert sum(map(len, taken)) == 1


def test_what_was_refused_comes_again_at_its_time(outbox: Outbox) -> None:
    outbox.put(CODE)
    (taken,) = outbox.take(9, later(0), IN_HAND)
    outbox.again(taken.id, later(5))
    assert outbox.take(9, later(4), IN_HAND) == []
    assert [one.tries for one in outbox.take(9, later(5), IN_HAND)] == [1]


def test_what_is_done_with_is_gone(outbox: Outbox) -> None:
    outbox.put(CODE)
    (taken,) = outbox.take(9, later(0), IN_HAND)
    outbox.done(taken.id)
    outbox.again(taken.id, later(1))
    assert outbox.take(9, later(9), IN_HAND) == []
    assert outbox.waiting() == Waiting(0, None)


def test_a_notice_waits_for_its_change(outbox: Outbox) -> None:
    intended = outbox.intend(notice(), ADDED)
    assert outbox.take(9, later(9), IN_HAND) == []
    (pending,) = outbox.pending(later(1))
    assert (pending.id, pending.notice, pending.awaited) == (intended, notice(), ADDED)
    outbox.release(intended, later(2))
    assert outbox.pending(later(9)) == ()
    assert [one.letter for one in outbox.take(9, later(2), IN_HAND)] == [notice()]


def test_a_change_that_never_was_tells_nobody(outbox: Outbox) -> None:
    intended = outbox.intend(notice(), Awaited(CredentialId("abc"), None))
    outbox.done(intended)
    outbox.release(intended, later(1))
    assert outbox.take(9, later(9), IN_HAND) == []
    assert outbox.pending(later(9)) == ()


def test_one_that_was_released_twice_goes_out_once(outbox: Outbox) -> None:
    intended = outbox.intend(notice(), ADDED)
    race(lambda _: outbox.release(intended, later(1)))
    assert len(outbox.take(9, later(1), IN_HAND)) == 1
    assert outbox.take(9, later(1), IN_HAND) == []


def test_a_notice_of_this_moment_is_left_to_its_worker(outbox: Outbox) -> None:
    outbox.intend(notice(5), ADDED)
    assert outbox.pending(later(4)) == ()


def test_the_queue_tells_its_length_and_age(outbox: Outbox) -> None:
    outbox.put(notice(3))
    outbox.put(notice(1))
    outbox.intend(notice(0), ADDED)
    assert outbox.waiting() == Waiting(2, later(1))


def test_nobody_who_reads_the_store_reads_the_code(server: StoreServer) -> None:
    with connected_to(server) as ours:
        outbox = RedisOutbox(ours, Sealer(KEYS, os.urandom), os.urandom)
        outbox.put(CODE)
        kept = ours.command("HVALS", ours.key("outbox:letters"))
        assert isinstance(kept, list)
        assert len(kept) == 1
        assert CODE.code.encode() not in kept[0]
        assert CODE.to.encode() not in kept[0]


def test_a_letter_that_was_moved_to_another_person_is_sent_to_nobody(server: StoreServer) -> None:
    with connected_to(server) as ours:
        outbox = RedisOutbox(ours, Sealer(KEYS, os.urandom), os.urandom)
        letter = outbox.put(CODE)
        key = ours.key("outbox:letters")
        kept = ours.command("HGET", key, letter)
        assert isinstance(kept, bytes)
        ours.command("HSET", key, letter, b"somebody else\n" + kept.partition(b"\n")[2])
        assert outbox.take(9, later(1), IN_HAND) == []
