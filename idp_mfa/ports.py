"""What the core asks of the world: protocols, their values, and the one exception of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from idp_mfa.audit import AuditRecord, Wanted
from idp_mfa.letters import Awaited, Letter, LetterId, Mail, Notice, Pending, Queued
from idp_mfa.model import (
    Account,
    Credential,
    Credentials,
    Reference,
    ServiceId,
    User,
    UserId,
)


class Unavailable(Exception):  # noqa: N818 - the name every layer speaks of
    """A part of the machinery cannot be reached or used now: nothing was decided, ask again.

    ``part`` is one of "directory", "store", "audit", "registry", "policies", "mail", "keys",
    "clock".
    """

    def __init__(self, part: str, why: str) -> None:
        super().__init__(f"{part}: {why}")
        self.part = part
        self.why = why


# -- the directory ---------------------------------------------------------------------------


class PasswordAnswer(Enum):
    """What one try came to; a user is never told which kind of "no" it was."""

    RIGHT = "right"
    WRONG = "wrong"
    UNUSABLE = "unusable"
    """Empty, with NUL, or longer than a password can be: never sent to the directory."""


class Directory(Protocol):
    """Who people are; adapters raise ``Unavailable`` for everything that is not an answer."""

    def find(self, login: str) -> Account | None:
        """The one account that was meant by what was typed, by one search."""
        ...

    def authenticate(self, account: Account | None, password: bytes) -> PasswordAnswer:
        """Exactly one bind; the password goes byte for byte.

        No account costs the same as a wrong password. The limits stand between ``find`` and this,
        so that a try is counted on the stable id before it is verified.
        """
        ...

    def read(self, user_id: UserId) -> Account | None:
        """The account as it stands now, from where changes are written; None if it is gone."""
        ...

    def search(self, text: str, limit: int) -> Sequence[User]:
        """People whose login, name or mail begins with a text, for the desk."""
        ...

    def everyone(self) -> Sequence[Account]:
        """All accounts, whatever their standing, from where changes are written.

        Of their factors no secret is kept: it is for counting, and nothing can be decided or
        changed by it. ``Unavailable`` if not all of them can be listed.
        """
        ...

    def ping(self) -> None:
        """Nothing, or ``Unavailable`` with the reason in words."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """One record out, one in; ``before`` None adds, ``after`` None removes."""

    before: Credential | None
    after: Credential | None


class ChangeAnswer(Enum):
    """What became of a change."""

    DONE = "done"
    LOST_RACE = "lost-race"
    """Somebody else changed the same thing since it was read; read again."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody for whom sealed values are kept, and the key id that each of them names.

    A value that names none is counted as "".
    """

    user: UserId
    kids: tuple[str, ...]


class CredentialStore(Protocol):
    """Where factors are kept: sealed records of the user's own directory entry."""

    def change(self, user_id: UserId, read: Credentials, changes: Sequence[Change]) -> ChangeAnswer:
        """All changes and the manifest in one Modify, against the version that was read."""
        ...

    def clear(self, user_id: UserId, read: Credentials) -> ChangeAnswer:
        """Everything out, what does not open too: ``change`` never makes that be forgotten."""
        ...

    def holders(self) -> Sequence[Holder]:
        """Everybody with sealed values, whatever their standing, from where changes are written.

        ``Unavailable`` if not all of them can be listed.
        """
        ...

    def reseal(self, user_id: UserId) -> ChangeAnswer:
        """What opens is sealed anew by the active key, in one Modify; nothing else changes."""
        ...


