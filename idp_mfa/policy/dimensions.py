"""In what requests differ for a policy: one value for each that it can tell from others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

from idp_mfa.model import NOT_FACTORS, Account, Acr, BoundBy, Device, FactorKind, FactorName
from idp_mfa.policy.assurance import levels
from idp_mfa.policy.cases import LONG_AGO, Given, Standing, facts_given
from idp_mfa.policy.cells import Dimension, Point, Space, Value
from idp_mfa.policy.conditions import HasValue, OneOf, leaves
from idp_mfa.policy.dated import Before, During, WasBound, WasVerified, span
from idp_mfa.policy.model import (
    UNKNOWN,
    Bound,
    Condition,
    Enrol,
    Facts,
    Grace,
    Outcome,
    Policy,
    Require,
    Truth,
    ZoneName,
)
from idp_mfa.policy.spans import Span, spans
from idp_mfa.policy.subjects import ASKED
from idp_mfa.policy.zones import lookup

Factors = Mapping[FactorName, frozenset[FactorKind]]
Proof = tuple[BoundBy, timedelta]
"""On what proof a factor was bound, and how long ago."""
Proofs = Mapping[FactorName, Sequence[Proof]]

_ALL_MIXTURES = 2
"""Of so many words every mixture is tried; of more, each alone."""
_WEEK = range(-1, 9)
_MOMENT = timedelta(seconds=1)
_SOME_TIME = datetime(2026, 4, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Holding:
    """The factors that somebody can use, and how what else there is stands."""

    enrolled: frozenset[FactorName]
    standing: Standing = Standing.CLEAR

    @property
    def has_none(self) -> bool:
        """Never had a factor (rule 2)."""
        return self.enrolled <= NOT_FACTORS and self.standing is Standing.CLEAR


@dataclass(frozen=True, slots=True)
class Named:
    """All that some policies name; ``leaves`` are their conditions without parts."""

    leaves: tuple[Condition, ...]

    @classmethod
    def by(cls, policies: Iterable[Policy]) -> Named:
        """What these policies name."""
        rules = [rule for policy in policies for rule in policy.rules]
        grace = (Before(rule.then.until) for rule in rules if isinstance(rule.then, Grace))
        found = (leaf for rule in rules for leaf in leaves(rule.when))
        return cls((*dict.fromkeys(found), *grace))

    def words(self, subject: str) -> frozenset[str]:
        """The words that are wanted of a subject."""
        wanted = (
            one.wanted
            for one in self.leaves
            if isinstance(one, OneOf) and one.subject.name == subject
        )
        return frozenset[str]().union(*wanted)

    @property
    def attributes(self) -> Mapping[str, frozenset[str]]:
        """The wanted values of each attribute."""
        found: dict[str, frozenset[str]] = {}
        for one in self.leaves:
            if isinstance(one, HasValue):
                found[one.attribute] = found.get(one.attribute, frozenset()) | one.wanted
        return found

    @property
    def bindings(self) -> tuple[WasBound, ...]:
        """The conditions on how a factor was bound."""
        return tuple(one for one in self.leaves if isinstance(one, WasBound))

    @property
    def times(self) -> tuple[During | Before, ...]:
        """The conditions on what time it is."""
        return tuple(one for one in self.leaves if isinstance(one, During | Before))


def told_apart(policies: Iterable[Policy], factors: Factors) -> Factors:
    """The factors that can make a difference: of a kind, or named by a policy."""
    rules = [rule for policy in policies for rule in policy.rules]
    named = {str(name) for rule in rules for name in _factors_of(rule.then)}
    for one in (leaf for rule in rules for leaf in leaves(rule.when)):
        match one:
            case OneOf(subject, wanted) if subject.name in ("enrolled", "verified"):
                named |= wanted
            case WasBound(_, wanted) | WasVerified(wanted):
                named |= wanted
    return {name: kinds for name, kinds in factors.items() if kinds or name in named}


def space(
    policies: Sequence[Policy],
    factors: Factors,
    at: datetime,
    people: Collection[Point] = (),
    services: Collection[frozenset[str]] = (),
) -> Space:
    """All that policies can tell apart of requests for one page.

    ``people`` and ``services`` are those there really are: what they mix is tried too.
    """
    named = Named.by(policies)
    dimensions = [
        zones(policies, at),
        Dimension("asked", _classes(policies, named), _put("asked")),
        Dimension("enrolled", _holdings(factors), _put_holding),
        Dimension("service", _services(named, services), _put("service_tags")),
        Dimension("group", _belonging(named.words("group")), _put("groups")),
        *(_attribute(name, words) for name, words in sorted(named.attributes.items())),
    ]
    if named.bindings:
        dimensions.append(binding(named, factors))
    if words := named.words("device"):
        devices = (Device.UNKNOWN, *(one for one in Device if one.value in words))
        others = [one for one in Device if one not in devices]
        dimensions.append(Dimension("device", (*devices, *others[:1]), _put("device")))
    if words := named.words("country"):
        dimensions.append(Dimension("country", (None, "", *sorted(words)), _put("country")))
    if named.times:
        windows = dict(moments(named.times, at))
        dimensions.append(Dimension("time", tuple(windows), _put("at"), windows))
    return tuple(_with_people(one, people) for one in dimensions)


def zones(policies: Sequence[Policy], at: datetime) -> Dimension:
    """The zones, one of each policy, in which some address really is; with an address of each."""
    found: dict[tuple[ZoneName, ...], Span] = {}
    for one in spans(policies, at):
        found.setdefault(one.zones, one)
    nowhere = tuple(UNKNOWN for _ in policies)
    return Dimension(
        "zone",
        (*found, *(() if nowhere in found else (nowhere,))),
        lambda given, zone: replace(given, address=found[zone].first if zone in found else None),
    )


def binding(named: Named, factors: Factors) -> Dimension:
    """On what proof whatever is enrolled was bound, and how long ago."""
    proofs = _bindings(named.bindings, factors)
    told = {(by, age): f"by {by.value} {span(age)} ago" for by, age in proofs}
    return Dimension("bound", proofs, _put_bound, told)


def person(account: Account, named: Named, factors: Factors, at: datetime) -> Point:
    """Somebody's values in the dimensions that are about people."""
    held = account.credentials
    enrolled = frozenset(one.factor for one in held.active if one.factor in factors)
    standing = Standing.CLEAR
    if held.unreadable:
        standing = Standing.UNREADABLE
    elif not enrolled and not held.has_none:
        standing = Standing.UNUSABLE
    point: dict[str, Value] = {
        "enrolled": Holding(enrolled, standing),
        "group": account.groups & named.words("group"),
    }
    for name, words in named.attributes.items():
        there = account.attributes.get(name)
        point[f"attribute {name}"] = None if there is None else words & frozenset(there)
    if named.bindings:
        proofs: dict[FactorName, list[Proof]] = {}
        for one in held.active:
            proofs.setdefault(one.factor, []).append((one.bound_by, at - one.bound_at))
        point["bound"] = _nearest(named.bindings, proofs, factors)
    return point


