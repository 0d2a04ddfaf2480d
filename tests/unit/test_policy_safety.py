"""Properties that hold of every policy and every request."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.model import PASSWORD, Device, Page, ServiceId, Verification
from idp_mfa.policy.assurance import SHIPPED_FACTORS, kinds_of, levels, reached
from idp_mfa.policy.conditions import SUBJECTS, VERIFIED, ZONE, All, AnyOf, Not, OneOf
from idp_mfa.policy.decide import decide
from idp_mfa.policy.explain import explain
from idp_mfa.policy.model import (
    Assurance,
    Condition,
    Deny,
    EnrolFirst,
    Facts,
    Permit,
    Policy,
    Refuse,
    Require,
    Rule,
    Skip,
    StepUp,
    ZoneName,
)
from idp_mfa.policy.zones import lookup
from tests.unit.policy_facts import KINDS, NOW, facts, shown

FACTORS = sorted(SHIPPED_FACTORS)
GROUPS = ["student", "staff", "suspended"]
CLASSES = [level.acr for level in levels(Assurance(gakunin_aal2=True))]
WORDS: dict[str, list[str]] = {
    "zone": ["campus", "vpn", "outside"],
    "page": [page.value for page in Page],
    "group": GROUPS,
    "service": ["https://sp.example/", "library"],
    "asked": ["none", *CLASSES],
    "device": ["phone", "tablet", "computer"],
    "country": ["JP", "FR"],
    "enrolled": ["none", *FACTORS],
    "verified": [PASSWORD, *FACTORS],
}
AGES = st.sampled_from([timedelta(), timedelta(minutes=3), timedelta(hours=2)])


def subsets(of: list[Any], min_size: int = 0) -> st.SearchStrategy[frozenset[Any]]:
    return st.frozensets(st.sampled_from(of), min_size=min_size, max_size=3)


def leaf(names: list[str]) -> st.SearchStrategy[Condition]:
    return st.sampled_from(names).flatmap(
        lambda name: subsets(WORDS[name], 1).map(lambda words: OneOf(SUBJECTS[name], words))
    )


def conditions(names: list[str]) -> st.SearchStrategy[Condition]:
    def joined(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
        several = st.lists(parts, max_size=3).map(tuple)
        return several.map(All) | several.map(AnyOf) | parts.map(Not)

    return st.recursive(leaf(names), joined, max_leaves=4)


OUTCOMES = (
    st.just(Skip())
    | st.builds(
        Require,
        subsets(FACTORS, 1),
        st.sampled_from([None, timedelta(minutes=5)]),
        st.sampled_from([1, 2]),
    )
    | st.just(Refuse())
)


def policies(names: list[str]) -> st.SearchStrategy[Policy]:
    def numbered(rows: list[tuple[Condition, Any]]) -> tuple[Rule, ...]:
        return tuple(Rule(f"rule {i}", when, then, i) for i, (when, then) in enumerate(rows))

    rules = st.lists(st.tuples(conditions(names), OUTCOMES), max_size=6).map(numbered)
    return st.builds(
        lambda rows, aal2: Policy("v", "s", {}, rows, lookup(()), Assurance(aal2)),
        rules,
        st.booleans(),
    )


@st.composite
def requests(draw: st.DrawFn) -> Facts:
    enrolled = draw(subsets(FACTORS))
    verified = draw(st.lists(st.tuples(st.sampled_from([PASSWORD, *FACTORS]), AGES), max_size=3))
    return facts(
        enrolled,
        groups=draw(subsets(GROUPS)),
        service=ServiceId(draw(st.sampled_from(["https://sp.example/", "https://b.example/"]))),
        service_tags=draw(subsets(["library"])),
        page=draw(st.sampled_from(Page)),
        acr_values=tuple(draw(st.lists(st.sampled_from([*CLASSES, "urn:x"]), max_size=3))),
        zone=ZoneName(draw(st.sampled_from(["campus", "vpn", "outside", "unknown"]))),
        device=draw(st.sampled_from(Device)),
        country=draw(st.sampled_from([None, "JP", "FR", "KR"])),
        unreadable=draw(st.booleans()),
        verified=tuple(shown(name, ago) for name, ago in verified),
        fresh_after=draw(st.sampled_from([None, NOW, NOW - timedelta(hours=1)])),
    )


EVERY = list(SUBJECTS)


@given(policies(EVERY), requests())
def test_every_request_is_decided_truthfully(policy: Policy, request: Facts) -> None:
    decided = decide(policy, request)
    assert explain(decided)
    match decided.decision:
        case Permit(acr):
            assert acr in reached(request.counting, policy.assurance)
            assert not request.acr_values or acr in request.acr_values
            assert kinds_of(request.counting)
        case StepUp(offered):
            assert offered
            assert offered <= request.enrolled.keys()
        case EnrolFirst(allowed):
            assert allowed
        case Deny():
            pass


@given(policies(EVERY), requests())
def test_an_unknown_network_is_never_let_in_on_the_password_alone(
    policy: Policy, request: Facts
) -> None:
    unknown = replace(request, zone=ZoneName("unknown"), address=None)
    if isinstance(decide(policy, unknown).decision, Permit):
        assert any(done.factor != PASSWORD for done in unknown.counting)


@given(policies(EVERY), requests())
def test_making_the_network_unknown_never_weakens(policy: Policy, request: Facts) -> None:
    unknown = replace(request, zone=ZoneName("unknown"), address=None)
    assert strictness(policy, unknown) >= strictness(policy, request)


@given(policies(EVERY), requests(), subsets(FACTORS))
def test_making_records_unreadable_never_lets_in(
    policy: Policy, request: Facts, lost: frozenset[str]
) -> None:
    if request.has_none:
        return
    left = {name: kinds for name, kinds in request.enrolled.items() if name not in lost}
    less = replace(request, enrolled=left, unreadable=True)
    if isinstance(decide(policy, less).decision, Permit):
        assert isinstance(decide(policy, request).decision, Permit)


@given(policies([name for name in EVERY if name != VERIFIED.name]), requests(), st.data())
def test_what_is_asked_leads_in(policy: Policy, request: Facts, data: st.DataObject) -> None:
    """No dead end and no circle: whatever the user chooses, a few factors later they are in."""
    request = replace(request, fresh_after=None)
    decision = decide(policy, request).decision
    asked = 0
    while isinstance(decision, StepUp):
        chosen = data.draw(st.sampled_from(sorted(decision.offered)))
        done = Verification(chosen, KINDS[chosen], (), NOW)
        request = replace(request, verified=(*request.verified, done))
        decision = decide(policy, request).decision
        asked += 1
        assert asked <= len(FACTORS)
        assert isinstance(decision, Permit | StepUp)


def strictness(policy: Policy, request: Facts) -> int:
    match decide(policy, request).decision:
        case Permit():
            return 0
        case StepUp():
            return 1
        case EnrolFirst() | Deny():
            return 2


def test_the_words_tried_here_are_those_of_every_condition() -> None:
    assert set(WORDS) == set(SUBJECTS)
    assert ZONE.name in WORDS
