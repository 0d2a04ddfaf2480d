"""What the desk is told of each rule that a decision looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from idp_mfa.desk.trace import Clause, Finding, clauses
from idp_mfa.model import PASSWORD, Device
from idp_mfa.policy.decide import decide
from idp_mfa.policy.model import Facts, Truth
from tests.unit.policy_facts import FIDO2, TOTP, facts, policy, shown

RULES = policy("""
  - { name: inside, when: { page: sign-in, zone: [campus, vpn] }, then: skip }
  - name: phones
    when: { device: phone }
    then: { require: [fido2], fresh: 5m }
  - name: guests
    when: { any: [{ zone: guest }, { not: { group: staff } }] }
    then: { require: [totp, fido2], kinds: 2 }
  - { name: rest, when: {}, then: deny }
""")


def of(given: Facts) -> dict[str, Clause]:
    return {clause.rule: clause for clause in clauses(decide(RULES, given))}


def test_the_rule_that_decides_is_the_last_and_shows_all_that_was_met() -> None:
    told = of(facts(zone="campus"))
    assert list(told) == ["inside"]
    assert (told["inside"].effect, told["inside"].does) == ("decided", "skip")
    assert told["inside"].findings == (
        Finding("page", Truth.TRUE, ("sign-in",), ("sign-in",)),
        Finding("zone", Truth.TRUE, ("campus", "vpn"), ("campus",)),
    )


def test_of_a_rule_that_was_passed_over_only_what_was_not_met_is_told() -> None:
    told = of(facts(groups=frozenset({"staff"})))
    assert told["inside"].effect == "passed-over"
    assert [(one.about, one.found) for one in told["inside"].findings] == [("zone", ("outside",))]
    (joint,) = told["guests"].findings
    assert (joint.about, joint.truth) == ("any", Truth.FALSE)
    assert [(one.about, one.is_other) for one in joint.parts] == [("zone", False), ("group", True)]
    assert (told["rest"].effect, told["rest"].findings) == ("decided", ())


def test_two_requires_that_are_joined_are_both_told() -> None:
    told = of(replace(facts(enrolled=(TOTP, FIDO2)), device=Device.PHONE))
    assert (told["phones"].effect, told["guests"].effect) == ("joined", "decided")
    assert (told["phones"].factors, told["phones"].fresh) == (("fido2",), timedelta(minutes=5))
    assert (told["guests"].factors, told["guests"].kinds) == (("fido2", "totp"), 2)


def test_what_cannot_be_told_is_said_to_be_in_doubt() -> None:
    told = of(facts(zone="unknown", address=None))
    assert told["inside"].effect == "passed-over", "from nowhere nothing is skipped"
    assert told["phones"].effect == "in-doubt-joined"
    (device,) = told["phones"].findings
    assert (device.truth, device.found) == (Truth.UNKNOWN, None)
    doubtful = policy("  - { name: abroad, when: { country: KP }, then: deny }")
    (clause,) = clauses(decide(doubtful, facts()))
    assert clause.effect == "in-doubt-decided"


def test_how_long_ago_something_was_set_up_or_shown_is_told() -> None:
    lately = policy("""
      - name: fresh
        when: { bound: { by: mailed-code, factor: totp, within: 1d } }
        then: deny
      - { name: rest, when: { verified: { factor: totp, within: 5m } }, then: deny }
    """)
    late = (shown(PASSWORD, timedelta(hours=1)), shown(TOTP, timedelta(minutes=4)))
    fresh, rest = clauses(decide(lately, facts(verified=late)))
    (bound,), (verified,) = fresh.findings, rest.findings
    assert (bound.wanted, bound.by, bound.within) == (
        ("totp",),
        ("mailed-code",),
        timedelta(days=1),
    )
    assert [(one.factor, one.by, one.ago.days) for one in bound.earlier] == [
        ("totp", "campus", 365)
    ]
    assert [(one.factor, one.ago) for one in verified.earlier] == [
        (PASSWORD, timedelta(hours=1)),
        (TOTP, timedelta(minutes=4)),
    ]
