"""Another policy over decisions on record, judged by ``decide`` and nothing else.

What a line does not hold is tried every way it may have been: where the decision is the same each
way it is decidable all the same, and where it is not, the report says what was not recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from math import prod

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.model import Reference, Refusal, ServiceId, UserId
from idp_mfa.policy.cases import Outcome
from idp_mfa.policy.decide import decide
from idp_mfa.policy.model import Policy
from idp_mfa.policy.record import VERSION_LETTERS, Recorded, Verdict, from_record, verdict_of
from idp_mfa.policy.unrecorded import ADDRESS, Asked, looked_at

FIRST = frozenset(
    {AuditEvent.PASSWORD_ACCEPTED, AuditEvent.PASSKEY_ACCEPTED, AuditEvent.SESSION_RECOGNISED}
)
"""The events that hold the first judgement of a sign-in: whether anything more was asked."""
NO_FACTS = "decision"
"""What is missing of a sign-in that was recorded before decisions were."""
MOST_WORLDS = 64


class Change(Enum):
    """What another policy would have changed for a sign-in."""

    NEWLY_ASKED = "newly asked"
    NEWLY_SKIPPED = "newly skipped"
    NEWLY_DENIED = "newly denied"
    NO_LONGER_DENIED = "no longer denied"
    ASKED_OTHERWISE = "asked for something else"


class _Stance(Enum):
    """What a decision is to somebody who signs in; who has no factor to show is asked too."""

    LET_IN = "let in"
    ASKED = "asked"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Decidable:
    """What the other policy says; ``change`` None: the same for whoever signs in."""

    after: Verdict
    change: Change | None

    @property
    def no_factor(self) -> bool:
        """Whether a factor is asked of somebody who has none that is usable."""
        return self.after.outcome is Outcome.ENROL or self.after.why in _NO_FACTOR


@dataclass(frozen=True, slots=True)
class NotDecidable:
    """The decision hangs on what was not recorded."""

    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One sign-in whose outcome changes, or cannot be told."""

    at: datetime
    reference: Reference
    user: UserId | None
    service: ServiceId | None
    before: Verdict | None
    answer: Decidable | NotDecidable


@dataclass(slots=True)
class Tally:
    """What became of many sign-ins; tallies of several files add up."""

    sign_ins: int = 0
    changes: Counter[Change] = field(default_factory=Counter)
    no_factor: set[UserId] = field(default_factory=set)
    not_decidable: Counter[tuple[str, ...]] = field(default_factory=Counter)
    rows: list[Row] = field(default_factory=list)

    def add(
        self, record: AuditRecord, before: Verdict | None, answer: Decidable | NotDecidable
    ) -> None:
        """Count one sign-in."""
        self.sign_ins += 1
        match answer:
            case NotDecidable(missing):
                self.not_decidable[missing] += 1
            case Decidable(_, None):
                return
            case Decidable(_, Change() as change):
                self.changes[change] += 1
                if change is Change.NEWLY_ASKED and answer.no_factor and record.user is not None:
                    self.no_factor.add(record.user)
        self.rows.append(
            Row(record.at, record.reference, record.user, record.service, before, answer)
        )

    def merge(self, other: Tally) -> None:
        """Add what was counted elsewhere."""
        self.sign_ins += other.sign_ins
        self.changes.update(other.changes)
        self.no_factor |= other.no_factor
        self.not_decidable.update(other.not_decidable)
        self.rows += other.rows


class Replay:
    """A policy that is tried on what happened.

    ``known`` are policies that were in force: where the zones of one are those of the new policy,
    an address that cannot be opened any more is in the zone that was told at the time.
    """

    def __init__(self, new: Policy, known: Iterable[Policy] = ()) -> None:
        same = (
            each.version[:VERSION_LETTERS] for each in known if _networks(each) == _networks(new)
        )
        self._new = new
        self._asked = Asked(new, frozenset(same))

    def tally(self, records: Iterable[AuditRecord]) -> Tally:
        """Every sign-in among the records."""
        found = Tally()
        for record in records:
            if record.event not in FIRST:
                continue
            recorded = from_record(record)
            if recorded is None:
                found.add(record, None, NotDecidable((NO_FACTS,)))
            else:
                found.add(record, recorded.verdict, self.judge(recorded))
        return found

    def judge(self, recorded: Recorded) -> Decidable | NotDecidable:
        """What the new policy would have said then."""
        held = self._asked.of(recorded)
        if not held.ways:
            return self._told(recorded, verdict_of(decide(self._new, held.facts)))
        tried = frozenset(held.ways) & {ADDRESS}
        while True:
            names = sorted(tried)
            if prod(len(held.ways[name]) for name in names) > MOST_WORLDS:
                return NotDecidable(tuple(names))
            hangs_on, verdicts = set(tried), dict[Verdict, Verdict]()
            for world in held.worlds(names):
                decided = decide(self._new, world)
                verdict = verdict_of(decided)
                verdicts[replace(verdict, rule="")] = verdict
                hangs_on |= looked_at(decided.steps) & held.ways.keys()
            if len(verdicts) > 1:
                return NotDecidable(tuple(names))
            if hangs_on == tried:
                return self._told(recorded, *verdicts.values())
            tried = frozenset(hangs_on)

    @staticmethod
    def _told(recorded: Recorded, after: Verdict) -> Decidable:
        return Decidable(after, change(recorded.verdict, after))


def change(before: Verdict, after: Verdict) -> Change | None:
    """What changes for whoever signs in; None if nothing does."""
    match _stance(before), _stance(after):
        case _Stance.LET_IN, _Stance.ASKED:
            return Change.NEWLY_ASKED
        case _Stance.ASKED, _Stance.LET_IN:
            return Change.NEWLY_SKIPPED
        case _Stance.DENIED, _Stance.DENIED:
            return None
        case _, _Stance.DENIED:
            return Change.NEWLY_DENIED
        case _Stance.DENIED, _:
            return Change.NO_LONGER_DENIED
        case _Stance.ASKED, _ if _asks(before) != _asks(after):
            return Change.ASKED_OTHERWISE
        case _:
            return None


_NO_FACTOR = (Refusal.NO_FACTOR_ENROLLED, Refusal.CREDENTIAL_UNREADABLE)


def _stance(verdict: Verdict) -> _Stance:
    match verdict.outcome:
        case Outcome.SKIP | Outcome.PERMIT | Outcome.GRACE:
            return _Stance.LET_IN
        case Outcome.ASK | Outcome.ENROL:
            return _Stance.ASKED
        case Outcome.DENY:
            return _Stance.ASKED if verdict.why in _NO_FACTOR else _Stance.DENIED


def _asks(verdict: Verdict) -> object:
    return verdict.outcome, verdict.factors, verdict.why


def _networks(policy: Policy) -> object:
    return {
        name: (frozenset(zone.networks), dict(zone.ends)) for name, zone in policy.zones.items()
    }
