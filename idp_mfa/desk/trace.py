"""The rules that a decision looked at, one by one, as data that a page puts in words (pure)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from idp_mfa.model import FactorName
from idp_mfa.policy.conditions import All, AnyOf, HasValue, Not, OneOf, opposite
from idp_mfa.policy.dated import DAYS, Before, During, WasBound, WasVerified
from idp_mfa.policy.model import (
    Condition,
    Decided,
    Effect,
    Enrol,
    Facts,
    Grace,
    Outcome,
    Refuse,
    Require,
    Skip,
    Step,
    Truth,
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A factor that was set up (``by`` says on what proof) or shown, and how long ago."""

    factor: FactorName
    by: str
    ago: timedelta


@dataclass(frozen=True, slots=True)
class Hours:
    """A time of the day on some days of the week, and what time it was."""

    days: tuple[str, ...]
    start: str
    end: str
    zone: str
    day: str
    clock: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition of a rule and what it said.

    ``about`` is its name in a policy, ``attribute``, ``during``, ``before`` or ``shown``, or
    ``all``, ``any`` and ``not`` with ``parts``. ``wanted`` and ``found`` are a policy's words;
    ``wanted`` empty is anything, and where ``is_other`` is true it is what must not be found.
    ``found`` None is not known, empty is nothing. ``by``, ``within`` and ``earlier`` are those of
    ``bound`` and ``shown``.
    """

    about: str
    truth: Truth
    wanted: tuple[str, ...] = ()
    found: tuple[str, ...] | None = ()
    is_other: bool = False
    parts: tuple[Finding, ...] = ()
    attribute: str = ""
    hours: Hours | None = None
    until: datetime | None = None
    by: tuple[str, ...] = ()
    within: timedelta | None = None
    earlier: tuple[Earlier, ...] = ()


@dataclass(frozen=True, slots=True)
class Clause:
    """One rule: what it would do, what was found, and what became of it.

    Of a rule that was passed over ``findings`` are those conditions alone that are why.
    ``effect`` is ``decided``, ``joined`` or ``passed-over``, with ``in-doubt-`` before it where a
    condition could not be told. ``does`` is ``skip``, ``require``, ``deny``, ``enrol`` or
    ``grace``, the others as in the policy's own.
    """

    rule: str
    effect: str
    does: str
    factors: tuple[FactorName, ...]
    fresh: timedelta | None
    kinds: int
    until: datetime | None
    findings: tuple[Finding, ...]


def clauses(decided: Decided) -> tuple[Clause, ...]:
    """Every rule that was looked at, in the order of the policy."""
    return tuple(_clause(step) for step in decided.steps)


def _clause(step: Step) -> Clause:
    then = step.rule.then
    truth, findings = step.when.truth(step.facts), dict.fromkeys(_top(step.when, step.facts))
    doubt = "in-doubt-" if truth is Truth.UNKNOWN else ""
    is_over = step.effect is Effect.PASSED_OVER
    return Clause(
        rule=step.rule.name,
        effect=f"{doubt}{_EFFECTS[step.effect]}",
        does=_does(then),
        factors=tuple(sorted(then.factors)) if isinstance(then, Require | Enrol) else (),
        fresh=then.fresh if isinstance(then, Require) else None,
        kinds=then.kinds if isinstance(then, Require) else 1,
        until=then.until if isinstance(then, Grace) else None,
        findings=tuple(one for one in findings if not is_over or one.truth is truth),
    )


_EFFECTS = {
    Effect.PASSED_OVER: "passed-over",
    Effect.JOINED: "joined",
    Effect.DECIDED: "decided",
}


def _does(then: Outcome) -> str:
    match then:
        case Skip():
            return "skip"
        case Require():
            return "require"
        case Refuse():
            return "deny"
        case Enrol():
            return "enrol"
        case Grace():
            return "grace"
        case never:
            assert_never(never)


def _top(when: Condition, facts: Facts) -> tuple[Finding, ...]:
    """All of these must hold: what a skip needs besides stands beside what the rule says."""
    if isinstance(when, All):
        return tuple(one for part in when.parts for one in _top(part, facts))
    return (_finding(when, facts),)


def _finding(when: Condition, facts: Facts) -> Finding:
    truth = when.truth(facts)
    match when:
        case OneOf(subject, wanted):
            nothing = None if truth is Truth.UNKNOWN else ()
            found = tuple(sorted(subject.found(facts))) or nothing
            return Finding(subject.name, truth, tuple(sorted(wanted)), found)
        case HasValue(attribute, wanted):
            values = facts.attributes.get(attribute)
            seen = None if values is None else tuple(sorted(values))
            return Finding("attribute", truth, tuple(sorted(wanted)), seen, attribute=attribute)
        case All((part,)) | AnyOf((part,)):
            return _finding(part, facts)
        case All(parts):
            return Finding("all", truth, parts=_each(parts, facts))
        case AnyOf(parts):
            return Finding("any", truth, parts=_each(parts, facts))
        case Not(part):
            return _opposite(_finding(part, facts))
        case _:
            return _dated(when, facts)


def _dated(when: Condition, facts: Facts) -> Finding:
    truth = when.truth(facts)
    match when:
        case During(days, start, end, zone):
            here = facts.at.astimezone(zone)
            hours = Hours(
                tuple(word for number, word in enumerate(DAYS) if number in days),
                f"{start:%H:%M}",
                f"{end:%H:%M}",
                zone.key,
                DAYS[here.weekday()],
                f"{here:%H:%M}",
            )
            return Finding("during", truth, hours=hours)
        case Before(moment):
            return Finding("before", truth, until=moment)
        case WasBound(by, factors, within):
            bound = [
                Earlier(factor, one.by.value, facts.at - one.at)
                for factor, each in sorted(facts.bound.items())
                for one in each
            ]
            wanted = tuple(sorted(factors))
            proofs = tuple(sorted(one.value for one in by))
            return Finding("bound", truth, wanted, by=proofs, within=within, earlier=tuple(bound))
        case WasVerified(factors, within):
            shown = [Earlier(done.factor, "", facts.at - done.at) for done in facts.counting]
            wanted = tuple(sorted(factors))
            return Finding("shown", truth, wanted, within=within, earlier=tuple(shown))
        case other:
            matched = other.match(facts)
            return Finding(matched.condition, truth, (matched.wanted,), (matched.found,))


def _each(parts: tuple[Condition, ...], facts: Facts) -> tuple[Finding, ...]:
    return tuple(_finding(part, facts) for part in parts)


def _opposite(found: Finding) -> Finding:
    if found.parts:
        return Finding("not", opposite(found.truth), parts=(found,))
    return replace(found, truth=opposite(found.truth), is_other=not found.is_other)
