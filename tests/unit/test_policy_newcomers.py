"""People without a factor: set up first, and a grace period; and what a device may change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from idp_mfa.model import PASSWORD, Cause, Device, Page, Refusal
from idp_mfa.policy.assurance import PASSWORD_CLASS
from idp_mfa.policy.cases import told
from idp_mfa.policy.decide import decide
from idp_mfa.policy.explain import explain
from idp_mfa.policy.model import Deny, Effect, EnrolFirst, Facts, Grace, Policy
from tests.unit.policy_facts import (
    AAL2,
    FIDO2,
    MATRIX,
    MFA,
    NOW,
    PASSWORD_ACR,
    RECOVERY,
    TOTP,
    ZONES,
    facts,
    policy,
    shown,
)

GRACE = policy("""
  - { name: grace, when: { page: sign-in, group: staff }, then: { grace: { until: 2026-04-01 } } }
  - { name: rest, when: { page: sign-in }, then: { require: [totp, fido2] } }
  - { name: desk, when: {}, then: { require: [totp], kinds: 2 } }
""")
ENROL = policy("""
  - name: first
    when: { page: [sign-in, desk], attribute: { title: staff } }
    then: { enrol: [totp, fido2] }
  - { name: inside, when: { page: sign-in, zone: campus }, then: skip }
  - { name: rest, when: { page: sign-in }, then: { require: [totp, fido2] } }
""")
TITLE = {"title": ("staff",)}
STAFF = frozenset({"staff"})
IN = f"permit with {PASSWORD_ACR}"
NONE = "deny (no-factor-enrolled)"


def came(rules: Policy, given: Facts) -> tuple[str, str]:
    decision = decide(rules, given).decision
    return told(decision), decision.because.rule


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (facts((), groups=STAFF), (IN, "grace")),
        (facts((), groups=STAFF, acr_values=(PASSWORD_ACR,)), (IN, "grace")),
        # who has a factor shows it, and who had one is no newcomer
        (facts((TOTP,), groups=STAFF), ("ask totp", "rest")),
        (facts((MATRIX,), groups=STAFF), (NONE, "rest")),
        (facts((), groups=STAFF, has_none=False), (NONE, "rest")),
        (facts((), groups=STAFF, unreadable=True), ("deny (credential-unreadable)", "rest")),
        # never for anybody else, from nowhere, on another page, or where two kinds are asked
        (facts(()), (NONE, "rest")),
        (facts((), groups=STAFF, zone="unknown", address=None), (NONE, "rest")),
        (facts((), groups=STAFF, page=Page.DESK), (NONE, "desk")),
        (facts((), groups=STAFF, acr_values=(MFA,)), (NONE, "rest")),
        (facts((), groups=STAFF, acr_values=(MFA, PASSWORD_ACR)), (NONE, "rest")),
        (facts((), groups=STAFF, acr_values=(AAL2, PASSWORD_CLASS)), (NONE, "rest")),
        # up to the end of the day, and no longer
        (facts((), groups=STAFF, at=datetime(2026, 4, 1, 23, 59, 59, tzinfo=UTC)), (IN, "grace")),
        (facts((), groups=STAFF, at=datetime(2026, 4, 2, tzinfo=UTC)), (NONE, "rest")),
    ],
)
def test_a_grace_period(given: Facts, expected: tuple[str, str]) -> None:
    assert came(GRACE, given) == expected


def test_the_last_day_is_that_of_the_policys_time_zone() -> None:
    rules = """
  - { name: grace, when: { page: sign-in }, then: { grace: { until: 2026-04-01 } } }
