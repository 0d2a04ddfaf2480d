"""Many records in one file: how long it takes to find some of them, and to verify all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

from idp_mfa.audit import AuditEvent, AuditRecord, Wanted
from idp_mfa.audit_log.address_keys import AddressKeyFile, create_address_keys
from idp_mfa.audit_log.addresses import Addresses
from idp_mfa.audit_log.chain import Chain
from idp_mfa.audit_log.lines import encode, moment
from idp_mfa.audit_log.search import Search
from idp_mfa.audit_log.verify import verify
from idp_mfa.model import Reference, Seen, ServiceId, UserId
from tests.servers.foreground import folder

DAYS = 30
PEOPLE = 2_000
EVENTS = (
    AuditEvent.SIGN_IN_BEGAN,
    AuditEvent.PASSWORD_ACCEPTED,
    AuditEvent.FACTOR_REJECTED,
    AuditEvent.FACTOR_ACCEPTED,
    AuditEvent.ASSERTION_ISSUED,
)
DECISION = {
    "policy": "0123456789ab",
    "outcome": "ask",
    "rule": "off-campus",
    "page": "sign-in",
    "zone": "outside",
    "groups": {"student": True, "staff": False, "help-desk": False, "identity-admins": False},
    "enrolled": {"totp": ["possession"], "fido2": ["possession", "inherence"]},
}


@dataclass(frozen=True, slots=True)
class Found:
    """Seconds of each search by some clock; each has to find what is known to be there."""

    records: int
    octets: int
    by_reference: float
    by_person_and_day: float
    by_address_and_day: float
    by_rule_and_day: float
    verified: float
    right: bool

    def __str__(self) -> str:
        return (
            f"{self.records:,} records ({self.octets / 1e6:.0f} MB): by reference "
            f"{self.by_reference:.2f} s, by person and day {self.by_person_and_day:.2f} s, by "
            f"address and day {self.by_address_and_day:.2f} s, by rule and day "
            f"{self.by_rule_and_day:.2f} s; verified in {self.verified:.0f} s"
            f"{'' if self.right else '; NOT WHAT IS THERE'}"
        )


def searched(records: int, clock: Callable[[], float] = time.monotonic, tries: int = 1) -> Found:
    """So many records of a month, searched by what the desk knows.

    ``clock`` tells seconds; of several tries of a search the shortest counts.
    """
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    began = now - timedelta(days=DAYS)
    with folder("records") as place:
        path, keys = place / "audit.jsonl", place / "addresses"
        create_address_keys(keys, began.date(), os.urandom)
        addresses = Addresses(AddressKeyFile(keys, timedelta(days=90), lambda: now), os.urandom)
        chain = Chain(lambda: bytes(32), os.urandom)
        _write(path, _records(records, began, addresses), chain)
        search, some = Search(addresses), records // 3 // len(EVENTS) * len(EVENTS)
        day = _at(some, records, began).replace(hour=0, minute=0, second=0, microsecond=0)
        a_day = {"since": day, "until": day + timedelta(days=1)}
        person, address = UserId(f"id-{some % PEOPLE}"), ip_network(_address(some))
        took, right = [], []
        for wanted in (
            Wanted(reference=_reference(some)),
            Wanted(user=person, **a_day),
            Wanted(network=address, **a_day),
            Wanted(rule="off-campus", outcome="ask", **a_day),
        ):
            seconds = []
            for _ in range(tries):
                began_at = clock()
                found: Sequence[AuditRecord] = search.newest(path, wanted, 1000)
                seconds.append(clock() - began_at)
            took.append(min(seconds))
            right.append(any(one.reference == _reference(some) for one in found))
        right[3] = len(found) > 0
        began_at = clock()
        right.append(not verify([path], chain).findings)
        took.append(clock() - began_at)
        return Found(records, path.stat().st_size, *took, right=all(right))


def _write(path: Path, lines: Iterator[str], chain: Chain) -> None:
    link = chain.begun()
    with path.open("w", encoding="ascii") as file:
        for line in lines:
            text, link = chain.chained(line, link)
            file.write(f"{text}\n")


def _records(count: int, began: datetime, addresses: Addresses) -> Iterator[str]:
    """Lines of a day are sealed for each of ``PEOPLE`` once, and come again at other times."""
    sealed: dict[tuple[date, int], str] = {}
    for number in range(count):
        at = _at(number, count, began)
        key = (at.date(), number % PEOPLE)
        if key not in sealed:
            sealed[key] = encode(_record(number, at), addresses)
        line = sealed[key]
        yield f"{line[:13]}{moment(at)}{line[40:]}".replace(
            line.partition('"reference":"')[2][:8], _reference(number), 1
        )


def _record(number: int, at: datetime) -> AuditRecord:
    step = number % len(EVENTS)
    sign_in = number - step
    return AuditRecord(
        at=at,
        event=EVENTS[step],
        reference=_reference(sign_in),
        user=UserId(f"id-{sign_in % PEOPLE}"),
        service=ServiceId(f"https://sp{sign_in % 40}.example.ac.jp/shibboleth"),
        seen=Seen(ip_address(_address(sign_in)), ("127.0.0.1 trusted",)),
        detail={"factor": "totp", "left": 4} if step in (2, 3) else {},
        decision=DECISION if step in (1, 4) else None,
    )


def _at(number: int, count: int, began: datetime) -> datetime:
    return began + timedelta(days=DAYS) * (number / count)


def _reference(number: int) -> Reference:
    return Reference(f"R{number - number % len(EVENTS):07}")


def _address(number: int) -> str:
    number = (number - number % len(EVENTS)) % PEOPLE
    return f"203.0.{number // 256 % 256}.{number % 256}"
