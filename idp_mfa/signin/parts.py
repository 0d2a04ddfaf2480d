"""What the sign-in works with, handed in by the composition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.devices import Devices
from idp_mfa.factor import Factor
from idp_mfa.model import Clock, FactorKind, FactorName, Randomness, Seen, UserId
from idp_mfa.policy.facts import CountryOf, nowhere
from idp_mfa.policy.model import Policy
from idp_mfa.ports import AuditLog, CredentialStore, Directory, Outbox, StateStore
from idp_mfa.session import Sessions
from idp_mfa.signin.shadow import Beside, no_shadow
from idp_mfa.signin.transaction import Transaction
from idp_mfa.signin.transactions import SignInLimits
from idp_mfa.throttle import Throttle


@dataclass(frozen=True, slots=True)
class SignInParts:
    """What the sign-in works with; ``preference`` orders the factors that are asked first."""

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

    @property
    def kinds(self) -> Mapping[FactorName, frozenset[FactorKind]]:
        """What each installed factor can show at best."""
        return {name: factor.may_show for name, factor in self.factors.items()}

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
