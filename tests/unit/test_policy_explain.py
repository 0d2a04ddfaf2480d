"""What the command line says about a decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from idp_mfa.model import PASSWORD, Cause
from idp_mfa.policy.decide import decide
from idp_mfa.policy.explain import explain
from tests.unit.policy_facts import TOTP, facts, policy, shown

RULES = policy("""
  - { name: inside, when: { page: sign-in, zone: [campus, vpn] }, then: skip }
  - name: guests
    when: { any: [{ zone: guest }, { not: { group: staff } }] }
    then: { require: [totp, fido2], fresh: 90m, kinds: 2 }
  - { name: rest, when: {}, then: { deny: { ja: 不可, en: No } } }
""")


def test_a_decision_is_told_rule_by_rule_and_condition_by_condition() -> None:
    staff = facts(groups=frozenset({"staff"}))
    assert explain(decide(RULES, staff)) == (
        "line 10, 'inside': ask for nothing more - passed over",
        "  false: all of",
        "    true: page is sign-in (it is sign-in)",
        "    false: zone is campus, vpn (it is outside)",
        "line 11, 'guests': require fido2 or totp, shown within 90m, 2 kinds in all - passed over",
        "  false: one of",
        "    false: zone is guest (it is outside)",
        "    false: not",
        "      true: group is staff (it is staff)",
        "line 14, 'rest': deny - decided",
        "  true: no condition",
        "outcome: deny (policy), from 203.0.113.10, zone outside",
        "because: of the network (the rule 'rest')",
    )


def test_an_unknown_address_is_told() -> None:
    lines = explain(decide(RULES, facts(zone="unknown", address=None)))
    assert lines[:4] == (
        "line 10, 'inside': ask for nothing more - passed over",
        "  false: all of",
        "    false: not",
        "      true: zone is unknown (it is unknown)",
    )
    assert lines[-2:] == (
        "outcome: ask totp, from an address that could not be read, zone unknown",
        "because: the network could not be told (the rule 'guests')",
    )


def test_a_joined_require_is_told() -> None:
    joined = replace(facts(zone="unknown", address=None), groups=frozenset({"staff"}))
    assert any(
        line.endswith("joined with the next match") for line in explain(decide(RULES, joined))
    )


def test_a_permit_names_its_class() -> None:
    done = facts(verified=(shown(PASSWORD), shown(TOTP)))
    assert explain(decide(RULES, done))[-2].startswith(
        "outcome: permit with https://refeds.org/profile/mfa, from 203.0.113.10"
    )


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_its_words(cause: Cause) -> None:
    decided = decide(RULES, facts())
    because = replace(decided.decision.because, cause=cause)
    other = replace(decided, decision=replace(decided.decision, because=because))
    assert explain(other)[-1].startswith("because: ")
