"""A hardware token whose clock has gone off: its own time is found again by two of its codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.factor import TakesKeys, step_key
from idp_mfa.helpdesk import Actor
from idp_mfa.model import Account, Clock, Credential, FactorName, Randomness, Reference
from idp_mfa.ports import AuditLog, Change, ChangeAnswer, CredentialStore, StateStore, Throttled
from idp_mfa.throttle import Throttle


@dataclass(frozen=True, slots=True)
class Resynchronised:
    """The token's codes count again."""

    credential: Credential
    reference: Reference


class NotResynchronised(Enum):
    """Why not; nothing was changed."""

    NO_TOKEN = "no-token"
    """There is no such credential, or it is none that could go off."""
    WRONG_CODES = "wrong-codes"
    """They are not two of its codes, one after the other, of the last or next day."""
    ALREADY_USED = "already-used"
    """Codes of that time were used before, here or for a sign-in."""
    CHANGED_ELSEWHERE = "changed-elsewhere"


@dataclass(frozen=True, slots=True)
class HardwareTokens:
    """The use case of the desk, the same for a page and for the command line."""

    credentials: CredentialStore
    store: StateStore
    audit: AuditLog
    throttle: Throttle
    takers: Mapping[FactorName, TakesKeys]
    clock: Clock
    randomness: Randomness

    def resynchronise(
        self, account: Account, credential: Credential, codes: tuple[str, str], by: Actor
    ) -> Resynchronised | NotResynchronised | Throttled:
        """Two codes that the token showed one after the other; both are spent by it."""
        taker = self.takers.get(credential.factor)
        if taker is None or credential not in account.credentials.active:
            return NotResynchronised.NO_TOKEN
        reservation = self.store.reserve(self.throttle.enrolment(credential.id))
        if isinstance(reservation, Throttled):
            return reservation
        now = self.clock()
        found = taker.resynchronised(credential, codes, now)
        if found is None:
            return NotResynchronised.WRONG_CODES
        after, spend = found
        # No step that was used, or is older than one, ever counts again: codes that were seen
        # before would otherwise set the token back to their own time.
        key = step_key(account.user.id, credential.id)
        if not self.store.raise_to(key, spend.number, spend.remembered):
            return NotResynchronised.ALREADY_USED
        reference = new_reference(self.randomness)
        seconds = 0 if spend.length is None else int(spend.length.total_seconds())
        detail: dict[str, str | int] = {
            "factor": credential.factor,
            "credential": credential.id,
            "reason": by.reason,
            "drift_seconds": int(after.secret.get("drift", "0")) * seconds,
        }
        self.audit.record(
            AuditRecord(
                now,
                AuditEvent.FACTOR_RESYNCHRONISED,
                reference,
                account.user.id,
                actor=by.name,
                detail=detail,
            )
        )
        answer = self.credentials.change(
            account.user.id, account.credentials, (Change(credential, after),)
        )
        if answer is not ChangeAnswer.DONE:
            return NotResynchronised.CHANGED_ELSEWHERE
        return Resynchronised(after, reference)
