"""Letting go of what is kept for diagnosis alone, once a day, on one node, beside the requests."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.diagnosis import is_overdue, purged
from idp_mfa.model import Clock, Randomness, UserId
from idp_mfa.ports import (
    AuditLog,
    ChangeAnswer,
    CredentialStore,
    Directory,
    StateStore,
    Unavailable,
)

_LOG = logging.getLogger(__name__)

EACH = timedelta(hours=20)
"""Less than a day, so that it never slips by one."""
LOOK_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Purging:
    """Each person is one atomic change, so that a run may be killed; the next one goes on."""

    directory: Directory
    credentials: CredentialStore
    store: StateStore
    audit: AuditLog
    clock: Clock
    randomness: Randomness

    def round(self) -> int:
        """So many people's records were purged; none if a node did it lately."""
        if not self.store.once("purge", EACH):
            return 0
        now = self.clock()
        waiting = [
            account.user.id
            for account in self.directory.everyone()
            if is_overdue(account.credentials, now)
        ]
        return sum(self.purge(user_id) for user_id in waiting)

    def purge(self, user_id: UserId) -> bool:
        """Whether something of this person was let go of; who changes it meanwhile comes first."""
        account, now = self.directory.read(user_id), self.clock()
        changes = () if account is None else purged(account.credentials, now)
        if account is None or not changes:
            return False
        done = self.credentials.change(user_id, account.credentials, changes)
        if done is not ChangeAnswer.DONE:
            return False
        self.audit.record(
            AuditRecord(
                now,
                AuditEvent.RECORDS_PURGED,
                new_reference(self.randomness),
                user_id,
                detail={"credentials": tuple(one.before.id for one in changes if one.before)},
            )
        )
        return True


def rounds(purging: Purging, pause: Callable[[float], None]) -> None:
    """An hour after the beginning and then each hour, for as long as the process lives."""
    while True:
        pause(LOOK_SECONDS)
        try:
            purging.round()
        except Unavailable as error:
            _LOG.warning("old records wait to be let go of: %s", error)
