"""Addresses on record: who has the key of the day opens and finds them, and nobody else."""

from __future__ import annotations

import os
import resource
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.audit_log.address_keys import (
    MOST_DAYS_UNASKED,
    AddressKeyFile,
    create_address_keys,
)
from idp_mfa.audit_log.addresses import Addresses, searchable
from idp_mfa.audit_log.lines import decode, encode, exported
from idp_mfa.model import Reference, Seen
from idp_mfa.ports import Unavailable
from tests.contracts.audit_acts import ADDRESSES

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEPT = timedelta(days=90)
SEEN = Seen(ip_address("203.0.113.7"), ("192.0.2.1 peer, listed proxy", "203.0.113.7 client"))
RECORD = AuditRecord(NOON, AuditEvent.PASSWORD_ACCEPTED, Reference("K7WQ2MZP"), seen=SEEN)


class Calendar:
    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def after(self, days: int) -> datetime:
        self.now = NOON + timedelta(days=days)
        return self.now


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "secrets" / "addresses"
    assert create_address_keys(place, NOON.date(), os.urandom)
    return place


def reader(path: Path, clock: Calendar) -> Addresses:
    """As a process that was started now."""
    return Addresses(AddressKeyFile(path, KEPT, clock), os.urandom)


def test_the_line_opens_with_the_key_and_shows_no_address_without(
    path: Path, calendar: Calendar
) -> None:
    line = encode(RECORD, reader(path, calendar))
    assert "203.0.113" not in line
    assert "192.0.2.1" not in line
    assert decode(line, reader(path, calendar)) == RECORD
    blind = decode(line)
    assert blind is not None
    assert blind.seen is None
    assert blind.veiled is not None


def test_another_key_opens_and_finds_nothing(
    path: Path, tmp_path: Path, calendar: Calendar
) -> None:
    other = tmp_path / "other"
    create_address_keys(other, NOON.date(), os.urandom)
    record = decode(encode(RECORD, reader(path, calendar)), reader(other, calendar))
    assert record is not None
    assert record.seen is None
    assert record.veiled is not None
    assert not reader(other, calendar).is_from(record.veiled, ip_network("203.0.113.7"))
    assert reader(path, calendar).is_from(record.veiled, ip_network("203.0.113.7"))


def test_what_is_sealed_belongs_to_its_line(path: Path, calendar: Calendar) -> None:
    addresses = reader(path, calendar)
    line = encode(RECORD, addresses)
    moved = line.replace("K7WQ2MZP", "ZZZZ2222")
    later = line.replace("T12:00:00.000000Z", "T12:00:00.000001Z")
    for forged in (moved, later):
        record = decode(forged, addresses)
        assert record is not None
        assert record.seen is None


@pytest.mark.parametrize(
    ("address", "found_by", "not_found_by"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
        ("203.0.113.7", "203.0.113.0/24", "203.0.112.0/24"),
        ("2001:db8:1:2::7", "2001:db8:1:2::7", "2001:db8:1:2::8"),
        ("2001:db8:1:2::7", "2001:db8:1::/56", "2001:db8:1:100::/56"),
    ],
)
def test_marks_find_an_address_and_its_network(
    path: Path, calendar: Calendar, address: str, found_by: str, not_found_by: str
) -> None:
    addresses = reader(path, calendar)
    veiled = addresses.veil(Seen(ip_address(address), ()), NOON, RECORD.reference)
    copy = replace(veiled, sealed=None)
    wanted, unwanted = searchable(found_by), searchable(not_found_by)
    assert wanted is not None
    assert unwanted is not None
    assert addresses.is_from(copy, wanted)
    assert not addresses.is_from(copy, unwanted)


@pytest.mark.parametrize("text", ["", "alice", "203.0.113.0/25", "2001:db8::/48", "0.0.0.0/0"])
def test_what_has_no_mark_cannot_be_searched_for(text: str) -> None:
    assert searchable(text) is None


