"""The record: nothing is lost, nothing is forged, nothing secret gets in."""

from __future__ import annotations

import ast
import gzip
import json
import logging
import multiprocessing
import os
import re
import resource
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.audit_log import AuditTrail, AuditWindow, MemoryWindow, audit_trail
from idp_mfa.audit_log.lines import LONGEST_TEXT, decode, encode
from idp_mfa.audit_log.options import AuditOptions, Sync
from idp_mfa.model import Reference, Seen, ServiceId, UserId
from idp_mfa.ports import Unavailable
from idp_mfa.store.redis import RedisAuditWindow
from tests.contracts.store_acts import connected_to
from tests.servers import valkey
from tests.servers.valkey import Kind, StoreServer

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
OTHER = replace(RECORD, reference=Reference("ZZZZ2222"))


def after(seconds: float, record: AuditRecord = RECORD) -> AuditRecord:
    return replace(record, at=record.at + timedelta(seconds=seconds))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def trail_of() -> Iterator[Opener]:
    """Trails by their options, closed afterwards."""
    opened: list[AuditTrail] = []

    def open_one(path: Path | None = None, **options: Any) -> AuditTrail:
        window = options.pop("window", None) or MemoryWindow(100)
        opened.append(audit_trail(AuditOptions(file=path, **options), window))
        return opened[-1]

    yield open_one
    for trail in opened:
        trail.close()


def written(path: Path) -> list[AuditRecord | None]:
    return [decode(line) for line in path.read_text("ascii").splitlines()]


Opener = Callable[..., AuditTrail]


class BrokenWindow:
    """A window whose store is down."""

    def __init__(self) -> None:
        self.asked = 0

    def add(self, line: str, reference: str) -> None:
        self.asked += 1
        raise Unavailable("store", "down")

    def story(self, reference: str) -> list[str]:
        raise Unavailable("store", "down")

    def recent(self, limit: int) -> list[str]:
        raise Unavailable("store", "down")


# -- the line ------------------------------------------------------------------------------------

_texts = st.text(max_size=80)
_records = st.builds(
    AuditRecord,
    at=st.datetimes(timezones=st.just(UTC)),
    event=st.sampled_from(AuditEvent),
    reference=_texts.map(Reference),
    user=st.none() | _texts.map(UserId),
    service=st.none() | _texts.map(ServiceId),
    seen=st.none()
    | st.builds(Seen, st.none() | st.ip_addresses(), st.lists(_texts, max_size=5).map(tuple)),
    actor=st.none() | _texts,
    detail=st.dictionaries(
        _texts,
        st.none() | st.booleans() | st.integers() | _texts | st.lists(_texts).map(tuple),
        max_size=5,
    ),
)


@given(_records)
def test_a_record_survives_its_line_and_the_line_is_one_of_printable_ascii(
    record: AuditRecord,
) -> None:
    line = encode(record)
    assert re.fullmatch(r"[\x20-\x7e]+", line)
    assert decode(line) == record


@given(_records, st.data())
def test_a_line_after_a_torn_one_is_still_found(record: AuditRecord, data: st.DataObject) -> None:
    line = encode(record)
    torn = line[: data.draw(st.integers(0, len(line) - 1))]
    assert decode(torn) is None
    assert decode(torn + line) == record


def test_the_line_is_what_the_docs_say() -> None:
    (example,) = re.findall(
        r"^\{\"v\":1.*\}$", (ROOT / "docs/reference/audit.md").read_text(), re.MULTILINE
    )
    assert encode(RECORD) == example


def test_times_are_utc_with_microseconds() -> None:
    tokyo = AT.astimezone(timezone(timedelta(hours=9)))
    assert json.loads(encode(replace(RECORD, at=tokyo)))["at"] == "2026-11-21T12:34:56.789012Z"
    whole = AT.replace(microsecond=0)
    assert json.loads(encode(replace(RECORD, at=whole)))["at"] == "2026-11-21T12:34:56.000000Z"
    with pytest.raises(ValueError, match="zone"):
        encode(replace(RECORD, at=AT.replace(tzinfo=None)))


@pytest.mark.parametrize("value", [b"bytes", 1.5, ["list"], {"a": "b"}, object(), ("a", b"b")])
def test_only_plain_values_get_in(value: Any) -> None:
    with pytest.raises(TypeError):
        encode(replace(RECORD, detail={"why": value}))


def test_what_a_browser_sends_does_not_fill_the_disk() -> None:
    long = "x" * 100_000
    record = replace(
        RECORD,
        actor=long,
        seen=Seen(None, (long,) * 1000),
        detail={"why": long, "asked": (long,) * 1000},
    )
    assert len(encode(record)) < 140 * LONGEST_TEXT
    again = decode(encode(record))
    assert again is not None
    assert again.actor is not None
    assert len(again.actor) == LONGEST_TEXT


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        "null",
        "[]",
        "not json",
        encode(RECORD).replace('"v":1', '"v":2'),
        encode(RECORD).replace("factor.rejected", "factor.unheard-of"),
        encode(RECORD).replace("2001:db8::7", "not an address"),
    ],
)
def test_a_line_of_another_make_is_no_record(line: str) -> None:
    assert decode(line) is None


SECRET_NAMES = re.compile(
    r"password|passwd|passcode|secret|seed|otp|cookie|binding|token|assertion_xml"
    r"|session_id|handle|private|recovery_code|^code$|^key$|^response$|^assertion$"
)
PUBLIC_NAMES = {"totp"}


def test_no_record_in_the_source_is_given_a_detail_of_a_secrets_name() -> None:
    given_names = set()
    for file in (ROOT / "idp_mfa").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and _records_something(node):
                given_names |= set(_detail_names(node))
    assert {"factor", "why"} <= given_names
    assert not [name for name in given_names - PUBLIC_NAMES if SECRET_NAMES.search(name.lower())]


