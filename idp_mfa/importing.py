"""Taking keys over that other systems and vendors made; each at most once, however often tried.

What the directory holds says what was taken: an import that died half-way is begun again with the
same file, and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.factor import SharedKey, TakesKeys
from idp_mfa.helpdesk import Actor
from idp_mfa.letters import Awaited, Notice, NoticeKind
from idp_mfa.model import (
    Account,
    BoundBy,
    Clock,
    Credential,
    CredentialState,
    FactorName,
    Randomness,
    Reference,
    Seen,
    new_credential_id,
)
from idp_mfa.ports import (
    AuditLog,
    Change,
    ChangeAnswer,
    CredentialStore,
    Directory,
    Outbox,
)

MOST_KEYS = 5
"""Of one person."""
_TRIES = 3


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key in a file: ``place`` is where, in the file's own words; ``login`` whose it is."""

    place: str
    login: str
    key: SharedKey


@dataclass(frozen=True, slots=True)
class NotRead:
    """What stands at a place is no key that can be taken, and why, in words."""

    place: str
    why: str


class Mailing(Enum):
    """Whether owners are told of a key that is theirs from now on."""

    TELL = "tell"
    SILENT = "silent"
    """Where a whole site moves, and tells its people otherwise; it is on record."""


class Taken(Enum):
    """What became of a key, or would."""

    NEW = "new"
    THERE_ALREADY = "there-already"
    NOBODY = "nobody"
    """The directory has no such person."""
    HAS_ANOTHER = "has-another"
    """They set a factor of this kind up themselves, or it was shut off: nothing is put beside."""
    TOO_MANY = "too-many"
    UNREADABLE = "unreadable"
    """Records of theirs do not open."""
    CHANGED_MEANWHILE = "changed-meanwhile"


class Imports:
    """The use case, for one factor of those that take keys."""

    def __init__(
        self,
        *,
        directory: Directory,
        credentials: CredentialStore,
        audit: AuditLog,
        outbox: Outbox,
        takers: Mapping[FactorName, TakesKeys],
        factor: FactorName,
        label: str,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._directory = directory
        self._credentials = credentials
        self._audit = audit
        self._outbox = outbox
        self._taker = takers[factor]
        self._factor = factor
        self._label = label
        self._clock = clock
        self._randomness = randomness

    def look(self, found: FoundKey) -> Taken:
        """What would become of a key; nothing is changed."""
        account = self._directory.find(found.login)
        return Taken.NOBODY if account is None else self._judged(account, found.key)

    def take(self, found: FoundKey, by: Actor, reference: Reference, mailing: Mailing) -> Taken:
        """The key is its owner's from now on; it is on record before it is.

        ``reference`` is that of the whole run.
        """
        account = self._directory.find(found.login)
        if account is None:
            return Taken.NOBODY
        # A change is held against what stands where it is made: to take a key, one look is enough.
        if self._tried(account, found, by, reference, mailing) is Taken.NEW:
            return Taken.NEW
        for _ in range(_TRIES):
            # That one is not taken is said by where changes are made: a replica may lag behind.
            account = self._directory.read(account.user.id)
            if account is None:
                return Taken.NOBODY
            became = self._tried(account, found, by, reference, mailing)
            if became is not Taken.CHANGED_MEANWHILE:
                return became
        return Taken.CHANGED_MEANWHILE

    def _tried(
        self,
        account: Account,
        found: FoundKey,
        by: Actor,
        reference: Reference,
        mailing: Mailing,
    ) -> Taken:
        judged = self._judged(account, found.key)
        if judged is not Taken.NEW:
            return judged
        done = self._bind(account, found, by, reference, mailing)
        return Taken.NEW if done is ChangeAnswer.DONE else Taken.CHANGED_MEANWHILE

    def _judged(self, account: Account, key: SharedKey) -> Taken:
        credentials = account.credentials
        theirs = [one for one in credentials.factors if one.factor == self._factor]
        if any(self._taker.holds(one, key) for one in theirs):
            return Taken.THERE_ALREADY
        if credentials.unreadable:
            return Taken.UNREADABLE
        if not all(map(_is_imported, theirs)):
            return Taken.HAS_ANOTHER
        return Taken.TOO_MANY if len(theirs) >= MOST_KEYS else Taken.NEW

    def _bind(
        self,
        account: Account,
        found: FoundKey,
        by: Actor,
        reference: Reference,
        mailing: Mailing,
    ) -> ChangeAnswer:
        now = self._clock()
        empty = Credential(
            id=new_credential_id(self._randomness),
            factor=self._factor,
            state=CredentialState.UNFINISHED,
            label=found.key.serial or self._label,
            bound_at=now,
            bound_by=BoundBy.IMPORT,
            generation=1,
            secret={},
        )
        credential = self._taker.taken(empty, found.key)
        detail = {
            "factor": self._factor,
            "credential": credential.id,
            "bound_by": credential.bound_by.value,
            "serial": found.key.serial,
            "reason": by.reason,
            "mailing": mailing.value,
        }
        self._audit.record(
            AuditRecord(
                now,
                AuditEvent.FACTOR_BOUND,
                reference,
                account.user.id,
                actor=by.name,
                detail=detail,
            )
        )
        changes = (Change(None, credential),)
        if mailing is Mailing.SILENT:
            return self._credentials.change(account.user.id, account.credentials, changes)
        notice = Notice(
            NoticeKind.FACTOR_ADDED,
            account.user.id,
            now,
            Seen(None, ()),
            reference,
            about=credential.label,
        )
        intended = self._outbox.intend(notice, Awaited(credential.id, credential.generation))
        done = self._credentials.change(account.user.id, account.credentials, changes)
        if done is ChangeAnswer.DONE:
            self._outbox.release(intended, now)
        else:
            self._outbox.done(intended)
        return done


def _is_imported(credential: Credential) -> bool:
    return (
        credential.bound_by is BoundBy.IMPORT and credential.state is CredentialState.ACTIVE
    ) or (
        # What was begun and never finished, or left, is no factor.
        credential.state is CredentialState.UNFINISHED
    )