def test_an_address_that_could_not_be_told_has_no_mark(path: Path, calendar: Calendar) -> None:
    addresses = reader(path, calendar)
    unknown = replace(RECORD, seen=Seen(None, ("'x' unreadable",)))
    record = decode(encode(unknown, addresses), addresses)
    assert record == unknown
    assert record is not None
    assert record.veiled is not None
    assert (record.veiled.address, record.veiled.network) == (None, None)


def test_an_exported_copy_holds_marks_alone(path: Path, calendar: Calendar) -> None:
    addresses = reader(path, calendar)
    record = decode(encode(RECORD, addresses), addresses)
    assert record is not None
    copy = exported(record, addresses)
    assert "203.0.113" not in copy
    again = decode(copy, addresses)
    assert again is not None
    assert again.seen is None
    assert again.veiled is not None
    assert again.veiled.sealed is None
    assert addresses.is_from(again.veiled, ip_network("203.0.113.7"))


def test_a_line_of_the_version_before_is_read_and_exported_without_its_address(
    path: Path, calendar: Calendar
) -> None:
    old = (
        '{"v":1,"at":"2026-11-21T12:00:00.000000Z","event":"password.accepted",'
        '"reference":"K7WQ2MZP","user":null,"service":null,"seen":{"address":"203.0.113.7",'
        '"walk":["192.0.2.1 peer, listed proxy","203.0.113.7 client"]},"actor":null,"detail":{}}'
    )
    addresses = reader(path, calendar)
    record = decode(old, addresses)
    assert record == RECORD
    assert decode(old[:40] + old, addresses) == RECORD
    assert record is not None
    assert "203.0.113" not in exported(record, addresses)


# -- retention -----------------------------------------------------------------------------------


def test_an_address_can_be_opened_for_so_long_and_no_longer(path: Path, calendar: Calendar) -> None:
    line = encode(RECORD, reader(path, calendar))
    calendar.after(days=90)
    kept = decode(line, reader(path, calendar))
    assert kept == RECORD
    calendar.after(days=91)
    gone = decode(line, reader(path, calendar))
    assert gone is not None
    assert gone.seen is None
    calendar.after(days=1)
    back = decode(line, reader(path, calendar))
    assert back is not None
    assert back.seen is None
    assert back.veiled is not None
    assert not reader(path, calendar).is_from(back.veiled, ip_network("203.0.113.7"))


def test_no_key_leads_back_to_the_day_before(path: Path, calendar: Calendar) -> None:
    line = encode(RECORD, reader(path, calendar))
    calendar.after(days=91)
    reader(path, calendar).veil(SEEN, calendar.now, RECORD.reference)
    day, _, key = path.read_text("ascii").partition(" ")
    assert day == "2026-11-22"
    path.write_text(f"{NOON.date()} {key}", "ascii")
    calendar.after(days=1)
    gone = decode(line, reader(path, calendar))
    assert gone is not None
    assert gone.seen is None


def test_a_running_process_forgets_too(path: Path, calendar: Calendar) -> None:
    addresses = reader(path, calendar)
    line = encode(RECORD, addresses)
    for day in range(89, 92):
        calendar.after(day)
        encode(replace(RECORD, at=calendar.now), addresses)
    record = decode(line, addresses)
    assert record is not None
    assert record.seen is None


