"""The code doctor: why a code that cannot be taken is none, as far as its owner may know (pure).

It is asked only about codes that are not acceptable now, and what it tells helps nobody to guess
one that is: the codes of different time steps and keys have nothing to do with each other
(RFC 6238 5.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from idp_mfa.factor import Sighting
from idp_mfa.model import Credential, CredentialId, Credentials, CredentialState
from idp_mfa.ports import Change

KEPT = timedelta(days=30)
"""So long keys that were replaced, and set-ups that were left, are kept for this alone."""
MOST_KEPT = 3
"""Of one person's factor; the older ones are let go."""
CLOCK_OFF = timedelta(hours=1)
"""How far off a device's clock may be to be told so."""
NEARBY = timedelta(minutes=5)
"""The same for a key that never counts: less, because it is told at once."""

Recognise = Callable[[Credential, timedelta], Sighting | None]
"""Which code of a credential this is, up to so far from now, if it is one."""


@dataclass(frozen=True, slots=True)
class AlreadyUsed:
    """The step that was used last; ``retry_in`` is when another code appears."""

    retry_in: timedelta


@dataclass(frozen=True, slots=True)
class OldKey:
    """Of a key that was replaced then."""

    replaced_at: datetime


@dataclass(frozen=True, slots=True)
class UnfinishedSetUp:
    """Of a set-up that only lacks its last step."""


@dataclass(frozen=True, slots=True)
class LeftSetUp:
    """Of a set-up in whose place another one was begun."""


@dataclass(frozen=True, slots=True)
class ClockOff:
    """The device is ahead by so much, or behind if it is negative; ``step`` is the code's."""

    ahead: timedelta
    step: int

    @property
    def minutes(self) -> int:
        """About how many, and never none."""
        return max(1, round(abs(self.ahead) / timedelta(minutes=1)))


@dataclass(frozen=True, slots=True)
class OurClockOff:
    """The devices of many people are off by so many minutes: it may be our clock that is wrong."""

    minutes: int


Diagnosis = AlreadyUsed | OldKey | UnfinishedSetUp | LeftSetUp | ClockOff | OurClockOff


def word_of(diagnosis: Diagnosis) -> str:
    """By what pages and the record know it."""
    match diagnosis:
        case AlreadyUsed():
            return "already-used"
        case OldKey():
            return "old-key"
        case UnfinishedSetUp():
            return "unfinished"
        case LeftSetUp():
            return "left"
        case ClockOff():
            return "clock"
        case OurClockOff():
            return "our-clock"
        case never:
            assert_never(never)


@dataclass(frozen=True, slots=True)
class Told:
    """A diagnosis as a page words it."""

    kind: str
    seconds: int | None = None
    minutes: int | None = None
    day: str | None = None


def told(diagnosis: Diagnosis, day: Callable[[datetime], str]) -> Told:
    """What a page needs; ``day`` writes a day for its reader."""
    kind = word_of(diagnosis)
    match diagnosis:
        case AlreadyUsed(retry_in):
            return Told(kind, seconds=int(retry_in.total_seconds()) + 1)
        case OldKey(replaced_at):
            return Told(kind, day=day(replaced_at))
        case ClockOff() | OurClockOff():
            return Told(kind, minutes=diagnosis.minutes)
        case UnfinishedSetUp() | LeftSetUp():
            return Told(kind)
        case never:
            assert_never(never)


def diagnose(
    recognise: Recognise,
    records: Iterable[Credential],
    last_used: Mapping[CredentialId, int],
    at: datetime,
) -> Diagnosis | None:
    """What the code is, given one factor's records of every state; None: none of these.

    ``last_used`` is the last step that each credential spent, where it is known.
    """
    clock: ClockOff | None = None
    for one in sorted(records, key=_told_first):
        match one.state:
            case CredentialState.ACTIVE:
                seen = recognise(one, CLOCK_OFF)
                if seen is not None and last_used.get(one.id) == seen.step:
                    return AlreadyUsed(seen.retry_in)
                clock = clock or (None if seen is None else ClockOff(seen.ahead, seen.step))
            case CredentialState.UNFINISHED if is_kept(one, at) and recognise(one, NEARBY):
                return UnfinishedSetUp() if one.ended_at is None else LeftSetUp()
            case CredentialState.RETIRED if is_kept(one, at) and recognise(one, NEARBY):
                return OldKey(_since(one))
            case _:
                continue
    return clock


def is_kept(credential: Credential, at: datetime) -> bool:
    """Whether a record that signs nobody in is still there for diagnosis."""
    return bool(credential.secret) and at < _since(credential) + KEPT


def left(credential: Credential, at: datetime) -> Credential:
    """A set-up in whose place another one is begun: it can be finished no longer."""
    return replace(credential, ended_at=at, generation=credential.generation + 1)


def retired(credential: Credential, at: datetime) -> Credential:
    """The same credential, kept for diagnosis alone and never accepted again."""
    return replace(
        credential,
        state=CredentialState.RETIRED,
        ended_at=at,
        generation=credential.generation + 1,
    )


def is_overdue(credentials: Credentials, at: datetime) -> bool:
    """Whether something may be let go of by its age; told by states and times alone."""
    return any(
        one.state in _FOR_DIAGNOSIS and _since(one) + KEPT <= at for one in credentials.factors
    )


def with_purge(
    credentials: Credentials, changes: Iterable[Change], at: datetime
) -> tuple[Change, ...]:
    """Changes that are made anyhow, and what may be let go of in the same act."""
    made = tuple(changes)
    touched = {change.before.id for change in made if change.before is not None}
    return (
        *made,
        *(
            change
            for change in purged(credentials, at)
            if change.before is not None and change.before.id not in touched
        ),
    )


def purged(credentials: Credentials, at: datetime) -> tuple[Change, ...]:
    """The changes that let go of what is kept for diagnosis and is too old, or too much of it.

    Who ever had a factor stays somebody who had one (rule 2): the last record stays, without its
    secret.
    """
    kept = [one for one in credentials.factors if one.state in _FOR_DIAGNOSIS]
    kept.sort(key=_since, reverse=True)
    ended = [one for one in kept if _has_ended(one)]
    gone = [
        one
        for one in kept
        if not at < _since(one) + KEPT
        or one in [other for other in ended if other.factor == one.factor][MOST_KEPT:]
    ]
    had = [one for one in credentials.factors if one.state is not CredentialState.UNFINISHED]
    stays = had[0] if had and all(one in gone for one in had) else None
    if stays is None:
        return tuple(Change(one, None) for one in gone)
    emptied = replace(stays, secret={}, generation=stays.generation + 1)
    return tuple(
        Change(one, emptied if one is stays else None)
        for one in gone
        if one is not stays or one.secret
    )


_FOR_DIAGNOSIS = (CredentialState.UNFINISHED, CredentialState.RETIRED)


def _has_ended(credential: Credential) -> bool:
    return credential.state is CredentialState.RETIRED or credential.ended_at is not None


def _since(credential: Credential) -> datetime:
    return credential.ended_at or credential.bound_at


def _told_first(credential: Credential) -> float:
    return -_since(credential).timestamp()
