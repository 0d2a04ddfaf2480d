"""Gathers what a decision may look at from an account, a request and where it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from idp_mfa.model import (
    Account,
    AuthnRequest,
    Credential,
    FactorKind,
    FactorName,
    Seen,
    Verification,
)
from idp_mfa.policy.model import Address, Bound, Facts, Policy, ZoneName
from idp_mfa.policy.zones import locate

CountryOf = Callable[[Address], str | None]
"""The country of an address (ISO 3166), or None if it cannot be told."""


Counts = Callable[[Credential, ZoneName, datetime], bool]
"""Whether an active credential may be asked for, from a zone at a moment."""


def always(_credential: Credential, _zone: ZoneName, _at: datetime) -> bool:
    """Where nothing lapses."""
    return True


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
    counts: Counts = always,
    alone: frozenset[FactorName] = frozenset(),
) -> Facts:
    """The facts of one judgement.

    ``kinds`` says what each installed factor can show, ``country`` where the address is, or None
    if that could not be told; ``alone`` are the factors that may be somebody's only one and bind
    no other.
    """
    credentials = account.credentials
    zone = locate(policy, seen.address, at)
    bound: dict[FactorName, list[Bound]] = {}
    for one in credentials.active:
        if one.factor in kinds and counts(one, zone, at):
            bound.setdefault(one.factor, []).append(Bound(one.bound_by, one.bound_at))
    return Facts(
        user=account.user,
        groups=account.groups,
        attributes=account.attributes,
        service=request.service.id,
        service_tags=request.service.tags,
        page=request.page,
        acr_values=request.acr_values,
        zone=zone,
        address=None if seen.address is None else str(seen.address),
        country=country,
        device=seen.device,
        enrolled={factor: kinds[factor] for factor in bound},
        bound={factor: tuple(each) for factor, each in bound.items()},
        has_none=credentials.has_none,
        alone=bool(alone) and not credentials.has_none and credentials.has_only(alone),
        unreadable=credentials.unreadable > 0,
        verified=verified,
        fresh_after=request.fresh_after(began_at),
        at=at,
    )
