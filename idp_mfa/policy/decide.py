"""The decision, pure and total: given who, for whom, from where and what is verified already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from idp_mfa.model import Acr, Because, Cause, FactorName, Refusal, Verification
from idp_mfa.policy.assurance import class_of, kinds_of, levels
from idp_mfa.policy.cause import cause_of_rule, is_stale
from idp_mfa.policy.conditions import A_KNOWN_ZONE, HAS_NONE, All, looks_at_device
from idp_mfa.policy.dated import in_grace
from idp_mfa.policy.model import (
    UNKNOWN,
    Assurance,
    Condition,
    Decided,
    Decision,
    Deny,
    Effect,
    Enrol,
    EnrolFirst,
    Facts,
    Grace,
    Permit,
    Policy,
    Refuse,
    Require,
    Rule,
    Skip,
    StepUp,
    Trace,
    Truth,
)


@dataclass(frozen=True, slots=True)
class _Demanded:
    """A require that has to hold, and the rule that says so."""

    rule: Rule
    require: Require


@dataclass(frozen=True, slots=True)
class _Ruling:
    """What the rules come to: ``rule`` decided (None: no rule matched).

    ``demands`` are all to be met; none of them means skip.
    """

    rule: Rule | None
    demands: tuple[_Demanded, ...]
    trace: Trace


def decide(policy: Policy, facts: Facts) -> Decided:
    """What is to be done now, and each rule that was looked at on the way.

    Nothing that counts was shown: denied, because only a known person can be asked for a factor.
    """
    if not kinds_of(facts.counting):
        return Decided(Deny(Refusal.POLICY, _because(facts, None, Cause.FRESHNESS)), facts, ())
    ruling = _ruling(policy, facts)
    return Decided(_decision(policy, facts, ruling), facts, ruling.trace)


# -- the rules -------------------------------------------------------------------------------


def _ruling(policy: Policy, facts: Facts) -> _Ruling:
    """First match wins; a joined require must hold besides what the next match asks."""
    trace: list[tuple[Rule, Condition, Effect]] = []
    false, passed_over = Truth.FALSE, Effect.PASSED_OVER
    joined: list[_Demanded] = []
    for rule in policy.rules:
        free = isinstance(rule.then, _GUARDED_BY_NOTHING)
        when = rule.when if free else _when(rule, facts, policy.assurance)
        truth = when.truth(facts)
        if truth is false:
            trace.append((rule, when, passed_over))
            continue
        effect = _effect(rule, truth, facts)
        trace.append((rule, when, effect))
        match effect, rule.then:
            case _, Require() as require:
                joined.append(_Demanded(rule, require))
            case Effect.JOINED, Enrol(factors):
                joined.append(_Demanded(rule, Require(factors)))
        if effect is Effect.DECIDED:
            return _Ruling(rule, tuple(joined), tuple(trace))
    return _Ruling(None, (), tuple(trace))


_GUARDED_BY_NOTHING = (Require, Refuse)


def _when(rule: Rule, facts: Facts, assurance: Assurance) -> Condition:
    match rule.then:
        case Skip() if facts.zone == UNKNOWN:
            return All((A_KNOWN_ZONE, rule.when))
        # Whose record cannot be read has one (rule 2), and nobody knows which: it is joined.
        case Enrol() if not facts.unreadable:
            return All((HAS_NONE, rule.when))
        case Grace(until):
            return All((A_KNOWN_ZONE, HAS_NONE, *in_grace(until, assurance), rule.when))
        case _:
            return rule.when


def _effect(rule: Rule, truth: Truth, facts: Facts) -> Effect:
    match truth, rule.then:
        case Truth.FALSE, _:
            return Effect.PASSED_OVER
        case Truth.TRUE, Require() if looks_at_device(rule.when):
            return Effect.JOINED
        case Truth.TRUE, Enrol() if facts.unreadable:
            return Effect.JOINED
        case Truth.TRUE, _:
            return Effect.DECIDED
        case Truth.UNKNOWN, Skip() | Grace():
            return Effect.PASSED_OVER
        case Truth.UNKNOWN, Require() | Enrol():
            return Effect.JOINED
        case Truth.UNKNOWN, Refuse():
            return Effect.DECIDED
        case never:
            assert_never(never)


# -- what is missing -------------------------------------------------------------------------


def _decision(policy: Policy, facts: Facts, ruling: _Ruling) -> Decision:
    rule = ruling.rule
    if rule is None:
        return Deny(Refusal.POLICY, _because(facts, None, Cause.NO_RULE))
    if isinstance(rule.then, Refuse):
        cause = cause_of_rule(rule, ruling.trace, facts)
        return Deny(Refusal.POLICY, _because(facts, rule, cause), rule.then.message)
    if facts.acr_values and not _assertable(policy.assurance, facts):
        return Deny(Refusal.ACR_UNMET, _because(facts, rule, Cause.SERVICE_DEMAND))
    if isinstance(rule.then, Enrol):
        return EnrolFirst(rule.then.factors, _because(facts, rule, Cause.NO_FACTOR))
    unmet = _unmet(ruling.demands, facts)
    acr = _permitted_class(policy.assurance, facts)
    if acr is not None and not unmet:
        return Permit(acr, _because(facts, rule, cause_of_rule(rule, ruling.trace, facts)))
    offered = _offered(policy.assurance, facts, ruling.demands)
    if not offered:
        return _refusal(facts, ruling)
    return StepUp(offered, _why_asked(unmet, ruling, facts))


def _met(require: Require, facts: Facts) -> bool:
    return _shown(require, facts) and len(kinds_of(facts.counting)) >= require.kinds


def _shown(require: Require, facts: Facts) -> bool:
    return any(
        done.factor in require.factors and not is_stale(done, require, facts)
        for done in facts.counting
    )


def _unmet(demands: Sequence[_Demanded], facts: Facts) -> tuple[_Demanded, ...]:
    return tuple(one for one in demands if not _met(one.require, facts))


def _permitted_class(assurance: Assurance, facts: Facts) -> Acr | None:
    return class_of(facts.acr_values, facts.counting, assurance)


def _assertable(assurance: Assurance, facts: Facts) -> bool:
    return any(level.acr in facts.acr_values for level in levels(assurance))


# -- what to offer ---------------------------------------------------------------------------


def _with(facts: Facts, factors: Sequence[FactorName]) -> Facts:
    """The facts if these factors were shown now, at their best."""
    shown = tuple(Verification(name, facts.enrolled[name], (), facts.at) for name in factors)
    return replace(facts, verified=(*facts.verified, *shown))


def _enough(assurance: Assurance, facts: Facts, demands: Sequence[_Demanded]) -> bool:
    return not _unmet(demands, facts) and _permitted_class(assurance, facts) is not None


def _offered(
    assurance: Assurance, facts: Facts, demands: Sequence[_Demanded]
) -> frozenset[FactorName]:
    """Each factor that is enough alone; else each that is a step of a way that leads there."""
    alone = frozenset(
        name for name in facts.enrolled if _enough(assurance, _with(facts, (name,)), demands)
    )
    if alone or not _enough(assurance, _with(facts, tuple(facts.enrolled)), demands):
        return alone
    missing = [one.require for one in demands if not _shown(one.require, facts)]
    have = kinds_of(facts.counting)
    more_kinds = _permitted_class(assurance, facts) is None or any(
        len(have) < one.require.kinds for one in demands
    )
    return frozenset(
        name
        for name, kinds in facts.enrolled.items()
        if any(name in require.factors for require in missing) or (more_kinds and kinds - have)
    )


# -- why -------------------------------------------------------------------------------------


def _because(facts: Facts, rule: Rule | None, cause: Cause) -> Because:
    return Because(rule.name if rule else "", facts.zone, facts.address, cause)


def _why_asked(unmet: Sequence[_Demanded], ruling: _Ruling, facts: Facts) -> Because:
    if not unmet:
        return _because(facts, ruling.rule, Cause.SERVICE_DEMAND)
    first = unmet[0]
    old = any(
        done.factor in first.require.factors and is_stale(done, first.require, facts)
        for done in facts.verified
    )
    if old and not _shown(first.require, facts):
        return _because(facts, first.rule, Cause.FRESHNESS)
    cause = cause_of_rule(first.rule, ruling.trace, facts)
    if _shown(first.require, facts) or (cause is Cause.RULE and first.require.kinds > 1):
        cause = Cause.TWO_KINDS
    return _because(facts, first.rule, cause)


def _refusal(facts: Facts, ruling: _Ruling) -> Deny:
    """Why no factor that is there would do: never a permit."""
    if facts.unreadable:
        why, cause = Refusal.CREDENTIAL_UNREADABLE, Cause.UNREADABLE
    elif not facts.enrolled or _unmet(ruling.demands, _with(facts, tuple(facts.enrolled))):
        why, cause = Refusal.NO_FACTOR_ENROLLED, Cause.NO_FACTOR
    else:
        why, cause = Refusal.ACR_UNMET, Cause.SERVICE_DEMAND
    return Deny(why, _because(facts, ruling.rule, cause))
