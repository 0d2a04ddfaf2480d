"""A shadow decides nothing, says where it differs, and harms nobody when it fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address

import pytest

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.model import Reference, Seen
from idp_mfa.policy.decide import decide
from idp_mfa.policy.load import load
from idp_mfa.policy.model import Policy
from idp_mfa.ports import Unavailable
from idp_mfa.signin.shadow import Beside
from tests.unit.policy_facts import facts

NOW = datetime.fromisoformat("2026-11-22T01:00:00+00:00")
SEEN = Seen(ip_address("192.0.2.7"), ())
REFERENCE = Reference("K7WQ2MZP")
ASKS = (
    "version: 1\nrules:\n  - { name: asks, when: { page: sign-in }, then: { require: [totp] } }\n"
)
SKIPS_AT_HOME = """version: 1
zones:
  home: { kind: campus, networks: [192.0.2.0/24] }
rules:
  - { name: at home, when: { page: sign-in, zone: home }, then: skip }
  - { name: asks, when: { page: sign-in }, then: { require: [totp] } }
"""


class Record:
    """Keeps what is put on it, unless it is full."""

    def __init__(self, *, full: bool = False) -> None:
        self.records: list[AuditRecord] = []
        self.full = full

    def record(self, record: AuditRecord) -> None:
        if self.full:
            raise Unavailable("audit", "full")
        self.records.append(record)


def policy(text: str) -> Policy:
    found = load(text, "test")
    assert isinstance(found, Policy), found
    return found


def compared(shadow: Policy | None, audit: Record, **more: object) -> None:
    of = facts(**more)  # type: ignore[arg-type]
    beside = Beside(lambda: shadow, audit, lambda: NOW, lambda count: b"\7" * count)  # type: ignore[arg-type]
    beside.compare(decide(policy(ASKS), of).decision, of, SEEN, REFERENCE)


def test_the_shadow_has_zones_of_its_own_and_the_difference_is_on_record() -> None:
    audit = Record()
    compared(policy(SKIPS_AT_HOME), audit)
    (line,) = audit.records
    assert line.event is AuditEvent.POLICY_SHADOW_DIFFERS
    assert (line.reference, line.seen) == (REFERENCE, SEEN)
    assert line.detail["decided"] == "ask totp"
    assert str(line.detail["shadow"]).startswith("permit with ")
    assert (line.detail["rule"], line.detail["shadow_rule"]) == ("asks", "at home")
    assert line.detail["shadow_policy"] == policy(SKIPS_AT_HOME).version[:12]


def test_what_is_decided_alike_is_no_line() -> None:
    audit = Record()
    compared(policy(ASKS.replace("asks", "another name")), audit)
    compared(None, audit)
    assert not audit.records


@pytest.mark.parametrize("fault", ["shadow", "zones", "audit"])
def test_a_shadow_that_fails_is_logged_and_harms_nobody(
    fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("broken")

    shadow = policy(SKIPS_AT_HOME)
    if fault == "zones":
        shadow = replace(shadow, zone_of=broken)  # type: ignore[arg-type]
    audit = Record(full=fault == "audit")
    of = facts()
    asked = broken if fault == "shadow" else lambda: shadow
    beside = Beside(asked, audit, lambda: NOW, lambda count: b"\7" * count)  # type: ignore[arg-type]
    beside.compare(decide(policy(ASKS), of).decision, of, SEEN, REFERENCE)
    assert "shadow" in caplog.text
    assert not audit.records
