"""The factor contract: what every file in factors/ gives and takes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol, runtime_checkable

from idp_mfa.model import (
    Credential,
    CredentialId,
    FactorKind,
    FactorName,
    Randomness,
    User,
    UserId,
    Verification,
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """A question that was asked: ``kept`` stays on the server, ``shown`` goes to the page.

    One that keeps something is spent by its answer, right or wrong, before that is looked at: the
    next one stands in its place. ``asked_at`` is set by whoever asks.
    """

    factor: FactorName
    kept: Mapping[str, str] = field(default_factory=dict, repr=False)
    shown: Mapping[str, str] = field(default_factory=dict)
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """The form fields as they came; a factor reads only its own."""

    fields: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class StepSpend:
    """The counter or time step that the right answer used up (RFC 6238 5.2).

    The store must raise the credential's last step to ``number`` before the answer counts; it
    is remembered for ``remembered``, longer than any code lives. ``length`` is that of a time step.
    """

    credential_id: CredentialId
    number: int
    remembered: timedelta
    length: timedelta | None = None


def step_key(user_id: UserId, credential_id: CredentialId) -> str:
    """The store's key for the last step used of one credential, the same on every road."""
    return f"step:{hashlib.sha256(f'{user_id} {credential_id}'.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class CredentialSpend:
    """The change in the directory that must succeed before the answer counts."""

    before: Credential
    after: Credential | None


@dataclass(frozen=True, slots=True)
class CounterSpend:
    """The authenticator's own counter, which must be higher than ever seen (WebAuthn L3 6.1.1).

    0 is that of one which does not count, and is refused where it has counted before.
    """

    credential_id: CredentialId
    number: int
    remembered: timedelta


Spend = StepSpend | CredentialSpend | CounterSpend | None
"""None: the transaction's own move spends the challenge."""


def use_key(user_id: UserId, credential_id: CredentialId) -> str:
    """The store's key for when a credential was used last, and how it stood then (JSON)."""
    return f"used:{hashlib.sha256(f'{user_id} {credential_id}'.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer is right; it counts once ``spend`` has been carried out.

    ``retry_in`` is when a next answer exists, should this one turn out to be spent. ``noted`` is
    what its owner may want to see later of how the authenticator stood.
    """

    verification: Verification
    spend: Spend
    retry_in: timedelta | None = None
    noted: Mapping[str, str] = field(default_factory=dict)


class Rejection(Enum):
    """Why an answer does not count."""

    MALFORMED = "malformed"
    WRONG = "wrong"
    ALREADY_USED = "already-used"
    NO_CREDENTIAL = "no-credential"
    EXPIRED = "expired"
    """The question is too old; the next one stands in its place."""
    COPIED = "copied"
    """The authenticator's counter says that there may be two of it."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The answer is not right; ``retry_in`` is when a next code appears, if that is known.

    ``detail`` is the factor's own word for the record; pages say no more than ``why``.
    """

    why: Rejection
    retry_in: timedelta | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A code of a credential, of a time step that is not that of now.

    ``ahead`` is how far the device that showed it is ahead of now: negative if it is behind.
    ``retry_in`` is when it shows another one.
    """

    step: int
    ahead: timedelta
    retry_in: timedelta


@dataclass(frozen=True, slots=True)
class Field:
    """One input that the generic page draws.

    ``name`` is the form's and the catalogue's key; ``input_mode`` and ``autocomplete`` are the
    HTML values.
    """

    name: str
    input_mode: str
    autocomplete: str
    max_length: int


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A set-up under way: ``credential`` is unfinished and is never accepted.

    ``shown`` is what the page needs to draw (a key, a URI).
    """

    credential: Credential
    shown: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The set-up is proved: this is what to keep, and how the proof spends itself."""

    credential: Credential
    accepted: Accepted


@runtime_checkable
class Recognises(Protocol):
    """What a factor may have besides: it knows its codes of other moments, for diagnosis alone."""

    def recognise(
        self, response: Response, credential: Credential, at: datetime, within: timedelta
    ) -> Sighting | None:
        """Which of a credential's codes this is, of the steps up to ``within`` from now.

        The nearest one, of a credential of any state; one without a secret has none.
        """
        ...


class HashAlgorithm(Enum):
    """Of a time-based code (RFC 6238 1.2)."""

    SHA1 = "SHA1"
    SHA256 = "SHA256"
    SHA512 = "SHA512"


