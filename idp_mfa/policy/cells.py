"""What a policy can tell apart: all requests there can be, split no further than it looks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from idp_mfa.model import Refusal
from idp_mfa.policy.cases import Given
from idp_mfa.policy.conditions import All, AnyOf, Not, OneOf
from idp_mfa.policy.model import (
    Condition,
    Decided,
    Deny,
    EnrolFirst,
    Facts,
    Grace,
    Permit,
    Skip,
    StepUp,
    Truth,
)

_HIGHEST = 1_000_000
"""Above the rank of any dimension."""

Value = Hashable
Point = Mapping[str, Value]
"""One value of every dimension."""
Label = TypeVar("Label", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Dimension:
    """Something in which requests differ, called as conditions call it.

    Of all values there can be, ``values`` has one for each that the policy can tell from others;
    ``told`` says in the policy's words what a value stands for that does not say it itself.
    """

    name: str
    values: tuple[Value, ...]
    put: Callable[[Given, Any], Given]
    told: Mapping[Any, str] = field(default_factory=dict)


Space = Sequence[Dimension]
"""Every dimension; those that come first are split first."""


@dataclass(frozen=True, slots=True)
class Judged(Generic[Label]):
    """What comes of one point, and the dimensions without which it could be something else."""

    label: Label
    needed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Cell(Generic[Label]):
    """Requests of which the same comes: any mixture of these values."""

    values: Mapping[str, frozenset[Value]]
    label: Label

    def holds(self, point: Point) -> bool:
        """Whether a point is in it; it may leave dimensions open."""
        return all(value in self.values[name] for name, value in point.items())


def given_at(space: Space, point: Point) -> Given:
    """A point as a request."""
    given = Given(None)
    for dimension in space:
        given = dimension.put(given, point[dimension.name])
    return given


def split(space: Space, judge: Callable[[Point], Judged[Label]]) -> tuple[Cell[Label], ...]:
    """All points in cells that do not overlap, each judged once."""
    known: dict[tuple[Value, ...], Judged[Label]] = {}
    every = {one.name: frozenset(one.values) for one in space}
    first = {one.name: one.values[0] for one in space}

    def judged(point: Point) -> Judged[Label]:
        key = tuple(point.values())
        if key not in known:
            known[key] = judge(point)
        return known[key]

    def cells(settled: Mapping[str, Value]) -> Iterator[Cell[Label]]:
        found = judged({**first, **settled})
        for one in space:
            if one.name in found.needed and one.name not in settled:
                for value in one.values:
                    yield from cells({**settled, one.name: value})
                return
        only = {name: frozenset({value}) for name, value in settled.items()}
        yield Cell({**every, **only}, found.label)

    return tuple(cells({}))


def merged(cells: Iterable[Cell[Label | None]], order: Sequence[str]) -> tuple[Cell[Label], ...]:
    """Those with a label, in fewer cells: what differs in one dimension alone is joined."""
    left = [Cell(one.values, one.label) for one in cells if one.label is not None]
    while True:
        before = len(left)
        for name in order:
            left = _joined(left, name)
        if len(left) == before:
            return tuple(left)


def _joined(cells: Sequence[Cell[Label]], name: str) -> list[Cell[Label]]:
    alike: dict[tuple[Hashable, ...], tuple[Cell[Label], set[Value]]] = {}
    for cell in cells:
        rest = tuple(values for key, values in cell.values.items() if key != name)
        _, values = alike.setdefault((cell.label, rest), (cell, set()))
        values |= cell.values[name]
    return [
        Cell({**cell.values, name: frozenset(values)}, cell.label)
        for cell, values in alike.values()
    ]


# -- what a decision looked at ---------------------------------------------------------------


def looked_at(decided: Decided, facts: Facts, order: Sequence[str]) -> frozenset[str]:
    """The dimensions that made a decision: with the same values in them it is the same."""
    rank = {name: number for number, name in enumerate(order)}
    found = set[str](_by_decision(decided))
    # What decided is needed in any case; what else was false then often is so for the same.
    for step in reversed(decided.steps):
        rank.update(dict.fromkeys(found, -1))
        found |= certificate(step.when, facts, rank)
        if isinstance(step.rule.then, Skip) and step.when.truth(facts) is Truth.TRUE:
            found.add("zone")
        if isinstance(step.rule.then, Grace):
            found.add("time")
    return frozenset(found)


def certificate(when: Condition, facts: Facts, rank: Mapping[str, int]) -> frozenset[str]:
    """Dimensions whose values alone make a condition's truth; of several sets that rank first."""
    match when:
        case All(parts):
            return _of_parts(parts, when.truth(facts), Truth.FALSE, facts, rank)
        case AnyOf(parts):
            return _of_parts(parts, when.truth(facts), Truth.TRUE, facts, rank)
        case Not(part):
            return certificate(part, facts, rank)
        case OneOf(subject):
            return frozenset({subject.name})
        case _:
            return frozenset({when.match(facts).condition})


def _of_parts(
    parts: Collection[Condition],
    truth: Truth,
    decisive: Truth,
    facts: Facts,
    rank: Mapping[str, int],
) -> frozenset[str]:
    if truth is not decisive:
        return frozenset[str]().union(*(certificate(part, facts, rank) for part in parts))
    best, lowest = frozenset[str](), _HIGHEST
    for part in parts:
        if part.truth(facts) is decisive:
            names = certificate(part, facts, rank)
            last = max((rank.get(name, -1) for name in names), default=-1)
            if last < lowest:
                best, lowest = names, last
            if last < 0:
                break
    return best


def _by_decision(decided: Decided) -> frozenset[str]:
    match decided.decision:
        case Deny(Refusal.POLICY):
            return frozenset()
        case Permit():
            return frozenset({"asked"})
        case StepUp() | EnrolFirst() | Deny():
            return frozenset({"asked", "enrolled"})
