"""Hardware tokens that nobody has yet: kept by serial number, and handed out one by one.

The stock is an ordinary entry of the directory, on which nobody signs in. Its records are sealed as
everybody's are, on every node, and turn with the sealing keys. A token stays in the stock when it
is handed out, and says to whom: one that came back is handed out again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.diagnosis import retired, with_purge
from idp_mfa.factor import SharedKey, TakesKeys
from idp_mfa.helpdesk import Actor, HelpDesk
from idp_mfa.letters import NoticeKind
from idp_mfa.model import (
    STOCKED_TOKEN,
    Account,
    BoundBy,
    Credential,
    CredentialId,
    CredentialState,
    FactorName,
    Reference,
    UserId,
    new_credential_id,
)
from idp_mfa.ports import Change, ChangeAnswer, Unavailable

MOST = 1000
"""Tokens in one stock: its entry is read as a whole."""
UNDER_WAY = timedelta(minutes=5)
"""So long a token is nobody else's that somebody began to hand out."""
_TRIES = 3
_OWNER, _GIVEN_AT = "owner", "given_at"
_HELD = (CredentialState.ACTIVE, CredentialState.DISABLED, CredentialState.SUSPENDED)


class Stocked(Enum):
    """What became of a key that was to be put into the stock, or would."""

    NEW = "new"
    THERE_ALREADY = "there-already"
    NO_SERIAL = "no-serial"
    """Nobody could ask for it."""
    OTHER_KEY = "other-key"
    """Another key is there under this serial number."""
    FULL = "full"
    CHANGED_MEANWHILE = "changed-meanwhile"


@dataclass(frozen=True, slots=True)
class Assigned:
    """Its codes are its owner's from now on; ``replaced`` signs in no more."""

    credential: Credential
    replaced: tuple[Credential, ...]
    reference: Reference


class NotAssigned(Enum):
    """Why a token was not handed out."""

    NO_SUCH_TOKEN = "no-such-token"
    HELD = "held"
    """Somebody has it, or is being given it just now."""
    THEIRS_ALREADY = "theirs-already"
    UNREADABLE = "unreadable"
    """Records of the person do not open: nothing is put beside."""
    CHANGED_ELSEWHERE = "changed-elsewhere"


@dataclass(frozen=True, slots=True)
class Token:
    """One of the stock; ``owner`` is who has it, None if it lies there."""

    serial: str
    since: datetime
    owner: Account | None


