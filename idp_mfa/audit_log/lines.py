"""A record as one line of JSON, and back; docs/reference/audit.md describes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.model import Reference, Seen, ServiceId, UserId

VERSION = 1
LONGEST_TEXT = 1024
"""Characters of one text: what a browser sends must not fill the disk."""
MOST_TEXTS = 64

_HEAD = f'{{"v":{VERSION},"at":"'
Detail = str | int | bool | tuple[str, ...] | None


def encode(record: AuditRecord) -> str:
    """One line of printable ASCII without its end, so that no line can be forged in it.

    Texts are cut at 1,024 characters. TypeError for a detail that is not plain text, number or
    tuple of texts: bytes and objects are how secrets slip in.
    """
    line = json.dumps(
        {
            "v": VERSION,
            "at": moment(record.at),
            "event": record.event.value,
            "reference": record.reference,
            "user": _short_or_none(record.user),
            "service": _short_or_none(record.service),
            "seen": None
            if record.seen is None
            else {
                "address": None if record.seen.address is None else str(record.seen.address),
                "walk": [_short(hop) for hop in record.seen.walk[:MOST_TEXTS]],
            },
            "actor": _short_or_none(record.actor),
            "detail": {name: _plain(value) for name, value in record.detail.items()},
        },
        ensure_ascii=True,
        separators=(",", ":"),
    )
    # JSON leaves DEL as it is; terminals may not.
    return line.replace("\x7f", "\\u007f")


def decode(line: str) -> AuditRecord | None:
    """The record of a line; None if it is torn, of another version or not ours.

    A whole line that follows a torn one without an end of line between is found.
    """
    try:
        return _record(json.loads(line[max(line.rfind(_HEAD), 0) :]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def needle(reference: str) -> str:
    """What a line under this reference contains and no other does."""
    return f'"reference":{json.dumps(reference)},"user":'


def moment(at: datetime) -> str:
    """A time in UTC with microseconds; ValueError for one without a zone."""
    if at.tzinfo is None:
        raise ValueError("a record's time needs a zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _record(value: Mapping[str, Any]) -> AuditRecord | None:
    if value["v"] != VERSION:
        return None
    seen = value["seen"]
    return AuditRecord(
        at=datetime.fromisoformat(value["at"]),
        event=AuditEvent(value["event"]),
        reference=Reference(value["reference"]),
        user=None if value["user"] is None else UserId(value["user"]),
        service=None if value["service"] is None else ServiceId(value["service"]),
        seen=None
        if seen is None
        else Seen(
            None if seen["address"] is None else ip_address(seen["address"]), tuple(seen["walk"])
        ),
        actor=value["actor"],
        detail={
            name: tuple(one) if isinstance(one, list) else one
            for name, one in value["detail"].items()
        },
    )


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
