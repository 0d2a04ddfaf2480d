"""Which factor is asked first: what worked here last, and never a small board on a phone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from idp_mfa.model import PASSWORD, Device, FactorKind, FactorName, Seen, Verification
from idp_mfa.policy.assurance import SHIPPED_FACTORS
from idp_mfa.signin.choosing import first_of, worked_last

TOTP, FIDO2, MATRIX, CODE = map(FactorName, ("totp", "fido2", "image_matrix", "recovery_code"))
PREFERENCE = (FIDO2, TOTP, CODE, MATRIX)
AT = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("offered", "device", "last", "first"),
    [
        ({TOTP, FIDO2, MATRIX}, Device.COMPUTER, None, FIDO2),
        ({TOTP, FIDO2, MATRIX}, Device.COMPUTER, TOTP, TOTP),
        ({TOTP, FIDO2, MATRIX}, Device.COMPUTER, MATRIX, MATRIX),
        ({TOTP, FIDO2, MATRIX}, Device.TABLET, MATRIX, MATRIX),
        ({TOTP, FIDO2, MATRIX}, Device.PHONE, MATRIX, FIDO2),
        ({TOTP, MATRIX}, Device.PHONE, None, TOTP),
        ({MATRIX, CODE}, Device.PHONE, None, MATRIX),
        ({MATRIX, CODE}, Device.COMPUTER, None, MATRIX),
        ({TOTP, CODE}, Device.COMPUTER, CODE, TOTP),
        ({CODE}, Device.PHONE, None, CODE),
        ({TOTP, MATRIX}, Device.COMPUTER, FactorName("<script>"), TOTP),
    ],
)
def test_what_is_asked_first(
    offered: set[FactorName], device: Device, last: FactorName | None, first: FactorName
) -> None:
    seen = Seen(None, (), device, last)
    assert first_of(offered, SHIPPED_FACTORS, PREFERENCE, seen) == first


def shown(factor: FactorName, minutes: int) -> Verification:
    kinds = {PASSWORD: frozenset({FactorKind.KNOWLEDGE}), **SHIPPED_FACTORS}[factor]
    return Verification(factor, kinds, (), AT + timedelta(minutes=minutes))


def test_what_is_remembered_was_shown_in_this_sign_in_and_is_no_code() -> None:
    assert worked_last((shown(TOTP, 0), shown(MATRIX, 1)), AT) == MATRIX
    assert worked_last((shown(PASSWORD, 0), shown(TOTP, 0)), AT) == TOTP
    assert worked_last((shown(PASSWORD, 0), shown(CODE, 1)), AT) is None
    assert worked_last((shown(TOTP, -1), shown(PASSWORD, 0)), AT) is None
