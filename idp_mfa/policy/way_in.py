"""Whether somebody who shows what is asked for gets in, by asking the policy after each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from idp_mfa.model import Acr, FactorName, Verification
from idp_mfa.policy.assurance import levels
from idp_mfa.policy.cells import looked_at
from idp_mfa.policy.decide import decide
from idp_mfa.policy.dimensions import Factors
from idp_mfa.policy.model import Decided, Decision, Deny, EnrolFirst, Facts, Permit, Policy, StepUp
from idp_mfa.policy.ways import may_set_up


@dataclass(frozen=True, slots=True)
class Tried:
    """One decision on the way, and what it was made of."""

    facts: Facts
    decided: Decided


@dataclass(frozen=True, slots=True)
class WayIn:
    """Where all steps lead: to a permit, or to the last word if none does."""

    end: Decision
    tried: tuple[Tried, ...]

    @property
    def is_there(self) -> bool:
        """Whether somebody gets in."""
        return isinstance(self.end, Permit)

    def needed(self, order: Sequence[str]) -> frozenset[str]:
        """The dimensions without which it could be another one."""
        return frozenset[str]().union(
            *(looked_at(one.decided, one.facts, order) for one in self.tried)
        )


def way_in(policy: Policy, facts: Facts, factors: Factors) -> WayIn:
    """Tries every offered factor, one after the other, until there is a permit."""
    tried: list[Tried] = []

    def follow(facts: Facts) -> Decision:
        decided = decide(policy, facts)
        tried.append(Tried(facts, decided))
        match decided.decision:
            case Permit() | Deny():
                return decided.decision
            case StepUp(offered):
                new = offered - {done.factor for done in facts.verified if done.at == facts.at}
                return first_permit([showing(facts, name) for name in sorted(new)], decided)
            case EnrolFirst(allowed):
                if not may_set_up(policy, facts, facts.zone):
                    return decided.decision
                new = frozenset(name for name in allowed if name in factors)
                having_one = [having(facts, name, factors) for name in sorted(new)]
                return first_permit(
                    [showing(one, *(one.enrolled.keys() - facts.enrolled)) for one in having_one],
                    decided,
                )

    def first_permit(nexts: Sequence[Facts], decided: Decided) -> Decision:
        end = decided.decision
        for one in nexts:
            end = follow(one)
            if isinstance(end, Permit):
                break
        return end

    end = follow(facts)
    return WayIn(end, tuple(tried))


def best_class(policy: Policy, facts: Facts, factors: Factors) -> Acr | None:
    """The strongest class with which somebody gets in who shows all that is asked for."""
    return next(
        (
            level.acr
            for level in levels(policy.assurance)
            if way_in(policy, replace(facts, acr_values=(level.acr,)), factors).is_there
        ),
        None,
    )


def having(facts: Facts, factor: FactorName, factors: Factors) -> Facts:
    """The same if one more factor were set up."""
    return replace(facts, enrolled={**facts.enrolled, factor: factors[factor]}, has_none=False)


def showing(facts: Facts, *shown: FactorName) -> Facts:
    """The same if these factors were shown now, at their best."""
    done = (Verification(name, facts.enrolled[name], (), facts.at) for name in shown)
    return replace(facts, verified=(*facts.verified, *done))
