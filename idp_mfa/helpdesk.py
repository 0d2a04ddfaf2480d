"""What staff may do for a person: look, unlock, reset a factor; each act with actor and reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.devices import Devices
from idp_mfa.factor import Factor, terms
from idp_mfa.letters import Awaited, LetterId, Notice, NoticeKind
from idp_mfa.model import (
    ENROLMENT_PASSCODE,
    PASSCODE,
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
    StateStore,
    Unavailable,
    Window,
)
from idp_mfa.throttle import Throttle


@dataclass(frozen=True, slots=True)
class Reset:
    """What was taken away; the person may set the factor up anew where policy and P6 allow it."""

    removed: tuple[Credential, ...]
    reference: Reference


class Purpose(Enum):
    """What a passcode is for, fixed when it is handed out."""

    SIGN_IN = "sign-in"
    ENROL = "enrol"

    @property
    def factor(self) -> FactorName:
        """The name by which policies know it."""
        return PASSCODE if self is Purpose.SIGN_IN else ENROLMENT_PASSCODE


@dataclass(frozen=True, slots=True)
class Passcode:
    """A code to be read out to its owner, this once."""

    code: str = field(repr=False)
    until: datetime
    reference: Reference


@dataclass(frozen=True, slots=True)
class WrongCodes:
    """Codes that did not count, behind a right password: somebody may have that password.

    ``lately`` is counted up to ``warned_at``, when its owner was told by mail; ``in_a_row`` up to
    ``disabled_at``, when the factor is disabled.
    """

    lately: int
    warned_at: int
    in_a_row: int
    disabled_at: int

    @property
    def owner_was_told(self) -> bool:
        """Whether the mail was queued."""
        return self.lately >= self.warned_at


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts for somebody, and why; ``evidence`` is what else stands on record of it."""

    name: str
    reason: str
    evidence: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A passcode that somebody's entry does not hold yet, and the changes that write it."""

    code: str = field(repr=False)
    until: datetime
    credential: Credential
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class HelpDesk:
    """The desk's use cases, the same for a page and for the command line."""

    directory: Directory
    credentials: CredentialStore
    store: StateStore
    audit: AuditLog
    throttle: Throttle
    devices: Devices
    outbox: Outbox
    factors: Mapping[FactorName, Factor]
    clock: Clock
    randomness: Randomness

    def show(self, login: str) -> Account | None:
        """One person, by what was typed, as they stand where changes are written."""
        found = self.directory.find(login)
        return None if found is None else self.directory.read(found.user.id)

    def wrong_codes(self, account: Account) -> WrongCodes:
        """What the limits know of somebody's codes."""
        lately = self.throttle.warning(account.user.id)
        in_a_row = self.throttle.in_a_row(account.user.id)
        return WrongCodes(self._spent(lately), lately.limit, self._spent(in_a_row), in_a_row.limit)

    def unlock(self, account: Account, by: Actor) -> Reference:
        """Forget the tries that were spent; a factor that was disabled stays so.

        Its owner is told, because whoever guessed may guess on.
        """
        reference = self.record(AuditEvent.USER_UNLOCKED, account, by)
        devices = self.devices.of(account.user.id)
        self.store.clear(self.throttle.of_user(account.user.id, devices))
        self.outbox.put(self.notice(NoticeKind.ACCOUNT_UNLOCKED, account, reference))
        return reference

    def notice(
        self, kind: NoticeKind, account: Account, reference: Reference, about: str = ""
    ) -> Notice:
        """What somebody is told of an act of the desk."""
        return Notice(kind, account.user.id, self.clock(), Seen(None, ()), reference, about=about)

    def issue_passcode(
        self, account: Account, purpose: Purpose, life: timedelta, zone: str | None, by: Actor
    ) -> Passcode | ChangeAnswer:
        """One code for one purpose, for some hours; an older one of the same purpose is dead.

        Its owner is told by mail, because whoever has it and the password may go on with it.
        """
        made = self.unwritten(account, purpose, life, zone)
        reference = self.record(
            AuditEvent.PASSCODE_ISSUED,
            account,
            by,
            purpose=purpose.value,
            until=made.until.isoformat(),
            zone=zone or "",
        )
        notice = self.notice(NoticeKind.PASSCODE_ISSUED, account, reference)
        answer = self.change(account, made.changes, notice, made.credential)
        return Passcode(made.code, made.until, reference) if answer is ChangeAnswer.DONE else answer

    def unwritten(
        self, account: Account, purpose: Purpose, life: timedelta, zone: str | None
    ) -> Unwritten:
        """A passcode that is to be written together with something else."""
        now = self.clock()
        until = now + life
        unfinished = Credential(
            id=new_credential_id(self.randomness),
            factor=purpose.factor,
            state=CredentialState.UNFINISHED,
            label=purpose.value,
            bound_at=now,
            bound_by=BoundBy.DESK,
            generation=1,
            secret=terms(until, zone),
        )
        made = self.factors[purpose.factor].begin_enrolment(
            account.user, unfinished, self.randomness
        )
        active = replace(made.credential, state=CredentialState.ACTIVE)
        older = (
            Change(one, None) for one in account.credentials.records if one.factor == purpose.factor
        )
        return Unwritten(made.shown["codes"], until, active, (*older, Change(None, active)))

    def change(
        self,
        account: Account,
        changes: Sequence[Change],
        notice: Notice,
        awaited: Credential,
    ) -> ChangeAnswer:
        """Write what is on record already; ``notice`` goes out if and only if it was written."""
        intended = self.outbox.intend(notice, Awaited(awaited.id, awaited.generation))
        answer = self.credentials.change(account.user.id, account.credentials, changes)
        self._settle(intended, answer)
        return answer

    def reset(self, account: Account, factor: FactorName, by: Actor) -> Reset | ChangeAnswer:
        """Take every record of one factor away, of whatever state, and what was guessed at it.

        It is on record before it happens; a reset that lost a race is tried again by its actor.
        """
        removed = tuple(one for one in account.credentials.records if one.factor == factor)
        reference = self._record_reset(account, by, factor, removed)
        intended = self._intend_notice(account, removed, reference)
        answer = self.credentials.change(
            account.user.id, account.credentials, tuple(Change(one, None) for one in removed)
        )
        self._settle(intended, answer)
        self.forget_guesses(account)
        return Reset(removed, reference) if answer is ChangeAnswer.DONE else answer

    def reset_everything(self, account: Account, by: Actor) -> Reset | ChangeAnswer:
        """Take every factor away, records that cannot be read too."""
        removed = account.credentials.records
        reference = self._record_reset(account, by, "everything", removed)
        intended = self._intend_notice(account, removed, reference)
        answer = self.credentials.clear(account.user.id, account.credentials)
        self._settle(intended, answer)
        self.forget_guesses(account)
        return Reset(removed, reference) if answer is ChangeAnswer.DONE else answer

    def _intend_notice(
        self, account: Account, removed: tuple[Credential, ...], reference: Reference
    ) -> LetterId | None:
        """Its owner hears of it, at an address too that goes with the rest."""
        if not removed:
            return None
        record = account.credentials.reissue_address
        notice = Notice(
            NoticeKind.FACTOR_REMOVED,
            account.user.id,
            self.clock(),
            Seen(None, ()),
            reference,
            about=", ".join(sorted({one.label or one.factor for one in removed})),
            besides=() if record is None else (record.secret["address"],),
        )
        return self.outbox.intend(notice, Awaited(removed[0].id, None))

    def _settle(self, intended: LetterId | None, answer: ChangeAnswer) -> None:
        if intended is None:
            return
        if answer is ChangeAnswer.DONE:
            self.outbox.release(intended, self.clock())
        else:
            self.outbox.done(intended)

    def forget_guesses(self, account: Account) -> None:
        """What was tried at codes that are dead now counts no more."""
        # They were made at another key. A store that is away leaves its limits, which may be waited
        # for or unlocked; the reset itself is done.
        with suppress(Unavailable):
            devices = self.devices.of(account.user.id)
            self.store.clear(self.throttle.of_factors(account.user.id, devices))

    def _spent(self, window: Window) -> int:
        kept = self.store.get(window.key)
        if kept is not None and not kept.isdigit():
            raise Unavailable("store", "a counter holds no number")
        return int(kept or 0)

    def _record_reset(
        self, account: Account, by: Actor, factor: str, removed: tuple[Credential, ...]
    ) -> Reference:
        return self.record(
            AuditEvent.USER_RESET,
            account,
            by,
            factor=factor,
            removed=tuple(one.id for one in removed),
        )

    def record(
        self, event: AuditEvent, account: Account, by: Actor, **detail: str | int | tuple[str, ...]
    ) -> Reference:
        """One line about an act, before it happens."""
        reference = new_reference(self.randomness)
        self.audit.record(
            AuditRecord(
                self.clock(),
                event,
                reference,
                account.user.id,
                actor=by.name,
                detail={"reason": by.reason, **by.evidence, **detail},
            )
        )
        return reference
