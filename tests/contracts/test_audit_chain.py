"""The chain over the lines: what somebody with the file, and without the key, cannot do unseen."""

from __future__ import annotations

import gzip
import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from idp_mfa.audit_log import MemoryWindow
from idp_mfa.audit_log.chain import Chain, read_head
from idp_mfa.audit_log.verify import Fault, Verified, verify
from idp_mfa.model import Reference
from tests.contracts.audit_acts import (
    CHAIN,
    RECORD,
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


def faults(found: Verified) -> list[tuple[Fault, int, int]]:
    return [(one.fault, one.line, one.missing) for one in found.findings]


def fill(trail_of: Opener, path: Path, lines: int = 6) -> list[str]:
    trail = trail_of(path)
    for number in range(lines):
        trail.record(after(number))
    return path.read_text("ascii").splitlines()


def test_what_was_written_holds_together_and_reads_as_before(trail_of: Opener, path: Path) -> None:
    fill(trail_of, path)
    found = verify([path], CHAIN)
    assert (found.lines, found.findings, found.torn, found.unchained) == (6, (), (), 0)
    ((first, last),) = found.chains
    assert (first.number, last.number) == (1, 6)
    assert read_head(str(last)) == last
    assert written(path) == [after(number) for number in range(6)]


@pytest.mark.parametrize(
    ("tamper", "seen"),
    [
        (lambda lines: [*lines[:2], *lines[3:]], [(Fault.MISSING, 3, 1)]),
        (lambda lines: [*lines[:1], *lines[4:]], [(Fault.MISSING, 2, 3)]),
        (
            lambda lines: [
                line.replace('"helen"', '"ivan"') if i == 2 else line
                for i, line in enumerate(lines)
            ],
            [(Fault.ALTERED, 3, 0)],
        ),
        (
            lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
            [(Fault.MISSING, 3, 1), (Fault.OUT_OF_PLACE, 4, 0)],
        ),
        (lambda lines: [*lines, lines[-1]], [(Fault.OUT_OF_PLACE, 7, 0)]),
        (
            lambda lines: [*lines[:3], lines[2].partition(',"chain"')[0] + "}", *lines[3:]],
            [(Fault.FOREIGN, 4, 0)],
        ),
        (
            lambda lines: [*lines[:2], lines[2][:40], *lines[3:]],
            [(Fault.MISSING, 4, 1)],
        ),
    ],
    ids=["taken", "several taken", "altered", "swapped", "repeated", "put in", "made unreadable"],
)
def test_what_is_done_to_the_lines_is_seen(
    tamper: Callable[[list[str]], list[str]],
    seen: list[tuple[Fault, int, int]],
    trail_of: Opener,
    path: Path,
) -> None:
    path.write_text("\n".join(tamper(fill(trail_of, path))) + "\n", "ascii")
    assert faults(verify([path], CHAIN))[: len(seen)] == seen


def test_a_line_made_without_the_key_is_seen(trail_of: Opener, path: Path) -> None:
    lines = fill(trail_of, path)
    forger = Chain(lambda: b"guessed", os.urandom)
    last = verify([path], CHAIN).head
    assert last is not None
    forged, _ = forger.chained(lines[0].partition(',"chain"')[0] + "}", last)
    path.write_text("\n".join([*lines, forged]) + "\n", "ascii")
    assert faults(verify([path], CHAIN)) == [(Fault.ALTERED, 7, 0)]


def test_a_cut_end_is_seen_by_who_knows_a_later_line(trail_of: Opener, path: Path) -> None:
    window = MemoryWindow(100)
    trail = trail_of(path, window=window)
    for number in range(6):
        trail.record(after(number))
    head = verify([path], CHAIN).head
    assert head is not None
    lines = path.read_text("ascii").splitlines()
    path.write_text("\n".join(lines[:4]) + "\n", "ascii")
    assert not verify([path], CHAIN).findings
    for known in ([head], trail.links()):
        assert faults(verify([path], CHAIN, known)) == [(Fault.CUT_OFF, 0, 2)]


def test_another_end_of_the_same_length_is_seen(trail_of: Opener, path: Path) -> None:
    fill(trail_of, path)
    head = verify([path], CHAIN).head
    assert head is not None
    lines = path.read_text("ascii").splitlines()
    path.write_text("\n".join(lines[:5]) + "\n", "ascii")
    trail_of(path).record(replace(RECORD, actor="ivan"))
    assert faults(verify([path], CHAIN, [head])) == [(Fault.ALTERED, 6, 0)]


def test_the_chain_goes_on_through_rotation_and_restart(trail_of: Opener, path: Path) -> None:
    older, oldest = path.with_name("audit.jsonl.1"), path.with_name("audit.jsonl.2.gz")
    fill(trail_of, path, 3)
    oldest.write_bytes(gzip.compress(path.read_bytes()))
    os.utime(oldest, (1, 1))
    path.unlink()
    running = trail_of(path)
    running.record(after(10))
    path.rename(older)
    running.record(after(11))
    trail_of(path).record(after(12))
    found = verify([oldest, older, path], CHAIN)
    assert not found.findings
    assert [(first.number, last.number) for first, last in found.chains] == [(1, 6)]
    assert faults(verify([oldest, path], CHAIN)) == [(Fault.MISSING, 1, 1)]


def test_a_torn_line_never_counted_and_holds_no_place(trail_of: Opener, path: Path) -> None:
    lines = fill(trail_of, path, 3)
    for cut in (10, len(lines[2]) - 1, lines[2].index(',"chain"')):
        path.write_text("\n".join([*lines, lines[2][:cut]]), "ascii")
        trail_of(path).record(after(9))
        found = verify([path], CHAIN)
        assert not found.findings
        assert [one.line for one in found.torn] == [4]
        assert found.head is not None
        assert found.head.number == 4


def test_lines_from_before_the_chain_are_counted_and_no_fault(trail_of: Opener, path: Path) -> None:
    old = [line.partition(',"chain"')[0] + "}" for line in fill(trail_of, path, 3)]
    path.write_text("\n".join(old) + "\n", "ascii")
    trail_of(path).record(after(9))
    found = verify([path], CHAIN)
    assert (found.unchained, found.findings) == (3, ())


def test_a_record_that_was_thrown_away_is_not_begun_anew_unseen(
    trail_of: Opener, path: Path
) -> None:
    fill(trail_of, path)
    path.rename(path.with_name("kept-elsewhere"))
    fill(trail_of, path)
    found = verify([path.with_name("kept-elsewhere"), path], CHAIN)
    assert faults(found) == [(Fault.BEGUN_ANEW, 1, 0)]


def _write(path: Path, writer: int) -> None:
    with opened_trails() as open_one:
        trail = open_one(path, sync="write")
        for number in range(40):
            if writer == 0 and number in (10, 25):
                path.rename(path.with_name(f"audit.jsonl.{number}"))
            trail.record(after(number, replace(RECORD, reference=Reference(f"W{writer}"))))


def test_many_processes_write_one_chain_while_the_file_is_rotated(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(path, writer)) for writer in range(4)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
        assert one.exitcode == 0
    files = [path.with_name("audit.jsonl.10"), path.with_name("audit.jsonl.25"), path]
    found = verify(files, CHAIN)
    assert not found.findings
    assert [(first.number, last.number) for first, last in found.chains] == [(1, 160)]


def test_a_process_that_was_forked_does_not_share_its_parents_lock(
    trail_of: Opener, path: Path
) -> None:
    trail = trail_of(path)
    trail.record(after(0))

    def more() -> None:
        for number in range(50):
            trail.record(after(number))

    context = multiprocessing.get_context("fork")
    children = [context.Process(target=more) for _ in range(3)]
    for child in children:
        child.start()
    more()
    for child in children:
        child.join()
    found = verify([path], CHAIN)
    assert (found.lines, found.findings) == (201, ())
