"""Gathers what a decision may look at from an account, a request and where it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from idp_mfa.model import Account, AuthnRequest, FactorKind, FactorName, Seen, Verification
from idp_mfa.policy.model import Address, Bound, Facts, Policy
from idp_mfa.policy.zones import locate

CountryOf = Callable[[Address], str | None]
"""The country of an address (ISO 3166), or None if it cannot be told."""


def nowhere(_address: Address) -> None:
    """Where there is no file of countries, none can be told."""


def facts_of(
    policy: Policy,
    account: Account,
    request: AuthnRequest,
    seen: Seen,
    verified: tuple[Verification, ...],
    *,
    kinds: Mapping[FactorName, frozenset[FactorKind]],
    country: str | None,
    began_at: datetime,
    at: datetime,
) -> Facts:
    """The facts of one judgement.

    ``kinds`` says what each installed factor can show, ``country`` where the address is, or None
    if that could not be told.
    """
    bound: dict[FactorName, list[Bound]] = {}
    for one in account.credentials.active:
        if one.factor in kinds:
            bound.setdefault(one.factor, []).append(Bound(one.bound_by, one.bound_at))
    return Facts(
        user=account.user,
        groups=account.groups,
        attributes=account.attributes,
        service=request.service.id,
        service_tags=request.service.tags,
        page=request.page,
        acr_values=request.acr_values,
        zone=locate(policy, seen.address, at),
        address=None if seen.address is None else str(seen.address),
        country=country,
        device=seen.device,
        enrolled={factor: kinds[factor] for factor in bound},
        bound={factor: tuple(each) for factor, each in bound.items()},
        has_none=account.credentials.has_none,
        unreadable=account.credentials.unreadable > 0,
        verified=verified,
        fresh_after=request.fresh_after(began_at),
        at=at,
    )
