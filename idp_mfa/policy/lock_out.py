"""Of one request: is there a way in, and if not, what can these people do about it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from idp_mfa.model import PORTAL, FactorName, Page, Refusal
from idp_mfa.policy.accepted import Accepted, Shut, TestName, why_not
from idp_mfa.policy.assurance import reached
from idp_mfa.policy.cases import Standing, facts_given
from idp_mfa.policy.cells import Judged, Point, Space, given_at, looked_at
from idp_mfa.policy.decide import decide
from idp_mfa.policy.dimensions import Factors, Holding
from idp_mfa.policy.model import OUTSIDE, Effect, Facts, Permit, Policy, Skip, ZoneName
from idp_mfa.policy.way_in import WayIn, having, showing, way_in
from idp_mfa.policy.ways import may_set_up

_REISSUED = FactorName("totp")
"""What re-issuing makes anew for whoever has a factor of any kind."""
_OF_THE_REQUEST = frozenset({"zone", "asked", "service"})
"""What a page of the portal, asked for from a given zone, has of its own."""


@dataclass(frozen=True, slots=True)
class NoWay:
    """Why some people cannot sign in, and what they can do about it.

    ``demanded``: none of their factors reaches the class that is asked, whatever a policy says.
    ``set_up`` and ``reissue`` are the zones from which a factor that would do can be had,
    ``elsewhere`` those from which there is a way in. ``accepted`` is the policy's own test that
    expects it.
    """

    why: str
    rule: str
    demanded: bool
    set_up: tuple[ZoneName, ...]
    reissue: tuple[ZoneName, ...]
    elsewhere: tuple[ZoneName, ...]
    accepted: TestName | None

    @property
    def has_road(self) -> bool:
        """Whether people can help themselves to a factor."""
        return bool(self.set_up or self.reissue)


class LockOuts:
    """Judges the points of one policy's space."""

    def __init__(
        self, policy: Policy, factors: Factors, space: Space, at: datetime, accepted: Accepted
    ) -> None:
        self._policy = policy
        self._factors = factors
        self._space = space
        self._at = at
        self._accepted = accepted
        self._known: dict[Hashable, tuple[WayIn, frozenset[str]]] = {}
        self._order = [one.name for one in space]
        there = {names for one in space if one.name == "zone" for names in one.values}
        self._zones = tuple(one for one in (*policy.zones, OUTSIDE) if (one,) in there)

    def no_way(self, point: Point) -> Judged[NoWay | None]:
        """Why there is no way in; None if there is one."""
        facts = self._facts(point)
        asking = _Asking(self._policy, self._factors, self._order, point, self._known)
        here = asking.way_in(facts)
        found = None if here.is_there else self._no_way(facts, here, asking)
        return Judged(found, frozenset(asking.needed))

    def overridden(self, point: Point) -> Judged[str | None]:
        """The rule that skips, and does not because a class is asked; None if there is none."""
        facts = self._facts(point)
        decided = decide(self._policy, facts)
        needed = looked_at(decided, facts, self._order)
        last = decided.steps[-1]
        skips = last.effect is Effect.DECIDED and isinstance(last.rule.then, Skip)
        by_class = decided.decision.because.rule == last.rule.name
        if not skips or not by_class or isinstance(decided.decision, Permit):
            return Judged(None, needed)
        return Judged(last.rule.name, needed)

    # -- inside ------------------------------------------------------------------------------

    def _facts(self, point: Point) -> Facts:
        return facts_given(self._policy, given_at(self._space, point), self._factors, self._at)

    def _no_way(self, facts: Facts, here: WayIn, asking: _Asking) -> NoWay:
        why = why_not(here.end)
        # Where what they have was not looked at, another factor makes no difference.
        by_factors = "enrolled" in asking.needed
        found = NoWay(
            why=why,
            rule=here.end.because.rule,
            demanded=by_factors and not self._could_reach(facts),
            set_up=self._set_up(facts, asking) if by_factors else (),
            reissue=self._reissue(facts, asking) if by_factors else (),
            elsewhere=tuple(
                zone
                for zone in self._zones
                if zone != facts.zone and asking.from_zone(facts, zone).is_there
            ),
            accepted=None,
        )
        if found.demanded and found.has_road:
            # Where they are and which rule it was makes no difference to these people.
            return replace(found, why=Refusal.ACR_UNMET.value, rule="", elsewhere=())
        if not by_factors:
            shut = Shut.at(facts.page, facts.zone, _holding(facts), here.end)
            return replace(found, accepted=self._accepted.test(shut))
        return replace(found, accepted=self._test(facts, found, here, asking))

    def _could_reach(self, facts: Facts) -> bool:
        """Whether what these people have reaches a class that is asked."""
        every = showing(facts, *facts.enrolled)
        really = reached(every.counting, self._policy.assurance)
        return not facts.acr_values or any(one in really for one in facts.acr_values)

    def _set_up(self, facts: Facts, asking: _Asking) -> tuple[ZoneName, ...]:
        """The zones from which a factor can be set up that would do."""
        new = (name for name, kinds in self._factors.items() if kinds)
        if not any(self._helps(facts, name, asking) for name in new):
            return ()
        return tuple(zone for zone in self._zones if asking.may_set_up(facts, zone))

    def _reissue(self, facts: Facts, asking: _Asking) -> tuple[ZoneName, ...]:
        """The zones from which a new key can be had for a mailed code, if that would do."""
        if facts.has_none or not self._helps(facts, _REISSUED, asking):
            return ()
        return tuple(
            zone
            for zone in self._zones
            if asking.on_page(facts, Page.PORTAL_REISSUE, zone).is_there
        )

    def _helps(self, facts: Facts, factor: FactorName, asking: _Asking) -> bool:
        if factor in facts.enrolled:
            return False
        return asking.way_in(having(facts, factor, self._factors)).is_there

    def _test(self, facts: Facts, found: NoWay, here: WayIn, asking: _Asking) -> TestName | None:
        """The policy's test that expects it; without a road, the lack of that too."""
        holding = _holding(facts)
        shut = Shut.at(facts.page, facts.zone, holding, here.end)
        test = self._accepted.test(shut)
        if test is None and found.demanded:
            test = self._accepted.demanded.get((holding, found.why))
        # A rule that denies whatever somebody has is not about factors.
        by_rule = found.why == Refusal.POLICY.value
        expected = (
            by_rule
            or found.has_road
            or all(self._accepted.test(one) for one in self._no_road(facts, asking))
        )
        return test if expected else None

    def _no_road(self, facts: Facts, asking: _Asking) -> Iterator[Shut]:
        """Where a road to a factor would begin, and does not."""
        page = Page.PORTAL_ADD_FACTOR if facts.has_none else Page.PORTAL_REISSUE
        for zone in (*self._policy.zones, OUTSIDE):
            yield Shut.at(page, zone, _holding(facts), asking.on_page(facts, page, zone).end)