def test_threads_that_move_the_file_at_once_never_leave_it_cut_short(
    path: Path, calendar: Calendar
) -> None:
    before = path.read_bytes()
    calendar.after(days=95)
    for _ in range(20):
        path.write_bytes(before)
        all_at_once = threading.Barrier(4)
        wrong: list[str] = []

        def move(barrier: threading.Barrier = all_at_once, wrong: list[str] = wrong) -> None:
            barrier.wait()
            AddressKeyFile(path, KEPT, calendar).expire()
            text = path.read_text("ascii")
            if not text.startswith("2026-11-26 ") or len(text) != len(before):
                wrong.append(text)

        threads = [threading.Thread(target=move) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_nodes_that_began_with_one_file_open_each_others_lines(
    path: Path, tmp_path: Path, calendar: Calendar
) -> None:
    other = tmp_path / "node-b"
    other.write_bytes(path.read_bytes())
    other.chmod(0o600)
    first = reader(path, calendar)
    for day in (80, 95, 100):
        at = calendar.after(day)
        line = encode(replace(RECORD, at=at), first)
        assert decode(line, reader(other, calendar)) == replace(RECORD, at=at)


def test_a_clock_that_is_far_off_destroys_nothing(
    path: Path, calendar: Calendar, caplog: pytest.LogCaptureFixture
) -> None:
    line = encode(RECORD, reader(path, calendar))
    calendar.after(90 + MOST_DAYS_UNASKED + 1)
    wrong = reader(path, calendar)
    encode(replace(RECORD, at=calendar.now), wrong)
    assert "idp-mfa audit expire" in caplog.text
    calendar.after(1)
    assert decode(line, reader(path, calendar)) == RECORD
    calendar.after(90 + MOST_DAYS_UNASKED + 1)
    keys = AddressKeyFile(path, KEPT, calendar)
    assert keys.oldest < keys.due
    assert keys.expire() == keys.due == keys.oldest
    gone = decode(line, reader(path, calendar))
    assert gone is not None
    assert gone.seen is None


def test_a_clock_that_goes_back_still_seals(path: Path, calendar: Calendar) -> None:
    calendar.after(95)
    reader(path, calendar).veil(SEEN, calendar.now, RECORD.reference)
    at = calendar.after(0)
    addresses = reader(path, calendar)
    line = encode(RECORD, addresses)
    assert '"day":"2026-11-26"' in line
    assert at == NOON
    assert decode(line, addresses) == RECORD


def test_a_file_that_cannot_be_moved_on_says_so_and_goes_on_sealing(
    path: Path, calendar: Calendar, caplog: pytest.LogCaptureFixture
) -> None:
    calendar.after(95)
    addresses = reader(path, calendar)
    now = replace(RECORD, at=calendar.now)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        line = encode(now, addresses)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert decode(line, addresses) == now
    assert "cannot be written" in caplog.text
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert path.read_text("ascii").startswith("2026-11-21 ")


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (None, 0o640),
        ("", 0o600),
        ("2026-11-21", 0o600),
        ("2026-11-21 short", 0o600),
        (b"\xff", 0o600),
    ],
)
def test_a_file_that_is_no_key_is_refused(
    path: Path, calendar: Calendar, content: str | bytes | None, mode: int
) -> None:
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    addresses = reader(path, calendar)
    with pytest.raises(Unavailable, match="addresses"):
        encode(RECORD, addresses)
    with pytest.raises(Unavailable, match="addresses"):
        AddressKeyFile(path, KEPT, calendar).ping()


def test_without_the_file_lines_are_read_all_the_same(path: Path, calendar: Calendar) -> None:
    line = encode(RECORD, reader(path, calendar))
    path.unlink()
    record = decode(line, reader(path, calendar))
    assert record is not None
    assert record.reference == RECORD.reference
    assert record.seen is None


def test_one_that_is_there_stays(path: Path) -> None:
    before = path.read_bytes()
    assert not create_address_keys(path, date(2030, 1, 1), os.urandom)
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o600


@given(st.ip_addresses(), st.lists(st.text(max_size=20), max_size=3))
def test_every_address_comes_back(address: object, walk: list[str]) -> None:
    seen = Seen(ip_address(str(address)), tuple(walk))
    veiled = ADDRESSES.veil(seen, NOON, RECORD.reference)
    assert ADDRESSES.unveil(veiled, NOON, RECORD.reference) == seen
