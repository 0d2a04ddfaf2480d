"""``idp-mfa audit`` as an admin or an auditor types it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from idp_mfa.audit_log import MemoryWindow
from idp_mfa.audit_log.options import AuditOptions
from idp_mfa.cli.audit import audit
from idp_mfa.model import User, UserId
from tests.contracts.audit_acts import (
    ADDRESSES,
    AT,
    CHAIN,
    RECORD,
    after,
    opened_trails,
)

ALICE = User(UserId(str(RECORD.user)), "alice", "Alice")


class Auditor:
    """Somebody at the console of a node with ten lines on record."""

    def __init__(self, path: Path, trail: object) -> None:
        self.path = path
        account = SimpleNamespace(user=ALICE)
        found = {"alice": account}
        self.house = SimpleNamespace(
            audit=trail,
            audit_chain=CHAIN,
            addresses=ADDRESSES,
            clock=lambda: AT + timedelta(hours=1),
            directory=SimpleNamespace(find=found.get),
            ping_clock=lambda: None,
            address_keys=SimpleNamespace(expire=AT.date),
        )
        self.options = AuditOptions(path, lines_kept=timedelta(days=30))

    def types(self, *words: str) -> Result:
        program = SimpleNamespace(house=self.house, settings=SimpleNamespace(audit=self.options))
        return CliRunner().invoke(audit, words, obj=program)


@pytest.fixture
def auditor(tmp_path: Path) -> Iterator[Auditor]:
    path = tmp_path / "audit.jsonl"
    with opened_trails() as open_one:
        trail = open_one(path, window=MemoryWindow(4))
        for second in range(10):
            trail.record(after(second))
        yield Auditor(path, trail)


def test_records_are_found_by_what_is_known_of_them(auditor: Auditor) -> None:
    for words, found in (
        (["--user", "alice"], 10),
        (["--user", "alice", "--limit", "3"], 3),
        (["--address", "2001:db8::7"], 10),
        (["--address", "2001:db8::/56", "--since", "7d"], 10),
        (["--address", "2001:db8::8"], 0),
        (["--event", "factor.rejected", "--until", (AT + timedelta(seconds=4)).isoformat()], 4),
        (["--reference", "k7wq2mzp"], 10),
        (["--service", "https://elsewhere.example/"], 0),
        (["--audit", str(auditor.path), "--since", (AT + timedelta(seconds=8)).isoformat()], 2),
    ):
        done = auditor.types("search", "--json", *words)
        assert (done.exit_code, len(json.loads(done.output))) == (0, found), words
    newest = json.loads(auditor.types("search", "--json").output)
    assert newest[0]["at"] > newest[-1]["at"]
    assert auditor.types("search", "--user", "nobody").exit_code == 1
    assert auditor.types("search", "--address", "10.0.0.0/8").exit_code == 2
    assert auditor.types("search", "--since", "yesterday").exit_code == 2


def test_an_export_is_json_lines_without_addresses(auditor: Auditor) -> None:
    done = auditor.types("export", "--since", (AT + timedelta(seconds=5)).isoformat())
    lines = [json.loads(line) for line in done.output.splitlines()]
    assert len(lines) == 5
    assert all(line["seen"]["sealed"] is None for line in lines)
    assert "2001:db8" not in done.output


def test_a_record_that_was_tampered_with_is_told_with_its_place(auditor: Auditor) -> None:
    done = auditor.types("verify")
    assert done.exit_code == 0
    head = done.output.splitlines()[-1].removeprefix("head ")
    assert auditor.types("verify", "--head", head).exit_code == 0
    lines = auditor.path.read_text().splitlines(keepends=True)
    auditor.path.write_text("".join([*lines[:3], *lines[4:]]))
    done = auditor.types("verify")
    assert done.exit_code == 1
    assert f"{auditor.path}:4: 1 lines before this one are missing" in done.output
    told = json.loads(auditor.types("verify", "--json").stdout)
    assert told["findings"] == [{"fault": "missing", "at": f"{auditor.path}:4", "lines": 1}]
    auditor.path.write_text("".join(lines[:8]))
    assert "the last 2 lines" in auditor.types("verify", "--head", head).output
    # The window saw them too.
    assert auditor.types("verify").exit_code == 1
    assert auditor.types("verify", "--head", "nonsense").exit_code == 2


def test_old_files_go_and_the_one_in_use_stays(auditor: Auditor) -> None:
    old, young = (auditor.path.with_name(f"audit.jsonl.{name}") for name in ("2", "1"))
    for file, days in ((old, 31), (young, 29)):
        file.write_text("")
        os.utime(file, ((AT - timedelta(days=days)).timestamp(),) * 2)
    assert auditor.types("expire").exit_code == 0
    assert (old.exists(), young.exists(), auditor.path.exists()) == (False, True, True)
