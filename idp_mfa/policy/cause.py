"""What, in one word, made a rule decide: read from the trace, never from the rule's wording."""

from __future__ import annotations

from idp_mfa.model import Cause, Verification
from idp_mfa.policy.conditions import all_of, any_of, opposite
from idp_mfa.policy.model import UNKNOWN, Facts, Matched, Require, Rule, Skip, Trace, Truth
from idp_mfa.policy.subjects import COUNTRY, ZONE

_OF_THE_NETWORK = frozenset({ZONE.name, COUNTRY.name})
"""Conditions that another network would change."""


def is_stale(done: Verification, require: Require, facts: Facts) -> bool:
    """Whether something was shown too long ago for a require."""
    if facts.fresh_after is not None and done.at < facts.fresh_after:
        return True
    return require.fresh is not None and facts.at - done.at > require.fresh


def cause_of_rule(rule: Rule, trace: Trace, facts: Facts) -> Cause:
    """The network if the rule looks at it, or if from another zone a skip before it had held."""
    network = Cause.NETWORK_UNKNOWN if facts.zone == UNKNOWN else Cause.NETWORK
    for each, when, _ in trace:
        if each is rule:
            return network if _looks_at_the_network(when.match(facts)) else Cause.RULE
        skips = isinstance(each.then, Skip)
        if skips and _elsewhere(when.match(facts), Truth.TRUE) is Truth.TRUE:
            return network
    return Cause.RULE


def _looks_at_the_network(matched: Matched) -> bool:
    return matched.condition in _OF_THE_NETWORK or any(map(_looks_at_the_network, matched.parts))


def _elsewhere(matched: Matched, hoped: Truth) -> Truth:
    """The truth if every zone in it were what is hoped for."""
    match matched.condition:
        case ZONE.name:
            return hoped
        case "all":
            return all_of(_elsewhere(part, hoped) for part in matched.parts)
        case "any":
            return any_of(_elsewhere(part, hoped) for part in matched.parts)
        case "not":
            return opposite(_elsewhere(matched.parts[0], opposite(hoped)))
        case _:
            return matched.truth
