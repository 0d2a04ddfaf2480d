"""Looking for records: what is found, what is not, and how little of the file is looked at."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from idp_mfa.audit import AuditEvent, AuditRecord, Wanted
from idp_mfa.audit_log import AuditTrail, MemoryWindow
from idp_mfa.audit_log.addresses import searchable
from idp_mfa.audit_log.files import Piece, outdated
from idp_mfa.audit_log.lines import encode
from idp_mfa.audit_log.search import Search
from idp_mfa.model import Reference, Seen, ServiceId, UserId
from tests.contracts.audit_acts import ADDRESSES, Opener, opened_trails

DAY = datetime(2026, 11, 1, tzinfo=UTC)
EVENTS = (AuditEvent.FACTOR_REJECTED, AuditEvent.ASSERTION_ISSUED, AuditEvent.SIGN_IN_REFUSED)


def record(number: int) -> AuditRecord:
    """One of an hour's records, of ten days."""
    return AuditRecord(
        at=DAY + timedelta(hours=number),
        event=EVENTS[number % 3],
        reference=Reference(f"REF{number:05}"),
        user=UserId(f"id-{number % 7}"),
        service=ServiceId(f"https://sp{number % 5}.example/"),
        seen=Seen(ip_address(f"203.0.113.{number % 11}"), ()),
        detail={"why": "wrong" if number % 2 else "old"},
        decision={"rule": f"rule-{number % 4}", "outcome": ("ask", "deny")[number % 2]},
    )


RECORDS = [record(number) for number in range(240)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Ten days in three files, one of them packed."""
    path = tmp_path / "audit.jsonl"
    lines = [encode(one, ADDRESSES) + "\n" for one in RECORDS]
    packed, older = tmp_path / "audit.jsonl.2.gz", tmp_path / "audit.jsonl.1"
    packed.write_bytes(gzip.compress("".join(lines[:80]).encode()))
    older.write_text("".join(lines[80:160]))
    path.write_text("".join(lines[160:]))
    for file, last in ((packed, 79), (older, 159), (path, 239)):
        os.utime(file, (RECORDS[last].at.timestamp(),) * 2)
    return path


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(reference=Reference("REF00033")),
        Wanted(user=UserId("id-3")),
        Wanted(user=UserId("id-3"), since=DAY + timedelta(days=4), until=DAY + timedelta(days=5)),
        Wanted(service=ServiceId("https://sp2.example/"), since=DAY + timedelta(days=9)),
        Wanted(event=AuditEvent.SIGN_IN_REFUSED, rule="rule-1"),
        Wanted(outcome="deny", until=DAY + timedelta(days=2)),
        Wanted(outcome="wrong"),
        Wanted(user=UserId("id")),
        Wanted(service=ServiceId('"}')),
        Wanted(since=DAY + timedelta(days=30)),
    ],
    ids=str,
)
def test_just_what_was_asked_for_is_found_the_newest_first(wanted: Wanted, path: Path) -> None:
    found = Search(ADDRESSES).newest(path, wanted, 1000)
    assert found == [one for one in reversed(RECORDS) if wanted.is_met(one)]


@pytest.mark.parametrize("address", ["203.0.113.5", "203.0.113.0/24", "203.0.114.0/24", "::1"])
def test_an_address_is_found_by_its_marks_day_by_day(address: str, path: Path) -> None:
    network = searchable(address)
    since, until = DAY + timedelta(days=2, hours=5), DAY + timedelta(days=8, hours=3)
    found = Search(ADDRESSES).newest(path, Wanted(network=network, since=since, until=until), 1000)
    assert network is not None
    assert found == [
        one
        for one in reversed(RECORDS)
        if since <= one.at < until
        and one.seen is not None
        and one.seen.address is not None
        and one.seen.address in network
    ]


def test_no_more_than_so_many_and_those_are_the_newest(path: Path) -> None:
    found = Search(ADDRESSES).newest(path, Wanted(user=UserId("id-3")), 3)
    assert [one.reference for one in found] == ["REF00234", "REF00227", "REF00220"]


@pytest.mark.parametrize("reference", ["REF00161", "REF00199", "REF00239"])
def test_no_line_falls_between_two_pieces(reference: str, tmp_path: Path) -> None:
    lines = [encode(one, ADDRESSES).encode() for one in (*RECORDS[160:165], *RECORDS[199:240:8])]
    path = tmp_path / "lines"
    path.write_bytes(b"\n".join([*lines, b""]))
    total, first = path.stat().st_size, len(lines[0])
    needle = f'"reference":"{reference}"'.encode()
    for size in (100, first - 1, first, first + 1, first + 2, 2 * first + 1, 4000, total):
        pieces = [Piece(path, at, min(at + size, total)) for at in range(0, total, size)]
        found = [line for piece in pieces for line in piece.holding(needle)]
        assert found == [line for line in lines if needle in line]
        assert len(found) == 1


def test_files_that_are_old_enough_are_named_and_the_one_in_use_never_is(path: Path) -> None:
    os.utime(path, (1, 1))
    at = RECORDS[100].at
    assert [one.name for one in outdated(path, at)] == ["audit.jsonl.2.gz"]
    assert len(outdated(path, DAY + timedelta(days=99))) == 2


@pytest.fixture
def trail_of() -> Iterator[Opener]:
    with opened_trails() as open_one:
        yield open_one


def test_a_trail_looks_in_its_file_and_in_the_window_and_tells_nothing_twice(
    trail_of: Opener, tmp_path: Path
) -> None:
    window = MemoryWindow(3)
    ours: AuditTrail = trail_of(tmp_path / "ours.jsonl", window=window)
    theirs: AuditTrail = trail_of(tmp_path / "theirs.jsonl", window=window)
    for number in range(4):
        ours.record(record(number * 7 + 3))
    theirs.record(replace(record(3), at=DAY + timedelta(days=20)))
    found = ours.search(Wanted(user=UserId("id-3")), 100)
    assert [one.at for one in found] == [
        DAY + timedelta(days=20),
        *(record(number * 7 + 3).at for number in (3, 2, 1, 0)),
    ]
    assert len(ours.search(Wanted(user=UserId("id-3")), 2)) == 2
