"""What the sign-in works with, handed in by the composition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.devices import Devices
from idp_mfa.factor import Factor, Lapses, Nameless
from idp_mfa.model import (
    Account,
    Clock,
    Credential,
    FactorKind,
    FactorName,
    Randomness,
    Seen,
    UserId,
)
from idp_mfa.policy.facts import CountryOf, nowhere
from idp_mfa.policy.model import Policy, ZoneName
from idp_mfa.policy.zones import locate
from idp_mfa.ports import AuditLog, CredentialStore, Directory, Outbox, StateStore
from idp_mfa.session import Sessions
from idp_mfa.signin.shadow import Beside, no_shadow
from idp_mfa.signin.transaction import Transaction
from idp_mfa.signin.transactions import SignInLimits
from idp_mfa.throttle import Throttle


@dataclass(frozen=True, slots=True)
class SignInParts:
    """What the sign-in works with; ``preference`` orders the factors that are asked first.

    ``alone`` are those that may be somebody's only one, although they bind no other. ``nameless``
    is the one that may stand for name and password, if the site lets it.
    """

    directory: Directory
    credentials: CredentialStore
    store: StateStore
    audit: AuditLog
    sessions: Sessions
    policy: Callable[[], Policy]
    factors: Mapping[FactorName, Factor]
    preference: tuple[FactorName, ...]
    throttle: Throttle
    devices: Devices
    outbox: Outbox
    clock: Clock
    randomness: Randomness
    limits: SignInLimits
    country_of: CountryOf = nowhere
    shadow: Callable[[], Policy | None] = no_shadow
    nameless: Nameless | None = None
    alone: frozenset[FactorName] = frozenset()

    @property
    def kinds(self) -> Mapping[FactorName, frozenset[FactorKind]]:
        """What each installed factor can show at best."""
        return {name: factor.may_show for name, factor in self.factors.items()}

    def counts(self, credential: Credential, zone: ZoneName, at: datetime) -> bool:
        """Whether an active credential may be asked for, from a zone at a moment."""
        factor: object = self.factors.get(credential.factor)
        return not isinstance(factor, Lapses) or factor.counts(credential, zone, at)

    def usable(self, account: Account, factor: FactorName, seen: Seen) -> tuple[Credential, ...]:
        """The credentials of one factor that an answer may be held against, from where it came."""
        at = self.clock()
        zone = locate(self.policy(), seen.address, at)
        return tuple(one for one in account.credentials.of(factor) if self.counts(one, zone, at))

    @property
    def beside(self) -> Beside:
        """What tries the policy that decides nothing."""
        return Beside(self.shadow, self.audit, self.clock, self.randomness)

    def record(
        self,
        event: AuditEvent,
        transaction: Transaction,
        seen: Seen,
        user: UserId | None = None,
        *,
        decision: Mapping[str, Any] | None = None,
        **detail: str | int | bool | tuple[str, ...] | None,
    ) -> None:
        """Put on record what happened in a sign-in; nothing goes on without it.

        ``decision`` is what the policy said of it, as policy/record.py writes it.
        """
        self.audit.record(
            AuditRecord(
                self.clock(),
                event,
                transaction.reference,
                user,
                transaction.request.service.id,
                seen,
                detail=detail,
                decision=decision,
            )
        )
