"""A record as one line of JSON, and back; docs/reference/audit.md describes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from ipaddress import ip_address
from typing import Any

from idp_mfa.audit import AuditEvent, AuditRecord, Veiled
from idp_mfa.audit_log.addresses import Addresses
from idp_mfa.model import Reference, Seen, ServiceId, UserId

VERSION = 2
IN_CLEAR = 1
"""The version before: addresses stood in it as they are."""
LONGEST_TEXT = 1024
"""Characters of one text: what a browser sends must not fill the disk."""
MOST_TEXTS = 64

_HEADS = tuple(f'{{"v":{version},"at":"' for version in (IN_CLEAR, VERSION))
Detail = str | int | bool | tuple[str, ...] | None


def encode(record: AuditRecord, addresses: Addresses) -> str:
    """One line of printable ASCII without its end, so that no line can be forged in it.

    Texts are cut at 1,024 characters. TypeError for a detail that is not plain text, number or
    tuple of texts, and for a decision that is not JSON: bytes and objects are how secrets slip in.
    ``Unavailable`` if there is no key to seal an address with.
    """
    seen = None if record.seen is None else _bounded(record.seen)
    return _line(
        record,
        None if seen is None else addresses.veil(seen, record.at, record.reference),
    )


def exported(record: AuditRecord, addresses: Addresses) -> str:
    """The line of a copy that leaves the house: of an address it holds the marks alone."""
    veiled = record.veiled
    if veiled is None and record.seen is not None:
        veiled = addresses.veil(record.seen, record.at, record.reference)
    return _line(record, None if veiled is None else replace(veiled, sealed=None))


def decode(line: str, addresses: Addresses | None = None) -> AuditRecord | None:
    """The record of a line; None if it is torn, of another version or not ours.

    A whole line that follows a torn one without an end of line between is found. Where the request
    came from is told if ``addresses`` can open it.
    """
    try:
        record = _record(json.loads(line[max(0, *map(line.rfind, _HEADS)) :]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if record is None or record.veiled is None or addresses is None:
        return record
    return replace(record, seen=addresses.unveil(record.veiled, record.at, record.reference))


def undecided(line: str) -> str:
    """The same line without what the policy looked at, which comes last."""
    head, found, _ = line.partition(',"decision":{')
    return f"{head}}}" if found else line


def needle(reference: str) -> str:
    """What a line under this reference contains and no other does."""
    return f'"reference":{json.dumps(reference)},"user":'


def moment(at: datetime) -> str:
    """A time in UTC with microseconds; ValueError for one without a zone."""
    if at.tzinfo is None:
        raise ValueError("a record's time needs a zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _line(record: AuditRecord, veiled: Veiled | None) -> str:
    fields: dict[str, Any] = {
        "v": VERSION,
        "at": moment(record.at),
        "event": record.event.value,
        "reference": record.reference,
        "user": _short_or_none(record.user),
        "service": _short_or_none(record.service),
        "seen": None
        if veiled is None
        else {
            "day": veiled.day.isoformat(),
            "sealed": veiled.sealed,
            "address": veiled.address,
            "network": veiled.network,
        },
        "actor": _short_or_none(record.actor),
        "detail": {name: _plain(value) for name, value in record.detail.items()},
    }
    if record.decision is not None:
        fields["decision"] = record.decision
    line = json.dumps(fields, ensure_ascii=True, separators=(",", ":"))
    # JSON leaves DEL as it is; terminals may not.
    return line.replace("\x7f", "\\u007f")


def _record(value: Mapping[str, Any]) -> AuditRecord | None:
    if value["v"] not in (IN_CLEAR, VERSION):
        return None
    seen = value["seen"]
    in_clear = value["v"] == IN_CLEAR
    return AuditRecord(
        at=datetime.fromisoformat(value["at"]),
        event=AuditEvent(value["event"]),
        reference=Reference(value["reference"]),
        user=None if value["user"] is None else UserId(value["user"]),
        service=None if value["service"] is None else ServiceId(value["service"]),
        seen=_seen(seen) if in_clear else None,
        actor=value["actor"],
        detail={
            name: tuple(one) if isinstance(one, list) else one
            for name, one in value["detail"].items()
        },
        decision=value.get("decision"),
        veiled=None if in_clear else _veiled(seen),
    )


def _seen(value: Mapping[str, Any] | None) -> Seen | None:
    if value is None:
        return None
    address = value["address"]
    return Seen(None if address is None else ip_address(address), tuple(value["walk"]))


def _veiled(value: Mapping[str, Any] | None) -> Veiled | None:
    if value is None:
        return None
    day = date.fromisoformat(value["day"])
    return Veiled(day, value["sealed"], value["address"], value["network"])


def _bounded(seen: Seen) -> Seen:
    return replace(seen, walk=tuple(_short(hop) for hop in seen.walk[:MOST_TEXTS]))


def _plain(value: object) -> Detail:
    match value:
        case None | bool() | int():
            return value
        case str():
            return _short(value)
        case tuple() if all(isinstance(one, str) for one in value):
            return tuple(_short(one) for one in value[:MOST_TEXTS])
        case _:
            raise TypeError(f"a record's detail cannot be a {type(value).__name__}")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _short_or_none(text: str | None) -> str | None:
    return None if text is None else _short(text)
