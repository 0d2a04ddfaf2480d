"""What a policy looks at that a line does not hold, and each way that it may have been."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from idp_mfa.policy.conditions import HasValue, OneOf, leaves
from idp_mfa.policy.dimensions import Named
from idp_mfa.policy.model import OUTSIDE, UNKNOWN, Condition, Facts, Policy, Step, ZoneName
from idp_mfa.policy.record import Recorded
from idp_mfa.policy.subjects import COUNTRY, GROUP
from idp_mfa.policy.zones import locate

ADDRESS = "address"
"""What is missing where an address cannot be opened any more."""
_COUNTRY = "country"

Way = Callable[[Facts], Facts]
"""One way that something may have been."""


@dataclass(frozen=True, slots=True)
class Held:
    """The facts as a policy sees them, and the ways of what it names that was not recorded."""

    facts: Facts
    ways: Mapping[str, tuple[Way, ...]]

    def worlds(self, names: Iterable[str]) -> Iterator[Facts]:
        """The facts in each way that these may have been."""
        for world in product(*(self.ways[name] for name in names)):
            facts = self.facts
            for way in world:
                facts = way(facts)
            yield facts


class Asked:
    """What one policy asks.

    ``known`` are the versions of policies with the same zones: an address that cannot be opened is
    in the zone that one of them told.
    """

    def __init__(self, policy: Policy, known: frozenset[str]) -> None:
        named = Named.by([policy])
        self._policy = policy
        self._known = known
        self._groups = policy.groups
        self._attributes = named.attributes
        self._countries = named.words(COUNTRY.name)

    def of(self, recorded: Recorded) -> Held:
        """What a line holds of it, and what not."""
        facts, ways = recorded.facts, dict[str, tuple[Way, ...]]()
        if recorded.seen is not None:
            zone = locate(self._policy, recorded.seen.address, facts.at)
            facts = facts if zone == facts.zone else replace(facts, zone=zone)
        elif recorded.policy not in self._known:
            ways[ADDRESS] = tuple(map(_in_zone, (*self._policy.zones, OUTSIDE, UNKNOWN)))
        for group in self._groups - recorded.groups:
            ways[group] = (_as_it_is, _in_group(group))
        for attribute, wanted in self._attributes.items():
            if attribute not in recorded.attributes:
                values = ((), tuple(wanted), *((value,) for value in wanted))
                ways[attribute] = (_as_it_is, *(_with(attribute, each) for each in values))
        if self._countries and facts.country is None and facts.zone != UNKNOWN:
            ways[_COUNTRY] = (_as_it_is, *map(_in_country, (*self._countries, "")))
        return Held(facts, ways)


def looked_at(steps: Iterable[Step]) -> frozenset[str]:
    """The names of what a decision hangs on, of that which may not be recorded."""
    return frozenset(name for step in steps for name in _names(step.when))


def _names(when: Condition) -> Iterator[str]:
    for one in leaves(when):
        match one:
            case OneOf(subject, wanted) if subject is GROUP:
                yield from wanted
            case OneOf(subject) if subject is COUNTRY:
                yield _COUNTRY
            case HasValue(attribute):
                yield attribute


def _as_it_is(facts: Facts) -> Facts:
    return facts


def _in_zone(zone: ZoneName) -> Way:
    return lambda facts: replace(facts, zone=zone)


def _in_group(group: str) -> Way:
    return lambda facts: replace(facts, groups=facts.groups | {group})


def _in_country(country: str) -> Way:
    return lambda facts: replace(facts, country=country)


def _with(attribute: str, values: tuple[str, ...]) -> Way:
    return lambda facts: replace(facts, attributes={**facts.attributes, attribute: values})
