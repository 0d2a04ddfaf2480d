"""What the desk does to a person's account: on record first, written at once, told to its owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import assert_never

from idp_mfa.audit import AuditEvent
from idp_mfa.desk.orders import Order
from idp_mfa.desk.outcome import Done, NotDone
from idp_mfa.desk.roles import Act
from idp_mfa.desk.token_acts import TokenActs
from idp_mfa.helpdesk import Actor, HelpDesk, Passcode, Purpose
from idp_mfa.letters import NoticeKind, masked
from idp_mfa.model import Account, BoundBy, Credential, CredentialState, FactorName, Reference
from idp_mfa.ports import Change, ChangeAnswer
from idp_mfa.reissue_address import AddressProblem, ReissueAddresses
from idp_mfa.session import Sessions

_RESET = (CredentialState.ACTIVE, CredentialState.DISABLED, CredentialState.UNFINISHED)


@dataclass(frozen=True, slots=True)
class Mending:
    """The acts, by whomever they are ordered."""

    helpdesk: HelpDesk
    sessions: Sessions
    addresses: ReissueAddresses
    tokens: TokenActs
    passcode_life: timedelta

    def do(self, person: Account, order: Order, by: Actor) -> Done | NotDone:
        """Carry an order out; who may give it was looked at before."""
        match order.act:
            case Act.UNLOCK:
                return Done(self.helpdesk.unlock(person, by))
            case Act.END_SESSIONS:
                return self._end_sessions(person, by)
            case _ if order.generation != person.credentials.generation:
                return NotDone.CHANGED
            case Act.DISABLE:
                return self._disable(person, order, by)
            case Act.ENABLE:
                return self._enable(person, order, by)
            case Act.RESET:
                return self._reset(person, order, by)
            case Act.UNDO_RESET:
                return self._undo(person, order, by)
            case Act.PASSCODE | Act.ENROL:
                purpose = Purpose.ENROL if order.act is Act.ENROL else Purpose.SIGN_IN
                life = order.life or self.passcode_life
                made = self.helpdesk.issue_passcode(person, purpose, life, order.zone, by)
                if not isinstance(made, Passcode):
                    return NotDone.CHANGED
                return Done(made.reference, made)
            case Act.ASSIGN:
                return self.tokens.assign(person, order, by)
            case Act.RESYNCHRONISE:
                return self.tokens.resynchronise(person, order, by)
            case Act.ADDRESS:
                return self._address(person, order, by)
            case never:
                assert_never(never)

    def _end_sessions(self, person: Account, by: Actor) -> Done | NotDone:
        living = self.sessions.of(person.user.id)
        reference = self.helpdesk.record(
            AuditEvent.SESSION_ENDED, person, by, ended=str(len(living))
        )
        for session in living:
            self.sessions.end_one(session)
        desk = self.helpdesk
        desk.outbox.put(desk.notice(NoticeKind.SIGN_INS_ENDED, person, reference))
        return Done(reference)

    def _disable(self, person: Account, order: Order, by: Actor) -> Done | NotDone:
        found = _record_of(person, order, CredentialState.ACTIVE)
        if found is None:
            return NotDone.NOTHING
        reference = self.helpdesk.record(
            AuditEvent.FACTOR_DISABLED, person, by, factor=found.factor, credentials=(found.id,)
        )
        changed = _in_state(found, CredentialState.DISABLED)
        return self._changed(
            person, (Change(found, changed),), changed, NoticeKind.FACTOR_DISABLED, reference
        )

    def _enable(self, person: Account, order: Order, by: Actor) -> Done | NotDone:
        found = _record_of(person, order, CredentialState.DISABLED)
        if found is None:
            return NotDone.NOTHING
        reference = self.helpdesk.record(
            AuditEvent.FACTOR_ENABLED, person, by, factor=found.factor, credentials=(found.id,)
        )
        changed = _in_state(found, CredentialState.ACTIVE)
        done = self._changed(
            person, (Change(found, changed),), changed, NoticeKind.FACTOR_ENABLED, reference
        )
        # Failures in a row would shut it again at the next wrong code.
        self.helpdesk.forget_guesses(person)
        return done

    def _reset(self, person: Account, order: Order, by: Actor) -> Done | NotDone:
        records = [
            one
            for one in person.credentials.factors
            if one.factor == order.factor and one.state in _RESET and one.ended_at is None
        ]
        if not records:
            return NotDone.NOTHING
        desk = self.helpdesk
        life = order.life or self.passcode_life
        made = desk.unwritten(person, Purpose.ENROL, life, order.zone)
        reference = desk.record(
            AuditEvent.FACTOR_SUSPENDED,
            person,
            by,
            factor=records[0].factor,
            credentials=tuple(one.id for one in records),
            until=made.until.isoformat(),
            zone=order.zone or "",
        )
        # One that is disabled stays so, and is no more when a new one is set up in its place.
        shut = [
            Change(one, _in_state(one, CredentialState.SUSPENDED))
            for one in records
            if one.state is CredentialState.ACTIVE
        ]
        left = [Change(one, None) for one in records if one.state is CredentialState.UNFINISHED]
        notice = desk.notice(NoticeKind.FACTOR_SUSPENDED, person, reference, _labels(records))
        answer = desk.change(person, (*shut, *left, *made.changes), notice, made.credential)
        if answer is not ChangeAnswer.DONE:
            return NotDone.CHANGED
        desk.forget_guesses(person)
        return Done(reference, Passcode(made.code, made.until, reference))

    def _undo(self, person: Account, order: Order, by: Actor) -> Done | NotDone:
        """Back to how it was before the reset, as long as nothing took its place."""
        records = [
            one
            for one in person.credentials.factors
            if one.factor == order.factor and one.state is CredentialState.SUSPENDED
        ]
        if not records:
            return NotDone.NOTHING
        if person.credentials.of(records[0].factor):
            return NotDone.REPLACED
        reference = self.helpdesk.record(
            AuditEvent.RESET_UNDONE,
            person,
            by,
            factor=records[0].factor,
            credentials=tuple(one.id for one in records),
        )
        back = [Change(one, _in_state(one, CredentialState.ACTIVE)) for one in records]
        handed = [
            Change(one, None)
            for one in person.credentials.factors
            if one.factor == Purpose.ENROL.factor
        ]
        first = back[0].after or records[0]
        return self._changed(person, (*back, *handed), first, NoticeKind.RESET_UNDONE, reference)

    def _address(self, person: Account, order: Order, by: Actor) -> Done | NotDone:
        address = self.acceptable(person, order)
        if isinstance(address, NotDone):
            return address
        change = self.addresses.change_to(person, address, BoundBy.DESK)
        written, before = change.after, change.before
        if written is None:
            raise TypeError("an address is written, never removed, here")
        desk = self.helpdesk
        reference = desk.record(AuditEvent.ADDRESS_CHANGED, person, by, to=masked(address))
        notice = replace(
            desk.notice(NoticeKind.ADDRESS_CHANGED, person, reference, masked(address)),
            besides=() if before is None else (before.secret["address"],),
        )
        answer = desk.change(person, (change,), notice, written)
        return Done(reference) if answer is ChangeAnswer.DONE else NotDone.CHANGED

    def problem(self, person: Account, order: Order) -> NotDone | None:
        """Why an order need not wait for a second: it could not be carried out as things stand."""
        if order.act is Act.ASSIGN:
            return self.tokens.unassignable(person, order)
        if order.act is not Act.ADDRESS:
            return None
        address = self.acceptable(person, order)
        return address if isinstance(address, NotDone) else None

    def acceptable(self, person: Account, order: Order) -> str | NotDone:
        """The address that an order names, if it may be somebody's."""
        match self.addresses.acceptable(person, order.address or ""):
            case AddressProblem.MALFORMED:
                return NotDone.ADDRESS_MALFORMED
            case AddressProblem.SAME_PASSWORD:
                return NotDone.ADDRESS_SAME_PASSWORD
            case AddressProblem.UNCHANGED:
                return NotDone.ADDRESS_UNCHANGED
            case str(address):
                return address
            case never:
                assert_never(never)

    def _changed(
        self,
        person: Account,
        changes: tuple[Change, ...],
        after: Credential,
        kind: NoticeKind,
        reference: Reference,
    ) -> Done | NotDone:
        about = after.label or after.factor
        notice = self.helpdesk.notice(kind, person, reference, about)
        answer = self.helpdesk.change(person, changes, notice, after)
        return Done(reference) if answer is ChangeAnswer.DONE else NotDone.CHANGED


def suspended(person: Account) -> tuple[FactorName, ...]:
    """The factors of which a reset can be undone."""
    return tuple(
        dict.fromkeys(
            one.factor
            for one in person.credentials.factors
            if one.state is CredentialState.SUSPENDED and not person.credentials.of(one.factor)
        )
    )


def _record_of(person: Account, order: Order, state: CredentialState) -> Credential | None:
    found = (one for one in person.credentials.factors if one.id == order.credential)
    return next((one for one in found if one.state is state), None)


def _in_state(credential: Credential, state: CredentialState) -> Credential:
    return replace(credential, state=state, generation=credential.generation + 1)


def _labels(records: Sequence[Credential]) -> str:
    return ", ".join(sorted({one.label or one.factor for one in records}))