def moments(times: Sequence[During | Before], at: datetime) -> Iterator[tuple[datetime, str]]:
    """The present, and one moment of the coming week for each other answer of the conditions.

    With each the conditions that are true then.
    """
    found = set[tuple[Truth, ...]]()
    edges = [at]
    for one in times:
        if isinstance(one, During):
            today = at.astimezone(one.zone).date()
            days = [today + timedelta(days=number) for number in _WEEK]
            for clock in (one.start, one.end):
                edges += (
                    datetime.combine(day, clock, one.zone).astimezone(at.tzinfo) for day in days
                )
    for edge in sorted(one for one in edges if one >= at):
        facts = _nobody(edge)
        answer = tuple(one.truth(facts) for one in times)
        if answer not in found:
            found.add(answer)
            held = (one.match(facts).wanted for one in times if one.truth(facts) is Truth.TRUE)
            yield edge, "; ".join(held)


# -- values ----------------------------------------------------------------------------------


def _factors_of(then: Outcome) -> frozenset[FactorName]:
    match then:
        case Require(factors) | Enrol(factors):
            return factors
        case _:
            return frozenset()


def _classes(policies: Sequence[Policy], named: Named) -> tuple[tuple[Acr, ...], ...]:
    """None, and of the classes that are asked for and told of alike the first one.

    A class of certain factors is among them where a rule or the site names it: no site owes it.
    """
    wanted = [one.wanted for one in named.leaves if isinstance(one, OneOf) and one.subject is ASKED]
    found: dict[Hashable, Acr] = {}
    for policy in policies:
        for level in levels(policy.assurance):
            by_rules = tuple(level.acr in words for words in wanted)
            filled_in = policy.assurance.refeds_phishing_resistant is not None
            if any(by_rules) or (level.kinds > 1 and (filled_in or not level.one_of)):
                found.setdefault((level.kinds, level.one_of, by_rules), level.acr)
    return ((), *((acr,) for acr in found.values()))


