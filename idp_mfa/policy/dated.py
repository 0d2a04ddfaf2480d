"""Conditions on time and age: when it is, and how long ago something was bound or shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from idp_mfa.model import BoundBy, FactorName, Page
from idp_mfa.policy.assurance import of_several_kinds
from idp_mfa.policy.conditions import Not, OneOf
from idp_mfa.policy.model import Assurance, Condition, Facts, Matched, Truth
from idp_mfa.policy.subjects import ASKED, PAGE

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The words for the days of a week, in the order of ``date.weekday()``."""
WORD_OF_BOUND = "bound"
WORD_OF_TIME = "time"
WORD_OF_VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class During:
    """True on some days of the week, between two times of the day in a time zone.

    A window whose end is not after its beginning ends on the next day, and belongs to the day on
    which it began. ``start`` is in the window, ``end`` is not.
    """

    days: frozenset[int]
    start: time
    end: time
    zone: ZoneInfo

    def truth(self, facts: Facts) -> Truth:
        """True or false: what time it is is always known."""
        here = facts.at.astimezone(self.zone)
        clock = here.time()
        past_midnight = self.end <= self.start
        if self.start <= clock:
            holds = here.weekday() in self.days and (past_midnight or clock < self.end)
        else:
            yesterday = (here.weekday() - 1) % len(DAYS)
            holds = past_midnight and clock < self.end and yesterday in self.days
        return Truth.TRUE if holds else Truth.FALSE

    def match(self, facts: Facts) -> Matched:
        """The same truth, with the local time."""
        here = facts.at.astimezone(self.zone)
        days = ", ".join(word for number, word in enumerate(DAYS) if number in self.days)
        wanted = f"{days} {self.start:%H:%M}-{self.end:%H:%M} {self.zone.key}"
        found = f"{DAYS[here.weekday()]} {here:%H:%M}"
        return Matched(WORD_OF_TIME, wanted, found, self.truth(facts))


@dataclass(frozen=True, slots=True)
class Before:
    """True before a moment."""

    moment: datetime

    def truth(self, facts: Facts) -> Truth:
        """True or false: what time it is is always known."""
        return Truth.TRUE if facts.at < self.moment else Truth.FALSE

    def match(self, facts: Facts) -> Matched:
        """The same truth, with the present moment."""
        wanted = f"before {self.moment.isoformat()}"
        return Matched(WORD_OF_TIME, wanted, facts.at.isoformat(), self.truth(facts))


@dataclass(frozen=True, slots=True)
class WasBound:
    """True if a factor that the user can use was bound on one of these proofs, and lately enough.

    ``factors`` and ``by`` empty are any, ``within`` None is whenever. A record that cannot be read
    leaves it unknown.
    """

    by: frozenset[BoundBy]
    factors: frozenset[FactorName]
    within: timedelta | None

    def truth(self, facts: Facts) -> Truth:
        """True, false, or unknown for a record that cannot be read."""
        for factor, each in facts.bound.items():
            if self.factors and factor not in self.factors:
                continue
            for one in each:
                if (not self.by or one.by in self.by) and _within(facts, one.at, self.within):
                    return Truth.TRUE
        return Truth.UNKNOWN if facts.unreadable else Truth.FALSE

    def match(self, facts: Facts) -> Matched:
        """The same truth, with how each factor was bound and how long ago."""
        found = (
            f"{factor} by {one.by.value} {_ago(facts, one.at)}"
            for factor, each in sorted(facts.bound.items())
            for one in each
        )
        by = " or ".join(sorted(one.value for one in self.by)) or "any proof"
        wanted = f"{_any_of(self.factors)} by {by}{_age(self.within)}"
        return Matched(WORD_OF_BOUND, wanted, ", ".join(found) or "none", self.truth(facts))


@dataclass(frozen=True, slots=True)
class WasVerified:
    """True if one of these factors was shown lately enough, and counts."""

    factors: frozenset[FactorName]
    within: timedelta

    def truth(self, facts: Facts) -> Truth:
        """True or false: what was shown is always known."""
        shown = any(
            done.factor in self.factors and _within(facts, done.at, self.within)
            for done in facts.counting
        )
        return Truth.TRUE if shown else Truth.FALSE

    def match(self, facts: Facts) -> Matched:
        """The same truth, with how long ago each was shown."""
        found = (f"{done.factor} {_ago(facts, done.at)}" for done in facts.counting)
        wanted = f"{_any_of(self.factors)}{_age(self.within)}"
        return Matched(WORD_OF_VERIFIED, wanted, ", ".join(found) or "none", self.truth(facts))


def in_grace(until: datetime, assurance: Assurance) -> tuple[Condition, ...]:
    """What a grace needs besides a known zone and no factor: the sign-in, no class, in time."""
    return (
        OneOf(PAGE, frozenset({Page.SIGN_IN.value})),
        Not(OneOf(ASKED, frozenset[str](of_several_kinds(assurance)))),
        Before(until),
    )


def span(length: timedelta) -> str:
    """A length of time as a policy writes it."""
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _within(facts: Facts, at: datetime, within: timedelta | None) -> bool:
    return within is None or facts.at - at <= within


def _any_of(factors: Iterable[FactorName]) -> str:
    return " or ".join(sorted(factors)) or "any factor"


def _age(within: timedelta | None) -> str:
    return "" if within is None else f" within {span(within)}"


def _ago(facts: Facts, at: datetime) -> str:
    return f"{span(facts.at - at)} ago"