# -- the store -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AfterLoss:
    """Tries that are taken to be spent where nothing is known of them, for so long after a store
    was seen to have lost what it held.
    """

    spent: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``limit`` tries in ``span`` from the first one."""

    key: str
    limit: int
    span: timedelta
    after_loss: AfterLoss | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """``burst`` tries at once, one more each ``refill`` (generic cell rate algorithm)."""

    key: str
    burst: int
    refill: timedelta


Budget = Window | Bucket


@dataclass(frozen=True, slots=True)
class Reservation:
    """One try taken from each budget; ``left`` is the fewest tries left in any of them."""

    budgets: tuple[Budget, ...]
    left: int


@dataclass(frozen=True, slots=True)
class Throttled:
    """No try was taken; ``until`` is when the first could be."""

    until: datetime
    budget: Budget


class StateStore(Protocol):
    """Short-lived state; every verb is one atomic act on every node.

    Keys are ASCII; values are bytes; a missing or expired key is None. The store alone holds only
    what may be lost at the price of signing in again.
    """

    def put(self, key: str, value: bytes, ttl: timedelta) -> None:
        """Set, whatever was there."""
        ...

    def get(self, key: str) -> bytes | None:
        """Look, changing nothing."""
        ...

    def swap(self, key: str, old: bytes, new: bytes, ttl: timedelta) -> bool:
        """Set to ``new`` if it still is ``old``: of two racers exactly one is told true."""
        ...

    def take(self, key: str) -> bytes | None:
        """Get and delete in one act."""
        ...

    def once(self, key: str, ttl: timedelta) -> bool:
        """True for the first caller within ``ttl`` only."""
        ...

    def raise_to(
        self, key: str, number: int, ttl: timedelta, *, step: timedelta | None = None
    ) -> bool:
        """True if what was there is lower or nothing; it now is ``number``.

        Where the number counts time steps of a length since 1970, a store that may have lost what
        it held takes none that could have been used before the loss.
        """
        ...

    def reserve(self, budgets: Sequence[Budget]) -> Reservation | Throttled:
        """One try from every budget in one act, or from none."""
        ...

    def refund(self, reservation: Reservation, cleared: Sequence[Budget] = ()) -> None:
        """A right answer gives its own try back; earlier failures stay, except in ``cleared``."""
        ...

    def clear(self, budgets: Sequence[Budget]) -> None:
        """Forget what was spent: the desk's unlock."""
        ...

    def ping(self) -> None:
        """Nothing, or ``Unavailable`` with the reason in words."""
        ...


# -- the registry ----------------------------------------------------------------------------


class Encryption(Enum):
    """When a service's assertions are encrypted; what is due is never left out silently."""

    ALWAYS = "always"
    IF_KEY = "if-key"
    NEVER = "never"


class SignedRequests(Enum):
    """When a service's requests must be signed; a signature that is there always counts."""

    BY_METADATA = "by-metadata"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """What an admin sets for one service, beside what it says of itself.

    Policies and release rules name ``tags``; ``start_url`` is where a sign-in begins anew.
    """

    encryption: Encryption = Encryption.IF_KEY
    signed_requests: SignedRequests = SignedRequests.BY_METADATA
    tags: frozenset[str] = frozenset()
    start_url: str | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """One service as it was checked: its own description, and what an admin set for it.

    ``document`` is SAML metadata of one entity in canonical form.
    """

    id: ServiceId
    document: str
    options: ServiceOptions
    added_at: datetime


@dataclass(frozen=True, slots=True)
class Registrations:
    """The registry as a whole; each change makes the next ``version``, 0 is the empty one."""

    version: int
    by_id: Mapping[ServiceId, Registration]


class ServiceRegistry(Protocol):
    """Which services there are, the same on every node and there after a flush of the store."""

    def current(self) -> Registrations:
        """What is in force; the same object until something changes."""
        ...

    def change(self, read: Registrations, after: Mapping[ServiceId, Registration]) -> ChangeAnswer:
        """Everything anew, if nobody else changed it since it was read."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """The queue of letters as the desk and the metrics see it."""

    letters: int
    since: datetime | None


# -- the policy ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One policy that is or was in force: ``digest`` (SHA-256) is that of its text.

    ``source`` is the file it came from, ``actor`` who activated it, ``again`` the version whose
    text it repeats after a roll-back.
    """

    number: int
    digest: str
    source: str
    actor: str
    at: datetime
    reason: str = ""
    again: int | None = None


