"""Passkeys and security keys of one person: several at once, each made by the browser.

Begin keeps the question in the store, under the session that asked; its answer takes it out, before
anything is looked at. Nothing stands in the directory before a passkey is registered.
"""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from idp_mfa.factor import Enrolment, Factor, Rejected, Rejection, Response, use_key
from idp_mfa.letters import Awaited, Notice
from idp_mfa.model import (
    Account,
    BoundBy,
    Clock,
    Credential,
    CredentialId,
    CredentialState,
    FactorKind,
    FactorName,
    Randomness,
    User,
    UserId,
)
from idp_mfa.platforms import Platform, platform_named
from idp_mfa.ports import Change, ChangeAnswer, CredentialStore, Outbox, StateStore
from idp_mfa.webauthn import Finding

MOST_LABEL_CHARACTERS = 60
_LIVES = timedelta(minutes=5)
_FOR_GOOD = timedelta(days=3650)
_SYSTEMS: Mapping[Platform, str] = {
    Platform.IPHONE: "iPhone",
    Platform.IPAD: "iPad",
    Platform.MAC: "Mac",
    Platform.ANDROID: "Android",
    Platform.WINDOWS: "Windows",
    Platform.CHROMEOS: "Chromebook",
    Platform.LINUX: "Linux",
}


@dataclass(frozen=True, slots=True)
class Fido2Options:
    """``rp_id`` is the host of base_url, or a parent domain of it; it can never be changed later.

    ``per_platform`` passkeys of devices may be registered for each system (iPhone, Windows, ...),
    None for as many as ``most`` allows, which counts security keys too. ``without_name``: the
    password page offers a passkey instead of name and password.
    """

    rp_id: str = ""
    per_platform: int | None = None
    most: int = 20
    without_name: bool = True

    def __post_init__(self) -> None:
        if self.most < 1 or (self.per_platform is not None and self.per_platform < 1):
            raise ValueError("most and per_platform must be 1 or more")


class Registers(Factor, Protocol):
    """A factor of which a person may have several at once."""

    def begin_another(
        self,
        user: User,
        unfinished: Credential,
        held: Sequence[Credential],
        randomness: Randomness,
    ) -> Enrolment:
        """Fill an empty unfinished credential, beside those that are held."""
        ...

    def public_id(self, credential: Credential) -> str:
        """The id by which it is known outside, never of two people."""
        ...


class PasskeyKind(Enum):
    """What its owner knows it as."""

    THIS_DEVICE = "this-device"
    SYNCED = "synced"
    SECURITY_KEY = "security-key"


@dataclass(frozen=True, slots=True)
class Passkey:
    """One credential as its owner sees it; ``used_at`` None is never, or not known any more."""

    credential: Credential
    kind: PasskeyKind
    platform: Platform
    backed_up: bool
    used_at: datetime | None

    @property
    def is_of_a_platform(self) -> bool:
        """Whether it is counted for its system: a security key is extra."""
        return self.credential.secret["attachment"] == "platform"


@dataclass(frozen=True, slots=True)
class Asked:
    """From where a registration is asked: the session's handle, and what the browser runs on."""

    session: str
    platform: Platform


@dataclass(frozen=True, slots=True)
class Registered:
    """It signs in from now on; ``replaced`` is what it took the place of."""

    passkey: Passkey
    replaced: Credential | None


@dataclass(frozen=True, slots=True)
class PlatformFull:
    """So many are registered for this system already: one of ``held`` may be replaced."""

    held: tuple[Passkey, ...]


class NotDone(Enum):
    """Why nothing was changed."""

    NOTHING_BEGUN = "nothing-begun"
    CHANGED_ELSEWHERE = "changed-elsewhere"
    TOO_MANY = "too-many"
    LAST_ONE = "last-one"
    NO_LABEL = "no-label"


