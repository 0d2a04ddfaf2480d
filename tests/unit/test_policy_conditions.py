"""Each condition with its fact present, absent and missing; and the three-valued joints."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.model import PASSWORD, BoundBy, Device, FactorName, Page
from idp_mfa.policy.conditions import (
    All,
    AnyOf,
    HasValue,
    Not,
    OneOf,
    all_of,
    any_of,
    leaves,
    looks_at_device,
    musts,
)
from idp_mfa.policy.dated import During, WasBound, WasVerified
from idp_mfa.policy.model import Bound, Condition, Facts, Matched, Truth
from idp_mfa.policy.subjects import DEVICE, SUBJECTS
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
        ("device", {"phone"}, {"device": Device.PHONE}, T),
        ("device", {"phone", "tablet"}, {"device": Device.TABLET}, T),
        ("device", {"phone"}, {"device": Device.COMPUTER}, F),
        ("device", {"phone"}, {"device": Device.UNKNOWN}, U),
        ("device", {"unknown"}, {"device": Device.UNKNOWN}, U),
        ("country", {"JP"}, {"country": "JP"}, T),
        ("country", {"JP", "KR"}, {"country": "KR"}, T),
        ("country", {"JP"}, {"country": "FR"}, F),
        ("country", {"JP"}, {"country": "jp"}, F),
        ("country", {"JP"}, {"country": None}, U),
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


@pytest.mark.parametrize(
    ("handed_out", "truth"),
    [
        ({"title": ("staff",)}, T),
        ({"title": ("x", "dean")}, T),
        ({"title": ("student",)}, F),
        ({"title": ("Staff",)}, F),
        ({"title": ("staff ",)}, F),
        ({"title": ()}, F),
        ({}, U),
        ({"Title": ("staff",)}, U),
        ({"o": ("staff",)}, U),
    ],
)
def test_an_attribute(handed_out: dict[str, tuple[str, ...]], truth: Truth) -> None:
    """One that was not handed out is unknown, for it may be there and not be readable."""
    condition = HasValue("title", frozenset({"staff", "dean"}))
    request = facts(attributes=handed_out)
    assert condition.truth(request) is truth
    assert condition.match(request).truth is truth


TOKYO = ZoneInfo("Asia/Tokyo")
WORK = During(frozenset(range(5)), time(8), time(18), TOKYO)
NIGHT = During(frozenset({4}), time(22), time(6), TOKYO)
DAY = During(frozenset({5}), time(), time(), TOKYO)
EVENING = During(frozenset({6}), time(18), time(), TOKYO)
SPRING = During(frozenset(range(7)), time(2), time(3), ZoneInfo("Europe/Paris"))


@pytest.mark.parametrize(
    ("window", "moment", "truth"),
    [
        # 3 April 2026 is a Friday.
        (WORK, "2026-04-03 08:00+09:00", T),
        (WORK, "2026-04-02 23:00+00:00", T),
        (WORK, "2026-04-03 07:59:59+09:00", F),
        (WORK, "2026-04-03 17:59:59+09:00", T),
        (WORK, "2026-04-03 18:00+09:00", F),
        (WORK, "2026-04-04 12:00+09:00", F),
        (WORK, "2026-04-05 23:00+00:00", T),
        # A night belongs to the evening on which it began.
        (NIGHT, "2026-04-03 21:59+09:00", F),
        (NIGHT, "2026-04-03 22:00+09:00", T),
        (NIGHT, "2026-04-04 05:59+09:00", T),
        (NIGHT, "2026-04-04 06:00+09:00", F),
        (NIGHT, "2026-04-03 05:00+09:00", F),
        (NIGHT, "2026-04-04 22:00+09:00", F),
        (DAY, "2026-04-04 00:00+09:00", T),
        (DAY, "2026-04-04 23:59:59+09:00", T),
        (DAY, "2026-04-05 00:00+09:00", F),
        (DAY, "2026-04-03 23:59+09:00", F),
        (EVENING, "2026-04-05 23:59+09:00", T),
        (EVENING, "2026-04-06 00:00+09:00", F),
        # The clocks of Paris leave this hour out on 29 March and go through it twice in October.
        (SPRING, "2026-03-29 01:30+00:00", F),
        (SPRING, "2026-10-25 00:30+00:00", T),
        (SPRING, "2026-10-25 01:30+00:00", T),
    ],
)
def test_a_time_window(window: During, moment: str, truth: Truth) -> None:
    request = facts(at=datetime.fromisoformat(moment))
    assert window.truth(request) is truth
    assert window.match(request).truth is truth


H = timedelta(hours=1)
MAILED = {TOTP: (Bound(BoundBy.MAILED_CODE, NOW - 2 * H),)}
TWO = {
    TOTP: (Bound(BoundBy.CAMPUS, NOW - 48 * H),),
    FIDO2: (Bound(BoundBy.DESK, NOW - 48 * H), Bound(BoundBy.MAILED_CODE, NOW - 2 * H)),
}


@pytest.mark.parametrize(
    ("by", "factors", "within", "bound", "truth"),
    [
        ({BoundBy.MAILED_CODE}, (), None, MAILED, T),
        ({BoundBy.MAILED_CODE, BoundBy.DESK}, (), None, MAILED, T),
        ({BoundBy.CAMPUS}, (), None, MAILED, F),
        ({BoundBy.MAILED_CODE}, (), 2 * H, MAILED, T),
        ({BoundBy.MAILED_CODE}, (), H, MAILED, F),
        ({BoundBy.MAILED_CODE}, (TOTP,), None, MAILED, T),
        ({BoundBy.MAILED_CODE}, (FIDO2,), None, MAILED, F),
        ((), (), 2 * H, MAILED, T),
        ((), (), H, MAILED, F),
        ((), (FIDO2,), None, TWO, T),
        ({BoundBy.MAILED_CODE}, (FIDO2,), 2 * H, TWO, T),
        ({BoundBy.DESK}, (FIDO2,), 2 * H, TWO, F),
        ({BoundBy.MAILED_CODE}, (TOTP,), None, TWO, F),
        ({BoundBy.MAILED_CODE}, (), None, {}, F),
    ],
)
def test_how_a_factor_was_bound(
    by: set[BoundBy],
    factors: tuple[FactorName, ...],
    within: timedelta | None,
    bound: dict[FactorName, tuple[Bound, ...]],
    truth: Truth,
) -> None:
    condition = WasBound(frozenset(by), frozenset(factors), within)
    request = facts(tuple(bound), bound=bound)
    assert condition.truth(request) is truth
    assert condition.match(request).truth is truth
    unreadable = replace(request, unreadable=True, has_none=False)
    assert condition.truth(unreadable) is (T if truth is T else U)


@pytest.mark.parametrize(
    ("ago", "truth"), [(timedelta(), T), (5 * H, T), (5 * H + timedelta(seconds=1), F)]
)
def test_how_long_ago_something_was_shown(ago: timedelta, truth: Truth) -> None:
    condition = WasVerified(frozenset({TOTP, FIDO2}), 5 * H)
    request = facts(verified=(shown(PASSWORD), shown(TOTP, ago)))
    assert condition.truth(request) is truth
    assert condition.match(request).truth is truth
    assert condition.truth(facts()) is F
    assert condition.truth(replace(request, fresh_after=NOW + H)) is F


def test_what_dated_conditions_saw_is_told() -> None:
    request = facts(verified=(shown(PASSWORD), shown(TOTP, H)), bound=MAILED)
    bound = WasBound(frozenset({BoundBy.MAILED_CODE}), frozenset(), 24 * H).match(request)
    assert (bound.wanted, bound.found) == (
        "any factor by mailed-code within 1d",
        "totp by mailed-code 2h ago",
    )
    verified = WasVerified(frozenset({TOTP}), 2 * H).match(request)
    assert (verified.wanted, verified.found) == ("totp within 2h", "password 0s ago, totp 1h ago")
    window = WORK.match(request)
    assert (window.wanted, window.found) == (
        "mon, tue, wed, thu, fri 08:00-18:00 Asia/Tokyo",
        "wed 18:00",
    )
    attribute = HasValue("title", frozenset({"staff"})).match(request)
    assert (attribute.condition, attribute.found) == (
        "attribute title",
        "not handed out by the directory",
    )


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
        assert (all_of if joint is All else any_of)(truths) is expected


def test_not() -> None:
    assert [truth(Not(Fixed(one))) for one in (T, F, U)] == [F, T, U]


def test_what_was_wanted_and_found_is_kept_for_the_explanation() -> None:
    matched = OneOf(SUBJECTS["enrolled"], frozenset({"fido2"})).match(facts((TOTP, FIDO2)))
    assert (matched.wanted, matched.found) == ("fido2", "fido2, totp")
    nobody = OneOf(SUBJECTS["group"], frozenset({"staff"})).match(facts())
    assert (nobody.wanted, nobody.found) == ("staff", "none")
    parts = (Fixed(T), Fixed(F))
    told = tuple(part.match(facts()) for part in parts)
    assert Not(Fixed(T)).match(facts()) == Matched("not", "", "", F, told[:1])
    assert All(parts).match(facts()) == Matched("all", "", "", F, told)
    assert AnyOf(parts).match(facts()) == Matched("any", "", "", T, told)


def test_what_a_condition_is_about_is_found_however_deep() -> None:
    """A rule about the device weakens nothing: where "not" or "any" hid it, it would."""
    phone, other = OneOf(DEVICE, frozenset({"phone"})), Fixed(T)
    for when in (
        phone,
        Not(phone),
        All((other, phone)),
        AnyOf((other, phone)),
        All((other, Not(AnyOf((All((phone,)),))))),
    ):
        assert looks_at_device(when)
        assert phone in leaves(when)
    assert not looks_at_device(All((other, Not(other))))
    assert list(leaves(All((other, Not(AnyOf((phone, other))))))) == [other, phone, other]


def test_only_what_a_condition_cannot_hold_without_is_a_must() -> None:
    one, two, three = Fixed(T), Fixed(F), Fixed(U)
    assert list(musts(one)) == [one]
    assert list(musts(All((one, All((two, three)))))) == [one, two, three]
    assert list(musts(All((one, AnyOf((two,)), Not(three))))) == [one]
