"""The demo's seeded day: what the desk finds in it, and that it is true to the policy."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from idp_mfa import assets
from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.audit_log.lines import decode, encode
from idp_mfa.demo.day import Day
from idp_mfa.demo.people import settle
from idp_mfa.factor import Factor
from idp_mfa.factors.image_matrix import NAME as MATRIX
from idp_mfa.factors.image_matrix import ImageMatrix
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.factors.totp import Totp
from idp_mfa.model import FactorName, Service, ServiceId
from idp_mfa.policy.load import load
from idp_mfa.policy.model import Policy
from idp_mfa.policy.record import from_record
from idp_mfa.weather import weather
from tests.contracts.audit_acts import ADDRESSES
from tests.contracts.directory_sites import SqliteSite

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)


@pytest.fixture
def records(tmp_path: Path) -> list[AuditRecord]:
    directory = SqliteSite(tmp_path / "people.db").directory
    factors: dict[FactorName, Factor] = {
        TOTP: Totp("Demo"),
        MATRIX: ImageMatrix(50, timedelta(days=180)),
    }
    settle(directory, factors, clock=lambda: NOW - timedelta(days=30), randomness=os.urandom)
    kinds = {name: factor.may_show for name, factor in factors.items()}
    file = assets.folder("policies") / "default.yaml"
    policy = load(file.read_text("utf-8"), str(file), kinds)
    assert isinstance(policy, Policy)
    service = Service(ServiceId("urn:sp"), {}, "localhost", tags=frozenset({"internal"}))
    return list(Day(policy, directory.find, service, kinds, os.urandom).records(NOW))


def test_the_day_is_in_order_and_goes_on_record_as_it_is(records: list[AuditRecord]) -> None:
    assert [one.at for one in records] == sorted(one.at for one in records)
    assert all(NOW - timedelta(hours=12) < one.at < NOW for one in records)
    for one in records:
        assert decode(encode(one, ADDRESSES), ADDRESSES) == one


def test_the_desk_has_something_to_see(records: list[AuditRecord]) -> None:
    found = weather(records, NOW, timedelta(hours=12), None)
    assert {"old-key", "clock", "already-used", "wrong"} <= found.wrong_codes.keys()
    assert found.skews == {-6: 1}
    assert found.asked.keys() >= {"outside"}
    assert found.skipped.keys() >= {"campus", "vpn"}
    assert sum(found.failures.values()) >= 3
    ends = Counter(
        one.event
        for one in records
        if one.event in (AuditEvent.ASSERTION_ISSUED, AuditEvent.SIGN_IN_REFUSED)
    )
    assert ends[AuditEvent.ASSERTION_ISSUED] > ends[AuditEvent.SIGN_IN_REFUSED] > 0
    assert sum(ends.values()) == found.sign_ins


def test_no_class_is_told_that_was_not_reached(records: list[AuditRecord]) -> None:
    by_reference: dict[str, list[AuditEvent]] = {}
    for one in records:
        by_reference.setdefault(one.reference, []).append(one.event)
        if one.event is AuditEvent.ASSERTION_ISSUED and "mfa" in str(one.detail["acr"]):
            assert AuditEvent.FACTOR_ACCEPTED in by_reference[one.reference]
        if one.event is AuditEvent.PASSWORD_ACCEPTED:
            assert from_record(one) is not None, "it can be replayed"
