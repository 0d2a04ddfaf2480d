"""Records, and what the audit's tests do with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from idp_mfa.audit import AuditEvent, AuditRecord, Told
from idp_mfa.audit_log import AuditTrail, MemoryWindow, audit_trail
from idp_mfa.audit_log.address_keys import DayKeys
from idp_mfa.audit_log.addresses import Addresses
from idp_mfa.audit_log.chain import Chain
from idp_mfa.audit_log.lines import decode
from idp_mfa.audit_log.options import AuditOptions
from idp_mfa.model import Reference, Seen, ServiceId, UserId
from idp_mfa.ports import Unavailable

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 11, 21, 12, 34, 56, 789012, UTC)
CODE = Reference("K7WQ2MZP")
RECORD = AuditRecord(
    at=AT,
    event=AuditEvent.FACTOR_REJECTED,
    reference=CODE,
    user=UserId("5f1c6e0e-9d2b-103e-8c9a-d1f0a1b2c3d4"),
    service=ServiceId("https://sp.example/shibboleth"),
    seen=Seen(ip_address("2001:db8::7"), ("127.0.0.1 trusted", "2001:db8::7")),
    actor="helen",
    detail={"factor": "totp", "left": 3, "late": False, "rule": None, "asked": ("a", "b")},
)


class OneKey:
    """The same keys for every day, as the example in the docs has them."""

    def __init__(self, octet: int = 7) -> None:
        self._octet = octet

    def sealing(self, day: date) -> DayKeys:
        return DayKeys(day, bytes([self._octet]) * 32, bytes([self._octet + 1]) * 32)

    def opening(self, day: date) -> DayKeys | None:
        return self.sealing(day)


ADDRESSES = Addresses(OneKey(), bytes)
"""Their nonces are all the same, which only a test may do."""
CHAIN = Chain(lambda: bytes(32), os.urandom)
OTHER = replace(RECORD, reference=Reference("ZZZZ2222"))


def after(seconds: float, record: AuditRecord = RECORD) -> AuditRecord:
    return replace(record, at=record.at + timedelta(seconds=seconds))


Opener = Callable[..., AuditTrail]


@contextmanager
def opened_trails() -> Iterator[Opener]:
    """Trails by their options, closed afterwards."""
    opened: list[AuditTrail] = []

    def open_one(path: Path | None = None, **options: Any) -> AuditTrail:
        window = options.pop("window", None) or MemoryWindow(100)
        opened.append(audit_trail(AuditOptions(file=path, **options), window, ADDRESSES, CHAIN))
        return opened[-1]

    yield open_one
    for trail in opened:
        trail.close()


def written(path: Path) -> list[AuditRecord | None]:
    return [decode(line, ADDRESSES) for line in path.read_text("ascii").splitlines()]


class BrokenWindow:
    """A window whose store is down."""

    def __init__(self) -> None:
        self.asked = 0

    def add(self, line: str, reference: str, told: Told | None = None) -> None:
        self.asked += 1
        raise Unavailable("store", "down")

    def of(self, owner: str) -> list[str]:
        raise Unavailable("store", "down")

    def story(self, reference: str) -> list[str]:
        raise Unavailable("store", "down")

    def recent(self, limit: int) -> list[str]:
        raise Unavailable("store", "down")
