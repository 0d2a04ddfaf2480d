"""Properties that hold of every policy and every request."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from itertools import chain, combinations
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp_mfa.model import PASSWORD, BoundBy, Device, Page, ServiceId, Verification
from idp_mfa.policy.assurance import SHIPPED_FACTORS, kinds_of, levels, reached
from idp_mfa.policy.condition_reading import CONDITIONS
from idp_mfa.policy.conditions import All, AnyOf, HasValue, Not, OneOf, looks_at_device
from idp_mfa.policy.dated import During, WasBound, WasVerified
from idp_mfa.policy.decide import decide
from idp_mfa.policy.explain import explain
from idp_mfa.policy.model import (
    Assurance,
    Bound,
    Condition,
    Deny,
    Enrol,
    EnrolFirst,
    Facts,
    Grace,
    Permit,
    Policy,
    Refuse,
    Require,
    Rule,
    Skip,
    Step,
    StepUp,
    ZoneName,
)
from idp_mfa.policy.subjects import SUBJECTS
from idp_mfa.policy.zones import lookup
from tests.unit.policy_facts import AAL2, KINDS, MFA, NOW, facts, shown

# A busy machine is slow to make policies up; that says nothing about them.
patiently = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
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
        lambda name: (
            subsets(WORDS[name], 1).map(lambda words: OneOf(SUBJECTS[name], words))
            if name in WORDS
            else PARTICULAR[name]
        )
    )


SPANS = st.sampled_from([timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)])
TIMES = st.sampled_from([time(), time(6), time(9), time(22)])
PARTICULAR: dict[str, st.SearchStrategy[Condition]] = {
    "attribute": st.builds(HasValue, st.sampled_from(["title", "o"]), subsets(GROUPS, 1)),
    "time": st.builds(
        During, subsets(list(range(7)), 1), TIMES, TIMES, st.just(ZoneInfo("Asia/Tokyo"))
    ),
    "bound": st.builds(
        WasBound, subsets(list(BoundBy)), subsets(FACTORS), st.sampled_from([None]) | SPANS
    ),
    "verified within": st.builds(WasVerified, subsets([PASSWORD, *FACTORS], 1), SPANS),
}
"""The conditions that take more than words."""


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
    | st.builds(Enrol, subsets(FACTORS, 1))
    | st.builds(Grace, st.sampled_from([NOW, NOW + timedelta(days=1)]))
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
        attributes={
            name: tuple(draw(subsets(GROUPS))) for name in sorted(draw(subsets(["title", "o"])))
        },
        bound={
            name: tuple(
                Bound(draw(st.sampled_from(BoundBy)), NOW - draw(AGES))
                for _ in range(draw(st.integers(1, 2)))
            )
            for name in sorted(enrolled)
        },
        unreadable=draw(st.booleans()),
        verified=tuple(shown(name, ago) for name, ago in verified),
        fresh_after=draw(st.sampled_from([None, NOW, NOW - timedelta(hours=1)])),
    )


EVERY = [*SUBJECTS, *PARTICULAR]
SHOWN = ("verified", "verified within")


@patiently
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


@patiently
@given(policies(EVERY), requests())
def test_an_unknown_network_is_never_let_in_on_the_password_alone(
    policy: Policy, request: Facts
) -> None:
    unknown = replace(request, zone=ZoneName("unknown"), address=None)
    if isinstance(decide(policy, unknown).decision, Permit):
        assert any(done.factor != PASSWORD for done in unknown.counting)


LESS_KNOWN = (
    {"zone": ZoneName("unknown"), "address": None},
    {"country": None},
    {"device": Device.UNKNOWN},
    {"attributes": {}},
    {"unreadable": True, "has_none": False},
)


@patiently
@given(policies(EVERY), requests(), st.lists(st.sampled_from(LESS_KNOWN), min_size=1, unique_by=id))
def test_a_fact_that_becomes_unknown_never_weakens(
    policy: Policy, request: Facts, lost: list[dict[str, Any]]
) -> None:
    less = replace(request, **{name: value for one in lost for name, value in one.items()})
    assert_no_weaker(policy, less, policy, request)


@patiently
@given(policies(EVERY), requests())
def test_what_a_browser_says_of_itself_never_weakens(policy: Policy, request: Facts) -> None:
    """Whatever it says, it is asked no less than if no rule looked at it."""
    blind = tuple(rule for rule in policy.rules if not looks_at_device(rule.when))
    looking = tuple(
        rule
        for rule in policy.rules
        if not looks_at_device(rule.when) or isinstance(rule.then, Require | Refuse)
    )
    assert_no_weaker(replace(policy, rules=looking), request, replace(policy, rules=blind), request)


@patiently
@given(policies(EVERY), requests())
def test_nobody_is_let_in_who_has_to_set_up_first(policy: Policy, request: Facts) -> None:
    if isinstance(decide(policy, request).decision, EnrolFirst):
        assert request.has_none


@patiently
@given(policies(EVERY), requests())
def test_a_grace_is_for_newcomers_at_the_sign_in_from_a_known_network(
    policy: Policy, request: Facts
) -> None:
    decided = decide(policy, request)
    match decided.decision, decided.steps:
        case Permit(), (*_, Step(rule=Rule(then=Grace(until)))):
            assert request.has_none
            assert request.page is Page.SIGN_IN
            assert request.zone != "unknown"
            assert request.at < until
            assert not set(request.acr_values) & {MFA, AAL2}


@patiently
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


@patiently
@given(policies([name for name in EVERY if name not in SHOWN]), requests(), st.data())
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


def assert_no_weaker(policy: Policy, request: Facts, than: Policy, known: Facts) -> None:
    """Whatever is shown that lets in here would let in there too, and to no lower a class."""
    names = sorted(known.enrolled)
    for several in chain.from_iterable(combinations(names, n) for n in range(len(names) + 1)):
        done = tuple(Verification(name, KINDS[name], (), NOW) for name in several)
        here = replace(request, verified=(*request.verified, *done))
        there = replace(known, verified=(*known.verified, *done))
        let_in = decide(policy, here).decision
        if isinstance(let_in, Permit):
            would = decide(than, there).decision
            assert isinstance(would, Permit), (several, would)
            assert would.acr == let_in.acr


def test_the_words_tried_here_are_those_of_every_condition() -> None:
    assert set(WORDS) == set(SUBJECTS)
    assert {*WORDS, *PARTICULAR} - {"verified within"} == set(CONDITIONS)