class Passkeys:
    """What a person may do with passkeys; whether they may is for the page to ask first."""

    def __init__(
        self,
        *,
        factor: Registers,
        kinds: Mapping[FactorName, frozenset[FactorKind]],
        credentials: CredentialStore,
        store: StateStore,
        outbox: Outbox,
        options: Fido2Options,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._factor = factor
        self._kinds = kinds
        self._credentials = credentials
        self._store = store
        self._outbox = outbox
        self._options = options
        self._clock = clock
        self._randomness = randomness

    # -- looking -----------------------------------------------------------------------------

    def held(self, account: Account) -> tuple[Passkey, ...]:
        """All that are registered, the oldest first."""
        found = account.credentials.of(self._factor.name)
        return tuple(
            self._seen(account.user.id, one) for one in sorted(found, key=lambda c: c.bound_at)
        )

    def full(self, account: Account, platform: Platform) -> tuple[Passkey, ...]:
        """Those of a system of which no more may be registered; none if more may be."""
        return self._full(self.held(account), platform)

    def public_ids(self, account: Account) -> tuple[str, ...]:
        """The ids that browsers may keep, to tell them which these are."""
        return tuple(self._factor.public_id(one.credential) for one in self.held(account))

    # -- registering -------------------------------------------------------------------------

    def begin(self, account: Account, asked: Asked, bound_by: BoundBy) -> Enrolment | NotDone:
        """A new question for this session, in place of any other."""
        held = account.credentials.of(self._factor.name)
        if len(held) >= self._options.most:
            return NotDone.TOO_MANY
        empty = Credential(
            id=CredentialId(base64.b32encode(self._randomness(10)).decode().lower()),
            factor=self._factor.name,
            state=CredentialState.UNFINISHED,
            label="",
            bound_at=self._clock(),
            bound_by=bound_by,
            generation=1,
            secret={},
        )
        enrolment = self._factor.begin_another(account.user, empty, held, self._randomness)
        self._store.put(_begun_key(asked), _encode(account.user.id, enrolment.credential), _LIVES)
        return enrolment

    def complete(
        self,
        account: Account,
        asked: Asked,
        response: Response,
        *,
        replaces: CredentialId | None,
        notice: Notice,
    ) -> Registered | Rejected | PlatformFull | NotDone:
        """Register what the browser made; the question is spent, whatever becomes of it.

        ``notice`` goes out if and only if it was written.
        """
        unfinished = self._unfinished(account, self._store.take(_begun_key(asked)))
        if unfinished is None:
            return NotDone.NOTHING_BEGUN
        now = self._clock()
        begun = self._factor.show_enrolment(account.user, unfinished)
        answer = self._factor.complete_enrolment(begun, response, now)
        if isinstance(answer, Rejected):
            return answer
        made = answer.credential
        label = made.label or _SYSTEMS.get(asked.platform, "FIDO2")
        bound = replace(
            made,
            label=f"{label} ({now:%Y-%m})",
            bound_at=now,
            generation=2,
            secret={**made.secret, "platform": asked.platform.value},
        )
        passkey = self._passkey(bound, {})
        held = self.held(account)
        old = next((one for one in held if one.credential.id == replaces), None)
        others = tuple(one for one in held if one is not old)
        full = self._full(others, asked.platform) if passkey.is_of_a_platform else ()
        if full:
            return PlatformFull(full)
        if len(others) >= self._options.most:
            return NotDone.TOO_MANY
        mark = _id_key(self._factor.public_id(bound))
        if not self._store.once(mark, _FOR_GOOD):
            return Rejected(Rejection.WRONG, detail=Finding.ID_TAKEN.value)
        removed = () if old is None else (Change(old.credential, None),)
        done = self._change(
            account,
            (Change(None, bound), *removed),
            Awaited(bound.id, bound.generation),
            replace(notice, about=bound.label),
        )
        if done is not ChangeAnswer.DONE:
            self._store.take(mark)
            return NotDone.CHANGED_ELSEWHERE
        if old is not None:
            self._store.take(_id_key(self._factor.public_id(old.credential)))
        return Registered(passkey, None if old is None else old.credential)

    # -- looking after them ------------------------------------------------------------------

    def rename(
        self, account: Account, id: CredentialId, label: str, platform: Platform | None
    ) -> Passkey | NotDone:
        """Another name, and the system that its owner says it is of."""
        old = self._one(account, id)
        cleaned = _label(label)
        if old is None:
            return NotDone.CHANGED_ELSEWHERE
        if not cleaned:
            return NotDone.NO_LABEL
        secret = dict(old.secret)
        if platform is not None:
            secret["platform"] = platform.value
        new = replace(old, label=cleaned, secret=secret, generation=old.generation + 1)
        changes = (Change(old, new),)
        answer = self._credentials.change(account.user.id, account.credentials, changes)
        if answer is not ChangeAnswer.DONE:
            return NotDone.CHANGED_ELSEWHERE
        return self._seen(account.user.id, new)

    def remove(self, account: Account, id: CredentialId, notice: Notice) -> Credential | NotDone:
        """Take one away, unless its owner could not sign in any more without it."""
        old = self._one(account, id)
        if old is None:
            return NotDone.CHANGED_ELSEWHERE
        left = (one for one in account.credentials.active if one.id != id)
        if not any(self._kinds.get(one.factor) for one in left):
            return NotDone.LAST_ONE
        done = self._change(account, (Change(old, None),), Awaited(id, None), notice)
        if done is not ChangeAnswer.DONE:
            return NotDone.CHANGED_ELSEWHERE
        self._store.take(_id_key(self._factor.public_id(old)))
        return old

    # -- inside ------------------------------------------------------------------------------

    def _one(self, account: Account, id: CredentialId) -> Credential | None:
        found = account.credentials.of(self._factor.name)
        return next((one for one in found if one.id == id), None)

    def _full(self, held: Sequence[Passkey], platform: Platform) -> tuple[Passkey, ...]:
        same = tuple(one for one in held if one.is_of_a_platform and one.platform is platform)
        most = self._options.per_platform
        return same if most is not None and len(same) >= most else ()

    def _seen(self, user_id: UserId, credential: Credential) -> Passkey:
        kept = self._store.get(use_key(user_id, credential.id))
        return self._passkey(credential, {} if kept is None else json.loads(kept))

    def _passkey(self, credential: Credential, use: Mapping[str, str]) -> Passkey:
        secret = credential.secret
        if secret["eligible"] == "1":
            kind = PasskeyKind.SYNCED
        elif secret["attachment"] == "platform":
            kind = PasskeyKind.THIS_DEVICE
        else:
            kind = PasskeyKind.SECURITY_KEY
        at = use.get("at")
        return Passkey(
            credential,
            kind,
            platform_named(secret.get("platform", "")),
            use.get("backed_up", secret["backed_up"]) == "1",
            None if at is None else datetime.fromisoformat(at),
        )

    def _change(
        self, account: Account, changes: Sequence[Change], awaited: Awaited, notice: Notice
    ) -> ChangeAnswer:
        intended = self._outbox.intend(notice, awaited)
        done = self._credentials.change(account.user.id, account.credentials, changes)
        if done is ChangeAnswer.DONE:
            self._outbox.release(intended, self._clock())
        else:
            self._outbox.done(intended)
        return done

    def _unfinished(self, account: Account, kept: bytes | None) -> Credential | None:
        value = {} if kept is None else json.loads(kept)
        if value.get("user") != account.user.id:
            return None
        return Credential(
            CredentialId(value["id"]),
            self._factor.name,
            CredentialState.UNFINISHED,
            "",
            datetime.fromisoformat(value["begun_at"]),
            BoundBy(value["bound_by"]),
            1,
            value["secret"],
        )


def _encode(user_id: UserId, unfinished: Credential) -> bytes:
    return json.dumps(
        {
            "user": user_id,
            "id": unfinished.id,
            "begun_at": unfinished.bound_at.isoformat(),
            "bound_by": unfinished.bound_by.value,
            "secret": dict(unfinished.secret),
        }
    ).encode()


def _begun_key(asked: Asked) -> str:
    return f"passkey-begun:{hashlib.sha256(asked.session.encode()).hexdigest()}"


def _id_key(public_id: str) -> str:
    return f"passkey-id:{hashlib.sha256(public_id.encode()).hexdigest()}"


def _label(typed: str) -> str:
    shown = "".join(one for one in typed if one.isprintable() or one.isspace())
    return unicodedata.normalize("NFC", " ".join(shown.split()))[:MOST_LABEL_CHARACTERS]
