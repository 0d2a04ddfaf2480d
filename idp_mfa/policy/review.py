"""What is well written and yet hardly meant: rules that never decide, names that nobody has."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from ipaddress import IPv6Network

from idp_mfa.model import Account
from idp_mfa.policy.assurance import of_several_kinds
from idp_mfa.policy.conditions import OneOf, leaves, musts
from idp_mfa.policy.load import Untried
from idp_mfa.policy.model import Grace, Policy, Rule, Skip, Zone, ZoneKind
from idp_mfa.policy.reading import named, suggestion
from idp_mfa.policy.subjects import ASKED, GROUP, SERVICE
from idp_mfa.policy.unreachable import Covered, unreachable
from idp_mfa.yaml_document import ListNode, MappingNode, Place, Problem

SOON = timedelta(days=30)
"""So long before it ends, a network or a grace is told of."""

_NAMED = 3
"""So many of the rules before one are named."""


class Weight(Enum):
    """Whether something should be looked at, or is good to know."""

    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a policy, with its place."""

    weight: Weight
    problem: Problem

    def __str__(self) -> str:
        """The form that editors and terminals can follow."""
        one = self.problem
        return f"{one.file}:{one.line}:{one.column}: {self.weight.value}: {one.message}"


def review(
    untried: Untried,
    document: MappingNode,
    at: datetime,
    people: Collection[Account] | None = None,
    services: Collection[frozenset[str]] | None = None,
) -> tuple[Remark, ...]:
    """All remarks in the policy's order, as of a moment; ``document`` is what it was read from.

    Groups and services are looked up where there are people and services (their id and tags).
    """
    policy = untried.policy
    found = [*_rules(policy, document, at), *_zones(policy, document, at)]
    if people is not None:
        groups = frozenset[str]().union(*(one.groups for one in people))
        found += _unknown(policy, document, GROUP.name, groups, "nobody is in the group")
    if services is not None:
        words = frozenset[str]().union(*services)
        found += _unknown(policy, document, SERVICE.name, words, "no service is called or tagged")
    return tuple(sorted(found, key=lambda one: (one.problem.line, one.problem.column)))


# -- rules -----------------------------------------------------------------------------------


def _rules(policy: Policy, document: MappingNode, at: datetime) -> Iterator[Remark]:
    places = _places(document, "rules")
    never = unreachable(policy, at)
    for number, (rule, place) in enumerate(zip(policy.rules, places, strict=True)):
        if isinstance(rule.then, Grace) and rule.then.until <= at:
            yield _warning(place, f"the grace of rule {rule.name!r} is over")
        elif number in never:
            yield _warning(place, f"rule {rule.name!r} {_never(never[number])}")
        elif isinstance(rule.then, Grace) and rule.then.until <= at + SOON:
            yield _warning(place, f"the grace of rule {rule.name!r} ends on {rule.then.until:%F}")
        if _skips_a_demand(policy, rule):
            said = "skips nothing: the class is asked all the same"
            yield _warning(place, f"rule {rule.name!r} {said}")


def _never(covered: Covered) -> str:
    before = covered.by
    more = ", ..." if len(before) > _NAMED else ""
    rules = ", ".join(map(repr, before[:_NAMED])) + more
    why = f"otherwise {rules} decides before" if before else "its conditions cannot hold together"
    if covered.on_unknown:
        return f"has a say only where something that it asks cannot be told: {why}"
    if before:
        why = f"whatever it is about is decided before, by {rules}"
    return f"never decides: {why}"


def _skips_a_demand(policy: Policy, rule: Rule) -> bool:
    """Whether a rule can hold only where a class of several kinds is asked."""
    asked = (one for one in musts(rule.when) if isinstance(one, OneOf) and one.subject is ASKED)
    several = of_several_kinds(policy.assurance)
    return isinstance(rule.then, Skip) and any(one.wanted <= several for one in asked)


# -- zones -----------------------------------------------------------------------------------


def _zones(policy: Policy, document: MappingNode, at: datetime) -> Iterator[Remark]:
    places = _places(document, "zones")
    for zone, place in zip(policy.zones.values(), places, strict=True):
        for network, end in zone.ends.items():
            if end <= at:
                yield _warning(place, f"{network} ended on {end:%F}: it is an unknown address now")
            elif end <= at + SOON:
                yield _warning(place, f"{network} ends on {end:%F}; after that it is unknown")
        if zone.networks and not any(isinstance(one, IPv6Network) for one in zone.networks):
            said = f"zone `{zone.name}` has IPv4 networks alone: over IPv6 its people are outside"
            yield _note(place, said)
        if _sets_up_nothing(zone):
            said = "asks for no factor of its own, so a first set-up from it counts as off campus"
            yield _note(place, f"zone `{zone.name}` {said}")


def _sets_up_nothing(zone: Zone) -> bool:
    return zone.kind is ZoneKind.VPN and not zone.first_set_up


# -- names -----------------------------------------------------------------------------------


def _unknown(
    policy: Policy, document: MappingNode, subject: str, known: frozenset[str], said: str
) -> Iterator[Remark]:
    spellings: Mapping[str, str] = {one: one for one in known}
    for rule, place in zip(policy.rules, _places(document, "rules"), strict=True):
        for one in leaves(rule.when):
            if isinstance(one, OneOf) and one.subject.name == subject:
                for word in sorted(one.wanted - known):
                    near = suggestion(word, spellings)
                    yield _warning(place, f"{said} {named([word])}{near}")


def _places(document: MappingNode, key: str) -> tuple[Place, ...]:
    match document.get(key):
        case MappingNode(entries):
            return tuple(one.key.place for one in entries)
        case ListNode(items):
            return tuple(one.place for one in items)
        case _:
            return ()


def _warning(place: Place, message: str) -> Remark:
    return Remark(Weight.WARNING, Problem.at(place, message))


def _note(place: Place, message: str) -> Remark:
    return Remark(Weight.NOTE, Problem.at(place, message))
