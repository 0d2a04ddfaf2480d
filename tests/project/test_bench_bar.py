"""What a sign-in makes its servers do: counted, for a count is the same beside a busy machine.

Its price in CPU is measured by ``make bench``, which fails above the bar.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from tests.bench.measure import Batch, Bench, Row
from tests.bench.site import Site, site

pytestmark = pytest.mark.alone

PEOPLE = 100
SIGN_INS = 40
REQUESTS = 5
MOST_CALLS = 40_000
"""Functions called by Python in the workers' threads, one sign-in: 36,600 when this was written."""
MOST_COMMANDS = 33
"""Commands to the store: 30 when this was written."""
RINGS = frozenset({"signing-keys.json", "ring.json"})
"""Lists of key names, without a secret: looked at once a second, so that a rotation is followed."""

WATCHING = """
import itertools
import os
import sys
import threading

STEP = 500
numbers = itertools.count(1)


def watch(event, arguments):
    if event != "open" or not isinstance(arguments[0], (str, bytes)):
        return
    path = os.path.abspath(os.fsdecode(arguments[0]))
    if "/secrets/" in path:
        record = os.open(RECORD, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(record, path.encode() + b"\\n")
        os.close(record)


def count(frame, event, argument):
    if event in ("call", "c_call") and next(numbers) % STEP == 0:
        record = os.open(COUNTED, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(record, b".")
        os.close(record)


sys.addaudithook(watch)
threading.setprofile(count)
"""


# -- what no request may do ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Watched:
    """A site that signs people in, with a record of the files of secrets that it opened."""

    place: Site
    bench: Bench
    record: Path
    counted: Path

    def opened(self) -> list[Path]:
        """Every opening so far, in order."""
        return [Path(line) for line in self.record.read_text().splitlines()]

    def calls(self) -> int:
        """Functions called so far; rounded down, by 500 for each worker."""
        return 500 * self.counted.stat().st_size

    def sign_in(self) -> Batch:
        """Some people."""
        return self.bench.batch(Row.FACTOR, SIGN_INS)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    record, counted = folder / "opened", folder / "counted"
    (folder / "sitecustomize.py").write_text(
        f"RECORD = {str(record)!r}\nCOUNTED = {str(counted)!r}\n{WATCHING}"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        with site(PEOPLE, log_level="stats") as place:
            bench = Bench(place, 2)
            bench.warm_up([Row.FACTOR])
            yield Watched(place, bench, record, counted)


def test_a_sign_in_calls_no_more_than_its_share(watched: Watched) -> None:
    store = redis.Redis.from_url(watched.place.store.url)
    calls, commands = watched.calls(), asked_of(store)
    done = watched.sign_in()
    calls, commands = watched.calls() - calls, asked_of(store) - commands
    assert len(done.request_seconds) == REQUESTS * SIGN_INS
    assert calls / SIGN_INS <= MOST_CALLS
    assert commands / SIGN_INS <= MOST_COMMANDS
    # The watch sees what is done at all.
    assert calls / SIGN_INS > MOST_CALLS / 4
    assert commands / SIGN_INS > MOST_COMMANDS / 4


def asked_of(store: redis.Redis) -> int:
    """How often the server read a command from a connection; those within scripts do not count."""
    return int(store.info("stats")["total_reads_processed"])


def test_no_request_opens_a_file_of_a_key(watched: Watched) -> None:
    before = watched.opened()
    assert {".pem", ".key"} <= {path.suffix for path in before}, "the watch is blind"
    watched.sign_in()
    later = [path.name for path in watched.opened()[len(before) :] if path.name not in RINGS]
    assert later == []


def test_sign_ins_go_on_when_the_files_of_keys_are_gone(watched: Watched) -> None:
    secrets = watched.place.idp.folder / "secrets"
    files = [path for path in secrets.rglob("*") if path.is_file() and path.name not in RINGS]
    assert len(files) >= 4, files
    aside = [path.rename(path.with_name(f".{path.name}.aside")) for path in files]
    try:
        watched.sign_in()
    finally:
        for moved, path in zip(aside, files, strict=True):
            moved.rename(path)


def test_no_request_reads_a_schema_or_connects_to_the_directory_anew(watched: Watched) -> None:
    log = watched.place.directory.log
    before = log.stat().st_size
    watched.sign_in()
    asked = log.read_bytes()[before:].decode(errors="replace")
    searches = re.findall(r'SRCH base="([^"]*)" scope=(\d)', asked)
    assert "subschema" not in asked.lower()
    assert {base for base, _ in searches} == {watched.place.directory.base_dn}
    # The person is looked for at the password, and read again at the factor and at the answer.
    assert len(searches) == 3 * SIGN_INS
    assert len(re.findall(r'BIND dn="uid=[^"]*" method=128', asked)) == SIGN_INS
    # One more may open when both workers' threads happen to ask at the same time.
    assert asked.count(" ACCEPT from") <= SIGN_INS // 10
