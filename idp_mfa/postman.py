"""Carries away what waits to be mailed, beside the requests; it may die at any moment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, assert_never

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.letters import Letter, Mail, MailedCode, Notice, Queued, masked
from idp_mfa.model import Account, Clock, User
from idp_mfa.ports import AuditLog, Directory, Mailer, Outbox, Unavailable

_LOG = logging.getLogger(__name__)

AT_ONCE = 16
"""Letters in one hand."""
IN_HAND = timedelta(minutes=3)
"""After so long whoever took a letter is dead; longer than ``AT_ONCE`` slow servers take."""
SETTLED_AFTER = timedelta(seconds=60)
"""After so long a change that was intended has happened or will not; no request lives longer."""
PAUSES = (
    timedelta(seconds=5),
    timedelta(seconds=20),
    timedelta(minutes=1),
    timedelta(minutes=3),
    timedelta(minutes=10),
)
"""Before each further try; the last one again and again, for as long as the letter is good."""
ROUND_SECONDS = 1.0
REST_SECONDS = 10.0


class LetterWriter(Protocol):
    """Words a letter."""

    def write(self, letter: Letter, user: User, to: str) -> Mail:
        """The mail to one address."""
        ...


@dataclass(frozen=True, slots=True)
class Postman:
    """One round after another over what is due; of several on all nodes each letter has one.

    ``directory_attribute`` holds the addresses that the directory's own staff keep.
    """

    outbox: Outbox
    directory: Directory
    mailer: Mailer
    writer: LetterWriter
    audit: AuditLog
    clock: Clock
    directory_attribute: str

    def round(self) -> int:
        """So many letters were looked at; ``Unavailable`` if a part that is needed is not there."""
        self._settle()
        taken = self.outbox.take(AT_ONCE, self.clock(), IN_HAND)
        for queued in taken:
            self._deliver(queued)
        return len(taken)

    def _settle(self) -> None:
        """Ask the directory what became of changes whose worker was not heard of again."""
        now = self.clock()
        for pending in self.outbox.pending(now - SETTLED_AFTER):
            account = self.directory.read(pending.notice.user_id)
            if account is not None and pending.awaited.has_happened(account.credentials):
                self.outbox.release(pending.id, now)
            else:
                self.outbox.done(pending.id)

    def _deliver(self, queued: Queued) -> None:
        letter, now = queued.letter, self.clock()
        account = self.directory.read(letter.user_id)
        addresses = () if account is None else self._addresses(letter, account)
        if account is None or not addresses:
            self._not_sent(queued, "no-address")
        elif letter.until <= now:
            self._not_sent(queued, "too-late")
        else:
            try:
                self._send(letter, account.user, addresses)
            except Unavailable as error:
                _LOG.warning("mail: %s; tried %d times", error.why, queued.tries + 1)
                self.outbox.again(queued.id, now + PAUSES[min(queued.tries, len(PAUSES) - 1)])
            else:
                self.outbox.done(queued.id)

    def _addresses(self, letter: Letter, account: Account) -> tuple[str, ...]:
        match letter:
            case MailedCode():
                return (letter.to,)
            case Notice():
                kept = account.attributes.get(self.directory_attribute, ())
                record = account.credentials.reissue_address
                own = () if record is None else (record.secret["address"],)
                each = {one.casefold(): one for one in (*letter.besides, *kept, *own)}
                return tuple(each.values())
            case never:
                assert_never(never)

    def _send(self, letter: Letter, user: User, addresses: tuple[str, ...]) -> None:
        """To each; a server that fails in the middle gets all of them again."""
        for to in addresses:
            refused = self.mailer.send(self.writer.write(letter, user, to))
            if refused is None:
                self._record(AuditEvent.LETTER_SENT, letter, {"to": masked(to)})
            else:
                self._record(
                    AuditEvent.LETTER_NOT_SENT, letter, {"to": masked(to), "why": refused.value}
                )

    def _not_sent(self, queued: Queued, why: str) -> None:
        self._record(AuditEvent.LETTER_NOT_SENT, queued.letter, {"why": why})
        self.outbox.done(queued.id)

    def _record(self, event: AuditEvent, letter: Letter, detail: Mapping[str, str]) -> None:
        match letter:
            case Notice():
                kind = letter.kind.value
            case MailedCode():
                kind = letter.purpose.value
            case never:
                assert_never(never)
        self.audit.record(
            AuditRecord(
                self.clock(),
                event,
                letter.reference,
                letter.user_id,
                detail={"letter": kind, **detail},
            )
        )


def rounds(postman: Postman, pause: Callable[[float], None]) -> None:
    """Round after round, for as long as the process lives."""
    while True:
        try:
            busy = postman.round() == AT_ONCE
        except Unavailable as error:
            _LOG.warning("mail waits: %s", error)
            pause(REST_SECONDS)
        else:
            pause(0.0 if busy else ROUND_SECONDS)
