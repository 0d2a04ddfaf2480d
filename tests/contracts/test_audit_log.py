"""The record: nothing is lost, nothing is forged, nothing secret gets in."""

from __future__ import annotations

import ast
import json
import multiprocessing
import os
import re
import resource
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.audit_log.lines import LONGEST_TEXT, decode, encode
from idp_mfa.audit_log.options import Sync
from idp_mfa.model import Device, Reference, Seen, ServiceId, UserId
from idp_mfa.ports import Unavailable
from tests.contracts.audit_acts import (
    ADDRESSES,
    AT,
    RECORD,
    ROOT,
    Opener,
    after,
    opened_trails,
    written,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def trail_of() -> Iterator[Opener]:
    with opened_trails() as open_one:
        yield open_one


# -- the line ------------------------------------------------------------------------------------

_texts = st.text(max_size=80)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=5,
)
_records = st.builds(
    AuditRecord,
    at=st.datetimes(timezones=st.just(UTC)),
    event=st.sampled_from(AuditEvent),
    reference=_texts.map(Reference),
    user=st.none() | _texts.map(UserId),
    service=st.none() | _texts.map(ServiceId),
    seen=st.none()
    | st.builds(
        Seen,
        st.none() | st.ip_addresses(),
        st.lists(_texts, max_size=5).map(tuple),
        st.sampled_from(Device),
    ),
    actor=st.none() | _texts,
    detail=st.dictionaries(
        _texts,
        st.none() | st.booleans() | st.integers() | _texts | st.lists(_texts).map(tuple),
        max_size=5,
    ),
    decision=st.none() | st.dictionaries(_texts, _json, max_size=5),
)


@given(_records)
@example(replace(RECORD, actor="\x7f\r\n{}\x1b[31m\x9b\u2028\ud800", detail={"\n": "\x00"}))
def test_a_record_survives_its_line_and_the_line_is_one_of_printable_ascii(
    record: AuditRecord,
) -> None:
    line = encode(record, ADDRESSES)
    assert re.fullmatch(r"[\x20-\x7e]+", line)
    assert decode(line, ADDRESSES) == record


@given(_records, st.data())
def test_a_line_after_a_torn_one_is_still_found(record: AuditRecord, data: st.DataObject) -> None:
    line = encode(record, ADDRESSES)
    torn = line[: data.draw(st.integers(0, len(line) - 1))]
    assert decode(torn) is None
    assert decode(torn + line, ADDRESSES) == record


def test_the_line_is_what_the_docs_say() -> None:
    (example,) = re.findall(
        r"^\{\"v\":2.*\}$", (ROOT / "docs/reference/audit.md").read_text(), re.MULTILINE
    )
    assert encode(RECORD, ADDRESSES) == example


def test_times_are_utc_with_microseconds() -> None:
    tokyo = AT.astimezone(timezone(timedelta(hours=9)))
    whole = AT.replace(microsecond=0)
    for at, text in (
        (tokyo, "2026-11-21T12:34:56.789012Z"),
        (whole, "2026-11-21T12:34:56.000000Z"),
    ):
        assert json.loads(encode(replace(RECORD, at=at), ADDRESSES))["at"] == text
    with pytest.raises(ValueError, match="zone"):
        encode(replace(RECORD, at=AT.replace(tzinfo=None)), ADDRESSES)


@pytest.mark.parametrize("value", [b"bytes", 1.5, ["list"], {"a": "b"}, object(), ("a", b"b")])
def test_only_plain_values_get_in(value: Any) -> None:
    with pytest.raises(TypeError):
        encode(replace(RECORD, detail={"why": value}), ADDRESSES)


@pytest.mark.parametrize("value", [b"bytes", object(), [b"bytes"], {"a": {1, 2}}])
def test_a_decision_is_json_and_nothing_else(value: Any) -> None:
    with pytest.raises(TypeError):
        encode(replace(RECORD, decision={"why": value}), ADDRESSES)


def test_what_a_browser_sends_does_not_fill_the_disk() -> None:
    long = "x" * 100_000
    record = replace(
        RECORD,
        actor=long,
        seen=Seen(None, (long,) * 1000),
        detail={"why": long, "asked": (long,) * 1000},
    )
    assert len(encode(record, ADDRESSES)) < 160 * LONGEST_TEXT
    again = decode(encode(record, ADDRESSES), ADDRESSES)
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
        encode(RECORD, ADDRESSES).replace('"v":2', '"v":3'),
        encode(RECORD, ADDRESSES).replace("factor.rejected", "factor.unheard-of"),
        encode(RECORD, ADDRESSES).replace('"day":"2026-11-21"', '"day":"not a day"'),
    ],
)
def test_a_line_of_another_make_is_no_record(line: str) -> None:
    assert decode(line, ADDRESSES) is None


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


def test_rotation_leaves_no_descriptor_open(path: Path, trail_of: Opener) -> None:
    trail = trail_of(path)
    trail.record(RECORD)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        path.unlink()
        trail.record(RECORD)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


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
    size = len(encode(RECORD, ADDRESSES)) + 1

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
    lines = path.read_text().splitlines()
    kept = [line for line in lines if line.startswith("{") and line.endswith("}}")]
    assert [decode(line, ADDRESSES) for line in kept] == [RECORD, after(3), after(4)]
    assert len(lines) == 4
