"""Facts and policies for the policy's tests, each with what matters to the test set apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from idp_mfa.model import (
    PASSWORD,
    Acr,
    BoundBy,
    Device,
    FactorKind,
    FactorName,
    Page,
    ServiceId,
    User,
    UserId,
    Verification,
)
from idp_mfa.policy.assurance import PASSWORD_KINDS, SHIPPED_FACTORS
from idp_mfa.policy.load import load
from idp_mfa.policy.model import Bound, Facts, Policy, ZoneName

NOW = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)
TOTP = FactorName("totp")
FIDO2 = FactorName("fido2")
MATRIX = FactorName("image_matrix")
RECOVERY = FactorName("recovery_code")
MFA = Acr("https://refeds.org/profile/mfa")
PHR = Acr("phr")
AAL2 = Acr("https://www.gakunin.jp/profile/AAL2")
PASSWORD_ACR = Acr("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport")
KINDS: Mapping[FactorName, frozenset[FactorKind]] = {**SHIPPED_FACTORS, PASSWORD: PASSWORD_KINDS}


def shown(factor: FactorName, ago: timedelta = timedelta()) -> Verification:
    return Verification(factor, KINDS[factor], (), NOW - ago)


def facts(enrolled: Iterable[FactorName] = (TOTP,), **other: Any) -> Facts:
    usable = {name: KINDS[name] for name in enrolled}
    values: dict[str, Any] = {
        "user": User(UserId("1"), "alice", "Alice"),
        "groups": frozenset(),
        "attributes": {},
        "service": ServiceId("https://sp.example/"),
        "service_tags": frozenset(),
        "page": Page.SIGN_IN,
        "acr_values": (),
        "zone": ZoneName("outside"),
        "address": "203.0.113.10",
        "country": None,
        "device": Device.UNKNOWN,
        "enrolled": usable,
        "bound": {name: (Bound(BoundBy.CAMPUS, NOW - timedelta(days=365)),) for name in usable},
        "has_none": not usable and not other.get("unreadable", False),
        "unreadable": False,
        "verified": (shown(PASSWORD),),
        "fresh_after": None,
        "at": NOW,
    }
    return Facts(**(values | other))


ZONES = """
version: 1
zones:
  campus: { kind: campus, networks: [192.0.2.0/24, "2001:db8:1::/48"] }
  guest: { kind: other, networks: [192.0.2.64/26] }
  vpn: { kind: vpn, networks: [198.51.100.0/24] }
"""


def policy(rules: str, top: str = ZONES) -> Policy:
    """A policy from its rules in YAML, one indented list."""
    answer = load(f"{top}\nrules:\n{rules}", "test.yaml")
    assert isinstance(answer, Policy), str(answer)
    return answer
