"""Sessions: what a rise, another user, time, a changed password and a log-out do to them."""

from __future__ import annotations

import os
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
from idp_mfa.session import SessionLimits, Sessions, counting, merged
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
        cookie * 40,
        cookie.swapcase(),
    ):
        assert sessions.open(forged) is None, forged


def test_a_rise_gives_a_new_id_and_kills_the_old_one(sessions: Sessions, clock: Clock) -> None:
    _, first = sessions.establish(None, ALICE, (password(START),), shared_computer=False)
    clock.wait(minutes=3)
    session, second = sessions.establish(first, ALICE, (totp(clock.now),), shared_computer=False)
    assert second != first
    assert sessions.open(first) is None
    assert [one.factor for one in session.verified] == ["password", "totp"]
    assert session.verified[0].at == START, "a rise makes nothing newer"


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


def test_a_log_out_ends_it(sessions: Sessions) -> None:
    _, cookie = sessions.establish(None, ALICE, (password(START),), shared_computer=False)
    assert sessions.end(f"{cookie}x") is None, "a forged cookie ends nobody's session"
    assert sessions.end(cookie) is not None
    assert sessions.open(cookie) is None
    assert sessions.end(cookie) is None


def test_a_service_ends_it_by_the_name_it_was_given(sessions: Sessions, clock: Clock) -> None:
    session, cookie = sessions.establish(None, ALICE, (password(START),), shared_computer=False)
    name = sessions.index(session, ServiceId("https://sp.example/"))
    other = sessions.index(session, ServiceId("https://other.example/"))
    assert name != other
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
    kept: list[tuple[str, bytes]] = []
    put = store.put

    def watched(key: str, value: bytes, ttl: timedelta) -> None:
        kept.append((key, value))
        put(key, value, ttl)

    store.put = watched  # type: ignore[method-assign]
    _, cookie = Sessions(store, clock, os.urandom, SessionLimits()).establish(
        None, ALICE, (password(START),), shared_computer=False
    )
    secret = cookie.partition(".")[2]
    assert kept
    assert all(secret not in key and secret.encode() not in value for key, value in kept)
