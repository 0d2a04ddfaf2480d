"""What would help: the policy asked again from each zone, purely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from idp_mfa.model import PORTAL, FactorKind, FactorName, Page, Refusal, WaysOn
from idp_mfa.policy.decide import decide
from idp_mfa.policy.model import (
    Decision,
    Deny,
    EnrolFirst,
    Facts,
    Permit,
    Policy,
    StepUp,
    Zone,
    ZoneName,
)

Kinds = Mapping[FactorName, frozenset[FactorKind]]
"""The installed factors, with the kinds each can show at best."""

_NO_FACTOR_WOULD_DO = frozenset({Refusal.NO_FACTOR_ENROLLED, Refusal.ACR_UNMET})


def with_ways(policy: Policy, facts: Facts, decision: Decision, kinds: Kinds) -> Decision:
    """The decision, with what would help wherever a page shows it."""
    ways = _ways(policy, facts, decision, kinds)
    if ways == WaysOn():
        return decision
    return replace(decision, because=replace(decision.because, ways=ways))


def _ways(policy: Policy, facts: Facts, decision: Decision, kinds: Kinds) -> WaysOn:
    match decision:
        case Permit():
            # What code forbids all the same: a first factor is bound where P6 says.
            adding = facts.page is Page.PORTAL_ADD_FACTOR and (facts.has_none or facts.alone)
            return WaysOn(set_up=_set_up(policy, facts)) if adding else WaysOn()
        case StepUp():
            if facts.page is Page.SIGN_IN:
                return WaysOn()
            there = {name: _from(policy, facts, name) for name in _others(policy, facts)}
            return WaysOn(tuple(name for name, how in there.items() if isinstance(how, Permit)))
        case EnrolFirst(factors):
            return WaysOn(set_up=_set_up(policy, facts), factors=tuple(sorted(factors)))
        case Deny(why):
            there = {name: _from(policy, facts, name) for name in _others(policy, facts)}
            elsewhere = tuple(name for name, how in there.items() if not isinstance(how, Deny))
            helping = _helping(policy, facts, kinds) if why in _NO_FACTOR_WOULD_DO else ()
            return WaysOn(elsewhere, _set_up(policy, facts) if helping else (), helping)
        case never:
            assert_never(never)


def _others(policy: Policy, facts: Facts) -> tuple[ZoneName, ...]:
    return tuple(name for name in policy.zones if name != facts.zone)


def _from(policy: Policy, facts: Facts, zone: ZoneName) -> Decision:
    return decide(policy, replace(facts, zone=zone, address=None)).decision


def _helping(policy: Policy, facts: Facts, kinds: Kinds) -> tuple[FactorName, ...]:
    """The factors that would do, if they were set up."""
    return tuple(
        name
        for name, shows in kinds.items()
        if name not in facts.enrolled
        and not isinstance(decide(policy, _having(facts, name, shows)).decision, Deny)
    )


def _having(facts: Facts, factor: FactorName, shows: frozenset[FactorKind]) -> Facts:
    return replace(facts, enrolled={**facts.enrolled, factor: shows}, has_none=False)


def may_set_up(policy: Policy, facts: Facts, zone: ZoneName) -> bool:
    """Whether this person may bind a factor from a zone, by the policy and by P6 and rule 2."""
    asking = replace(
        facts,
        page=Page.PORTAL_ADD_FACTOR,
        service=PORTAL,
        service_tags=frozenset(),
        acr_values=(),
        fresh_after=None,
    )
    return _may_bind(policy.zones.get(zone), asking, _from(policy, asking, zone))


def _set_up(policy: Policy, facts: Facts) -> tuple[ZoneName, ...]:
    """The zones from which this person may bind a factor, the present one first."""
    there = (facts.zone, *_others(policy, facts))
    return tuple(name for name in there if may_set_up(policy, facts, name))


def _may_bind(zone: Zone | None, facts: Facts, decision: Decision) -> bool:
    """The policy's word, and that of rule 2 and P6 whatever the policy says."""
    match decision:
        case Permit() if facts.has_none or facts.alone:
            return zone is not None and zone.first_set_up
        case Permit():
            return any(FactorKind.POSSESSION in done.kinds for done in facts.counting)
        case StepUp(offered):
            return any(FactorKind.POSSESSION in facts.enrolled[name] for name in offered)
        case EnrolFirst() | Deny():
            return False
        case never:
            assert_never(never)
