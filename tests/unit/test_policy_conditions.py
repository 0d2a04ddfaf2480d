"""Each condition with its fact present, absent and missing; and the three-valued joints."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.model import PASSWORD, Page
from idp_mfa.policy.conditions import SUBJECTS, All, AnyOf, Not, OneOf
from idp_mfa.policy.model import Condition, Facts, Matched, Truth
from tests.unit.policy_facts import FIDO2, MFA, NOW, PASSWORD_ACR, TOTP, facts, shown

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN


@pytest.mark.parametrize(
    ("subject", "wanted", "given", "truth"),
    [
        ("zone", {"campus"}, {"zone": "campus"}, T),
        ("zone", {"campus", "vpn"}, {"zone": "vpn"}, T),
        ("zone", {"campus"}, {"zone": "outside"}, F),
        ("zone", {"outside"}, {"zone": "outside"}, T),
        ("zone", {"campus"}, {"zone": "unknown"}, U),
        ("zone", {"outside"}, {"zone": "unknown"}, U),
        ("zone", {"unknown"}, {"zone": "unknown"}, T),
        ("zone", {"unknown"}, {"zone": "campus"}, F),
        ("page", {"sign-in"}, {}, T),
        ("page", {"desk", "services"}, {}, F),
        ("page", {"desk", "services"}, {"page": Page.DESK}, T),
        ("group", {"staff"}, {"groups": frozenset({"staff", "x"})}, T),
        ("group", {"staff"}, {"groups": frozenset({"student"})}, F),
        ("group", {"staff"}, {"groups": frozenset()}, F),
        ("group", {"staff"}, {"groups": frozenset({"Staff"})}, F),
        ("service", {"https://sp.example/"}, {}, T),
        ("service", {"https://sp.example"}, {}, F),
        ("service", {"library"}, {"service_tags": frozenset({"library"})}, T),
        ("asked", {"none"}, {}, T),
        ("asked", {"none"}, {"acr_values": (MFA,)}, F),
        ("asked", {MFA}, {"acr_values": (PASSWORD_ACR, MFA)}, T),
        ("asked", {MFA}, {"acr_values": (PASSWORD_ACR,)}, F),
        ("asked", {MFA}, {}, F),
        ("enrolled", {"totp"}, {}, T),
        ("enrolled", {"fido2", "totp"}, {}, T),
        ("enrolled", {"fido2"}, {}, F),
        ("enrolled", {"fido2"}, {"unreadable": True}, U),
        ("enrolled", {"totp"}, {"unreadable": True}, T),
        ("enrolled", {"none"}, {"enrolled": ()}, T),
        ("enrolled", {"none"}, {}, F),
        ("enrolled", {"none"}, {"enrolled": (), "has_none": False}, F),
        ("enrolled", {"none"}, {"enrolled": (), "unreadable": True}, F),
        ("enrolled", {"none", "totp"}, {"enrolled": (), "unreadable": True}, U),
        ("verified", {"password"}, {}, T),
        ("verified", {"totp"}, {}, F),
        ("verified", {"totp"}, {"verified": (shown(PASSWORD), shown(TOTP))}, T),
        ("verified", {"password"}, {"fresh_after": NOW}, T),
        ("verified", {"password"}, {"fresh_after": NOW.replace(hour=10)}, F),
    ],
)
def test_a_condition(subject: str, wanted: set[str], given: dict[str, Any], truth: Truth) -> None:
    given = dict(given)
    request = facts(given.pop("enrolled", (TOTP,)), **given)
    condition = OneOf(SUBJECTS[subject], frozenset(wanted))
    assert condition.truth(request) is truth
    assert condition.match(request).truth is truth


class Fixed:
    """A condition whose truth is set."""

    def __init__(self, fixed: Truth) -> None:
        self.fixed = fixed

    def truth(self, facts: Facts) -> Truth:
        return self.fixed

    def match(self, facts: Facts) -> Matched:
        return Matched("fixed", "", "", self.fixed)


def truth(condition: Condition) -> Truth:
    found = condition.truth(facts())
    assert condition.match(facts()).truth is found
    return found


@given(st.lists(st.sampled_from(Truth), max_size=4))
def test_unknown_is_what_could_still_go_either_way(truths: list[Truth]) -> None:
    """A joint is true or false exactly if it is, however the unknown parts turn out."""
    ways = list(product(*[(T, F) if one is U else (one,) for one in truths]))
    for joint, every in ((All, all), (AnyOf, any)):
        ends = {every(one is T for one in way) for way in ways}
        expected = U if len(ends) == 2 else (T if True in ends else F)
        assert truth(joint(tuple(map(Fixed, truths)))) is expected


def test_not() -> None:
    assert [truth(Not(Fixed(one))) for one in (T, F, U)] == [F, T, U]


def test_what_was_wanted_and_found_is_kept_for_the_explanation() -> None:
    matched = OneOf(SUBJECTS["enrolled"], frozenset({"fido2"})).match(facts((TOTP, FIDO2)))
    assert (matched.wanted, matched.found) == ("fido2", "fido2, totp")