@dataclass(frozen=True, slots=True)
class TokenStock:
    """The use cases; ``login`` is that of the entry, ``factor`` what the keys are of."""

    helpdesk: HelpDesk
    login: str
    factor: FactorName
    taker: TakesKeys

    def tokens(self) -> tuple[Token, ...]:
        """All of them, by serial number."""
        held = sorted(self._entry().credentials.stocked, key=lambda one: one.label)
        return tuple(Token(one.label, one.bound_at, self._holder(one)) for one in held)

    # -- filling it --------------------------------------------------------------------------

    def look(self, key: SharedKey) -> Stocked:
        """What would become of a key; nothing is changed."""
        return self._judged(self._entry(), key)

    def put(self, key: SharedKey, by: Actor, reference: Reference) -> Stocked:
        """A key by its serial number, once, however often tried; on record before it is there."""
        desk = self.helpdesk
        for _ in range(_TRIES):
            entry, now = self._entry(), desk.clock()
            judged = self._judged(entry, key)
            if judged is not Stocked.NEW:
                return judged
            empty = Credential(
                id=new_credential_id(desk.randomness),
                factor=self.factor,
                state=CredentialState.UNFINISHED,
                label=key.serial,
                bound_at=now,
                bound_by=BoundBy.IMPORT,
                generation=1,
                secret={},
            )
            token = replace(self.taker.taken(empty, key), factor=STOCKED_TOKEN)
            desk.audit.record(
                AuditRecord(
                    now,
                    AuditEvent.TOKEN_STOCKED,
                    reference,
                    actor=by.name,
                    detail={"serial": key.serial, "reason": by.reason},
                )
            )
            if self._changed(entry, Change(None, token)):
                return Stocked.NEW
        return Stocked.CHANGED_MEANWHILE

    def forget(self, serial: str, by: Actor) -> Reference | NotAssigned:
        """Let go of a token that is lost or broken; whoever has it keeps its key till a reset."""
        entry = self._entry()
        token = _of(entry, serial)
        if token is None:
            return NotAssigned.NO_SUCH_TOKEN
        reference = self.helpdesk.record(AuditEvent.TOKEN_FORGOTTEN, entry, by, serial=token.label)
        done = self._changed(entry, Change(token, None))
        return reference if done else NotAssigned.CHANGED_ELSEWHERE

    # -- handing out -------------------------------------------------------------------------

    def problem(self, person: Account, serial: str) -> NotAssigned | None:
        """Why a token could not be handed out now; nothing is changed."""
        found = self._free(self._entry(), serial, person)
        return found if isinstance(found, NotAssigned) else None

    def assign(self, person: Account, serial: str, by: Actor) -> Assigned | NotAssigned:
        """The token is this person's from now on, in place of every key of theirs.

        The stock says so first, by one change of its entry: of two desks one gets it, and of one
        that died half-way the same is asked for again.
        """
        entry, desk = self._entry(), self.helpdesk
        token = self._free(entry, serial, person)
        if isinstance(token, NotAssigned):
            return token
        before, now = _by_id(person, token.id), desk.clock()
        given = {_OWNER: person.user.id, _GIVEN_AT: now.isoformat()}
        marked = replace(token, secret={**token.secret, **given}, generation=token.generation + 1)
        if not self._changed(entry, Change(token, marked)):
            return NotAssigned.CHANGED_ELSEWHERE
        credential = Credential(
            id=token.id,
            factor=self.factor,
            state=CredentialState.ACTIVE,
            label=token.label,
            bound_at=now,
            bound_by=BoundBy.DESK,
            generation=1 if before is None else before.generation + 1,
            secret={name: said for name, said in token.secret.items() if name not in given},
        )
        replaced = tuple(
            one
            for one in person.credentials.factors
            if one.factor == self.factor and one.state in _HELD and one.id != token.id
        )
        reference = desk.record(
            AuditEvent.FACTOR_BOUND,
            person,
            by,
            factor=self.factor,
            credential=credential.id,
            bound_by=credential.bound_by.value,
            serial=token.label,
            replaced=tuple(one.id for one in replaced),
        )
        changes = with_purge(
            person.credentials,
            (
                Change(before, credential),
                *(Change(one, retired(one, now)) for one in replaced),
            ),
            now,
        )
        notice = desk.notice(NoticeKind.FACTOR_ADDED, person, reference, credential.label)
        if desk.change(person, changes, notice, credential) is not ChangeAnswer.DONE:
            return NotAssigned.CHANGED_ELSEWHERE
        desk.forget_guesses(person)
        return Assigned(credential, replaced, reference)

    # -- inside ------------------------------------------------------------------------------

    def _entry(self) -> Account:
        entry = self.helpdesk.show(self.login)
        if entry is None:
            raise Unavailable("directory", f"it has no {self.login}, the stock of tokens")
        if entry.credentials.unreadable:
            raise Unavailable("directory", "records of the stock of tokens do not open")
        return entry

    def _changed(self, entry: Account, change: Change) -> bool:
        done = self.helpdesk.credentials.change(entry.user.id, entry.credentials, (change,))
        return done is ChangeAnswer.DONE

    def _judged(self, entry: Account, key: SharedKey) -> Stocked:
        if not key.serial.strip():
            return Stocked.NO_SERIAL
        if any(self.taker.holds(one, key) for one in entry.credentials.stocked):
            return Stocked.THERE_ALREADY
        if _of(entry, key.serial) is not None:
            return Stocked.OTHER_KEY
        return Stocked.FULL if len(entry.credentials.stocked) >= MOST else Stocked.NEW

    def _free(self, entry: Account, serial: str, person: Account) -> Credential | NotAssigned:
        token = _of(entry, serial)
        if token is None:
            return NotAssigned.NO_SUCH_TOKEN
        before = _by_id(person, token.id)
        if before is not None and before.state is CredentialState.ACTIVE:
            return NotAssigned.THEIRS_ALREADY
        if person.credentials.unreadable:
            return NotAssigned.UNREADABLE
        owner = token.secret.get(_OWNER)
        if owner in (None, person.user.id):
            return token
        ended = datetime.fromisoformat(token.secret[_GIVEN_AT]) + UNDER_WAY
        if self.helpdesk.clock() < ended or self._holder(token) is not None:
            return NotAssigned.HELD
        return token

    def _holder(self, token: Credential) -> Account | None:
        owner = token.secret.get(_OWNER)
        account = None if owner is None else self.helpdesk.directory.read(UserId(owner))
        if account is None:
            return None
        theirs = account.credentials
        has_it = any(one.id == token.id and one.state in _HELD for one in theirs.records)
        # Nobody knows what a record is that does not open.
        return account if has_it or theirs.unreadable else None


def _by_id(person: Account, id: CredentialId) -> Credential | None:
    return next((one for one in person.credentials.records if one.id == id), None)


def _of(entry: Account, serial: str) -> Credential | None:
    wanted = serial.strip().casefold()
    found = (one for one in entry.credentials.stocked if one.label.strip().casefold() == wanted)
    return next(found, None)