"""
    (rule,) = policy(rules, ZONES + "time_zone: Asia/Tokyo\n").rules
    assert rule.then == Grace(datetime(2026, 4, 1, 15, tzinfo=UTC))


def test_a_rule_in_the_programme_gives_no_grace_where_a_file_could_not() -> None:
    """The guards stand in the decision, whatever made the rule."""
    rule = replace(GRACE.rules[0], when=GRACE.rules[2].when)
    loose = replace(GRACE, rules=(rule,))
    for given in (
        facts((), page=Page.PORTAL_MAIL),
        facts((), zone="unknown", address=None),
        facts((TOTP,)),
        facts((), acr_values=(MFA,)),
    ):
        assert came(loose, given)[1] == ""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (facts((), attributes=TITLE), ("enrol fido2, totp", "first")),
        (
            facts((), attributes=TITLE, zone="campus"),
            ("enrol fido2, totp", "first"),
        ),
        (
            facts((), attributes=TITLE, page=Page.DESK),
            ("enrol fido2, totp", "first"),
        ),
        (facts((), attributes={"title": ("student",)}, zone="campus"), (IN, "inside")),
        (facts((TOTP,), attributes=TITLE), ("ask totp", "rest")),
        (facts((), attributes=TITLE, has_none=False), (NONE, "rest")),
        # a class that this site may not assert: setting up would lead nowhere
        (
            facts((), attributes=TITLE, acr_values=(AAL2,)),
            ("deny (acr-unmet)", "first"),
        ),
        # the title could not be read: neither set up, nor let in
        (facts((), zone="campus"), (NONE, "inside")),
        (facts((TOTP,), zone="campus"), (IN, "inside")),
    ],
)
def test_set_up_first(given: Facts, expected: tuple[str, str]) -> None:
    assert came(ENROL, given) == expected


def test_who_has_set_up_first_is_judged_anew() -> None:
    before = facts((), attributes=TITLE)
    decision = decide(ENROL, before).decision
    assert isinstance(decision, EnrolFirst)
    assert decision.because.cause is Cause.NO_FACTOR
    after = facts((TOTP,), attributes=TITLE, verified=(shown(PASSWORD), shown(TOTP)))
    assert came(ENROL, after) == (f"permit with {MFA}", "rest")


def test_what_the_programme_adds_to_a_rule_is_told() -> None:
    lines = explain(decide(GRACE, facts((), groups=STAFF, at=NOW + timedelta(days=9))))
    assert lines[0] == (
        "line 10, 'grace': ask for nothing more before 2026-04-02T00:00:00+00:00 - passed over"
    )
    assert "    true: enrolled is none (it is none)" in lines
    assert any("false: time is before 2026-04-02" in line for line in lines)
    lines = explain(decide(ENROL, facts((), attributes=TITLE)))
    assert lines[0] == "line 10, 'first': have fido2 or totp set up first - decided"
    assert "      true: attribute title is staff (it is staff)" in lines


def test_a_factor_of_no_kind_counts_only_where_a_rule_names_it() -> None:
    rules = policy("""
  - name: named
    when: { page: sign-in, group: staff }
    then: { require: [passcode, recovery_code] }
  - { name: rest, when: {}, then: { require: [totp] } }
""")
    codes = facts((TOTP, RECOVERY), verified=(shown(PASSWORD), shown(RECOVERY)))
    assert came(rules, replace(codes, groups=STAFF)) == (IN, "named")
    assert came(rules, codes) == ("ask totp", "rest")
    assert came(rules, replace(codes, groups=STAFF, acr_values=(MFA,))) == ("ask totp", "named")


# -- devices ---------------------------------------------------------------------------------

DEVICES = policy("""
  - { name: no tablets, when: { device: tablet }, then: deny }
  - { name: phones, when: { device: phone }, then: { require: [image_matrix] } }
  - { name: inside, when: { page: sign-in, zone: campus }, then: skip }
  - { name: rest, when: {}, then: { require: [fido2] } }
""")


@pytest.mark.parametrize(
    ("device", "zone", "expected"),
    [
        (Device.COMPUTER, "outside", ("ask fido2", "rest")),
        (Device.COMPUTER, "campus", (IN, "inside")),
        # asked besides, never in place of what everybody is asked
        (Device.PHONE, "outside", ("ask fido2, image_matrix", "phones")),
        (Device.PHONE, "campus", ("ask image_matrix", "phones")),
        (Device.TABLET, "campus", ("deny (policy)", "no tablets")),
        (Device.UNKNOWN, "campus", ("deny (policy)", "no tablets")),
    ],
)
def test_a_device_only_ever_adds(device: Device, zone: str, expected: tuple[str, str]) -> None:
    given = facts((TOTP, FIDO2, MATRIX), device=device, zone=zone)
    assert came(DEVICES, given) == expected


def test_a_rule_on_devices_lets_nobody_in_by_itself() -> None:
    rules = policy("  - { name: phones, when: { device: phone }, then: { require: [totp] } }")
    given = facts(device=Device.PHONE, verified=(shown(PASSWORD), shown(TOTP)))
    decided = decide(rules, given)
    assert isinstance(decided.decision, Deny)
    assert decided.decision.why is Refusal.POLICY
    assert [step.effect for step in decided.steps] == [Effect.JOINED]
