"""Files of the record are read whole, once, by however many processes, and fast enough."""

from __future__ import annotations

import gzip
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from idp_mfa.audit_log.address_keys import AddressKeyFile, create_address_keys
from idp_mfa.audit_log.addresses import Addresses
from idp_mfa.audit_log.files import pieces
from idp_mfa.cli import replaying
from idp_mfa.cli.replaying import Task, replayed
from idp_mfa.policy.assurance import SHIPPED_FACTORS
from idp_mfa.policy.load import load
from idp_mfa.policy.model import Policy
from idp_mfa.policy.replay import Change, Tally
from tests.bench.unit import unit
from tests.contracts.audit_acts import ROOT
from tests.simulators.sign_ins import SignIns

MANY = 4_000
OF_A_SIGNATURE = 0.5
"""A million in three minutes on two cores, where an RSA-2048 signature takes 0.7 ms."""
KEPT = timedelta(days=90)
DEFAULT = (ROOT / "policies/default.yaml").read_text(encoding="utf-8")
STRICTER = DEFAULT.partition("\ntests:")[0].replace("zone: [campus, vpn] }", "zone: campus }")


class Read:
    def __init__(self) -> None:
        self.octets = 0

    def update(self, n_steps: int) -> None:
        self.octets += n_steps


@pytest.fixture(scope="module")
def began() -> datetime:
    return datetime.now(UTC) - timedelta(days=3)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory, began: datetime) -> Path:
    """A file of lines beside the key that opens its addresses."""
    folder = tmp_path_factory.mktemp("record")
    create_address_keys(folder / "addresses", began.date(), os.urandom)
    keys = AddressKeyFile(folder / "addresses", KEPT, lambda: datetime.now(UTC))
    policy = load(DEFAULT, "default.yaml")
    assert isinstance(policy, Policy)
    lines = SignIns(policy, began).lines(MANY, Addresses(keys, os.urandom))
    (folder / "audit.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    return folder / "audit.jsonl"


def task(record: Path, since: datetime | None = None, text: str = STRICTER) -> Task:
    keys = record.with_name("addresses")
    return Task(text, "new.yaml", SHIPPED_FACTORS, (DEFAULT,), keys, KEPT, since)


def figures(tally: Tally) -> object:
    return (
        tally.sign_ins,
        tally.changes,
        tally.no_factor,
        tally.not_decidable,
        [row.reference for row in tally.rows],
    )


@pytest.mark.parametrize("size", [1, 7, 1000, 1043, 1 << 20])
def test_every_line_is_in_one_piece(tmp_path: Path, size: int) -> None:
    path = tmp_path / "lines"
    lines = [b"x" * (number % 60) + b"\n" for number in range(200)] + [b"no end"]
    path.write_bytes(b"".join(lines))
    found = [line for piece in pieces(path, size) for line in piece.lines()]
    assert found == lines
    assert sum(piece.size for piece in pieces(path, size)) == path.stat().st_size


def test_processes_find_what_one_finds(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "PIECE", 1 << 18)
    read = Read()
    alone = replayed(task(record), [record], Read(), 1)
    together = replayed(task(record), [record], read, 2)
    assert figures(together) == figures(alone)
    assert alone.sign_ins == MANY
    assert set(alone.changes) == {Change.NEWLY_ASKED}
    assert alone.no_factor
    assert not alone.not_decidable
    assert [row.at for row in alone.rows] == sorted(row.at for row in alone.rows)
    assert read.octets == record.stat().st_size


def test_a_packed_file_is_read_too(record: Path, tmp_path: Path) -> None:
    packed = tmp_path / "audit.jsonl.2.gz"
    packed.write_bytes(gzip.compress(record.read_bytes(), 1))
    assert figures(replayed(task(record), [packed], Read(), 1)) == figures(
        replayed(task(record), [record], Read(), 1)
    )


def test_what_is_older_is_left_out(record: Path, began: datetime) -> None:
    since = began + timedelta(seconds=MANY - 100)
    assert replayed(task(record, since), [record], Read(), 1).sign_ins == 100


def test_without_the_key_the_zones_of_the_same_policy_do(record: Path, tmp_path: Path) -> None:
    blind = Task(STRICTER, "new.yaml", SHIPPED_FACTORS, (DEFAULT,), tmp_path / "no key", KEPT, None)
    assert figures(replayed(blind, [record], Read(), 1)) == figures(
        replayed(task(record), [record], Read(), 1)
    )


def test_the_same_policy_changes_nothing(record: Path) -> None:
    tally = replayed(task(record, text=DEFAULT), [record], Read(), 1)
    assert (tally.sign_ins, len(tally.rows)) == (MANY, 0)


@pytest.mark.alone
def test_a_decision_costs_a_part_of_a_signature(record: Path) -> None:
    costs = []
    for _ in range(3):
        before = time.process_time()
        tally = replayed(task(record), [record], Read(), 1)
        each = (time.process_time() - before) / tally.sign_ins * 1000
        costs.append(each / (unit() / 2))
    assert min(costs) < OF_A_SIGNATURE, costs
