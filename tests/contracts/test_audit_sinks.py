"""Syslog beside the file, and the window for look-ups."""

from __future__ import annotations

import gzip
import logging
import multiprocessing
import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import IO

import pytest

from idp_mfa.audit import AuditEvent, AuditRecord, Told
from idp_mfa.audit_log import AuditWindow, MemoryWindow
from idp_mfa.audit_log.lines import decode
from idp_mfa.audit_log.options import AuditOptions
from idp_mfa.model import Reference, UserId
from idp_mfa.ports import Unavailable
from idp_mfa.store.options import RedisOptions
from idp_mfa.store.redis import RedisAuditWindow, RedisServer
from tests.contracts.audit_acts import (
    ADDRESSES,
    CODE,
    OTHER,
    RECORD,
    BrokenWindow,
    Opener,
    after,
    opened_trails,
    written,
)
from tests.contracts.store_acts import connected_to
from tests.servers import valkey
from tests.servers.valkey import Kind, StoreServer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def trail_of() -> Iterator[Opener]:
    with opened_trails() as open_one:
        yield open_one


# -- syslog --------------------------------------------------------------------------------------

RFC5424 = re.compile(
    rb"<(\d+)>1 (\S+) (\S+) idp_mfa (\d+) ([\x21-\x7e]{1,32}) - (\{.*\})", re.DOTALL
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "log"))
        listener.settimeout(2)
        yield listener


@pytest.fixture
def tcp_daemon() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(2)
        yield listener


def parsed(datagram: bytes) -> AuditRecord | None:
    match = RFC5424.fullmatch(datagram)
    assert match is not None, datagram
    assert match[2] == b"2026-11-21T12:34:56.789012Z"
    assert int(match[4]) == os.getpid()
    return decode(match[6].decode(), ADDRESSES)


def test_a_syslog_daemon_on_this_machine_gets_the_line(
    daemon: socket.socket, tmp_path: Path, trail_of: Opener
) -> None:
    trail = trail_of(syslog=f"unix://{tmp_path}/log")
    trail.ping()
    trail.record(RECORD)
    datagram = daemon.recv(65536)
    assert datagram.startswith(b"<85>1 ")
    assert b" factor.rejected - " in datagram
    assert parsed(datagram) == RECORD


def test_every_event_has_a_message_id_that_syslog_allows(
    daemon: socket.socket, tmp_path: Path, trail_of: Opener
) -> None:
    trail = trail_of(syslog=f"unix://{tmp_path}/log")
    for event in AuditEvent:
        trail.record(replace(RECORD, event=event))
        assert parsed(daemon.recv(65536)) == replace(RECORD, event=event)


def test_a_restarted_daemon_gets_the_next_line(tmp_path: Path, trail_of: Opener) -> None:
    trail = trail_of(syslog=f"unix://{tmp_path}/log")
    for _ in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(tmp_path / "log"))
            trail.record(RECORD)
            assert parsed(listener.recv(65536)) == RECORD
        (tmp_path / "log").unlink()


def framed(stream: IO[bytes]) -> bytes:
    length = b""
    while not length.endswith(b" "):
        byte = stream.read(1)
        assert byte
        length += byte
    return stream.read(int(length))


def test_tcp_frames_are_counted_and_a_dropped_connection_is_noticed(
    tcp_daemon: socket.socket, trail_of: Opener
) -> None:
    trail = trail_of(syslog=f"tcp://127.0.0.1:{tcp_daemon.getsockname()[1]}")
    for _ in range(3):
        trail.record(RECORD)
        trail.record(OTHER)
        connection, _ = tcp_daemon.accept()
        connection.settimeout(2)
        with connection, connection.makefile("rb") as stream:
            for record in (RECORD, OTHER):
                assert parsed(framed(stream)) == record
        time.sleep(0.05)


def test_processes_do_not_share_a_stream(tcp_daemon: socket.socket, trail_of: Opener) -> None:
    trail = trail_of(syslog=f"tcp://127.0.0.1:{tcp_daemon.getsockname()[1]}")
    trail.record(RECORD)
    child = multiprocessing.get_context("fork").Process(target=trail.record, args=(RECORD,))
    child.start()
    child.join()
    assert child.exitcode == 0
    for _ in range(2):
        connection, _ = tcp_daemon.accept()
        with connection:
            assert connection.recv(1)


def test_udp_is_sent_but_does_not_count(path: Path, trail_of: Opener) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(2)
        address = f"udp://127.0.0.1:{listener.getsockname()[1]}"
        trail_of(path, syslog=address).record(RECORD)
        assert parsed(listener.recv(65536)) == RECORD
        with pytest.raises(Unavailable):
            trail_of(Path("/dev/full"), syslog=address).record(RECORD)
    with pytest.raises(ValueError, match="audit"):
        AuditOptions(syslog="udp://127.0.0.1")


