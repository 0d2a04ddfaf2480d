"""The nouns of the house: standard library only, nothing of ours is imported."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import NewType

UserId = NewType("UserId", str)
"""The directory's stable id (entryUUID, objectGUID, nsUniqueId); never what somebody typed."""

CredentialId = NewType("CredentialId", str)
FactorName = NewType("FactorName", str)
TransactionId = NewType("TransactionId", str)
ServiceId = NewType("ServiceId", str)
"""A SAML entityID, an OIDC client_id, or one of our own pages' ids."""

PORTAL = ServiceId("urn:idp_mfa:portal")
"""Our own portal as a service; policies name its pages."""

Acr = NewType("Acr", str)
"""An authentication context class: SAML AuthnContextClassRef, OIDC acr."""

Amr = NewType("Amr", str)
"""An authentication method reference (RFC 8176)."""

Reference = NewType("Reference", str)
"""Eight characters that a user reads out to the help desk."""

Clock = Callable[[], datetime]
"""The present moment, in UTC with its zone."""

Randomness = Callable[[int], bytes]
"""So many bytes from a CSPRNG."""

PASSWORD = FactorName("password")
"""What the directory checks; it is verified by a bind and has no file in factors/."""

PASSCODE = FactorName("passcode")
"""A code of the help desk for one sign-in."""

ENROLMENT_PASSCODE = FactorName("enrolment_passcode")
"""A code of the help desk for one set-up."""

RECOVERY_CODE = FactorName("recovery_code")
"""One of a few codes on paper, for the day when nothing else is at hand."""

REISSUE_ADDRESS = FactorName("reissue_address")
"""The record that holds where a re-issue's code is mailed to; it is no factor."""

STOCKED_TOKEN = FactorName("stocked_token")
"""The record of a hardware token in the stock, handed out or not; it is no factor."""

NOT_FACTORS = frozenset({PASSCODE, ENROLMENT_PASSCODE})
"""What the desk hands out for hours: who holds one has no factor by it."""


_OTHER_RECORDS = frozenset({REISSUE_ADDRESS, STOCKED_TOKEN})


class FactorKind(Enum):
    """The kinds of which REFEDS MFA wants two different ones."""

    KNOWLEDGE = "knowledge"
    POSSESSION = "possession"
    INHERENCE = "inherence"


class Page(Enum):
    """What is asked for, as the policy names it."""

    SIGN_IN = "sign-in"
    PORTAL_HOME = "portal.home"
    PORTAL_SHOW = "portal.show"
    PORTAL_REISSUE = "portal.reissue"
    PORTAL_ADD_FACTOR = "portal.add-factor"
    PORTAL_REPLACE = "portal.replace"
    PORTAL_REMOVE_FACTOR = "portal.remove-factor"
    PORTAL_MAIL = "portal.mail"
    PORTAL_ACTIVITY = "portal.activity"
    DESK = "desk"
    SERVICES = "services"


@dataclass(frozen=True, slots=True)
class User:
    """One person's account, as a sign-in carries it."""

    id: UserId
    login: str
    display_name: str


class AccountState(Enum):
    """What the directory says of an account."""

    ACTIVE = "active"
    LOCKED = "locked"
    DISABLED = "disabled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether an account may be used, and since when its password is what it is."""

    state: AccountState
    password_changed_at: datetime | None = None


class CredentialState(Enum):
    """Only ACTIVE signs in; every other state still means that its owner has one."""

    ACTIVE = "active"
    UNFINISHED = "unfinished"
    RETIRED = "retired"
    DISABLED = "disabled"
    SUSPENDED = "suspended"


def new_credential_id(randomness: Randomness) -> CredentialId:
    """A name for a new credential (80 bits)."""
    return CredentialId(base64.b32encode(randomness(10)).decode().lower())