def _holdings(factors: Factors) -> tuple[Holding, ...]:
    return (
        *(Holding(frozenset(map(FactorName, one))) for one in _mixtures(frozenset(factors), 2)),
        *(Holding(frozenset(), one) for one in (Standing.UNUSABLE, Standing.UNREADABLE)),
    )


def _services(named: Named, services: Collection[frozenset[str]]) -> tuple[Value, ...]:
    words = named.words("service")
    alone = (frozenset({one}) for one in sorted(words))
    return tuple(dict.fromkeys((frozenset[str](), *alone, *(one & words for one in services))))


def _belonging(words: frozenset[str]) -> tuple[frozenset[str], ...]:
    """None, each alone, and both of two; what people really mix is tried besides."""
    return tuple(_mixtures(words, len(words) if len(words) <= _ALL_MIXTURES else 1))


def _mixtures(words: frozenset[str], most: int) -> Iterator[frozenset[str]]:
    for size in range(most + 1):
        yield from map(frozenset, combinations(sorted(words), size))


def _attribute(name: str, words: frozenset[str]) -> Dimension:
    def put(given: Given, value: Any) -> Given:
        if value is None:
            return given
        return replace(given, attributes={**given.attributes, name: tuple(value)})

    return Dimension(f"attribute {name}", (*_belonging(words), None), put)


def _bindings(conditions: Sequence[WasBound], factors: Factors) -> tuple[Proof, ...]:
    """A proof and an age for each different answer of the conditions."""
    found: dict[tuple[Truth, ...], Proof] = {}
    for proof in _proofs(conditions):
        found.setdefault(_answers(conditions, dict.fromkeys(factors, (proof,))), proof)
    return tuple(found.values())


def _proofs(conditions: Sequence[WasBound]) -> Iterator[Proof]:
    ages = sorted({one.within for one in conditions if one.within is not None})
    oldest = max([LONG_AGO[1], *(age + _MOMENT for age in ages)])
    named = frozenset[BoundBy]().union(*(one.by for one in conditions))
    others = [one for one in BoundBy if one not in named]
    for by in (*others[:1], *sorted(named, key=lambda one: one.value)):
        yield from ((by, age) for age in (oldest, *ages))


def _nearest(conditions: Sequence[WasBound], proofs: Proofs, factors: Factors) -> Proof:
    """The proof that says of every factor what somebody's proofs say, or of the most."""
    wanted = _answers(conditions, proofs)

    def alike(one: Proof) -> int:
        answers = _answers(conditions, dict.fromkeys(factors, (one,)))
        return sum(a is b for a, b in zip(answers, wanted, strict=True))

    return max(_bindings(conditions, factors), key=alike)


def _answers(conditions: Sequence[WasBound], proofs: Proofs) -> tuple[Truth, ...]:
    facts = _nobody(_SOME_TIME)
    bound = {
        factor: tuple(Bound(by, facts.at - age) for by, age in each)
        for factor, each in proofs.items()
    }
    return tuple(one.truth(replace(facts, bound=bound)) for one in conditions)


def _nobody(at: datetime) -> Facts:
    """Facts in which only what is put into them matters."""
    return facts_given(_NO_POLICY, Given(None), {}, at)


def _with_people(dimension: Dimension, people: Collection[Point]) -> Dimension:
    there = (one[dimension.name] for one in people if dimension.name in one)
    return replace(dimension, values=tuple(dict.fromkeys((*dimension.values, *there))))


# -- putting them into a request -------------------------------------------------------------


def _put(field: str) -> Callable[[Given, Any], Given]:
    return lambda given, value: replace(given, **{field: value})


def _put_holding(given: Given, value: Any) -> Given:
    return replace(given, enrolled=value.enrolled, standing=value.standing)


def _put_bound(given: Given, value: Any) -> Given:
    return replace(given, bound=dict.fromkeys(given.enrolled, value))


_NO_POLICY = Policy("", "", {}, (), lookup(()))
