"""Gathers what a decision may look at from an account, a request and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from idp_mfa.model import Account, AuthnRequest, FactorKind, FactorName, Seen, Verification
from idp_mfa.policy.model import UNKNOWN, Facts, Policy


def facts_of(
    policy: Policy,
    account: Account,
    request: AuthnRequest,
    seen: Seen,
    verified: tuple[Verification, ...],
    *,
    kinds: Mapping[FactorName, frozenset[FactorKind]],
    began_at: datetime,
    at: datetime,
) -> Facts:
    """The facts of one judgement; ``kinds`` says what each installed factor can show."""
    return Facts(
        user=account.user,
        groups=account.groups,
        attributes=account.attributes,
        service=request.service.id,
        service_tags=request.service.tags,
        page=request.page,
        acr_values=request.acr_values,
        zone=UNKNOWN if seen.address is None else policy.zone_of(seen.address),
        address=None if seen.address is None else str(seen.address),
        enrolled={
            one.factor: kinds[one.factor]
            for one in account.credentials.active
            if one.factor in kinds
        },
        has_none=account.credentials.has_none,
        unreadable=account.credentials.unreadable > 0,
        verified=verified,
        fresh_after=request.fresh_after(began_at),
        at=at,
    )
