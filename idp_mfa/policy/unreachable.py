"""Rules that can never decide, found by looking in vain for a request by which they would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

from idp_mfa.model import PASSWORD, Acr, Device, FactorName, Page
from idp_mfa.policy.assurance import SHIPPED_FACTORS
from idp_mfa.policy.cases import Given, Standing, facts_given
from idp_mfa.policy.cells import Dimension, Point, Value, certificate, given_at
from idp_mfa.policy.dated import WORD_OF_BOUND, Before, WasVerified
from idp_mfa.policy.decide import decide
from idp_mfa.policy.dimensions import Factors, Named, binding, moments, zones
from idp_mfa.policy.model import Effect, Facts, Policy, Rule, Skip, Step, Truth
from idp_mfa.policy.subjects import NONE

_REQUESTS_TRIED = 3000
"""So many are tried for one rule; if none was found by then, nothing is said of it."""
_MOMENT = timedelta(seconds=1)
_OTHER_CLASS = Acr("urn:idp_mfa:any-other-class")


@dataclass(frozen=True, slots=True)
class Covered:
    """The rules that decide before one always.

    ``on_unknown``: but where something that it asks cannot be told, it has a say.
    """

    by: tuple[str, ...]
    on_unknown: bool


def unreachable(
    policy: Policy, at: datetime, factors: Factors = SHIPPED_FACTORS
) -> Mapping[int, Covered]:
    """The numbers of the rules that never decide nor are joined where all is known.

    Every request there can be is thought of, and more: what is not found here is not there.
    """
    about = _subjects(policy, Named.by((policy,)), factors, at)
    found: dict[int, Covered] = {}
    for number, rule in enumerate(policy.rules):
        plainly = _Search(policy, rule, about, factors, at).covered(frozenset({Truth.TRUE}))
        if plainly is not None:
            at_all = _Search(policy, rule, about, factors, at).covered(frozenset(Truth))
            found[number] = Covered(plainly, on_unknown=at_all is None)
    return found


class _Search:
    """Looks for a request by which one rule decides.

    Where a rule does not come to decide, it is for what some condition saw: any request by which
    it does differs from this one in what that condition looked at. All such differences are tried.
    """

    def __init__(
        self,
        policy: Policy,
        rule: Rule,
        about: Mapping[str, Sequence[Dimension]],
        factors: Factors,
        at: datetime,
    ) -> None:
        self._policy = policy
        self._rule = rule
        self._factors = factors
        self._at = at
        self._about = about
        self._space = list(
            {one.name: one for each in self._about.values() for one in each}.values()
        )
        self._left = _REQUESTS_TRIED
        self._before: dict[str, None] = {}
        self._holding = frozenset(Truth)

    def covered(self, holding: frozenset[Truth]) -> tuple[str, ...] | None:
        """The rules that decide before it always; None if it can decide or nobody knows.

        It decides if its condition comes to one of these truths.
        """
        self._holding = holding
        first = {one.name: one.values[0] for one in self._space}
        return None if self._found(first, frozenset()) else tuple(self._before)

    def _found(self, point: Point, settled: frozenset[str]) -> bool:
        """Whether it decides somewhere, or that cannot be ruled out."""
        self._left -= 1
        if self._left < 0:
            return True
        facts = facts_given(self._policy, given_at(self._space, point), self._factors, self._at)
        steps = decide(self._policy, facts).steps
        own = next((step for step in steps if step.rule is self._rule), None)
        has_a_say = own is not None and own.effect is not Effect.PASSED_OVER
        if own is not None and has_a_say and own.when.truth(facts) in self._holding:
            return True
        looked = self._looked_at(own or steps[-1], facts, settled)
        if not looked <= self._about.keys():
            return True
        if own is None:
            self._before.setdefault(steps[-1].rule.name)
        about = {one.name: one for subject in looked for one in self._about[subject]}
        others = [one for one in self._space if one.name in about.keys() - settled]
        for number, one in enumerate(others):
            held = settled | {other.name for other in others[: number + 1]}
            for value in one.values:
                if value != point[one.name] and self._found({**point, one.name: value}, held):
                    return True
        return False

    def _looked_at(self, step: Step, facts: Facts, settled: frozenset[str]) -> frozenset[str]:
        """The subjects without which this rule does not decide, or that other one does."""
        rank = {
            subject: number
            for number, (subject, each) in enumerate(self._about.items())
            if any(one.name not in settled for one in each)
        }
        truth = self._rule.when.truth(facts)
        if truth is Truth.FALSE or truth not in self._holding:
            return certificate(self._rule.when, facts, rank)
        looked = certificate(step.when, facts, rank)
        return looked | {"zone"} if isinstance(step.rule.then, Skip) else looked


# -- every request there can be, and more ----------------------------------------------------


def _subjects(
    policy: Policy, named: Named, factors: Factors, at: datetime
) -> Mapping[str, Sequence[Dimension]]:
    """The dimensions by what conditions look at; each word that is named is one of its own."""
    time = _one("time", tuple(_moments(named, at)), "at")
    lent = any(zone.ends for zone in policy.zones.values())
    enrolled = [
        *(_in_or_out("enrolled", name, "enrolled") for name in factors),
        _one("standing", tuple(Standing), "standing"),
    ]
    every: dict[str, Sequence[Dimension]] = {
        "page": [_one("page", tuple(Page), "page")],
        "zone": [zones((policy,), at), *([time] if lent else ())],
        "asked": [_one("asked", tuple(_classes(named)), "asked")],
        "group": [_in_or_out("group", word, "groups") for word in sorted(named.words("group"))],
        "service": [
            _in_or_out("service", word, "service_tags") for word in sorted(named.words("service"))
        ],
        "device": [_one("device", tuple(Device), "device")],
        "country": [_one("country", ("", None, *sorted(named.words("country"))), "country")],
        "enrolled": enrolled,
        "verified": [_shown(name, named) for name in (PASSWORD, *factors)],
        "time": [time],
    }
    for name, words in named.attributes.items():
        every[f"attribute {name}"] = list(_attribute(name, words))
    if len(named.bindings) == 1:
        # Of one factor one binding is tried, which is all there is for a single condition only.
        every[WORD_OF_BOUND] = [*enrolled, binding(named, factors)]
    return every


def _one(name: str, values: tuple[Value, ...], field: str) -> Dimension:
    return Dimension(name, values, lambda given, value: replace(given, **{field: value}))


def _in_or_out(name: str, word: str, field: str) -> Dimension:
    def put(given: Given, holds: Any) -> Given:
        return replace(given, **{field: getattr(given, field) | {word}}) if holds else given

    return Dimension(f"{name} {word}", (False, True), put)


def _classes(named: Named) -> Iterator[tuple[Acr, ...]]:
    words = sorted(map(Acr, named.words("asked") - {NONE}))
    for size in range(len(words) + 1):
        for mixed in combinations(words, size):
            yield mixed
            yield (*mixed, _OTHER_CLASS)


def _attribute(name: str, words: frozenset[str]) -> Iterator[Dimension]:
    def hand_out(given: Given, holds: Any) -> Given:
        return replace(given, attributes={**given.attributes, name: ()}) if holds else given

    def value(word: str) -> Dimension:
        def put(given: Given, holds: Any) -> Given:
            there = given.attributes.get(name)
            if there is None or not holds:
                return given
            return replace(given, attributes={**given.attributes, name: (*there, word)})

        return Dimension(f"attribute {name} {word}", (False, True), put)

    yield Dimension(f"attribute {name}", (True, False), hand_out)
    yield from map(value, sorted(words))


def _shown(name: FactorName, named: Named) -> Dimension:
    """When something was shown: never but for the password, and each age that is told apart."""
    limits = sorted({one.within for one in named.leaves if isinstance(one, WasVerified)})
    ages = (timedelta(), *limits, *(one + _MOMENT for one in limits[-1:]))

    def put(given: Given, age: Any) -> Given:
        others = tuple(one for one in given.verified if one[0] != name)
        return replace(given, verified=others if age is None else (*others, (name, age)))

    return Dimension(f"verified {name}", ages if name == PASSWORD else (None, *ages), put)


def _moments(named: Named, at: datetime) -> Iterator[datetime]:
    """Moments of this week, and of the weeks when something has just ended."""
    ends = (one.moment for one in named.times if isinstance(one, Before) and one.moment > at)
    for begin in (at, *ends):
        yield from (moment for moment, _ in moments(named.times, begin))