class BoundBy(Enum):
    """On what proof a credential was bound to its user."""

    CAMPUS = "campus"
    VPN = "vpn"
    FRESH_FACTOR = "fresh-factor"
    MAILED_CODE = "mailed-code"
    ONSITE = "onsite"
    PASSCODE = "passcode"
    RECOVERY_CODE = "recovery-code"
    DESK = "desk"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Credential:
    """One enrolled authenticator; only its factor's file reads ``secret``.

    ``ended_at`` is when it came to an end: a key that was replaced, a set-up that was left for
    another one. Such a record is kept a while for diagnosis alone.
    """

    id: CredentialId
    factor: FactorName
    state: CredentialState
    label: str
    bound_at: datetime
    bound_by: BoundBy
    generation: int
    secret: Mapping[str, str] = field(repr=False)
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that is kept of a user's factors, opened.

    ``unreadable`` counts records that did not open (moved, edited, of an unknown key, or not in
    the manifest): they are never accepted and never "not enrolled". ``version`` is the opaque
    value that a change must name, so that of two changes one loses. ``generation`` rises with every
    change; 0 is that of no manifest, or of one that does not open.
    """

    records: tuple[Credential, ...]
    unreadable: int
    version: bytes | None
    generation: int = 0

    @property
    def has_none(self) -> bool:
        """Never had a factor (rule 2): disabled, suspended, retired or unreadable is "has one".

        A set-up that was begun and left is no factor yet, and what the desk handed out is none.
        """
        return self.has_only(frozenset())

    def has_only(self, few: frozenset[FactorName]) -> bool:
        """Whether there never was a factor but these."""
        others = (one for one in self.factors if one.factor not in few | NOT_FACTORS)
        return not self.unreadable and all(
            one.state is CredentialState.UNFINISHED for one in others
        )

    @property
    def factors(self) -> tuple[Credential, ...]:
        """The records of factors, of any state."""
        return tuple(c for c in self.records if c.factor not in _OTHER_RECORDS)

    @property
    def reissue_address(self) -> Credential | None:
        """The record of the re-issue address."""
        return next((c for c in self.records if c.factor == REISSUE_ADDRESS), None)

    @property
    def stocked(self) -> tuple[Credential, ...]:
        """The tokens of a stock, on the entry that is one."""
        return tuple(c for c in self.records if c.factor == STOCKED_TOKEN)

    @property
    def active(self) -> tuple[Credential, ...]:
        """What may sign in."""
        return tuple(c for c in self.factors if c.state is CredentialState.ACTIVE)

    def of(self, factor: FactorName) -> tuple[Credential, ...]:
        """The active credentials of one factor."""
        return tuple(c for c in self.active if c.factor == factor)


@dataclass(frozen=True, slots=True)
class Account:
    """What one read of the directory tells about a user.

    ``entry`` is the adapter's own name for where it stands (a DN); nobody else reads it.
    """

    user: User
    groups: frozenset[str]
    attributes: Mapping[str, tuple[str, ...]]
    standing: Standing
    credentials: Credentials
    entry: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Verification:
    """Something that was really shown, when, and of what kinds.

    A passkey with user verification counts as two kinds; a mailed code is of no kind.
    """

    factor: FactorName
    kinds: frozenset[FactorKind]
    amr: tuple[Amr, ...]
    at: datetime
    credential_id: CredentialId | None = None


class Device(Enum):
    """What a browser says that it runs on: advice alone, because anybody can say anything."""

    PHONE = "phone"
    TABLET = "tablet"
    COMPUTER = "computer"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a request comes from, and the walk that found it.

    ``address`` is None when it could not be read or came by no trusted proxy: the zone
    ``unknown``, which never skips. ``walk`` names each hop that was looked at, nearest first.
    ``last`` is the factor that the browser says was shown in it last: what is asked first, no more.
    """

    address: IPv4Address | IPv6Address | None
    walk: tuple[str, ...]
    device: Device = Device.UNKNOWN
    last: FactorName | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Service:
    """Whom a sign-in is for; names and logo from checked metadata alone, never from a request."""

    id: ServiceId
    names: Mapping[str, str]
    host: str
    logo: str | None = None
    tags: frozenset[str] = frozenset()
    start_url: str | None = None

    def name(self, language: str) -> str:
        """The name in a language, else in any, else the host."""
        return self.names.get(language) or next(iter(self.names.values()), "") or self.host


@dataclass(frozen=True, slots=True)
class AuthnRequest:
    """What a protocol face or one of our own pages asks of the sign-in.

    ``resume`` is the path prefix at which the face fetches the finished transaction;
    ``context`` is the face's own and is carried unread. ``acr_values`` lists the classes of which
    one must be reached, best first; empty means that none was asked for. ``first`` is asked before
    other factors where it is offered: it is what somebody has at hand.
    """

    service: Service
    page: Page
    resume: str
    context: Mapping[str, str]
    acr_values: tuple[Acr, ...] = ()
    force_authn: bool = False
    is_passive: bool = False
    max_age: timedelta | None = None
    login_hint: str | None = None
    first: FactorName | None = None

    def fresh_after(self, began_at: datetime) -> datetime | None:
        """What was shown before this moment does not count for a sign-in that began then.

        ``max_age`` is counted from the beginning, so that answering takes none of it.
        """
        if self.force_authn:
            return began_at
        return None if self.max_age is None else began_at - self.max_age


class Refusal(Enum):
    """Why a sign-in ended without an assertion; each protocol maps it by an exhaustive match."""

    POLICY = "policy"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed-out"
    LOCKED = "locked"
    ACCOUNT = "account"
    NO_FACTOR_ENROLLED = "no-factor-enrolled"
    CREDENTIAL_UNREADABLE = "credential-unreadable"
    INTERACTION_REQUIRED = "interaction-required"
    ACR_UNMET = "acr-unmet"
    IDENTITY_SWITCH = "identity-switch"


class Cause(Enum):
    """What, in one word, made a decision; pages put it in a sentence."""

    NETWORK = "network"
    NETWORK_UNKNOWN = "network-unknown"
    SERVICE_DEMAND = "service-demand"
    TWO_KINDS = "two-kinds"
    FRESHNESS = "freshness"
    RULE = "rule"
    NO_RULE = "no-rule"
    NO_FACTOR = "no-factor"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class WaysOn:
    """What would help, as names of zones.

    From ``elsewhere`` the same is allowed, or nothing more is asked for it; in ``set_up`` a factor
    can be set up that would do, be it the zone where somebody is; ``factors`` names which.
    """

    elsewhere: tuple[str, ...] = ()
    set_up: tuple[str, ...] = ()
    factors: tuple[FactorName, ...] = ()


@dataclass(frozen=True, slots=True)
class Because:
    """The reason a decision carries: the rule that decided, the zone and address, the cause.

    ``ways`` is looked for where a page shows it: for refusals, and for pages of our own.
    """

    rule: str
    zone: str
    address: str | None
    cause: Cause
    ways: WaysOn = WaysOn()


@dataclass(frozen=True, slots=True)
class AuthnResult:
    """The truth about a sign-in, for a protocol face to put in words of its own.

    ``authn_instant`` is the oldest of the verifications' times.
    """

    account: Account
    acr: Acr
    amr: tuple[Amr, ...]
    authn_instant: datetime
    session_index: str
    because: Because
    reference: Reference