FEWEST_KEY_BYTES = 10
"""Apps of old were given 80 bits; whatever has less was cut or misread."""
DIGITS = frozenset({6, 8})
PERIODS = frozenset({30, 60})


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A key that another system or a vendor made: ``digits`` a code, each for ``period`` seconds.

    ``serial`` is that of a hardware token, which is ``drift`` periods ahead of our clock.
    ValueError for what no factor of ours takes.
    """

    key: bytes = field(repr=False)
    algorithm: HashAlgorithm = HashAlgorithm.SHA1
    digits: int = 6
    period: int = 30
    serial: str = ""
    drift: int = 0

    def __post_init__(self) -> None:
        if len(self.key) < FEWEST_KEY_BYTES:
            raise ValueError(f"the key has {len(self.key) * 8} bits: at least 80 are needed")
        if self.digits not in DIGITS:
            raise ValueError(f"codes of {self.digits} digits: 6 or 8 are taken")
        if self.period not in PERIODS:
            raise ValueError(f"codes of {self.period} seconds: 30 or 60 are taken")


@runtime_checkable
class TakesKeys(Protocol):
    """What a factor may have besides: it goes on with keys that were made elsewhere."""

    def taken(self, empty: Credential, key: SharedKey) -> Credential:
        """An active credential of such a key."""
        ...

    def holds(self, credential: Credential, key: SharedKey) -> bool:
        """Whether a credential, of any state, has just that key."""
        ...

    def is_token(self, credential: Credential) -> bool:
        """Whether it is of a hardware token, which has a clock of its own."""
        ...

    def resynchronised(
        self, credential: Credential, codes: tuple[str, str], at: datetime
    ) -> tuple[Credential, StepSpend] | None:
        """The credential at its token's own time, and what its second code spends.

        ``codes`` are two that the token showed one after the other; None if it did not lately.
        """
        ...


@runtime_checkable
class Lapses(Protocol):
    """What a factor may have besides: credentials that run out, or are for one place alone."""

    def counts(self, credential: Credential, zone: str, at: datetime) -> bool:
        """Whether an active credential may be asked for, from a zone at a moment."""
        ...


@runtime_checkable
class Finite(Protocol):
    """What a factor may have besides: credentials that are good for so many uses."""

    def left(self, credential: Credential) -> int:
        """How many uses are left of a credential."""
        ...


@runtime_checkable
class Wears(Protocol):
    """What a factor may have besides: secrets that are weaker the more often they were watched."""

    def is_due(self, credential: Credential, at: datetime) -> bool:
        """Whether its owner should have a new one drawn."""
        ...


def terms(until: datetime, zone: str | None) -> Mapping[str, str]:
    """What a credential is begun with that is for a while, and for one zone if that is named."""
    written = {"until": until.isoformat()}
    return written if zone is None else {**written, "zone": zone}


def within_terms(credential: Credential, zone: str | None, at: datetime) -> bool:
    """Whether a credential's terms, if any, are met; ``zone`` None asks for its time alone."""
    until, place = credential.secret.get("until"), credential.secret.get("zone")
    in_place = zone is None or place is None or place == zone
    return in_place and (until is None or at < datetime.fromisoformat(until))


class Factor(Protocol):
    """One way of showing something; stateless, so that one object serves every request."""

    @property
    def name(self) -> FactorName:
        """What conf, policy and credentials call it."""
        ...

    @property
    def may_show(self) -> frozenset[FactorKind]:
        """The kinds that a verification can be of, at best."""
        ...

    @property
    def fields(self) -> tuple[Field, ...]:
        """What the page asks for."""
        ...

    def challenge(self, credentials: Sequence[Credential], randomness: Randomness) -> Challenge:
        """Ask, given the user's active credentials of this factor."""
        ...

    def verify(
        self,
        challenge: Challenge,
        response: Response,
        credentials: Sequence[Credential],
        at: datetime,
    ) -> Accepted | Rejected:
        """Judge an answer; nothing is spent here."""
        ...

    def begin_enrolment(
        self, user: User, unfinished: Credential, randomness: Randomness
    ) -> Enrolment:
        """Fill an empty unfinished credential with a new secret."""
        ...

    def show_enrolment(self, user: User, unfinished: Credential) -> Enrolment:
        """The same set-up again, for a reload of its page."""
        ...

    def complete_enrolment(
        self, enrolment: Enrolment, response: Response, at: datetime
    ) -> Enrolled | Rejected:
        """Prove that the device holds the secret; the credential is active from then on."""
        ...


@runtime_checkable
class Nameless(Factor, Protocol):
    """What a factor may be besides: something by whose answer its owner is found."""

    def nameless_challenge(self, randomness: Randomness) -> Challenge:
        """Ask whoever is there; the answer has to show two kinds."""
        ...

    def owner(self, response: Response) -> UserId | None:
        """Whom an answer says that it is of; nothing is proved by it."""
        ...
