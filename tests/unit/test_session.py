"""Sessions: what a rise, another user, time, a changed password and a log-out do to them."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from idp_mfa.model import (
    PASSWORD,
    Account,
    AccountState,
    Amr,
    BoundBy,
    Credential,
    CredentialId,
    Credentials,
    CredentialState,
    FactorKind,
    FactorName,
    ServiceId,
    Standing,
    User,
    UserId,
    Verification,
)
from idp_mfa.session import (
    Session,
    SessionLimits,
    Sessions,
    answers_for,
    counting,
    merged,
    name_of,
)
from idp_mfa.store.memory import MemoryStore

ALICE = User(UserId("id-alice"), "alice", "Alice")
BOB = User(UserId("id-bob"), "bob", "Bob")
START = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def wait(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_somebody_finds_all_of_their_sessions_and_nobody_elses(
    sessions: Sessions, clock: Clock
) -> None:
    first, _ = sessions.establish(None, ALICE, (), shared_computer=False)
    clock.wait(minutes=1)
    second, cookie = sessions.establish(None, ALICE, (), shared_computer=True)
    bobs, _ = sessions.establish(None, BOB, (), shared_computer=False)
    assert sessions.of(ALICE.id) == (second, first)
    assert sessions.of(BOB.id) == (bobs,)
    assert len({name_of(one) for one in (first, second, bobs)}) == 3
    assert all(name_of(one) not in cookie for one in (first, second))
    sessions.end_one(second)
    assert sessions.open(cookie) is None
    assert sessions.of(ALICE.id) == (first,)
    clock.wait(hours=2)
    assert sessions.of(ALICE.id) == ()


def test_of_very_many_sessions_the_newest_are_found(sessions: Sessions) -> None:
    made = [sessions.establish(None, ALICE, (), shared_computer=False)[0] for _ in range(30)]
    assert sessions.of(ALICE.id) == tuple(reversed(made))[:20]


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(MemoryStore(clock), clock, os.urandom, SessionLimits())


def password(at: datetime) -> Verification:
    return Verification(PASSWORD, frozenset({FactorKind.KNOWLEDGE}), (Amr("pwd"),), at)


def totp(at: datetime) -> Verification:
    return Verification(
        FactorName("totp"),
        frozenset({FactorKind.POSSESSION}),
        (Amr("otp"),),
        at,
        CredentialId("one"),
    )


def test_a_cookie_opens_its_session_and_nothing_else_does(sessions: Sessions) -> None:
    _, cookie = sessions.establish(None, ALICE, (password(START),), shared_computer=False)
    found = sessions.open(cookie)
    assert found is not None
    assert found.user == ALICE
    handle, _, secret = cookie.partition(".")
    for forged in (
        None,
        "",
        ".",
        handle,
        f"{handle}.",
        f".{secret}",
        f"{handle}.{secret[:-1]}",
        f"{handle}.{secret}x",
        f"{handle}.é",
        f"{handle}.\udc80",
        cookie * 40,
        cookie.swapcase(),
    ):
        assert sessions.open(forged) is None, forged


def test_a_cookie_has_128_and_192_bits_of_chance(sessions: Sessions) -> None:
    session, cookie = sessions.establish(None, ALICE, (password(START),), shared_computer=False)
    assert re.fullmatch(r"[\w-]{22}\.[\w-]{32}", cookie, re.ASCII)
    assert session.handle == cookie[:22]


def test_a_forged_cookie_is_no_obstacle_to_signing_in(sessions: Sessions) -> None:
    session, cookie = sessions.establish(
        "forged.one", ALICE, (password(START),), shared_computer=False
    )
    assert sessions.open(cookie) == session


def test_a_rise_gives_a_new_id_and_kills_the_old_one(sessions: Sessions, clock: Clock) -> None:
    _, first = sessions.establish(None, ALICE, (password(START),), shared_computer=False)
    clock.wait(minutes=3)
    session, second = sessions.establish(first, ALICE, (totp(clock.now),), shared_computer=False)
    assert second != first
    assert sessions.open(first) is None
    assert [one.factor for one in session.verified] == ["password", "totp"]
    assert session.verified[0].at == START, "a rise makes nothing newer"
    assert session.seen_at == clock.now, "and whoever rises is there"


def test_a_rise_knows_the_person_by_the_name_of_now(sessions: Sessions, clock: Clock) -> None:
    _, first = sessions.establish(None, ALICE, (password(START),), shared_computer=False)
    clock.wait(minutes=3)
    renamed = replace(ALICE, display_name="Alice B")
    session, _ = sessions.establish(first, renamed, (totp(clock.now),), shared_computer=False)
    assert session.user.display_name == "Alice B"


@pytest.mark.parametrize(
    ("before", "after", "shared"),
    [(False, False, False), (False, True, True), (True, False, True), (True, True, True)],
)
def test_a_shared_computer_stays_one(
    sessions: Sessions, clock: Clock, before: bool, after: bool, shared: bool
) -> None:
    """Only the sign-in page asks: a later step that says nothing must not lengthen it."""
    _, cookie = sessions.establish(None, ALICE, (password(START),), shared_computer=before)
    session, _ = sessions.establish(cookie, ALICE, (totp(START),), shared_computer=after)
    assert session.shared_computer is shared


def test_the_same_answer_again_raises_nothing(sessions: Sessions) -> None:
    session, cookie = sessions.establish(None, ALICE, (password(START),), shared_computer=False)
    for _ in range(20):
        again, same = sessions.establish(cookie, ALICE, (password(START),), shared_computer=False)
        assert (again.verified, same) == (session.verified, cookie)


def test_another_user_in_the_same_browser_takes_nothing_over(sessions: Sessions) -> None:
    _, hers = sessions.establish(None, ALICE, (password(START), totp(START)), shared_computer=False)
    session, his = sessions.establish(hers, BOB, (password(START),), shared_computer=False)
    assert sessions.open(hers) is None
    assert session.user == BOB
    assert session.verified == (password(START),)
    assert hers.partition(".")[0] != his.partition(".")[0]


@pytest.mark.parametrize(
    ("shared", "idle", "absolute"),
    [
        (False, timedelta(hours=1), timedelta(hours=12)),
        (True, timedelta(minutes=10), timedelta(hours=2)),
    ],
)
def test_it_ends_by_idling_and_by_age(
    sessions: Sessions, clock: Clock, shared: bool, idle: timedelta, absolute: timedelta
) -> None:
    _, cookie = sessions.establish(None, ALICE, (password(START),), shared_computer=shared)
    while clock.now + idle - timedelta(seconds=1) < START + absolute:
        clock.now += idle - timedelta(seconds=1)
        assert sessions.open(cookie) is not None, "used in time, it lives"
    clock.now = START + absolute
    assert sessions.open(cookie) is None
    _, other = sessions.establish(None, ALICE, (password(clock.now),), shared_computer=shared)
    clock.now += idle
    assert sessions.open(other) is None


def test_a_store_that_keeps_it_longer_does_not_make_it_live_longer(clock: Clock) -> None:
    """The clock of another machine decides when the store forgets, ours when it ends."""
    store = MemoryStore(lambda: START)
    sessions = Sessions(store, clock, os.urandom, SessionLimits())
    session, cookie = sessions.establish(None, ALICE, (password(START),), shared_computer=False)
    clock.wait(minutes=59, seconds=59)
    assert sessions.lives(session.handle)
    clock.wait(seconds=1)
    assert not sessions.lives(session.handle)
    new, risen = sessions.establish(cookie, ALICE, (totp(clock.now),), shared_computer=False)
    assert new.verified == (totp(clock.now),), "what has ended lends nothing to what begins"
    clock.wait(hours=1)
    assert sessions.open(risen) is None
    clock.now = START
    assert sessions.open(risen) is None, "it is gone, whoever's clock goes back"


def test_a_page_view_makes_it_live_on_and_writes_once_a_minute(
    sessions: Sessions, clock: Clock
) -> None:
    _, cookie = sessions.establish(None, ALICE, (password(START),), shared_computer=False)
    seen = []
    for _ in range(3):
        clock.wait(seconds=30)
        opened = sessions.open(cookie)
        assert opened is not None
        seen.append(opened.seen_at)
    begun = [START, START + timedelta(minutes=1), START + timedelta(minutes=1)]
    assert seen == begun


def test_one_that_was_ended_lives_no_longer(sessions: Sessions) -> None:
    session, cookie = sessions.establish(None, ALICE, (password(START),), shared_computer=False)
    other, _ = sessions.establish(None, BOB, (password(START),), shared_computer=False)
    assert sessions.lives(session.handle)
    sessions.end(cookie)
    assert not sessions.lives(session.handle)
    assert sessions.lives(other.handle)
    assert not sessions.lives("")


def test_one_that_another_version_wrote_is_none_and_no_failure(clock: Clock) -> None:
    store = MemoryStore(clock)
    written = watched(store)
    sessions = Sessions(store, clock, os.urandom, SessionLimits())
    session, cookie = sessions.establish(None, ALICE, (password(START),), shared_computer=False)
    (key,) = (key for key, _ in written if key.startswith("session:"))
    store.put(key, b'{"v": 99, "handle": "' + session.handle.encode() + b'"}', timedelta(hours=1))
    assert sessions.open(cookie) is None
    assert not sessions.lives(session.handle)
    again, _ = sessions.establish(cookie, ALICE, (password(START),), shared_computer=False)
    assert again.user == ALICE


def test_a_log_out_ends_it(sessions: Sessions) -> None:
    _, cookie = sessions.establish(None, ALICE, (password(START),), shared_computer=False)
    assert sessions.end(f"{cookie}x") is None, "a forged cookie ends nobody's session"
    ended = sessions.end(cookie)
    assert isinstance(ended, Session)
    assert ended.user == ALICE, "for the record"
    assert sessions.open(cookie) is None
    assert sessions.end(cookie) is None


def test_a_service_ends_it_by_the_name_it_was_given(sessions: Sessions, clock: Clock) -> None:
    session, cookie = sessions.establish(None, ALICE, (password(START),), shared_computer=False)
    name = sessions.index(session, ServiceId("https://sp.example/"))
    other = sessions.index(session, ServiceId("https://other.example/"))
    assert name != other
    assert re.fullmatch("_[0-9a-f]{40}", name), "an identifier of XML that tells nothing"
    clock.wait(minutes=2)
    _, risen = sessions.establish(cookie, ALICE, (totp(clock.now),), shared_computer=False)
    assert sessions.end_by_index("_" + "0" * 40) is None
    assert sessions.open(risen) is not None
    assert sessions.end_by_index(name) is not None
    assert sessions.open(risen) is None


def account(changed: datetime | None, *credentials: Credential) -> Account:
    return Account(
        ALICE,
        frozenset(),
        {},
        Standing(AccountState.ACTIVE, changed),
        Credentials(credentials, 0, b"1"),
    )


def credential(state: CredentialState) -> Credential:
    return Credential(
        CredentialId("one"), FactorName("totp"), state, "", START, BoundBy.CAMPUS, 1, {}
    )


def test_a_password_changed_since_voids_what_stands_on_it() -> None:
    verified = (password(START), totp(START + timedelta(minutes=1)))
    held = credential(CredentialState.ACTIVE)
    assert counting(verified, account(None, held)) == verified
    assert counting(verified, account(START - timedelta(days=1), held)) == verified
    assert counting(verified, account(START, held)) == verified, "it is the one that was shown"
    assert counting(verified, account(START + timedelta(seconds=1), held)) == ()


@pytest.mark.parametrize(
    "state", [state for state in CredentialState if state is not CredentialState.ACTIVE]
)
def test_a_factor_that_is_taken_away_counts_no_longer(state: CredentialState) -> None:
    verified = (password(START), totp(START))
    assert counting(verified, account(None, credential(state))) == verified[:1]
    assert counting(verified, account(None)) == verified[:1]


def test_the_latest_of_each_credential_is_kept() -> None:
    later = START + timedelta(minutes=5)
    assert merged((password(START), totp(START)), (totp(later),)) == (password(START), totp(later))
    assert merged((totp(later),), (totp(START),)) == (totp(later),)


def test_the_store_holds_nothing_that_opens_a_session(clock: Clock) -> None:
    store = MemoryStore(clock)
    kept = watched(store)
    _, cookie = Sessions(store, clock, os.urandom, SessionLimits()).establish(
        None, ALICE, (password(START),), shared_computer=False
    )
    secret = cookie.partition(".")[2]
    assert kept
    assert all(secret not in key and secret.encode() not in value for key, value in kept)


def watched(store: MemoryStore) -> list[tuple[str, bytes]]:
    """What is put into a store from now on."""
    kept: list[tuple[str, bytes]] = []
    put = store.put

    def noted(key: str, value: bytes, ttl: timedelta) -> None:
        kept.append((key, value))
        put(key, value, ttl)

    store.put = noted  # type: ignore[method-assign]
    return kept


@pytest.mark.parametrize(
    ("verified", "enough"),
    [
        ((), False),
        ((password(START),), True),
        ((password(START - timedelta(seconds=1)),), False),
        ((password(START - timedelta(hours=1)), totp(START)), False),
        ((password(START), totp(START - timedelta(hours=1))), True),
        ((totp(START),), True),
        ((totp(START - timedelta(hours=1)),), False),
    ],
)
def test_a_fresh_proof_is_one_of_the_password_where_there_was_one(
    verified: tuple[Verification, ...], enough: bool
) -> None:
    assert answers_for(verified, START) is enough
    assert answers_for(verified, None), "where nothing fresh is asked"
