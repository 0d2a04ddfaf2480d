"""What would help somebody who is refused or asked: found by asking the policy, zone by zone."""

from __future__ import annotations

from typing import Any

import pytest

from idp_mfa.assets import folder
from idp_mfa.model import Cause, Page, WaysOn
from idp_mfa.policy.assurance import SHIPPED_FACTORS
from idp_mfa.policy.decide import decide
from idp_mfa.policy.load import load
from idp_mfa.policy.model import Deny, Policy
from idp_mfa.policy.places import Place, place, places, told_apart
from idp_mfa.policy.ways import with_ways
from tests.unit.policy_facts import AAL2, FIDO2, MATRIX, MFA, PASSWORD, TOTP, facts, policy, shown

INSTALLED = {TOTP: SHIPPED_FACTORS[TOTP]}
HERE = {"zone": "campus"}
NONE: dict[str, Any] = {"enrolled": ()}


def shipped(name: str) -> Policy:
    text = (folder("policies") / name).read_text("utf-8")
    answer = load(text, name)
    assert isinstance(answer, Policy), str(answer)
    return answer


DEFAULT, SUMS = shipped("default.yaml"), shipped("examples/sums.yaml")


def ways(rules: Policy, **given: Any) -> WaysOn:
    found = facts(**given)
    return with_ways(rules, found, decide(rules, found).decision, INSTALLED).because.ways


@pytest.mark.parametrize(
    ("rules", "given", "elsewhere", "set_up"),
    [
        # A settings page out of its zone (SUMS 1), and one that the zone alone makes ask.
        (SUMS, {"page": Page.PORTAL_HOME}, ("campus", "vpn"), ()),
        (SUMS, {"page": Page.PORTAL_SHOW, "zone": "guest"}, ("campus", "vpn"), ()),
        (SUMS, {"page": Page.PORTAL_SHOW, "zone": "unknown"}, ("campus", "vpn"), ()),
        (SUMS, {"page": Page.DESK, "zone": "vpn"}, ("campus",), ()),
        (SUMS, {"page": Page.PORTAL_ADD_FACTOR, **NONE, "zone": "vpn"}, ("campus",), ()),
        (DEFAULT, {"page": Page.PORTAL_HOME}, ("campus", "vpn"), ()),
        (DEFAULT, {"page": Page.PORTAL_HOME, **NONE}, ("campus", "vpn"), ()),
        (DEFAULT, {"page": Page.PORTAL_ADD_FACTOR, **NONE}, ("campus",), ()),
        # Where one is makes no difference.
        (DEFAULT, {"page": Page.PORTAL_SHOW}, (), ()),
        (DEFAULT, {"page": Page.PORTAL_MAIL, "enrolled": (MATRIX,)}, (), ()),
        # A sign-in has its yellow page, and /network has the rest.
        (DEFAULT, {}, (), ()),
        # Nothing set up: where that can be done, and from where nothing is asked.
        (DEFAULT, NONE, ("campus", "vpn"), ("campus",)),
        (DEFAULT, {**NONE, **HERE, "acr_values": (MFA,)}, (), ("campus",)),
        (DEFAULT, {**NONE, "zone": "vpn", "acr_values": (MFA,)}, (), ("campus",)),
        (DEFAULT, {**NONE, "has_none": False}, ("campus", "vpn"), ()),
        # One kind alone: no password binds another factor, not even on campus.
        (DEFAULT, {**HERE, "enrolled": (MATRIX,), "acr_values": (MFA,)}, (), ()),
        # What nobody here can give is not promised.
        (DEFAULT, {**NONE, **HERE, "acr_values": (AAL2,)}, (), ()),
    ],
)
def test_what_would_help(
    rules: Policy, given: dict[str, Any], elsewhere: tuple[str, ...], set_up: tuple[str, ...]
) -> None:
    found = ways(rules, **given)
    assert (found.elsewhere, found.set_up) == (elsewhere, set_up)
    assert bool(found.factors) >= bool(set_up), "whoever is sent to a set-up is told of what"


