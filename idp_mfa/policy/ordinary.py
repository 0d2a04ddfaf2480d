"""The question that a visitor has without signing in: what an ordinary sign-in is asked, where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from idp_mfa.model import (
    PASSWORD,
    Account,
    AccountState,
    AuthnRequest,
    Credentials,
    FactorKind,
    FactorName,
    Page,
    Seen,
    Service,
    ServiceId,
    Standing,
    User,
    UserId,
    Verification,
)
from idp_mfa.policy.assurance import PASSWORD_KINDS
from idp_mfa.policy.decide import decide
from idp_mfa.policy.facts import facts_of
from idp_mfa.policy.model import Decision, Facts, Permit, Policy, ZoneName

_SOMEBODY = Account(
    User(UserId(""), "", ""),
    frozenset(),
    {},
    Standing(AccountState.ACTIVE),
    Credentials((), 0, None),
)
_SOME_SERVICE = AuthnRequest(Service(ServiceId(""), {}, ""), Page.SIGN_IN, "", {})


def ordinary(
    policy: Policy,
    seen: Seen,
    *,
    kinds: Mapping[FactorName, frozenset[FactorKind]],
    country: str | None,
    at: datetime,
) -> Facts:
    """Of no group, with every installed factor, after the password, for any one service."""
    password = Verification(PASSWORD, PASSWORD_KINDS, (), at)
    facts = facts_of(
        policy,
        _SOMEBODY,
        _SOME_SERVICE,
        seen,
        (password,),
        kinds=kinds,
        country=country,
        began_at=at,
        at=at,
    )
    return replace(facts, enrolled=dict(kinds), has_none=False)


def asked_here(policy: Policy, facts: Facts) -> Decision:
    """What is asked where one is."""
    return decide(policy, facts).decision


def asks_nothing(policy: Policy, facts: Facts) -> tuple[ZoneName, ...]:
    """The zones from which nothing more is asked."""
    return tuple(
        name
        for name in policy.zones
        if isinstance(decide(policy, replace(facts, zone=name, address=None)).decision, Permit)
    )