def _records_something(call: ast.Call) -> bool:
    match call.func:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name in ("AuditRecord", "record", "_record")
        case _:
            return False


def _detail_names(call: ast.Call) -> Iterator[str]:
    for keyword in call.keywords:
        if keyword.arg == "detail" and isinstance(keyword.value, ast.Dict):
            yield from (
                str(key.value) for key in keyword.value.keys if isinstance(key, ast.Constant)
            )
        elif keyword.arg is not None:
            yield keyword.arg


def test_the_docs_name_every_event() -> None:
    text = (ROOT / "docs/reference/audit.md").read_text()
    assert [event.value for event in AuditEvent if f"`{event.value}`" not in text] == []


# -- the file ------------------------------------------------------------------------------------


def test_records_stand_in_the_file_in_order(path: Path, trail_of: Opener) -> None:
    trail = trail_of(path)
    trail.record(RECORD)
    trail.record(after(1))
    assert path.read_bytes().endswith(b"\n")
    assert written(path) == [RECORD, after(1)]


@pytest.mark.parametrize("umask", [0, 0o077])
def test_the_file_is_for_its_owner_and_group_alone(
    path: Path, umask: int, trail_of: Opener
) -> None:
    before = os.umask(umask)
    try:
        trail_of(path).record(RECORD)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_that_somebody_else_made_keeps_its_mode(path: Path, trail_of: Opener) -> None:
    path.touch(0o600)
    trail_of(path).record(RECORD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_older_record_is_never_overwritten(path: Path, trail_of: Opener) -> None:
    trail_of(path).record(RECORD)
    trail_of(path).record(after(1))
    assert written(path) == [RECORD, after(1)]


def test_the_line_is_flushed_to_the_disk_unless_told_otherwise(
    path: Path, trail_of: Opener
) -> None:
    """A pipe cannot be flushed to a disk: only who tries is refused."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(Unavailable, match="audit"):
            trail_of(path).record(RECORD)
        trail_of(path, sync=Sync.WRITE).record(RECORD)
    finally:
        os.close(reader)


def test_a_rotated_file_is_left_and_a_new_one_begun(path: Path, trail_of: Opener) -> None:
    trail = trail_of(path)
    trail.record(RECORD)
    path.rename(path.with_name("audit.jsonl.1"))
    trail.record(after(1))
    assert written(path.with_name("audit.jsonl.1")) == [RECORD]
    assert written(path) == [after(1)]
    path.unlink()
    trail.record(after(2))
    assert written(path) == [after(2)]


def test_lines_of_many_writers_do_not_mix(path: Path, trail_of: Opener) -> None:
    def write() -> None:
        trail = trail_of(path, sync=Sync.WRITE)
        threads = [
            threading.Thread(target=lambda: [trail.record(RECORD) for _ in range(50)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    children = [multiprocessing.get_context("fork").Process(target=write) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert written(path) == [RECORD] * 800


def test_rotation_under_load_loses_no_line(path: Path, trail_of: Opener) -> None:
    trail = trail_of(path, sync=Sync.DISK)
    threads = [
        threading.Thread(target=lambda: [trail.record(RECORD) for _ in range(100)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    number = 0
    while any(thread.is_alive() for thread in threads):
        number += 1
        if path.exists():
            path.rename(path.with_name(f"audit.jsonl.{number}"))
        time.sleep(0.005)
    lines = [line for file in path.parent.glob("audit.jsonl*") for line in written(file)]
    assert lines == [RECORD] * 400


def test_no_record_no_return(tmp_path: Path, trail_of: Opener) -> None:
    for place in (Path("/dev/full"), tmp_path / "no such folder" / "audit.jsonl", tmp_path):
        trail = trail_of(place)
        with pytest.raises(Unavailable) as caught:
            trail.record(RECORD)
        assert caught.value.part == "audit"
        assert trail.failing.keys() == {"file"}


def test_a_full_disk_shows_before_the_next_sign_in(tmp_path: Path, trail_of: Opener) -> None:
    trail_of(tmp_path / "audit.jsonl").ping()
    with pytest.raises(Unavailable):
        trail_of(tmp_path / "no such folder" / "audit.jsonl").ping()


def test_a_line_cut_by_a_full_disk_is_no_record_and_spoils_none(
    path: Path, trail_of: Opener
) -> None:
    size = len(encode(RECORD)) + 1

    def write() -> None:
        trail = trail_of(path, sync=Sync.WRITE)
        trail.record(RECORD)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
        with pytest.raises(Unavailable):
            trail.record(after(1))
        with pytest.raises(Unavailable):
            trail.record(after(2))
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        trail.record(after(3))
        trail_of(path, sync=Sync.WRITE).record(after(4))

    child = multiprocessing.get_context("fork").Process(target=write)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert [record for record in written(path) if record] == [RECORD, after(3), after(4)]


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
    return decode(match[6].decode())


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


@pytest.fixture(scope="module", params=[None, *Kind], ids=lambda k: k.value if k else "memory")
def server(request: pytest.FixtureRequest) -> Iterator[StoreServer | None]:
    if request.param is None:
        yield None
    else:
        with valkey.running(request.param) as running:
            yield running


@pytest.fixture
def window(server: StoreServer | None) -> Iterator[AuditWindow]:
    if server is None:
        yield MemoryWindow(4)
    else:
        with connected_to(server) as ours:
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


def test_a_store_that_hangs_does_not_slow_every_record(path: Path, trail_of: Opener) -> None:
    with valkey.running(Kind.REDIS) as server, connected_to(server) as ours:
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
