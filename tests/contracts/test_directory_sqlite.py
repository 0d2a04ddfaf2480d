"""The embedded directory's file: private, shared by processes, and honest when it fails."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sqlite3
import time
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median

import pytest

from idp_mfa.directory.options import SqliteOptions
from idp_mfa.directory.sqlite import NewPerson, SqliteDirectory
from idp_mfa.model import Account, AccountState
from idp_mfa.ports import Change, ChangeAnswer, PasswordAnswer, Unavailable
from idp_mfa.sealed import Sealer
from tests.contracts.directory_sites import RING, SqliteSite, account, bind, credential, now


@pytest.fixture
def site(tmp_path: Path) -> SqliteSite:
    made = SqliteSite(tmp_path / "directory.sqlite")
    made.person("alice")
    return made


def test_nobody_else_on_the_host_can_read_it(site: SqliteSite) -> None:
    with contextlib.closing(sqlite3.connect(site.path)) as kept:
        kept.execute("BEGIN IMMEDIATE")
        files = [site.path, *site.path.parent.glob("directory.sqlite-*")]
        assert len(files) == 3
        assert {file.stat().st_mode & 0o077 for file in files} == {0}


def test_people_and_records_outlive_a_restart(site: SqliteSite) -> None:
    before = account(site.directory, "alice")
    site.directory.change(before.user.id, before.credentials, [Change(None, credential())])
    again = SqliteSite(site.path).directory
    assert account(again, "alice") == account(site.directory, "alice")
    assert again.authenticate(account(again, "alice"), b"demo-alice") is PasswordAnswer.RIGHT


def test_no_password_is_kept_in_clear(site: SqliteSite) -> None:
    for file in site.path.parent.iterdir():
        assert b"demo-alice" not in file.read_bytes()


def test_a_taken_login_is_taken_in_every_spelling(site: SqliteSite) -> None:
    for login in ("alice", "ALICE", " alice", "ａｌｉｃｅ"):
        again = NewPerson(login, "Mallory", b"mallory", frozenset(), {})
        assert site.directory.add_user(again) is None
    assert account(site.directory, "alice").user.display_name == "alice さん"


def test_nobody_costs_as_much_as_a_wrong_password(tmp_path: Path) -> None:
    options = SqliteOptions(tmp_path / "directory.sqlite", argon2_iterations=4)
    directory = SqliteDirectory(options, Sealer(RING, os.urandom), now, os.urandom)
    directory.add_user(NewPerson("alice", "Alice", b"demo", frozenset(), {}))
    alice = account(directory, "alice")

    def seconds(who: Account | None) -> float:
        began = time.process_time()
        assert directory.authenticate(who, b"wrong") is PasswordAnswer.WRONG
        return time.process_time() - began

    wrong, nobody = (median(seconds(who) for _ in range(7)) for who in (alice, None))
    assert 0.5 < nobody / wrong < 2


def test_states_are_told(site: SqliteSite) -> None:
    found = account(site.directory, "alice")
    for state in AccountState:
        site.directory.set_state(found.user.id, state)
        assert account(site.directory, "alice").standing.state is state


def _race(path: Path, barrier: Barrier, number: int) -> None:
    directory = SqliteSite(path).directory
    before = account(directory, "alice")
    barrier.wait()
    answer = directory.change(
        before.user.id, before.credentials, [Change(None, credential(f"c{number}"))]
    )
    os._exit({"done": 10, "lost-race": 11}[answer.value])


def test_of_eight_processes_one_wins(site: SqliteSite) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(8)
    racers = [context.Process(target=_race, args=(site.path, barrier, n)) for n in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(racer.exitcode or 0 for racer in racers) == [10] + [11] * 7
    assert len(account(site.directory, "alice").credentials.records) == 1


def test_a_file_held_by_another_is_unavailable_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "directory.sqlite"
    SqliteSite(path).person("alice")
    options = SqliteOptions(path, busy_timeout=timedelta(seconds=0.2))
    directory = SqliteDirectory(options, Sealer(RING, os.urandom), now, os.urandom)
    found = account(directory, "alice")
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="BUSY"):
            directory.change(found.user.id, found.credentials, [Change(None, credential())])
        assert account(directory, "alice") == found


def test_many_changes_one_after_another_hold_nobody_up_and_the_file_is_closed_once(
    site: SqliteSite,
) -> None:
    other, log = SqliteSite(site.path).directory, Path(f"{site.path}-wal")
    with site.directory.kept_open():
        before = account(site.directory, "alice")
        bind(other, "alice", credential("c1"))
        late = site.directory.change(
            before.user.id, before.credentials, [Change(None, credential("c2"))]
        )
        assert late is ChangeAnswer.LOST_RACE
        bind(other, "alice", credential("c3"))
        bind(site.directory, "alice", credential("c4"))
        there = account(other, "alice")
        assert {one.id for one in there.credentials.active} == {"c1", "c3", "c4"}
        assert account(site.directory, "alice") == there
        assert log.exists(), (
            "to move the log into the file after each change takes most of the time"
        )
    assert not log.exists()
    assert account(site.directory, "alice") == there


def test_a_broken_or_missing_file_is_unavailable(site: SqliteSite, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        SqliteSite(tmp_path / "no-folder" / "directory.sqlite")
    for part in site.path.parent.glob("directory.sqlite*"):
        part.write_bytes(b"nonsense" * 1000)
    with pytest.raises(Unavailable):
        site.directory.find("alice")
    with pytest.raises(Unavailable):
        site.directory.ping()
