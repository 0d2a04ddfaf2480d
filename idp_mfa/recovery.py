"""Re-issuing the set-up key: the mailed code, the last question, one Modify (P3, rule 2).

Each stage is read from the store and the directory, never from the page: whoever closes it before
the last click has changed nothing, and a worker may die at any moment. The new key's id is chosen
when the mailed code is taken, so that the Modify can be made only once, however often it is asked
for.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from idp_mfa.diagnosis import left, retired, with_purge
from idp_mfa.factor import (
    Challenge,
    Enrolment,
    Factor,
    Rejected,
    Rejection,
    Response,
    StepSpend,
    step_key,
)
from idp_mfa.letters import Awaited, CodePurpose, Notice, NoticeKind
from idp_mfa.mailed_codes import Ask, Asker, MailedCodes, Matched, NotMatched, Sent
from idp_mfa.model import (
    Account,
    BoundBy,
    Clock,
    Credential,
    CredentialId,
    CredentialState,
    FactorName,
    Randomness,
    Verification,
)
from idp_mfa.ports import (
    Change,
    ChangeAnswer,
    CredentialStore,
    Outbox,
    StateStore,
    Throttled,
    Unavailable,
)

TOTP = FactorName("totp")
SHOWN_FOR = timedelta(minutes=15)
"""So long the new key can be seen again, in the browser that asked for it."""
_CONFIRMED_FOR = timedelta(minutes=30)


class NotRecoverable(Enum):
    """Why this road is closed for somebody."""

    NO_KEY = "no-key"
    """There is nothing to re-issue: the first set-up is another road (P6)."""
    SHUT = "shut"
    """Disabled, suspended or unreadable: the desk, not a mailbox, opens that again."""
    NO_ADDRESS = "no-address"
    PAUSED = "paused"
    """The address was changed just now (P13)."""


class NotBegun(Enum):
    """No code was asked for in this browser, or it is too long ago."""

    NOT_BEGUN = "not-begun"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The mailed code was right: only the last question is left."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Reissued:
    """The new key is in force; every older one is dead."""

    enrolment: Enrolment
    shown_until: datetime


Stage = NotBegun | Sent | Confirmed | Reissued


def address_of(account: Account, at: datetime) -> str | NotRecoverable:
    """Where a code may go to, if a new key may be issued at all."""
    credentials = account.credentials
    keys = [one for one in credentials.factors if one.factor == TOTP]
    shut = (CredentialState.DISABLED, CredentialState.SUSPENDED)
    if credentials.unreadable or any(one.state in shut for one in keys):
        return NotRecoverable.SHUT
    if not credentials.of(TOTP):
        return NotRecoverable.NO_KEY
    record = credentials.reissue_address
    if record is None:
        return NotRecoverable.NO_ADDRESS
    paused = record.secret.get("paused_until", "")
    if paused and at < datetime.fromisoformat(paused):
        return NotRecoverable.PAUSED
    return record.secret["address"]


@dataclass(frozen=True, slots=True)
class Recoveries:
    """What the four steps of re-issuing do."""

    codes: MailedCodes
    credentials: CredentialStore
    store: StateStore
    outbox: Outbox
    factors: Mapping[FactorName, Factor]
    clock: Clock
    randomness: Randomness

    def stage(self, account: Account, asker: Asker) -> Stage:
        """Where somebody stands in this browser."""
        confirmed = self._confirmed(account, asker)
        if confirmed is None:
            sent = self.codes.sent(CodePurpose.REISSUE, account.user.id, asker.secret)
            return sent or NotBegun.NOT_BEGUN
        id, until = confirmed
        record = next((one for one in account.credentials.factors if one.id == id), None)
        if record is None:
            return Confirmed(until)
        shown_until = record.bound_at + SHOWN_FOR
        if record.state is not CredentialState.ACTIVE or self.clock() >= shown_until:
            return NotBegun.NOT_BEGUN
        shown = self.factors[TOTP].show_enrolment(account.user, record)
        return Reissued(shown, shown_until)

    def send(self, account: Account, asker: Asker) -> Sent | NotRecoverable | Throttled:
        """Mail a code to the registered address; all addresses hear that somebody asked."""
        to = address_of(account, self.clock())
        if isinstance(to, NotRecoverable):
            return to
        sent = self.codes.send(
            Ask(
                CodePurpose.REISSUE,
                account.user.id,
                to,
                asker.secret,
                asker.seen,
                asker.language,
                asker.reference,
            )
        )
        if isinstance(sent, Sent):
            self.outbox.put(self._notice(NoticeKind.RECOVERY_STARTED, account, asker))
        return sent

    def confirm(
        self, account: Account, asker: Asker, typed: str
    ) -> Confirmed | NotMatched | NotRecoverable:
        """Take the mailed code; nothing of the factors changes yet."""
        to = address_of(account, self.clock())
        if isinstance(to, NotRecoverable):
            return to
        answer = self.codes.check(CodePurpose.REISSUE, account.user.id, asker.secret, typed)
        if isinstance(answer, NotMatched):
            return answer
        return self._confirm(account, asker, answer)

    def reissue(
        self, account: Account, asker: Asker, label: str
    ) -> Reissued | NotRecoverable | NotBegun | ChangeAnswer:
        """The new key in and the old ones out, in one Modify; asked again, the same page again.

        LOST_RACE: something else changed at the same moment; read the account and look again.
        """
        stage = self.stage(account, asker)
        if isinstance(stage, Reissued):
            return stage
        confirmed = self._confirmed(account, asker)
        if confirmed is None or not isinstance(stage, Confirmed):
            return NotBegun.NOT_BEGUN
        to = address_of(account, self.clock())
        if isinstance(to, NotRecoverable):
            return to
        fresh = self._new_key(account, confirmed[0], label)
        notice = self.outbox.intend(
            self._notice(NoticeKind.KEY_REISSUED, account, asker),
            Awaited(fresh.credential.id, fresh.credential.generation),
        )
        now = self.clock()
        olds = tuple(
            Change(
                one,
                left(one, now) if one.state is CredentialState.UNFINISHED else retired(one, now),
            )
            for one in account.credentials.factors
            if one.factor == TOTP
            and one.state is not CredentialState.RETIRED
            and one.ended_at is None
        )
        changes = (*olds, Change(None, fresh.credential))
        done = self.credentials.change(
            account.user.id,
            account.credentials,
            with_purge(account.credentials, changes, now),
        )
        if done is not ChangeAnswer.DONE:
            self.outbox.done(notice)
            return done
        self.outbox.release(notice, self.clock())
        # It is done, whether or not the store can forget what was guessed at the old key.
        with suppress(Unavailable):
            self.store.clear(self.codes.throttle.of_factors(account.user.id))
        return Reissued(fresh, fresh.credential.bound_at + SHOWN_FOR)

    def prove(
        self, account: Account, asker: Asker, response: Response
    ) -> Verification | Rejected | NotBegun | Throttled:
        """A code shows that the new key is in a device; it is used up, as at any sign-in."""
        stage = self.stage(account, asker)
        if not isinstance(stage, Reissued):
            return NotBegun.NOT_BEGUN
        key = stage.enrolment.credential
        reserved = self.store.reserve(self.codes.throttle.enrolment(key.id))
        if isinstance(reserved, Throttled):
            return reserved
        answer = self.factors[TOTP].verify(Challenge(TOTP), response, (key,), self.clock())
        if isinstance(answer, Rejected):
            return answer
        spend = answer.spend
        if not isinstance(spend, StepSpend):
            raise TypeError("a one-time code is used up by its time step")
        step = step_key(account.user.id, spend.credential_id)
        if not self.store.raise_to(step, spend.number, spend.remembered, step=spend.length):
            return Rejected(Rejection.ALREADY_USED, answer.retry_in)
        return answer.verification

    # -- inside ------------------------------------------------------------------------------

    def _confirm(self, account: Account, asker: Asker, matched: Matched) -> Confirmed:
        del matched
        until = self.clock() + _CONFIRMED_FOR
        id = base64.b32encode(self.randomness(10)).decode("ascii").lower()
        line = json.dumps({"credential": id, "until": until.isoformat()}).encode()
        self.store.put(self._key(account, asker), line, _CONFIRMED_FOR + SHOWN_FOR)
        return Confirmed(until)

    def _confirmed(self, account: Account, asker: Asker) -> tuple[CredentialId, datetime] | None:
        """The id of the key that is to be, or is; the last question is open until then."""
        line = self.store.get(self._key(account, asker))
        if line is None:
            return None
        value = json.loads(line)
        id, until = CredentialId(value["credential"]), datetime.fromisoformat(value["until"])
        made = any(one.id == id for one in account.credentials.factors)
        return (id, until) if made or self.clock() < until else None

    def _new_key(self, account: Account, id: CredentialId, label: str) -> Enrolment:
        empty = Credential(
            id=id,
            factor=TOTP,
            state=CredentialState.UNFINISHED,
            label=label,
            bound_at=self.clock(),
            bound_by=BoundBy.MAILED_CODE,
            generation=1,
            secret={},
        )
        begun = self.factors[TOTP].begin_enrolment(account.user, empty, self.randomness)
        active = replace(begun.credential, state=CredentialState.ACTIVE)
        return Enrolment(active, begun.shown)

    def _notice(self, kind: NoticeKind, account: Account, asker: Asker) -> Notice:
        return Notice(
            kind, account.user.id, self.clock(), asker.seen, asker.reference, asker.language
        )

    def _key(self, account: Account, asker: Asker) -> str:
        browser = hashlib.sha256(asker.secret.encode()).hexdigest()
        return f"recovery:{self.codes.throttle.mark('user', account.user.id)}:{browser}"