def test_one_sink_that_keeps_the_record_is_enough(
    daemon: socket.socket, tmp_path: Path, path: Path, trail_of: Opener
) -> None:
    trail = trail_of(Path("/dev/full"), syslog=f"unix://{tmp_path}/log")
    trail.record(RECORD)
    assert parsed(daemon.recv(65536)) == RECORD
    trail_of(path, syslog=f"unix://{tmp_path}/nobody").record(RECORD)
    assert written(path) == [RECORD]
    with pytest.raises(Unavailable, match="audit"):
        trail_of(Path("/dev/full"), syslog=f"unix://{tmp_path}/nobody").record(RECORD)


def test_both_sinks_get_it_when_both_work(
    daemon: socket.socket, tmp_path: Path, path: Path, trail_of: Opener
) -> None:
    trail_of(path, syslog=f"unix://{tmp_path}/log").record(RECORD)
    assert written(path) == [parsed(daemon.recv(65536))] == [RECORD]


def test_a_dead_daemon_is_tried_again_only_after_a_while(
    tmp_path: Path, path: Path, caplog: pytest.LogCaptureFixture, trail_of: Opener
) -> None:
    trail = trail_of(path, syslog=f"unix://{tmp_path}/log")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            trail.record(RECORD)
    assert trail.failing.keys() == {"syslog"}
    assert len(caplog.records) == 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "log"))
        listener.setblocking(False)
        trail.record(after(4))
        with pytest.raises(BlockingIOError):
            listener.recv(65536)
        trail.record(after(6))
        assert listener.recv(65536)
    assert trail.failing == {}


@pytest.mark.alone
def test_a_hanging_daemon_costs_one_second_once(path: Path, trail_of: Opener) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.listen(0)
        with socket.create_connection(("127.0.0.1", port)):
            trail = trail_of(path, syslog=f"tcp://127.0.0.1:{port}")
            began = time.monotonic()
            for _ in range(20):
                trail.record(RECORD)
            assert time.monotonic() - began < 1.9


# -- the window ----------------------------------------------------------------------------------


@pytest.fixture
def window(server_if_any: StoreServer | None) -> Iterator[AuditWindow]:
    if server_if_any is None:
        yield MemoryWindow(4)
    else:
        with connected_to(server_if_any) as ours:
            yield RedisAuditWindow(ours, 4, timedelta(minutes=1))


def test_the_window_tells_a_story_in_order_and_shows_the_newest_first(
    window: AuditWindow, path: Path, trail_of: Opener
) -> None:
    trail = trail_of(path, window=window)
    trail.record(RECORD)
    trail.record(OTHER)
    trail.record(after(1))
    path.unlink()
    assert trail.story(CODE) == [RECORD, after(1)]
    assert trail.story(OTHER.reference) == [OTHER]
    assert trail.recent(10) == [after(1), OTHER, RECORD]
    assert trail.recent(1) == [after(1)]
    assert trail.recent(0) == []
    assert trail.story(Reference("NNNNNNNN")) == []


def test_people_see_their_own_lines_and_of_them_what_concerns_them(
    window: AuditWindow, path: Path, trail_of: Opener
) -> None:
    trail = trail_of(path, window=window)
    mine, other = UserId("id-mine"), UserId("id-other")
    bound = replace(RECORD, event=AuditEvent.FACTOR_BOUND, user=mine, decision={"a": {"b": 1}})
    shown = replace(bound, event=AuditEvent.KEY_SHOWN, decision=None)
    trail.record(bound)
    trail.record(replace(bound, event=AuditEvent.FACTOR_CHOSEN))
    trail.record(replace(bound, user=other))
    trail.record(replace(bound, user=None))
    trail.record(shown)
    assert trail.of(mine) == [shown, replace(bound, decision=None)]
    assert trail.of(UserId("id-nobody")) == []


@pytest.mark.parametrize("kind", list(Kind))
def test_what_people_see_is_bounded_and_dies_at_its_time(kind: Kind) -> None:
    with valkey.running(kind) as server, connected_to(server) as ours:
        kept = timedelta(milliseconds=100)
        short = RedisAuditWindow(ours, 4, timedelta(minutes=1), owners_length=2, owners_kept=kept)
        for number in range(3):
            short.add("line", CODE, Told("me", f"line {number}"))
        assert short.of("me") == ["line 2", "line 1"]
        time.sleep(0.15)
        assert not short.of("me")


def test_the_window_is_bounded(window: AuditWindow, path: Path, trail_of: Opener) -> None:
    trail = trail_of(path, window=window)
    for second in range(10):
        trail.record(after(second))
    assert trail.recent(100) == [after(second) for second in (9, 8, 7, 6)]


