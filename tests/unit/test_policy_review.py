"""What ``check`` remarks on in a policy that is well written."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp_mfa.policy.cases import facts_given
from idp_mfa.policy.cells import given_at
from idp_mfa.policy.decide import decide
from idp_mfa.policy.dimensions import space
from idp_mfa.policy.load import Untried, load_untried
from idp_mfa.policy.model import Effect, Truth
from idp_mfa.policy.review import Remark, Weight, review
from idp_mfa.policy.unreachable import unreachable
from idp_mfa.yaml_document import MappingNode, read

SHIPPED = Path(__file__).parents[2] / "policies"
NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
ZONES = """
version: 1
zones:
  campus: { kind: campus, networks: [192.0.2.0/24, "2001:db8:1::/48"] }
  vpn: { kind: vpn, own_factor: true, networks: [198.51.100.0/24, "2001:db8:2::/48"] }
"""
PAGE = "page: sign-in"


def well_written(text: str) -> Untried:
    found = load_untried(text, "p.yaml")
    assert isinstance(found, Untried), str(found)
    return found


def reviewed(
    *rules: str, zones: str = ZONES, services: Collection[frozenset[str]] | None = None
) -> tuple[Remark, ...]:
    lines = [f"  - {{ name: r{number}, {rule} }}" for number, rule in enumerate(rules, 1)]
    text = "\n".join([zones.strip(), "rules:", *lines, ""])
    document = read(text, "p.yaml")
    assert isinstance(document, MappingNode)
    return review(well_written(text), document, NOW, None, services)


def never(*rules: str) -> list[str]:
    """The remarks on rules that never decide."""
    return [
        one.problem.message for one in reviewed(*rules) if "never decides" in one.problem.message
    ]


ALL_ELSE = "when: {}, then: { require: [totp] }"
COVERED = {
    "after everything": (ALL_ELSE, f"when: {{ {PAGE} }}, then: deny"),
    "the same again": (
        f"when: {{ {PAGE}, zone: campus }}, then: {{ require: [totp] }}",
        f"when: {{ zone: campus, {PAGE} }}, then: skip",
    ),
    "a part of what was decided": (
        f"when: {{ {PAGE}, group: [staff, students] }}, then: {{ require: [totp] }}",
        f"when: {{ {PAGE}, group: staff, zone: outside }}, then: {{ require: [fido2] }}",
    ),
    "two rules together": (
        f"when: {{ {PAGE}, group: staff }}, then: {{ require: [totp] }}",
        f"when: {{ {PAGE}, not: {{ group: staff }} }}, then: {{ require: [fido2] }}",
        f"when: {{ {PAGE}, service: pay }}, then: deny",
    ),
    "every zone": (
        "when: { zone: [campus, vpn] }, then: { require: [totp] }",
        "when: { zone: [outside, unknown] }, then: { require: [totp] }",
        "when: { service: pay }, then: deny",
    ),
    "a contradiction": ("when: { group: staff, not: { group: [staff, vip] } }, then: deny",),
    "has none and has one": (
        "when: { all: [{ enrolled: none }, { enrolled: totp }] }, then: deny",
    ),
    "day and night": (
        "when: { time: { from: '08:00', to: '20:00', zone: Asia/Tokyo } }, then: "
        "{ require: [totp] }",
        "when: { time: { from: '20:00', to: '08:00', zone: Asia/Tokyo } }, then: "
        "{ require: [fido2] }",
        "when: { group: staff }, then: deny",
    ),
    "an attribute that is one thing or another": (
        "when: { any: [{ attribute: { title: [a] } }, { not: { attribute: { title: [a] } } }] }, "
        "then: deny",
        ALL_ELSE,
    ),
}


@pytest.mark.parametrize("rules", COVERED.values(), ids=COVERED)
def test_a_rule_that_never_decides_is_told(rules: tuple[str, ...]) -> None:
    (said,) = never(*rules)
    assert said.startswith(f"rule 'r{len(rules)}' never decides")


def test_what_decides_before_it_is_named() -> None:
    assert never(ALL_ELSE, "when: { group: staff }, then: deny") == [
        "rule 'r2' never decides: whatever it is about is decided before, by 'r1'"
    ]
    assert never("when: { group: staff, not: { group: staff } }, then: deny") == [
        "rule 'r1' never decides: its conditions cannot hold together"
    ]


def test_a_rule_that_matters_for_unknown_addresses_alone_is_told() -> None:
    rules = (
        f"when: {{ {PAGE}, zone: campus }}, then: skip",
        f"when: {{ {PAGE}, zone: campus }}, then: {{ require: [totp] }}",
    )
    assert [one.problem.message for one in reviewed(*rules)] == [
        "rule 'r2' has a say only where something that it asks cannot be told: otherwise 'r1' "
        "decides before"
    ]


DECIDES = {
    "a skip does not cover unknown addresses": (
        f"when: {{ {PAGE} }}, then: skip",
        f"when: {{ {PAGE} }}, then: {{ require: [totp] }}",
    ),
    "an attribute that is not handed out": (
        "when: { attribute: { title: [a] }, page: sign-in }, then: skip",
        "when: { not: { attribute: { title: [a] } }, page: sign-in }, then: skip",
        f"when: {{ {PAGE} }}, then: {{ require: [totp] }}",
    ),
    "people in both groups": (
        f"when: {{ {PAGE}, group: staff, not: {{ group: students }} }}, then: deny",
        f"when: {{ {PAGE}, group: students, not: {{ group: staff }} }}, then: deny",
        f"when: {{ {PAGE}, group: [staff, students] }}, then: {{ require: [fido2] }}",
    ),
    "a service with two tags": (
        f"when: {{ {PAGE}, service: a, not: {{ service: b }} }}, then: {{ require: [totp] }}",
        f"when: {{ {PAGE}, all: [{{ service: a }}, {{ service: b }}] }}, then: deny",
    ),
    "a require on the device is joined": (
        f"when: {{ {PAGE}, device: phone }}, then: {{ require: [totp] }}",
        f"when: {{ {PAGE} }}, then: {{ require: [fido2] }}",
    ),
    "after a grace has ended": (
        f"when: {{ {PAGE} }}, then: {{ grace: {{ until: 2026-09-30 }} }}",
        f"when: {{ {PAGE}, enrolled: none, zone: outside, asked: none }}, then: deny",
        f"when: {{ {PAGE} }}, then: {{ require: [totp] }}",
    ),
    "what was shown long ago": (
        f"when: {{ {PAGE}, verified: {{ factor: totp, within: 5m }} }}, then: deny",
        f"when: {{ {PAGE}, verified: totp }}, then: {{ require: [fido2] }}",
    ),
    "bound so and bound so": (
        f"when: {{ {PAGE}, all: [{{ bound: {{ by: mailed-code, factor: totp }} }}, "
        "{ bound: { by: campus, factor: totp } }] }, then: deny",
        ALL_ELSE,
    ),
}


@pytest.mark.parametrize("rules", DECIDES.values(), ids=DECIDES)
def test_no_false_alarm(rules: tuple[str, ...]) -> None:
    assert never(*rules) == []


@pytest.mark.parametrize("file", sorted(SHIPPED.rglob("*.yaml")), ids=lambda file: file.stem)
def test_the_shipped_policies_have_nothing_to_be_warned_of(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    document = read(text, "p.yaml")
    assert isinstance(document, MappingNode)
    remarks = review(well_written(text), document, NOW)
    assert [str(one) for one in remarks if one.weight is Weight.WARNING] == []


_WORDS = st.sampled_from(
    (
        "zone: campus",
        "zone: [outside, vpn]",
        "group: staff",
        "group: [staff, students]",
        "enrolled: none",
        "enrolled: [totp, fido2]",
        "service: pay",
        "asked: none",
        "page: sign-in",
        "country: JP",
        "device: phone",
        "attribute: { title: [a, b] }",
    )
)
_CONDITIONS = st.one_of(
    _WORDS.map(lambda one: f"{{ {one} }}"),
    _WORDS.map(lambda one: f"{{ not: {{ {one} }} }}"),
    st.tuples(_WORDS, _WORDS).map(lambda two: f"{{ any: [{{ {two[0]} }}, {{ {two[1]} }}] }}"),
    st.tuples(_WORDS, _WORDS).map(
        lambda two: f"{{ all: [{{ {two[0]} }}, {{ not: {{ {two[1]} }} }}] }}"
    ),
)


@settings(max_examples=40, deadline=None)
@given(
    rules=st.lists(
        st.tuples(_CONDITIONS, st.sampled_from(("deny", "{ require: [totp] }"))),
        min_size=2,
        max_size=5,
    ),
    chance=st.randoms(use_true_random=False),
)
def test_no_request_is_decided_by_a_rule_that_never_decides(rules, chance) -> None:  # type: ignore[no-untyped-def]
    lines = [
        f"  - {{ name: r{number}, when: {when}, then: {then} }}"
        for number, (when, then) in enumerate(rules)
    ]
    untried = well_written("\n".join([ZONES.strip(), "rules:", *lines, ""]))
    policy = untried.policy
    found = unreachable(policy, NOW)
    never = [policy.rules[number] for number, by in found.items() if not by.on_unknown]
    plainly = [policy.rules[number] for number in found]
    where = space((policy,), untried.factors, NOW)
    for _ in range(30):
        point = {one.name: chance.choice(one.values) for one in where}
        facts = facts_given(policy, given_at(where, point), untried.factors, NOW)
        for step in decide(policy, facts).steps:
            if step.effect is not Effect.PASSED_OVER:
                assert step.rule not in never
                assert step.when.truth(facts) is not Truth.TRUE or step.rule not in plainly


# -- zones and names -------------------------------------------------------------------------


def test_networks_that_end_are_told_before_and_after() -> None:
    zones = ZONES.replace(
        "[192.0.2.0/24, ",
        "[{ network: 192.0.2.0/25, expires: 2026-03-01 }, "
        "{ network: 192.0.2.128/25, expires: 2026-04-20 }, "
        "{ network: 203.0.113.0/24, expires: 2026-08-01 }, ",
    )
    said = [str(one) for one in reviewed(ALL_ELSE, zones=zones)]
    assert len(said) == 2
    assert said[0].startswith("p.yaml:3:3: warning: 192.0.2.0/25 ended on 2026-03-0")
    assert said[1].startswith("p.yaml:3:3: warning: 192.0.2.128/25 ends on 2026-04-2")


def test_a_zone_of_ipv4_alone_and_a_vpn_without_a_factor_are_noted() -> None:
    zones = ZONES.replace(', "2001:db8:1::/48"', "").replace("own_factor: true, ", "")
    first, second = reviewed(ALL_ELSE, zones=zones)
    assert (first.weight, second.weight) == (Weight.NOTE, Weight.NOTE)
    assert "zone `campus` has IPv4 networks alone" in str(first)
    assert "zone `vpn` asks for no factor of its own" in str(second)


def test_a_service_that_nobody_has_is_told_with_what_was_meant() -> None:
    there = [frozenset({"https://sp.example/", "library"})]
    rules = ("when: { service: [libary, 'https://sp.example/'] }, then: deny", ALL_ELSE)
    (one,) = reviewed(*rules, services=there)
    assert "no service is called or tagged `libary`; did you mean `library`?" in str(one)
    assert (one.problem.line, one.weight) == (6, Weight.WARNING)
    assert reviewed(*rules) == ()


def test_a_grace_that_is_over_or_ends_soon_is_told() -> None:
    over, soon, later = (
        reviewed(f"when: {{ {PAGE} }}, then: {{ grace: {{ until: {day} }} }}", ALL_ELSE)
        for day in ("2026-03-31", "2026-04-15", "2026-09-01")
    )
    assert "the grace of rule 'r1' is over" in str(over[0])
    assert "the grace of rule 'r1' ends on 2026-04-1" in str(soon[0])
    assert later == ()


def test_a_skip_that_a_demand_overrides_always_is_told() -> None:
    asked = "asked: 'https://refeds.org/profile/mfa'"
    (one,) = reviewed(f"when: {{ {PAGE}, zone: campus, {asked} }}, then: skip", ALL_ELSE)
    assert "rule 'r1' skips nothing: the class is asked all the same" in str(one)