@dataclass(frozen=True, slots=True)
class PolicyVersions:
    """Every version, oldest first: the last one is in force, and none means the settings' file.

    Each change makes the next ``revision``. ``texts`` are by digest, and older ones are let go.
    ``shadow`` is judged beside the one in force and decides nothing; its number counts nothing.
    """

    revision: int
    versions: tuple[PolicyVersion, ...]
    texts: Mapping[str, str]
    shadow: PolicyVersion | None = None


class PolicyShelf(Protocol):
    """Where versions are kept, the same on every node and there after a flush of the store."""

    def current(self) -> PolicyVersions:
        """The newest that this release can use; the same object until something changes.

        ``Unavailable`` of the part "policies" if something was activated, and none can be used.
        """
        ...

    def newest(self) -> PolicyVersions:
        """The newest of all, which changes are made of."""
        ...

    def change(self, read: PolicyVersions, after: PolicyVersions) -> ChangeAnswer:
        """Everything anew, if nobody else changed it since it was read."""
        ...


class Outbox(Protocol):
    """What waits to be mailed; it never holds up a sign-in.

    A letter that was taken and not done with, because a worker died, is due again.
    """

    def put(self, letter: Letter) -> LetterId:
        """To be sent now; ``Unavailable`` if the queue cannot be reached."""
        ...

    def intend(self, notice: Notice, awaited: Awaited) -> LetterId:
        """To be sent once ``release`` says so, or the directory: recorded before the change."""
        ...

    def release(self, letter: LetterId, at: datetime) -> None:
        """Its change has happened: it is due."""
        ...

    def take(self, limit: int, at: datetime, in_hand: timedelta) -> Sequence[Queued]:
        """What is due; nobody else is given it before ``in_hand`` has passed."""
        ...

    def again(self, letter: LetterId, at: datetime) -> None:
        """It was not taken: due once more at ``at``."""
        ...

    def done(self, letter: LetterId) -> None:
        """Sent, given up, or of a change that never happened."""
        ...

    def pending(self, before: datetime) -> Sequence[Pending]:
        """Notices whose change was intended before a moment and not heard of since."""
        ...

    def waiting(self) -> Waiting:
        """How many letters are due, and since when the oldest of them."""
        ...


class Undeliverable(Enum):
    """Why no later try would help."""

    REFUSED = "refused"
    """The address, or the letter, is refused for good (a 5xx answer)."""


class Mailer(Protocol):
    """What carries a mail away."""

    def send(self, mail: Mail) -> Undeliverable | None:
        """None once it was taken; ``Unavailable`` ("mail") if it may be tried again."""
        ...

    def ping(self) -> None:
        """Nothing, or ``Unavailable`` with the reason in words."""
        ...


# -- the record ------------------------------------------------------------------------------


class History(Protocol):
    """What people see of their own record."""

    def of(self, user_id: UserId) -> Sequence[AuditRecord]:
        """The newest first; it may be trimmed or lost, for the record is elsewhere."""
        ...


class AuditLog(Protocol):
    """The record: no record, no assertion."""

    def record(self, record: AuditRecord) -> None:
        """Written and flushed in at least one sink when this returns, else ``Unavailable``."""
        ...

    def ping(self) -> None:
        """Nothing, or ``Unavailable`` if no record could be kept now."""
        ...

    def story(self, reference: Reference) -> Sequence[AuditRecord]:
        """All that is on record under a reference code, oldest first."""
        ...

    def recent(self, limit: int) -> Sequence[AuditRecord]:
        """The newest records first, from the look-up window."""
        ...

    def search(self, wanted: Wanted, limit: int) -> Sequence[AuditRecord]:
        """At most so many of the newest such records."""
        ...