@pytest.mark.parametrize("kind", list(Kind))
def test_the_windows_lines_die_at_their_time_and_a_story_is_bounded(kind: Kind) -> None:
    with valkey.running(kind) as server, connected_to(server) as ours:
        short = RedisAuditWindow(ours, 4, timedelta(milliseconds=100))
        short.add("line", CODE)
        assert short.story(CODE)
        time.sleep(0.15)
        assert not short.story(CODE)
        assert not short.recent(10)
        long = RedisAuditWindow(ours, 4, timedelta(minutes=1))
        for number in range(300):
            long.add(str(number), CODE)
        assert list(long.story(CODE)) == [str(number) for number in range(100, 300)]


def test_a_flood_of_sign_ins_does_not_fill_the_store() -> None:
    with valkey.running(Kind.VALKEY) as server, connected_to(server) as ours:
        window = RedisAuditWindow(ours, 4, timedelta(minutes=1))
        for number in range(20):
            window.add(f"line {number}", f"REF{number}")
            window.add("again", "REF0")
        kept = [number for number in range(20) if window.story(f"REF{number}")]
        assert kept == [0, 17, 18, 19]
        keys = ours.command("KEYS", ours.key("audit:story:") + b"*")
        assert isinstance(keys, list)
        assert len(keys) == 4


def test_a_story_that_the_window_lost_is_found_in_the_files(path: Path, trail_of: Opener) -> None:
    trail = trail_of(path)
    old, newer, newest = RECORD, after(1), after(2)
    for number, record in ((3, OTHER), (2, old), (1, newer)):
        trail.record(record)
        rotated = path.with_name(f"audit.jsonl.{number}")
        path.rename(rotated)
        if number == 2:
            with gzip.open(f"{rotated}.gz", "wb") as packed:
                packed.write(rotated.read_bytes())
            rotated.unlink()
            rotated = rotated.with_name(f"{rotated.name}.gz")
        os.utime(rotated, (1_000_000 - number, 1_000_000 - number))
    trail.record(newest)
    trail.record(OTHER)
    later = trail_of(path)
    assert later.story(CODE) == [old, newer, newest]
    assert later.story(Reference(" k7wq-2mzp ")) == [old, newer, newest]


def test_a_reference_in_another_records_text_is_not_its_story(path: Path, trail_of: Opener) -> None:
    trail = trail_of(path)
    trail.record(replace(OTHER, actor=f'"reference":"{CODE}","user":', detail={"why": CODE}))
    assert trail_of(path).story(CODE) == []


@pytest.mark.parametrize("typed", ["*", "", "K7WQ2MZP\n", "../../etc", "a" * 17, "ｋ７ＷＱ", "a:b"])
def test_what_cannot_be_a_reference_code_finds_nothing(
    path: Path, typed: str, trail_of: Opener
) -> None:
    trail = trail_of(path, window=BrokenWindow())
    trail.record(replace(RECORD, reference=Reference(typed)))
    assert not trail.story(Reference(typed))


def test_a_window_that_fails_never_fails_the_record(
    path: Path, caplog: pytest.LogCaptureFixture, trail_of: Opener
) -> None:
    window = BrokenWindow()
    trail = trail_of(path, window=window)
    for second in range(12):
        trail.record(after(second))
    assert len(written(path)) == 12
    assert window.asked == 3
    assert trail.story(CODE) == [after(second) for second in range(12)]


@pytest.mark.alone
def test_a_store_that_hangs_does_not_slow_every_record(path: Path, trail_of: Opener) -> None:
    with valkey.running(Kind.REDIS) as server:
        ours = RedisServer(RedisOptions(server.url))
        trail = trail_of(path, window=RedisAuditWindow(ours, 10, timedelta(minutes=1)))
        trail.record(RECORD)
        os.kill(server.pid, 19)
        try:
            began = time.monotonic()
            for _ in range(50):
                trail.record(RECORD)
            assert time.monotonic() - began < 1
        finally:
            os.kill(server.pid, 18)
    assert len(written(path)) == 51


def test_without_a_file_a_lost_window_says_so(
    daemon: socket.socket, tmp_path: Path, trail_of: Opener
) -> None:
    trail = trail_of(syslog=f"unix://{tmp_path}/log", window=BrokenWindow())
    trail.record(RECORD)
    with pytest.raises(Unavailable):
        trail.story(CODE)
    with pytest.raises(Unavailable):
        trail.recent(5)


@pytest.mark.parametrize(
    "address", ["/dev/log", "unix:relative", "http://h", "tcp://", "udp://h/path", ""]
)
def test_a_syslog_address_that_means_nothing_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(ValueError, match="syslog"):
        AuditOptions(file=tmp_path / "a", syslog=address)
