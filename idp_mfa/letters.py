"""What people are told by mail: notices to their owner, and codes to one address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import NewType

from idp_mfa.model import CredentialId, Credentials, Reference, Seen, UserId

LetterId = NewType("LetterId", str)

NOTICE_LIVES = timedelta(days=3)
"""So long a notice is tried again; later its news is none."""


class NoticeKind(Enum):
    """What happened to somebody's factors, or was tried."""

    WRONG_CODES_REPEATED = "wrong-codes-repeated"
    FACTOR_ADDED = "factor-added"
    FACTOR_REMOVED = "factor-removed"
    KEY_SHOWN = "key-shown"
    KEY_REISSUED = "key-reissued"
    ADDRESS_CHANGED = "address-changed"
    RECOVERY_STARTED = "recovery-started"
    NEW_DEVICE = "new-device"
    PASSCODE_ISSUED = "passcode-issued"
    ACCOUNT_UNLOCKED = "account-unlocked"
    SIGN_INS_ENDED = "sign-ins-ended"
    FACTOR_DISABLED = "factor-disabled"
    FACTOR_ENABLED = "factor-enabled"
    FACTOR_SUSPENDED = "factor-suspended"
    RESET_UNDONE = "reset-undone"
    TOKEN_RESYNCHRONISED = "token-resynchronised"
    CODE_USED = "code-used"


class CodePurpose(Enum):
    """What a mailed code is good for, and for nothing else."""

    REISSUE = "reissue"
    CONFIRM_ADDRESS = "confirm-address"
    FIRST_SET_UP = "first-set-up"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that its owner has to be told: what, when, from where; never a secret.

    It goes to every address on record when it is sent, and to ``besides``: an address that the
    change itself took off the record. ``about`` names what it is about, such as a factor's label.
    """

    kind: NoticeKind
    user_id: UserId
    at: datetime
    seen: Seen
    reference: Reference
    language: str = ""
    about: str = ""
    besides: tuple[str, ...] = ()

    @property
    def until(self) -> datetime:
        """After this it is not sent any more."""
        return self.at + NOTICE_LIVES


@dataclass(frozen=True, slots=True)
class MailedCode:
    """A code on its way to one address; it is worth nothing after ``until``."""

    purpose: CodePurpose
    user_id: UserId
    at: datetime
    seen: Seen
    reference: Reference
    language: str
    to: str
    code: str = field(repr=False)
    until: datetime


Letter = Notice | MailedCode


@dataclass(frozen=True, slots=True)
class Awaited:
    """The change of the directory on which a notice waits: a record's generation, or gone (None).

    The notice is recorded before the change and released after it. If a worker dies in between,
    what the directory holds says whether it happened.
    """

    credential: CredentialId
    generation: int | None

    def has_happened(self, credentials: Credentials) -> bool:
        """Whether the record has come as far, or is gone, among all that a user has."""
        found = [one for one in credentials.records if one.id == self.credential]
        if self.generation is None:
            return not found
        return any(one.generation >= self.generation for one in found)


@dataclass(frozen=True, slots=True)
class Queued:
    """A letter that one postman has in hand, and how often it was tried before."""

    id: LetterId
    letter: Letter
    tries: int


@dataclass(frozen=True, slots=True)
class Pending:
    """A notice whose change may or may not have happened."""

    id: LetterId
    notice: Notice
    awaited: Awaited


@dataclass(frozen=True, slots=True)
class Mail:
    """One letter as it is sent: a text and the same as HTML.

    ``headers`` are what the kind of mail asks for, such as Auto-Submitted (RFC 3834 5).
    """

    to: str
    subject: str
    language: str
    text: str
    html: str
    headers: Mapping[str, str] = field(default_factory=dict)


def masked(address: str) -> str:
    """An address so that its owner knows it and nobody else learns it: ``h*****@example.org``."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}*****{at}{domain}"
