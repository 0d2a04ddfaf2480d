"""What a new policy does otherwise than the old one: the cells whose outcome changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, assert_never

from idp_mfa.model import PASSWORD, FactorName, Page, Refusal
from idp_mfa.policy.cases import Given, facts_given
from idp_mfa.policy.cells import (
    Cell,
    Dimension,
    Judged,
    Point,
    Space,
    given_at,
    looked_at,
    merged,
    split,
)
from idp_mfa.policy.conditions import leaves
from idp_mfa.policy.dated import WasVerified
from idp_mfa.policy.decide import decide
from idp_mfa.policy.dimensions import Factors, space, told_apart
from idp_mfa.policy.model import (
    Decision,
    Deny,
    Effect,
    Enrol,
    EnrolFirst,
    Network,
    Permit,
    Policy,
    Require,
    Step,
    StepUp,
    ZoneName,
)
from idp_mfa.policy.spans import spans

_MOMENT = timedelta(seconds=1)
_PORTAL = tuple(page for page in Page if page is not Page.SIGN_IN)


class Turn(Enum):
    """What becomes of a request, the weightiest first."""

    ASKED = "newly asked"
    LET_IN = "newly not asked"
    DENIED = "newly denied"
    NO_LONGER_DENIED = "no longer denied"
    OTHERWISE = "asked for something else"


@dataclass(frozen=True, slots=True)
class Changed:
    """What the new policy does otherwise, by which of its rules ("" for none).

    ``lost`` and ``gained`` are the factors that are offered no more, and those that are now.
    """

    turn: Turn
    rule: str
    why: Refusal | None = None
    lost: frozenset[FactorName] = frozenset()
    gained: frozenset[FactorName] = frozenset()


@dataclass(frozen=True, slots=True)
class Difference:
    """All that changes, the weightiest first.

    ``moved`` are the networks that are in another zone than before.
    """

    space: Space
    changes: tuple[Cell[Changed], ...]
    moved: Mapping[tuple[ZoneName, ...], tuple[Network, ...]]


def difference(
    old: Policy,
    new: Policy,
    factors: Factors,
    at: datetime,
    services: Collection[frozenset[str]] = (),
) -> Difference:
    """The requests for any page of which something else comes, as of a moment."""
    both = (old, new)
    telling = told_apart(both, factors)
    everything = space(both, telling, at, services=services)
    shown = Dimension("verified", _ages(both), _put_shown)
    # No service asks for a page of the portal.
    of_services = frozenset({"asked", "service"})
    changes: list[Cell[Changed]] = []
    for pages, closed in (((Page.SIGN_IN,), frozenset[str]()), (_PORTAL, of_services)):
        where = (
            Dimension("page", pages, _put_page),
            *(_closed(one) if one.name in closed else one for one in everything),
            shown,
        )
        found = split(where, _Judging(both, telling, where, at).changed)
        every = {one.name: frozenset(one.values) for one in everything if one.name in closed}
        changes += (
            Cell({**one.values, **every}, one.label)
            for one in merged(found, [one.name for one in where][::-1])
        )
    weight = list(Turn).index
    return Difference(
        (Dimension("page", tuple(Page), _put_page), *everything, shown),
        tuple(sorted(changes, key=lambda one: weight(one.label.turn))),
        _moved(both, at),
    )


class _Judging:
    """Judges the points of two policies' common space."""

    def __init__(
        self, both: tuple[Policy, Policy], factors: Factors, where: Space, at: datetime
    ) -> None:
        self._both = both
        self._factors = factors
        self._space = where
        self._at = at
        self._order = [one.name for one in where]

    def changed(self, point: Point) -> Judged[Changed | None]:
        """What changes of a request; None if the same comes of it."""
        given = given_at(self._space, point)
        needed = set[str]()
        decisions: list[Decision] = []
        for policy in self._both:
            facts = facts_given(policy, given, self._factors, self._at)
            decided = decide(policy, facts)
            needed |= looked_at(decided, facts, self._order)
            if facts.acr_values or any(map(_demands, decided.steps)):
                needed |= {"verified", "enrolled"}
            decisions.append(decided.decision)
        before, after = decisions
        return Judged(_changed(before, after), frozenset(needed))


def _demands(step: Step) -> bool:
    return step.effect is not Effect.PASSED_OVER and isinstance(step.rule.then, Require | Enrol)


def _changed(before: Decision, after: Decision) -> Changed | None:
    rule = after.because.rule
    match before, after:
        case (Permit(), Permit()) | (Deny(), Deny()):
            return None
        case _, Deny(why):
            return Changed(Turn.DENIED, rule, why)
        case _, Permit():
            return Changed(Turn.LET_IN, rule)
        case Permit(), _:
            return Changed(Turn.ASKED, rule)
        case Deny(), _:
            return Changed(Turn.NO_LONGER_DENIED, rule)
    lost, gained = _offers(before) - _offers(after), _offers(after) - _offers(before)
    same = type(before) is type(after) and not lost and not gained
    return None if same else Changed(Turn.OTHERWISE, rule, lost=lost, gained=gained)


def _offers(decision: Decision) -> frozenset[FactorName]:
    match decision:
        case StepUp(offered):
            return offered
        case EnrolFirst(allowed):
            return allowed
        case Permit() | Deny():
            return frozenset()
        case never:
            assert_never(never)


def _put_page(given: Given, page: Any) -> Given:
    return replace(given, page=page)


def _closed(dimension: Dimension) -> Dimension:
    return replace(dimension, values=dimension.values[:1])


def _ages(policies: Collection[Policy]) -> tuple[timedelta | None, ...]:
    """Nothing shown but the password, then each age that a policy can tell from others."""
    limits = set[timedelta]()
    for rule in (rule for policy in policies for rule in policy.rules):
        if isinstance(rule.then, Require) and rule.then.fresh is not None:
            limits.add(rule.then.fresh)
        limits |= {one.within for one in leaves(rule.when) if isinstance(one, WasVerified)}
    oldest = max(limits) + _MOMENT if limits else timedelta()
    return (None, *sorted(limits), oldest)


def _put_shown(given: Given, age: Any) -> Given:
    if age is None:
        return given
    shown = ((name, age) for name in sorted(given.enrolled))
    return replace(given, verified=((PASSWORD, timedelta()), *shown))


def _moved(
    policies: Sequence[Policy], at: datetime
) -> Mapping[tuple[ZoneName, ...], tuple[Network, ...]]:
    found: dict[tuple[ZoneName, ...], tuple[Network, ...]] = {}
    for span in spans(policies, at):
        if len(set(span.zones)) > 1:
            found[span.zones] = (*found.get(span.zones, ()), *span.networks)
    return found
