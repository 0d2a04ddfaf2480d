"""The code doctor at the yellow screen: what its owner may be told of a code that does not count.

It is asked past the password alone, about answers that cost a try and were wrong; what it cannot
find out it does not say. Two codes of one sign-in have to be off by the same before a clock is
blamed, so that nobody learns of a single guess that it would have been right later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from idp_mfa.audit import AuditEvent
from idp_mfa.diagnosis import ClockOff, Diagnosis, OurClockOff, diagnose
from idp_mfa.factor import Recognises, Rejected, Rejection, Response, Sighting, step_key
from idp_mfa.model import (
    Account,
    Credential,
    CredentialId,
    CredentialState,
    Seen,
    UserId,
)
from idp_mfa.ports import Throttled, Unavailable
from idp_mfa.signin.flow import AwaitResponse
from idp_mfa.signin.parts import SignInParts
from idp_mfa.signin.transaction import Transaction

_SAME = timedelta(seconds=30)
"""Two codes of one device may seem to differ by so much, because each is of a step."""


@dataclass(frozen=True, slots=True)
class Doctor:
    """Looks at what the factor says of a wrong code, and remembers clocks."""

    parts: SignInParts

    def examine(
        self,
        transaction: Transaction,
        account: Account,
        response: Response,
        rejected: Rejected,
        seen: Seen,
    ) -> Diagnosis | None:
        """What to say besides that it is wrong; nothing if a part that is asked is away."""
        if rejected.why is not Rejection.WRONG:
            return None
        with suppress(Unavailable):
            found = self._found(transaction, account, response)
            return self._sure(transaction, account.user.id, found, seen)
        return None

    def _found(
        self, transaction: Transaction, account: Account, response: Response
    ) -> Diagnosis | None:
        if not isinstance(transaction.state, AwaitResponse):
            return None
        factor = transaction.state.challenge.factor
        handler = self.parts.factors[factor]
        if not isinstance(handler, Recognises):
            return None
        at = self.parts.clock()
        records = [one for one in account.credentials.factors if one.factor == factor]

        def recognise(credential: Credential, within: timedelta) -> Sighting | None:
            return handler.recognise(response, credential, at, within)

        return diagnose(recognise, records, self._last_used(account.user.id, records), at)

    def _sure(
        self, transaction: Transaction, user_id: UserId, found: Diagnosis | None, seen: Seen
    ) -> Diagnosis | None:
        if not isinstance(found, ClockOff):
            return found
        if self._shared_by_many(transaction, user_id, found, seen):
            return OurClockOff(found.minutes)
        return found if self._seen_twice(transaction, found) else None

    def _last_used(
        self, user_id: UserId, records: Sequence[Credential]
    ) -> Mapping[CredentialId, int]:
        last = {}
        for one in records:
            if one.state is CredentialState.ACTIVE:
                kept = self.parts.store.get(step_key(user_id, one.id))
                if kept is not None and kept.isdigit():
                    last[one.id] = int(kept)
        return last

    def _seen_twice(self, transaction: Transaction, found: ClockOff) -> bool:
        """Whether another code of this sign-in was off by the same; the same one again is none."""
        parts = self.parts
        key = f"clock:{parts.throttle.mark('transaction', transaction.id)}"
        kept = parts.store.get(key)
        seconds = int(found.ahead.total_seconds())
        if kept is not None:
            step, ahead = map(int, kept.split())
            if step == found.step:
                return False
            if abs(ahead - seconds) <= _SAME.total_seconds():
                return True
        parts.store.put(
            key, f"{found.step} {seconds}".encode(), parts.throttle.limits.transaction_span
        )
        return False

    def _shared_by_many(
        self, transaction: Transaction, user_id: UserId, found: ClockOff, seen: Seen
    ) -> bool:
        """Whether so many people's devices are off by the same that it is our clock that is."""
        parts, throttle = self.parts, self.parts.throttle
        span, many = throttle.limits.clock_span, False
        for window in throttle.clocks(found.ahead):
            mark = throttle.mark("user", user_id)
            if parts.store.once(f"{window.key}:{mark}", span):
                many |= isinstance(parts.store.reserve((window,)), Throttled)
            many |= parts.store.get(f"{window.key}:many") is not None
            if many:
                parts.store.put(f"{window.key}:many", b"1", span)
        if many and parts.store.once("limit:k:alarm", span):
            parts.record(
                AuditEvent.CLOCK_SUSPECTED,
                transaction,
                seen,
                ahead_seconds=int(found.ahead.total_seconds()),
            )
        return many
