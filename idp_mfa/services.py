"""Registering services: what they say of themselves is checked before it counts.

What is found is data; the command line and the pages put it in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.model import Clock, Randomness, ServiceId
from idp_mfa.ports import (
    AuditLog,
    ChangeAnswer,
    Encryption,
    Registration,
    Registrations,
    ServiceOptions,
    ServiceRegistry,
    SignedRequests,
    Unavailable,
)

_TRIES = 5


class FindingKind(Enum):
    """Everything that can be said of a service's description; problems keep it out."""

    UNREADABLE = "unreadable"
    NOT_METADATA = "not-metadata"
    NO_SERVICE_PROVIDER = "no-service-provider"
    NO_ENTITY_ID = "no-entity-id"
    TWICE = "twice"
    EXPIRED = "expired"
    NO_ENDPOINT = "no-endpoint"
    ENDPOINT_NOT_HTTPS = "endpoint-not-https"
    ENDPOINT_NOT_A_URL = "endpoint-not-a-url"
    KEY_UNREADABLE = "key-unreadable"
    KEY_TOO_SHORT = "key-too-short"
    KEY_UNSUPPORTED = "key-unsupported"
    SIGNS_WITHOUT_KEY = "signs-without-key"
    ENCRYPTS_WITHOUT_KEY = "encrypts-without-key"
    LOOPBACK_HTTP = "loopback-http"
    OTHER_BINDING = "other-binding"
    REQUESTS_UNSIGNED = "requests-unsigned"
    NO_ENCRYPTION_KEY = "no-encryption-key"
    OLD_ENCRYPTION_ONLY = "old-encryption-only"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_EXPIRES = "certificate-expires"
    METADATA_EXPIRES = "metadata-expires"
    NO_NAME = "no-name"
    NO_LOGOUT = "no-logout"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found; ``about`` is the address, key or date it is about."""

    kind: FindingKind
    about: str = ""


class Trait(Enum):
    """What of a service is compared when it comes again."""

    NAMES = "names"
    ANSWER_ADDRESSES = "answer-addresses"
    LOGOUT_ADDRESSES = "logout-addresses"
    SIGNING_KEYS = "signing-keys"
    ENCRYPTION_KEYS = "encryption-keys"
    SIGNS_REQUESTS = "signs-requests"
    NAME_ID_FORMATS = "name-id-formats"
    VALID_UNTIL = "valid-until"
    OPTIONS = "options"


@dataclass(frozen=True, slots=True)
class Described:
    """A service whose description can be used; ``traits`` hold its values, sorted."""

    id: ServiceId
    document: str
    names: Mapping[str, str]
    traits: Mapping[Trait, tuple[str, ...]]
    findings: tuple[Finding, ...]
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class Unusable:
    """A service, or a whole document, that is not taken; ``problems`` is never empty."""

    id: ServiceId | None
    problems: tuple[Finding, ...]


Describe = Callable[[bytes, datetime], tuple[Described | Unusable, ...]]
"""Reads a document of one service or many, as it counts at a moment."""

Amend = Callable[[ServiceOptions], ServiceOptions]
"""What an admin sets, given what was set before."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One trait of a service that was there: what is gone, what is new."""

    trait: Trait
    gone: tuple[str, ...]
    come: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """One service that was added; ``changes`` is None for one that was not there before."""

    described: Described
    changes: tuple[Changed, ...] | None


@dataclass(frozen=True, slots=True)
class Added:
    """What is now in the registry, and which services of the same document are not."""

    taken: tuple[Taken, ...]
    left_out: tuple[Unusable, ...]
    version: int


