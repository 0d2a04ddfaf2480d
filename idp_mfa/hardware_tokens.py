"""A hardware token whose clock has gone off: its own time is found again by two of its codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from idp_mfa.audit import AuditEvent
from idp_mfa.factor import TakesKeys, step_key
from idp_mfa.helpdesk import Actor, HelpDesk
from idp_mfa.letters import NoticeKind
from idp_mfa.model import Account, Clock, Credential, FactorName, Reference
from idp_mfa.ports import Change, ChangeAnswer, StateStore, Throttled
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

    helpdesk: HelpDesk
    store: StateStore
    throttle: Throttle
    takers: Mapping[FactorName, TakesKeys]
    clock: Clock

    def of(self, account: Account) -> tuple[Credential, ...]:
        """The tokens with which somebody signs in."""
        return tuple(one for one in account.credentials.active if self._taker(one) is not None)

    def resynchronise(
        self, account: Account, credential: Credential, codes: tuple[str, str], by: Actor
    ) -> Resynchronised | NotResynchronised | Throttled:
        """Two codes that the token showed one after the other; both are spent by it.

        It is on record before it is done, and its owner is told.
        """
        taker = self._taker(credential)
        if taker is None or credential not in account.credentials.active:
            return NotResynchronised.NO_TOKEN
        reservation = self.store.reserve(self.throttle.enrolment(credential.id))
        if isinstance(reservation, Throttled):
            return reservation
        found = taker.resynchronised(credential, codes, self.clock())
        if found is None:
            return NotResynchronised.WRONG_CODES
        after, spend = found
        # No step that was used, or is older than one, ever counts again: codes that were seen
        # before would otherwise set the token back to their own time.
        key = step_key(account.user.id, credential.id)
        if not self.store.raise_to(key, spend.number, spend.remembered):
            return NotResynchronised.ALREADY_USED
        seconds = 0 if spend.length is None else int(spend.length.total_seconds())
        desk = self.helpdesk
        reference = desk.record(
            AuditEvent.FACTOR_RESYNCHRONISED,
            account,
            by,
            factor=credential.factor,
            credential=credential.id,
            drift_seconds=int(after.secret.get("drift", "0")) * seconds,
        )
        notice = desk.notice(
            NoticeKind.TOKEN_RESYNCHRONISED, account, reference, after.label or after.factor
        )
        answer = desk.change(account, (Change(credential, after),), notice, after)
        if answer is not ChangeAnswer.DONE:
            return NotResynchronised.CHANGED_ELSEWHERE
        return Resynchronised(after, reference)

    def _taker(self, credential: Credential) -> TakesKeys | None:
        taker = self.takers.get(credential.factor)
        return taker if taker is not None and taker.is_token(credential) else None
