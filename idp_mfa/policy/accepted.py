"""Which lock-outs a policy's own tests expect: what is intended is written down as a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from idp_mfa.model import Page, Refusal
from idp_mfa.policy.cases import Outcome, facts_given, try_all
from idp_mfa.policy.dimensions import Holding
from idp_mfa.policy.load import Untried
from idp_mfa.policy.model import OUTSIDE, UNKNOWN, Decision, Deny, EnrolFirst, ZoneName


@dataclass(frozen=True, slots=True)
class TestName:
    """One of the policy's tests."""

    __test__ = False

    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Shut:
    """A request that is not let in: by which rule, and why.

    ``holding`` is None where a rule shuts out whatever somebody has.
    """

    page: Page
    zone: ZoneName
    rule: str
    why: str
    holding: Holding | None

    @classmethod
    def at(cls, page: Page, zone: ZoneName, holding: Holding, decision: Decision) -> Shut:
        """What a decision that lets nobody in comes to."""
        why = why_not(decision)
        by_rule = why == Refusal.POLICY.value
        return cls(page, zone, decision.because.rule, why, None if by_rule else holding)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the tests expect: requests that are shut, and those that a demanded class shuts."""

    shut: Mapping[Shut, TestName]
    demanded: Mapping[tuple[Holding, str], TestName]

    @classmethod
    def by(cls, untried: Untried) -> Accepted:
        """The tests that expect no way in, and are right."""
        shut: dict[Shut, TestName] = {}
        demanded: dict[tuple[Holding, str], TestName] = {}
        for one in try_all(untried.policy, untried.cases, untried.factors):
            expected = one.case.expected.outcome in (Outcome.DENY, Outcome.ENROL)
            if one.wrong is not None or not expected:
                continue
            given, decision = one.case.given, one.decided.decision
            test = TestName(one.case.name, one.case.place.line)
            zone = facts_given(untried.policy, given, untried.factors).zone
            holding = Holding(given.enrolled, given.standing)
            shut.setdefault(Shut.at(given.page, zone, holding, decision), test)
            if given.asked:
                demanded.setdefault((holding, why_not(decision)), test)
        return cls(shut, demanded)

    def test(self, shut: Shut) -> TestName | None:
        """The test that expects it; what is expected outside is so of unknown addresses too."""
        if shut.zone != UNKNOWN or shut in self.shut:
            return self.shut.get(shut)
        return self.shut.get(Shut(shut.page, OUTSIDE, shut.rule, shut.why, shut.holding))


def why_not(decision: Decision) -> str:
    """A refusal's word, or that of a set-up that cannot be made."""
    match decision:
        case Deny(why):
            return why.value
        case EnrolFirst():
            return SET_UP_FIRST
        case _:
            return STUCK


SET_UP_FIRST = "set-up-first"
"""The policy wants a factor to be set up, and P6 does not allow that there."""
STUCK = "stuck"
"""What is asked for can be shown, and is asked for all the same."""
