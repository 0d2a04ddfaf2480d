"""What ``explain`` says is what production decides, over policies and requests by chance."""

from __future__ import annotations

from collections import Counter
from random import Random

from idp_mfa.policy.assurance import SHIPPED_FACTORS
from idp_mfa.policy.cases import facts_given, outcome_of
from idp_mfa.policy.decide import decide
from idp_mfa.policy.explain import explain
from idp_mfa.policy.facts import facts_of
from idp_mfa.policy.load import load
from idp_mfa.policy.model import Deny, EnrolFirst, Permit, Policy, StepUp, Truth
from tests.unit.policy_random import policy_text, request

CASES = 10_000
REQUESTS = 20
TOLD = {Permit: "permit with", StepUp: "ask", EnrolFirst: "first set up", Deny: "deny"}


def test_explain_and_production_agree() -> None:
    chance = Random(20261122)
    came: Counter[str] = Counter()
    unsure = 0
    while came.total() < CASES:
        policy = load(policy_text(chance), "by chance")
        if not isinstance(policy, Policy):
            continue
        for _ in range(REQUESTS):
            asked = request(chance)
            in_production = decide(
                policy,
                facts_of(
                    policy,
                    asked.account,
                    asked.request,
                    asked.seen,
                    asked.verified,
                    kinds=SHIPPED_FACTORS,
                    country=asked.country,
                    began_at=asked.at,
                    at=asked.at,
                ),
            )
            explained = decide(policy, facts_given(policy, asked.given, SHIPPED_FACTORS))
            assert explained.decision == in_production.decision
            steps = [(step.rule.name, step.effect) for step in explained.steps]
            assert steps == [(step.rule.name, step.effect) for step in in_production.steps]
            assert [s.matched for s in explained.steps[-1:]] == [
                s.matched for s in in_production.steps[-1:]
            ]
            *_, outcome, because = explain(explained)
            decision = in_production.decision
            assert outcome.startswith(f"outcome: {TOLD[type(decision)]}")
            assert repr(decision.because.rule) in because or not decision.because.rule
            came[outcome_of(in_production).value] += 1
            unsure += any(step.matched.truth is Truth.UNKNOWN for step in in_production.steps)
    # The chance is worth something: every outcome came up, and facts were missing.
    assert min(came[one] for one in ("skip", "grace", "permit", "ask", "enrol", "deny")) > 20, came
    assert unsure > CASES / 20
