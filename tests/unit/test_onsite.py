"""Where a password may replace a key, and where nothing is opened by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from idp_mfa.enrolment import may_replace
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.model import (
    Account,
    AccountState,
    BoundBy,
    Credential,
    CredentialId,
    Credentials,
    CredentialState,
    FactorName,
    Standing,
    User,
    UserId,
)
from idp_mfa.policy.model import Zone, ZoneKind, ZoneName

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CAMPUS = Zone(ZoneName("campus"), ZoneKind.CAMPUS, ())


def record(factor: str, state: CredentialState) -> Credential:
    name = CredentialId(f"{factor}{state.value}")
    return Credential(name, FactorName(factor), state, "", NOW, BoundBy.CAMPUS, 1, {})


KEY = record(TOTP, CredentialState.ACTIVE)


def owner(*records: Credential, unreadable: int = 0) -> Account:
    found = Credentials(records, unreadable, None)
    user, standing = User(UserId("id"), "a", "A"), Standing(AccountState.ACTIVE)
    return Account(user, frozenset(), {}, standing, found)


def test_on_campus_a_key_that_is_there() -> None:
    assert may_replace(owner(KEY), TOTP, CAMPUS)


@pytest.mark.parametrize("kind", [one for one in ZoneKind if one is not ZoneKind.CAMPUS])
def test_from_nowhere_else(kind: ZoneKind) -> None:
    assert not may_replace(owner(KEY), TOTP, replace(CAMPUS, kind=kind))
    assert not may_replace(owner(KEY), TOTP, None)


@pytest.mark.parametrize("state", [CredentialState.DISABLED, CredentialState.SUSPENDED])
def test_what_was_shut_off_is_opened_by_no_password(state: CredentialState) -> None:
    assert not may_replace(owner(record(TOTP, state)), TOTP, CAMPUS)
    assert not may_replace(owner(KEY, record("fido2", state)), TOTP, CAMPUS)


def test_nothing_is_added_where_there_is_none() -> None:
    assert not may_replace(owner(), TOTP, CAMPUS)
    assert not may_replace(owner(record("fido2", CredentialState.ACTIVE)), TOTP, CAMPUS)
    assert not may_replace(owner(record(TOTP, CredentialState.RETIRED)), TOTP, CAMPUS)


def test_a_record_that_cannot_be_read_may_be_anything() -> None:
    assert not may_replace(owner(KEY, unreadable=1), TOTP, CAMPUS)
