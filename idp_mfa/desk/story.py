"""One sign-in as the record tells it: a timeline, and one safe thing to do about it.

Read from audit records alone. Of their details only those that are named here are told, so that
what a later event puts on record is not shown before somebody thought about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.model import Reference, Refusal, ServiceId, UserId
from idp_mfa.policy.record import Recorded, from_record

AROUND = timedelta(minutes=5)
"""So far before and after a sign-in it is looked whether parts of the system were away."""

_TOLD = (
    *("factor", "why", "diagnosis", "left", "of", "part", "page", "purpose", "zone", "rule"),
    *("asked", "cause", "acr", "bound_by", "to", "until"),
    *("reason", "caller", "caller_note", "approved_by"),
)
_PARTS = ("directory", "store", "mail")


class Advice(Enum):
    """The one thing to do; each has a sentence for the staff and one to read to the caller."""

    NOTHING = "nothing"
    NEXT_CODE = "next-code"
    SET_CLOCK = "set-clock"
    OLD_ENTRY = "old-entry"
    FINISH_SET_UP = "finish-set-up"
    WRONG_CODE = "wrong-code"
    PASSWORD = "password"
    UNLOCK = "unlock"
    ENABLE = "enable"
    SET_UP = "set-up"
    PLACE = "place"
    AGAIN = "again"
    START_AGAIN = "start-again"
    ACCOUNT = "account"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline; ``decided`` is what the policy said, with the facts it had."""

    at: datetime
    reference: Reference
    event: AuditEvent
    service: ServiceId | None
    address: str | None
    walk: tuple[str, ...]
    actor: str | None
    told: Mapping[str, str]
    decided: Recorded | None


@dataclass(frozen=True, slots=True)
class Health:
    """Who heard that a part was away, in the minutes around a sign-in: how often, by part."""

    away: Mapping[str, int]

    @property
    def well(self) -> bool:
        """Whether nobody did."""
        return not any(self.away.values())


@dataclass(frozen=True, slots=True)
class Story:
    """What a reference code leads to; ``health`` None: it is too long ago to be told."""

    reference: Reference
    people: tuple[UserId, ...]
    steps: tuple[Step, ...]
    advice: Advice
    health: Health | None


def told(
    reference: Reference, records: Sequence[AuditRecord], lately: Sequence[AuditRecord]
) -> Story | None:
    """The story of these records; ``lately`` are the newest of everybody's. None for no record."""
    if not records:
        return None
    steps = tuple(_step(record) for record in sorted(records, key=lambda one: one.at))
    people = dict.fromkeys(record.user for record in records if record.user is not None)
    health = _health(steps[0].at, steps[-1].at, lately)
    return Story(reference, tuple(people), steps, advice(steps), health)


def advice(steps: Iterable[Step]) -> Advice:
    """By the last thing that says something; what came right in the end needs nothing."""
    found = Advice.NOTHING
    for step in steps:
        found = _advice(step) or found
    return found


def _step(record: AuditRecord) -> Step:
    seen = record.seen
    return Step(
        record.at,
        record.reference,
        record.event,
        record.service,
        None if seen is None or seen.address is None else str(seen.address),
        () if seen is None else seen.walk,
        record.actor,
        {
            name: " ".join(value) if isinstance(value, tuple) else str(value)
            for name, value in record.detail.items()
            if name in _TOLD and value not in (None, "", ())
        },
        from_record(record),
    )


def _health(began: datetime, ended: datetime, lately: Sequence[AuditRecord]) -> Health | None:
    if not lately or min(one.at for one in lately) > began:
        return None
    away = dict.fromkeys(_PARTS, 0)
    for one in lately:
        if not began - AROUND <= one.at <= ended + AROUND:
            continue
        part = "mail" if one.event is AuditEvent.LETTER_NOT_SENT else one.detail.get("part")
        if one.event in (AuditEvent.PART_UNAVAILABLE, AuditEvent.LETTER_NOT_SENT):
            away[str(part)] = away.get(str(part), 0) + 1
    return Health(away)


_BY_DIAGNOSIS = {
    "already-used": Advice.NEXT_CODE,
    "clock": Advice.SET_CLOCK,
    "our-clock": Advice.ADMINISTRATOR,
    "old-key": Advice.OLD_ENTRY,
    "unfinished": Advice.FINISH_SET_UP,
    "left": Advice.FINISH_SET_UP,
}
_BY_REFUSAL = {
    Refusal.POLICY: Advice.PLACE,
    Refusal.LOCKED: Advice.UNLOCK,
    Refusal.ACCOUNT: Advice.ACCOUNT,
    Refusal.NO_FACTOR_ENROLLED: Advice.SET_UP,
    Refusal.ACR_UNMET: Advice.SET_UP,
    Refusal.CREDENTIAL_UNREADABLE: Advice.ADMINISTRATOR,
    Refusal.TIMED_OUT: Advice.START_AGAIN,
    Refusal.IDENTITY_SWITCH: Advice.START_AGAIN,
}
_BY_EVENT = {
    AuditEvent.ASSERTION_ISSUED: Advice.NOTHING,
    AuditEvent.FACTOR_ACCEPTED: Advice.NOTHING,
    AuditEvent.PASSWORD_ACCEPTED: Advice.NOTHING,
    AuditEvent.PASSWORD_REJECTED: Advice.PASSWORD,
    AuditEvent.PASSKEY_REJECTED: Advice.WRONG_CODE,
    AuditEvent.FACTOR_DISABLED: Advice.ENABLE,
    AuditEvent.PART_UNAVAILABLE: Advice.AGAIN,
    AuditEvent.LETTER_NOT_SENT: Advice.ADMINISTRATOR,
    AuditEvent.CREDENTIAL_UNREADABLE: Advice.ADMINISTRATOR,
    AuditEvent.REQUEST_REFUSED: Advice.ADMINISTRATOR,
    AuditEvent.ERROR: Advice.ADMINISTRATOR,
    AuditEvent.PAGE_REFUSED: Advice.PLACE,
}


def _advice(step: Step) -> Advice | None:
    match step.event:
        case AuditEvent.FACTOR_REJECTED:
            diagnosis = step.told.get("diagnosis", "")
            if step.told.get("why") == "already-used":
                return Advice.NEXT_CODE
            return _BY_DIAGNOSIS.get(diagnosis, Advice.WRONG_CODE)
        case AuditEvent.LIMIT_REACHED:
            return Advice.UNLOCK if step.told.get("of") != "network" else Advice.AGAIN
        case AuditEvent.SIGN_IN_REFUSED:
            return _refused(step.told.get("why", ""))
        case event:
            return _BY_EVENT.get(event)


def _refused(why: str) -> Advice | None:
    known = next((one for one in Refusal if one.value == why), None)
    return None if known is None else _BY_REFUSAL.get(known)