def test_a_device_that_is_there_binds_the_one_that_is_asked_wherever_one_is() -> None:
    rules = policy("""
      - { name: one, when: { page: sign-in }, then: { require: [totp] } }
      - { name: add, when: { page: portal.add-factor }, then: { require: [fido2], fresh: 5m } }
    """)
    assert ways(rules, enrolled=(FIDO2,)).set_up == ("outside", "campus", "guest", "vpn")
    assert ways(rules, enrolled=(MATRIX,)).set_up == ()
    verified = (shown(PASSWORD), shown(FIDO2))
    assert ways(rules, enrolled=(FIDO2,), verified=verified, zone="vpn").set_up[0] == "vpn"


def test_no_policy_promises_a_first_factor_where_a_password_alone_binds_none() -> None:
    rules = policy("""
      - { name: in, when: { page: sign-in }, then: { require: [totp] } }
      - { name: first, when: { page: portal.add-factor, enrolled: none }, then: skip }
    """)
    assert ways(rules, enrolled=()).set_up == ("campus",)
    assert ways(rules, enrolled=(), page=Page.PORTAL_ADD_FACTOR).set_up == ("campus",)


def test_where_a_country_decides_the_reason_is_the_network() -> None:
    rules = policy("""
      - { name: abroad, when: { page: sign-in, country: US }, then: deny }
      - { name: in, when: { page: sign-in }, then: { require: [totp] } }
    """)
    denied = decide(rules, facts(country="US")).decision
    assert (type(denied), denied.because.cause) == (Deny, Cause.NETWORK)
    assert decide(rules, facts(country="JP")).decision.because.cause is Cause.RULE


def test_a_permit_needs_no_way_on() -> None:
    assert ways(DEFAULT, **HERE) == WaysOn()
    assert ways(DEFAULT, **HERE, page=Page.PORTAL_HOME) == WaysOn()


LABELLED = policy(
    "  - { name: all, when: { page: sign-in }, then: { require: [totp] } }",
    """
version: 1
zones:
  hospital:
    kind: campus
    networks: [192.0.2.0/24]
    label: { ja: 附属病院, en: the hospital }
    how_to_reach: { ja: 院内LANに接続, en: Use the hospital's LAN }
  guest: { kind: other, networks: [192.0.2.64/26] }
""",
)


def test_a_place_is_what_people_call_it_in_their_language() -> None:
    hospital = Place("hospital", "campus", "附属病院", "院内LANに接続", "192.0.2.1")
    assert place(LABELLED, "hospital", "ja", "192.0.2.1") == hospital
    assert place(LABELLED, "hospital", "en").label == "the hospital"
    assert place(LABELLED, "guest", "en") == Place("guest", "other")
    assert place(LABELLED, "outside", "en", "203.0.113.1").kind == "outside"
    assert place(LABELLED, "unknown", "en") == Place("unknown", "unknown")


def test_a_zone_that_is_gone_is_no_place_to_send_people_to() -> None:
    assert place(LABELLED, "campus", "en").kind == "other"
    assert [one.name for one in places(LABELLED, ("campus", "hospital", "outside"), "en")] == [
        "hospital"
    ]


def test_two_zones_of_one_title_are_told_apart_by_their_names() -> None:
    several = policy(
        "  - { name: all, when: { page: sign-in }, then: { require: [totp] } }",
        """
version: 1
zones:
  north: { kind: campus, networks: [192.0.2.0/25] }
  south: { kind: campus, networks: [192.0.2.128/25] }
  vpn: { kind: vpn, networks: [198.51.100.0/24] }
""",
    )
    told = told_apart(several, ("north", "south", "vpn", "outside"), "en")
    assert {name: one.kind for name, one in told.items()} == {
        "north": "other",
        "south": "other",
        "vpn": "vpn",
        "outside": "outside",
    }
    assert told_apart(several, ("north", "vpn"), "en")["north"].kind == "campus"
    labelled = told_apart(LABELLED, ("hospital", "guest"), "en")
    assert labelled["hospital"].label == "the hospital"
