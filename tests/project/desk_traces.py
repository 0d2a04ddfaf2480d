"""A policy with every condition and outcome that there is, gone through for a few sign-ins."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from idp_mfa.desk.trace import Clause, clauses
from idp_mfa.model import PASSWORD, Device
from idp_mfa.policy.decide import decide
from idp_mfa.policy.model import Facts
from tests.unit.policy_facts import FIDO2, MFA, TOTP, facts, policy, shown

EVERYTHING = policy("""
  - { name: inside, when: { page: [sign-in, portal.home], zone: [campus, vpn] }, then: skip }
  - { name: abroad, when: { country: [KP, RU] }, then: { deny: { ja: 不可, en: No } } }
  - name: newcomers
    when: { page: sign-in, enrolled: none }
    then: { grace: { until: 2027-03-31 } }
  - name: leavers
    when: { page: sign-in, attribute: { title: [leaver, guest] } }
    then: { enrol: [totp, fido2] }
  - name: phones
    when: { device: [phone, tablet] }
    then: { require: [totp, fido2], fresh: 90m }
  - name: nights
    when:
      any:
        - { time: { days: [sat, sun], from: "22:00", to: "06:00" } }
        - { all: [{ group: night }, { service: [payroll] }] }
      not: { group: [staff, night] }
    then: { require: [totp, fido2], kinds: 2 }
  - name: fresh keys
    when: { bound: { by: [mailed-code, passcode], factor: totp, within: 1d } }
    then: { require: [fido2] }
  - name: old ones
    when:
      not: { any: [{ verified: { factor: totp, within: 5m } }, { verified: fido2 }] }
      asked: "https://refeds.org/profile/mfa"
    then: { require: [totp, recovery_code] }
  - { name: rest, when: {}, then: deny }
""")


def sign_ins() -> tuple[Facts, ...]:
    """From a known and an unknown place, with this and that missing."""
    guest = facts(zone="guest", enrolled=(TOTP, FIDO2), country="JP")
    phone = replace(guest, device=Device.PHONE, attributes={"title": ("staff",)})
    late = (shown(PASSWORD, timedelta(hours=3)), shown(TOTP, timedelta(minutes=20)))
    return (
        guest,
        replace(phone, verified=late),
        facts(zone="unknown", address=None, enrolled=()),
        facts(country="KP", attributes={"title": ()}),
        facts(zone="campus"),
        facts(country="JP", enrolled=()),
        facts(country="JP", enrolled=(), acr_values=(MFA,), attributes={"title": ("leaver",)}),
    )


def gone_through() -> tuple[Clause, ...]:
    """Each rule, as each of these sign-ins meets it."""
    return tuple(one for each in sign_ins() for one in clauses(decide(EVERYTHING, each)))
