"""The closed list of audit events and the record that each becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from idp_mfa.model import Randomness, Reference, Seen, ServiceId, UserId

Network = IPv4Network | IPv6Network


class AuditEvent(Enum):
    """Everything that is put on record; docs/reference/audit.md names each one."""

    SIGN_IN_BEGAN = "sign-in.began"
    REQUEST_REFUSED = "request.refused"
    PASSWORD_ACCEPTED = "password.accepted"
    PASSWORD_REJECTED = "password.rejected"
    PASSKEY_ACCEPTED = "passkey.accepted"
    PASSKEY_REJECTED = "passkey.rejected"
    SESSION_RECOGNISED = "session.recognised"
    FACTOR_CHOSEN = "factor.chosen"
    FACTOR_ACCEPTED = "factor.accepted"
    FACTOR_REJECTED = "factor.rejected"
    CLOCK_SUSPECTED = "clock.suspected"
    LIMIT_REACHED = "limit.reached"
    SPRAY_SUSPECTED = "spray.suspected"
    WRONG_CODES_REPEATED = "wrong-codes.repeated"
    FACTOR_DISABLED = "factor.disabled"
    SIGN_IN_REFUSED = "sign-in.refused"
    SIGN_IN_SET_ASIDE = "sign-in.set-aside"
    ASSERTION_ISSUED = "assertion.issued"
    SESSION_ENDED = "session.ended"
    ENROLMENT_BEGAN = "enrolment.began"
    ENROLMENT_REJECTED = "enrolment.rejected"
    FACTOR_BOUND = "factor.bound"
    FACTOR_RENAMED = "factor.renamed"
    FACTOR_REMOVED = "factor.removed"
    FACTOR_RESYNCHRONISED = "factor.resynchronised"
    TOKEN_STOCKED = "token.stocked"
    TOKEN_FORGOTTEN = "token.forgotten"
    KEY_SHOWN = "key.shown"
    REISSUE_BEGAN = "reissue.began"
    REISSUE_CONFIRMED = "reissue.confirmed"
    REISSUE_REJECTED = "reissue.rejected"
    ADDRESS_ASKED = "address.asked"
    ADDRESS_REJECTED = "address.rejected"
    ADDRESS_CHANGED = "address.changed"
    PAGE_REFUSED = "page.refused"
    NETWORK_SHOWN = "network.shown"
    CREDENTIAL_UNREADABLE = "credential.unreadable"
    RECORDS_PURGED = "records.purged"
    MAIL_FLOOD = "mail.flood"
    USER_UNLOCKED = "user.unlocked"
    USER_RESET = "user.reset"
    PASSCODE_ISSUED = "passcode.issued"
    FACTOR_ENABLED = "factor.enabled"
    FACTOR_SUSPENDED = "factor.suspended"
    RESET_UNDONE = "reset.undone"
    CALLER_PROVED = "caller.proved"
    CALLER_NOT_PROVED = "caller.not-proved"
    DESK_LOOKED = "desk.looked"
    DESK_PROPOSED = "desk.proposed"
    DESK_APPROVED = "desk.approved"
    DESK_DECLINED = "desk.declined"
    SERVICE_ADDED = "service.added"
    SERVICE_REMOVED = "service.removed"
    POLICY_ACTIVATED = "policy.activated"
    POLICY_ROLLED_BACK = "policy.rolled-back"
    POLICY_SHADOW_BEGAN = "policy.shadow-began"
    POLICY_SHADOW_ENDED = "policy.shadow-ended"
    POLICY_SHADOW_DIFFERS = "policy.shadow-differs"
    KEY_ADDED = "key.added"
    KEY_ACTIVATED = "key.activated"
    KEY_RETIRED = "key.retired"
    LETTER_SENT = "letter.sent"
    LETTER_NOT_SENT = "letter.not-sent"
    PART_UNAVAILABLE = "part.unavailable"
    ERROR = "error"


TOLD_TO_OWNER = frozenset(
    {
        AuditEvent.ASSERTION_ISSUED,
        AuditEvent.SIGN_IN_REFUSED,
        AuditEvent.WRONG_CODES_REPEATED,
        AuditEvent.FACTOR_DISABLED,
        AuditEvent.SESSION_ENDED,
        AuditEvent.FACTOR_BOUND,
        AuditEvent.FACTOR_RESYNCHRONISED,
        AuditEvent.FACTOR_REMOVED,
        AuditEvent.KEY_SHOWN,
        AuditEvent.REISSUE_BEGAN,
        AuditEvent.ADDRESS_CHANGED,
        AuditEvent.PASSCODE_ISSUED,
        AuditEvent.USER_UNLOCKED,
        AuditEvent.USER_RESET,
        AuditEvent.PASSCODE_ISSUED,
        AuditEvent.FACTOR_ENABLED,
        AuditEvent.FACTOR_SUSPENDED,
        AuditEvent.RESET_UNDONE,
    }
)
"""What people see of their own record."""


@dataclass(frozen=True, slots=True)
class Told:
    """A line for the person whom it is about, by a mark of theirs."""

    owner: str
    line: str


@dataclass(frozen=True, slots=True)
class Veiled:
    """Where a request came from, as the record holds it: never in clear.

    ``sealed`` opens with the keys of ``day`` alone, and is None in an exported copy; ``address``
    and ``network`` are marks (MACs) to search by, None where the address could not be told.
    """

    day: date
    sealed: str | None
    address: str | None
    network: str | None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One line of the record: never a password, code, key, session id or assertion (ASVS 16.2.5).

    ``at`` is UTC. ``detail`` holds what only this event has: factor, result, rule, class.
    ``decision`` is what policy/record.py makes of a decision: plain JSON. ``seen`` is None too
    where ``veiled`` could not be opened.
    """

    at: datetime
    event: AuditEvent
    reference: Reference
    user: UserId | None = None
    service: ServiceId | None = None
    seen: Seen | None = None
    actor: str | None = None
    detail: Mapping[str, str | int | bool | tuple[str, ...] | None] = field(default_factory=dict)
    decision: Mapping[str, Any] | None = None
    veiled: Veiled | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are looked for: all of what is named; from ``since`` on, and before ``until``.

    ``network`` is one address, an IPv4 /24 or an IPv6 /56. ``rule`` is the rule that decided,
    ``outcome`` what came of it: the decision's outcome, or why something was refused or wrong.
    """

    reference: Reference | None = None
    user: UserId | None = None
    service: ServiceId | None = None
    event: AuditEvent | None = None
    network: Network | None = None
    rule: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def is_met(self, record: AuditRecord) -> bool:
        """Whether a record is one of those; of its address nothing is said here."""
        decision = record.decision or {}
        rules = (decision.get("rule"), record.detail.get("rule"))
        outcomes = (decision.get("outcome"), *map(record.detail.get, ("why", "diagnosis")))
        return (
            self.reference in (None, record.reference)
            and self.user in (None, record.user)
            and self.service in (None, record.service)
            and self.event in (None, record.event)
            and self.rule in (None, *rules)
            and self.outcome in (None, *outcomes)
            and (self.since is None or record.at >= self.since)
            and (self.until is None or record.at < self.until)
        )


_READABLE = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_reference(randomness: Randomness) -> Reference:
    """Eight characters without look-alikes (39 bits), to be read out on the phone."""
    number = int.from_bytes(randomness(16))
    letters = []
    for _ in range(8):
        number, index = divmod(number, len(_READABLE))
        letters.append(_READABLE[index])
    return Reference("".join(letters))
