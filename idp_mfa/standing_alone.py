"""Which factors are enough alone: the others are set up beside one of these, and go before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from idp_mfa.factor import Factor
from idp_mfa.model import Account, Credential, FactorKind, FactorName


@dataclass(frozen=True, slots=True)
class StandingAlone:
    """``allowed`` are those that a site lets stand alone although they are of no possession."""

    factors: Mapping[FactorName, Factor]
    allowed: frozenset[FactorName]

    def stands(self, name: FactorName) -> bool:
        """Whether somebody may have this one and no other."""
        factor = self.factors.get(name)
        return factor is not None and (
            FactorKind.POSSESSION in factor.may_show or name in self.allowed
        )

    def may_begin(self, account: Account, name: FactorName) -> bool:
        """Whether somebody may set this one up, with what they have."""
        return self.stands(name) or self.enough(account, but=name)

    def may_remove(self, account: Account, credential: Credential) -> bool:
        """Whether somebody has one that stands alone besides."""
        return any(
            one.id != credential.id and self.stands(one.factor)
            for one in account.credentials.active
        )

    def enough(self, account: Account, *, but: FactorName) -> bool:
        """Whether somebody has one that stands alone, this one left aside."""
        return any(
            one.factor != but and self.stands(one.factor) for one in account.credentials.active
        )
