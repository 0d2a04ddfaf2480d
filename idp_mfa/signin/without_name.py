"""A sign-in that begins with a passkey instead of name and password: its owner is found by it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp_mfa.audit import AuditEvent
from idp_mfa.factor import Accepted, Challenge, Nameless, Response
from idp_mfa.model import Account, AccountState, Seen
from idp_mfa.ports import Throttled
from idp_mfa.signin.flow import AwaitIdentity, Identified
from idp_mfa.signin.moving import Moves
from idp_mfa.signin.outcomes import Absent, At, PasskeyNotAccepted, Stale
from idp_mfa.signin.parts import SignInParts
from idp_mfa.signin.transaction import Transaction

_LIVES = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class WithoutName:
    """The question stands in the store under the sign-in; its answer takes it out, right or wrong.

    One answer for whatever is wrong: whose passkey it might be is told to nobody.
    """

    parts: SignInParts
    factor: Nameless
    moves: Moves

    def ask(self, found: Transaction) -> Challenge | None:
        """A new question in place of any other; None where somebody is known already."""
        if not isinstance(found.state, AwaitIdentity):
            return None
        asked = self.factor.nameless_challenge(self.parts.randomness)
        kept = {"kept": dict(asked.kept), "at": self.parts.clock().isoformat()}
        self.parts.store.put(_key(found), json.dumps(kept).encode(), _LIVES)
        return asked

    def answer(
        self, found: Transaction, response: Response, seen: Seen, *, shared_computer: bool
    ) -> At | Stale | PasskeyNotAccepted | Absent:
        """Spend the question, find the owner, spend a try, judge, move."""
        if not isinstance(found.state, AwaitIdentity):
            return Stale(found)
        parts = self.parts
        kept = parts.store.take(_key(found))
        owner = self.factor.owner(response)
        account = None if owner is None else parts.directory.read(owner)
        if kept is None or account is None or account.standing.state is not AccountState.ACTIVE:
            why = "expired" if kept is None else "nobody" if account is None else "account"
            return self._rejected(found, account, seen, why)
        taken = parts.store.reserve(parts.throttle.signed_answers(found.id, account.user.id))
        if isinstance(taken, Throttled):
            parts.record(
                AuditEvent.LIMIT_REACHED, found, seen, account.user.id, of=self.factor.name
            )
            return PasskeyNotAccepted(found)
        value = json.loads(kept)
        asked = Challenge(
            self.factor.name, value["kept"], asked_at=datetime.fromisoformat(value["at"])
        )
        own = account.credentials.of(self.factor.name)
        answer = self.factor.verify(asked, response, own, parts.clock())
        if not isinstance(answer, Accepted):
            return self._rejected(found, account, seen, answer.detail or answer.why.value)
        if not self.moves.spent(found, account, answer, seen):
            return self._rejected(found, account, seen, "copied")
        parts.store.refund(taken)
        self.moves.note(account, answer)
        return self.moves.identified(
            found,
            Identified(account.user, (answer.verification,)),
            account,
            seen,
            proof=AuditEvent.PASSKEY_ACCEPTED,
            shared_computer=shared_computer,
        )

    def _rejected(
        self, found: Transaction, account: Account | None, seen: Seen, why: str
    ) -> PasskeyNotAccepted:
        user_id = None if account is None else account.user.id
        self.parts.record(AuditEvent.PASSKEY_REJECTED, found, seen, user_id, why=why)
        return PasskeyNotAccepted(found)


def _key(found: Transaction) -> str:
    return f"passkey-asked:{found.id}"
