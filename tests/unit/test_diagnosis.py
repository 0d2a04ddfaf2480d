"""The code doctor's pure half: which code it is, what is kept for it, and for how long."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from idp_mfa.diagnosis import (
    KEPT,
    MOST_KEPT,
    AlreadyUsed,
    ClockOff,
    Diagnosis,
    LeftSetUp,
    OldKey,
    OurClockOff,
    UnfinishedSetUp,
    diagnose,
    left,
    purged,
    retired,
    told,
    word_of,
)
from idp_mfa.factor import Recognises, Response
from idp_mfa.factors.totp import NAME, Totp
from idp_mfa.model import (
    BoundBy,
    Credential,
    CredentialId,
    Credentials,
    CredentialState,
    FactorName,
)

AT = datetime(2026, 11, 22, 9, 0, 7, tzinfo=UTC)
STEP = timedelta(seconds=30)
TOTP = Totp("OMU")


def key(number: int) -> str:
    return base64.b32encode(bytes([number]) * 20).decode()


def credential(
    number: int = 1,
    state: CredentialState = CredentialState.ACTIVE,
    *,
    factor: FactorName = NAME,
    bound_at: datetime = AT - timedelta(days=90),
    ended_at: datetime | None = None,
) -> Credential:
    return Credential(
        CredentialId(f"c{number}"),
        factor,
        state,
        "OMU",
        bound_at,
        BoundBy.CAMPUS,
        1,
        {"key": key(number)},
        ended_at,
    )


PRESENT = credential(1)


def shows(one: Credential, off: timedelta = timedelta(0)) -> str:
    return pyotp.TOTP(one.secret["key"]).at(AT + off)


def found(
    code: str, *records: Credential, last: Mapping[CredentialId, int] | None = None
) -> Diagnosis | None:
    response = Response({"code": code})
    return diagnose(
        lambda one, within: TOTP.recognise(response, one, AT, within), records, last or {}, AT
    )


def test_the_factor_knows_its_codes() -> None:
    assert isinstance(TOTP, Recognises)


@pytest.mark.parametrize("minutes", [-59, -6, -2, 2, 6, 59])
def test_a_clock_that_is_off_is_seen_with_its_sign(minutes: int) -> None:
    seen = found(shows(PRESENT, timedelta(minutes=minutes)), PRESENT)
    assert isinstance(seen, ClockOff)
    assert seen.ahead == timedelta(minutes=minutes)
    assert seen.minutes == abs(minutes)


@pytest.mark.parametrize("minutes", [-62, 62])
def test_beyond_an_hour_it_is_a_wrong_code(minutes: int) -> None:
    assert found(shows(PRESENT, timedelta(minutes=minutes)), PRESENT) is None


def test_half_a_minute_too_many_is_about_a_minute() -> None:
    seen = found(shows(PRESENT, -2 * STEP), PRESENT)
    assert isinstance(seen, ClockOff)
    assert seen.minutes == 1


def test_the_code_of_the_step_that_was_used_last_was_used() -> None:
    code, step = shows(PRESENT, -5 * STEP), int(AT.timestamp()) // 30 - 5
    assert found(code, PRESENT, last={PRESENT.id: step}) == AlreadyUsed(timedelta(seconds=23))
    assert isinstance(found(code, PRESENT, last={PRESENT.id: step + 1}), ClockOff)


def test_an_old_key_is_told_with_the_day_of_its_end() -> None:
    ended = AT - timedelta(days=3)
    old = retired(credential(2), ended)
    assert old.ended_at == ended
    assert found(shows(old), PRESENT, old) == OldKey(ended)
    assert found(shows(old, timedelta(minutes=4)), PRESENT, old) == OldKey(ended)
    assert found(shows(old, timedelta(minutes=10)), PRESENT, old) is None


def test_set_ups_begun_and_left_are_told_apart() -> None:
    begun = credential(3, CredentialState.UNFINISHED, bound_at=AT - timedelta(hours=1))
    assert found(shows(begun), PRESENT, begun) == UnfinishedSetUp()
    assert found(shows(begun), PRESENT, left(begun, AT)) == LeftSetUp()


@pytest.mark.parametrize(
    "make",
    [
        lambda since: retired(credential(2), since),
        lambda since: credential(2, CredentialState.RETIRED, bound_at=since),
        lambda since: credential(2, CredentialState.UNFINISHED, bound_at=since),
        lambda since: left(credential(2, CredentialState.UNFINISHED), since),
    ],
)
def test_after_thirty_days_nothing_is_told_or_kept(make: Callable[[datetime], Credential]) -> None:
    inside, outside = make(AT - KEPT + timedelta(seconds=1)), make(AT - KEPT)
    assert found(shows(inside), PRESENT, inside) is not None
    assert found(shows(outside), PRESENT, outside) is None
    assert purged(Credentials((PRESENT, inside), 0, b"v"), AT) == ()
    (change,) = purged(Credentials((PRESENT, outside), 0, b"v"), AT)
    assert (change.before, change.after) == (outside, None)


@pytest.mark.parametrize("state", [CredentialState.DISABLED, CredentialState.SUSPENDED])
def test_what_was_shut_off_is_nobodys_business(state: CredentialState) -> None:
    shut = credential(4, state)
    assert found(shows(shut), PRESENT, shut) is None
    assert purged(Credentials((shut,), 0, b"v"), AT) == ()


def test_nobody_has_a_code_of_no_key() -> None:
    emptied = replace(retired(credential(2), AT), secret={})
    assert found(shows(credential(2)), PRESENT, emptied) is None


def test_only_so_many_are_kept_of_a_factor_the_newest() -> None:
    olds = [retired(credential(9 + n), AT - timedelta(days=n)) for n in range(MOST_KEPT + 2)]
    gone = purged(Credentials((PRESENT, *olds), 0, b"v"), AT)
    assert [change.before for change in gone] == olds[MOST_KEPT:]


def test_who_had_a_factor_stays_somebody_who_had_one() -> None:
    old = retired(credential(2), AT - KEPT)
    begun = credential(3, CredentialState.UNFINISHED, bound_at=AT - KEPT)
    (emptied, gone) = sorted(
        purged(Credentials((old, begun), 0, b"v"), AT), key=lambda change: change.after is None
    )
    assert (gone.before, gone.after) == (begun, None)
    assert emptied.before == old
    assert emptied.after is not None
    assert emptied.after.secret == {}
    assert not Credentials((emptied.after,), 0, b"v").has_none
    assert purged(Credentials((emptied.after,), 0, b"v"), AT) == (), "once is enough"


@pytest.mark.parametrize(
    ("diagnosis", "expected"),
    [
        (AlreadyUsed(timedelta(seconds=13.2)), ("already-used", 14, None, None)),
        (OldKey(AT), ("old-key", None, None, "2026-11-22")),
        (UnfinishedSetUp(), ("unfinished", None, None, None)),
        (LeftSetUp(), ("left", None, None, None)),
        (ClockOff(timedelta(minutes=-6), 1), ("clock", None, 6, None)),
        (OurClockOff(4), ("our-clock", None, 4, None)),
    ],
)
def test_a_page_is_told_what_its_sentence_needs(
    diagnosis: Diagnosis, expected: tuple[object, ...]
) -> None:
    page = told(diagnosis, lambda at: f"{at:%Y-%m-%d}")
    assert (page.kind, page.seconds, page.minutes, page.day) == expected
    assert page.kind == word_of(diagnosis)