@dataclass(frozen=True, slots=True)
class NotAdded:
    """Nothing was changed."""

    problems: tuple[Unusable, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A registered service, as it reads today; ``reading`` may be unusable by now."""

    registration: Registration
    reading: Described | Unusable


@dataclass(frozen=True, slots=True)
class Services:
    """The use case behind ``idp-mfa sp`` and the service owners' pages."""

    registry: ServiceRegistry
    audit: AuditLog
    clock: Clock
    randomness: Randomness
    describe: Describe = field(repr=False)

    def check(self, document: bytes, amend: Amend) -> Added | NotAdded:
        """What ``add`` would say, changing nothing."""
        return self._against(self.registry.current(), document, amend)[0]

    def add(self, document: bytes, amend: Amend, actor: str) -> Added | NotAdded:
        """Take a service, or every usable one of an aggregate; one that is there is replaced."""
        for _ in range(_TRIES):
            read = self.registry.current()
            answer, after = self._against(read, document, amend)
            if isinstance(answer, NotAdded):
                return answer
            for taken in answer.taken:
                self._record(AuditEvent.SERVICE_ADDED, taken.described.id, actor)
            if self.registry.change(read, after) is ChangeAnswer.DONE:
                return answer
        raise Unavailable("registry", "others keep changing it; try again")

    def remove(self, id: ServiceId, actor: str) -> bool:
        """Whether it was there; it is answered no longer, at once and on every node."""
        for _ in range(_TRIES):
            read = self.registry.current()
            if id not in read.by_id:
                return False
            self._record(AuditEvent.SERVICE_REMOVED, id, actor)
            after = {key: value for key, value in read.by_id.items() if key != id}
            if self.registry.change(read, after) is ChangeAnswer.DONE:
                return True
        raise Unavailable("registry", "others keep changing it; try again")

    def list(self) -> tuple[Listed, ...]:
        """Every service, by its id."""
        rows = sorted(self.registry.current().by_id.values(), key=lambda row: row.id)
        return tuple(Listed(row, self._reading(row)) for row in rows)

    def show(self, id: ServiceId) -> Listed | None:
        """One service."""
        row = self.registry.current().by_id.get(id)
        return None if row is None else Listed(row, self._reading(row))

    def _reading(self, row: Registration) -> Described | Unusable:
        (reading,) = self.describe(row.document.encode(), self.clock())
        return _with_options(reading, row.options)

    def _against(
        self, read: Registrations, document: bytes, amend: Amend
    ) -> tuple[Added | NotAdded, Mapping[ServiceId, Registration]]:
        now, after = self.clock(), dict(read.by_id)
        taken: list[Taken] = []
        left_out: list[Unusable] = []
        for described in self.describe(document, now):
            before = None if described.id is None else read.by_id.get(described.id)
            options = amend(ServiceOptions() if before is None else before.options)
            reading = _with_options(described, options)
            match reading:
                case Unusable():
                    left_out.append(reading)
                case Described():
                    changes = None if before is None else _changes(self._reading(before), reading)
                    taken.append(Taken(reading, changes))
                    after[reading.id] = Registration(reading.id, reading.document, options, now)
        if not taken:
            return NotAdded(tuple(left_out)), read.by_id
        return Added(tuple(taken), tuple(left_out), read.version + 1), after

    def _record(self, event: AuditEvent, id: ServiceId, actor: str) -> None:
        reference = new_reference(self.randomness)
        self.audit.record(AuditRecord(self.clock(), event, reference, service=id, actor=actor))


def _with_options(reading: Described | Unusable, options: ServiceOptions) -> Described | Unusable:
    if isinstance(reading, Unusable):
        return reading
    problems = []
    always = options.encryption is Encryption.ALWAYS
    if always and not reading.traits.get(Trait.ENCRYPTION_KEYS):
        problems.append(Finding(FindingKind.ENCRYPTS_WITHOUT_KEY))
    must_sign = options.signed_requests is SignedRequests.ALWAYS
    if must_sign and not reading.traits.get(Trait.SIGNING_KEYS):
        problems.append(Finding(FindingKind.SIGNS_WITHOUT_KEY))
    if problems:
        return Unusable(reading.id, tuple(problems))
    default = ServiceOptions()
    set_values = {
        "encryption": options.encryption.value if options.encryption != default.encryption else "",
        "signed requests": SignedRequests.ALWAYS.value if must_sign else "",
        "tags": ", ".join(sorted(options.tags)),
        "start": options.start_url or "",
    }
    words = tuple(f"{name}: {value}" for name, value in set_values.items() if value)
    return replace(reading, traits={**reading.traits, Trait.OPTIONS: words})


def _changes(was: Described | Unusable, now: Described) -> tuple[Changed, ...]:
    before = was.traits if isinstance(was, Described) else {}
    found = []
    for trait in Trait:
        old, new = before.get(trait, ()), now.traits.get(trait, ())
        gone = tuple(value for value in old if value not in new)
        come = tuple(value for value in new if value not in old)
        if gone or come:
            found.append(Changed(trait, gone, come))
    return tuple(found)


EXPIRY_WATCH = timedelta(days=30)
"""How early a date that is coming is told."""