class _Asking:
    """The policy, asked about one point; ``needed`` gathers what its answers were made of.

    What is the same for other points is asked once and stands in ``known``.
    """

    def __init__(
        self,
        policy: Policy,
        factors: Factors,
        order: Sequence[str],
        point: Point,
        known: dict[Hashable, tuple[WayIn, frozenset[str]]],
    ) -> None:
        self._policy = policy
        self._factors = factors
        self._order = order
        self._point = point
        self._known = known
        self.needed: set[str] = set()

    def way_in(self, facts: Facts) -> WayIn:
        found = way_in(self._policy, facts, self._factors)
        self.needed |= found.needed(self._order)
        return found

    def from_zone(self, facts: Facts, zone: ZoneName) -> WayIn:
        there = replace(facts, zone=zone, address=None)
        return self._once(there, zone, frozenset({"zone"}))

    def on_page(self, facts: Facts, page: Page, zone: ZoneName) -> WayIn:
        asking = replace(
            facts,
            page=page,
            service=PORTAL,
            service_tags=frozenset(),
            acr_values=(),
            zone=zone,
            address=None,
        )
        return self._once(asking, (page, zone), _OF_THE_REQUEST)

    def may_set_up(self, facts: Facts, zone: ZoneName) -> bool:
        self.on_page(facts, Page.PORTAL_ADD_FACTOR, zone)
        return may_set_up(self._policy, facts, zone)

    def _once(self, facts: Facts, what: Hashable, without: frozenset[str]) -> WayIn:
        key = (what, *(value for name, value in self._point.items() if name not in without))
        if key not in self._known:
            found = way_in(self._policy, facts, self._factors)
            self._known[key] = found, found.needed(self._order) - without
        found, needed = self._known[key]
        self.needed |= needed
        return found


def _holding(facts: Facts) -> Holding:
    standing = Standing.CLEAR
    if facts.unreadable:
        standing = Standing.UNREADABLE
    elif not facts.enrolled and not facts.has_none:
        standing = Standing.UNUSABLE
    return Holding(frozenset(facts.enrolled), standing)
