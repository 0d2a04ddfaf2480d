"""A state of the past that is put back is seen, in each kind of directory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.directory.records import Stored
from idp_mfa.model import Account, Reference
from idp_mfa.ports import Change, ChangeAnswer
from idp_mfa.rollback import Watched
from idp_mfa.store.memory import MemoryStore
from tests.contracts.directory_sites import LdapSite, Site, SqliteSite, credential
from tests.servers.slapd import slapd


class Record:
    """An audit that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []

    def record(self, record: AuditRecord) -> None:
        self.records.append(record)

    def story(self, reference: Reference) -> Sequence[AuditRecord]:
        return ()

    def recent(self, limit: int) -> Sequence[AuditRecord]:
        return ()


class House:
    """A directory that is watched, by one process or by several."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.now = datetime(2026, 11, 21, tzinfo=UTC)
        self.store = MemoryStore(lambda: self.now)
        self.audit = Record()
        self.watched = self.process()

    def process(self) -> Watched:
        """A worker that has seen nothing yet."""
        return Watched(
            self.site.directory,
            self.site.directory,
            self.store,
            audit=self.audit,
            clock=lambda: self.now,
            randomness=os.urandom,
        )

    def account(self, login: str = "alice", by: Watched | None = None) -> Account:
        found = (by or self.watched).find(login)
        assert found is not None
        return found

    def bind(self, id: str, *gone: str) -> None:
        """Add a credential, and take others away, in one change."""
        before = self.account()
        away = [Change(one, None) for one in before.credentials.records if one.id in gone]
        changes = [*away, Change(None, credential(id))]
        answer = self.watched.change(before.user.id, before.credentials, changes)
        assert answer is ChangeAnswer.DONE

    def later(self) -> None:
        self.now += timedelta(minutes=1)


@pytest.fixture(params=["sqlite", "ldap"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    if request.param == "sqlite":
        made = SqliteSite(tmp_path / "directory.sqlite")
        for login in ("alice", "bob"):
            made.person(login)
        yield House(made)
        return
    with slapd() as server:
        site = LdapSite(server)
        yield House(site)
        site.close()


def test_an_old_state_put_back_whole_gives_nobody_an_old_key(house: House) -> None:
    house.bind("old")
    stolen = house.site.stored("alice")
    house.bind("new", "old")
    assert [one.id for one in house.account().credentials.records] == ["new"]
    house.site.overwrite("alice", stolen)
    for by in (house.watched, house.process()):
        found = house.account(by=by).credentials
        assert found.records == ()
        assert found.unreadable
        assert not found.has_none
    (alarm,) = house.audit.records
    assert alarm.event is AuditEvent.CREDENTIAL_UNREADABLE
    assert alarm.detail == {"why": "rolled-back", "generation": 1, "highest": 2}
    assert alarm.user == house.account().user.id


def test_everything_taken_away_is_not_never_enrolled(house: House) -> None:
    house.bind("c1")
    house.site.overwrite("alice", Stored((), None))
    found = house.account().credentials
    assert not found.has_none
    assert house.account("bob").credentials.has_none
    assert len(house.audit.records) == 1


def test_it_is_seen_at_once_after_a_change_that_nobody_looked_at(house: House) -> None:
    house.bind("old")
    stolen = house.site.stored("alice")
    house.bind("new", "old")
    house.site.overwrite("alice", stolen)
    assert house.account(by=house.process()).credentials.records == ()


def test_a_worker_that_has_just_read_the_entry_notices_within_a_second(house: House) -> None:
    house.bind("old")
    other, stolen = house.process(), house.site.stored("alice")
    assert [one.id for one in house.account(by=other).credentials.records] == ["old"]
    house.bind("new", "old")
    house.site.overwrite("alice", stolen)
    house.now += timedelta(seconds=1)
    assert house.account(by=other).credentials.records == ()


def test_a_later_change_does_not_make_the_past_count(house: House) -> None:
    house.bind("old")
    stolen = house.site.stored("alice")
    house.bind("new", "old")
    house.site.overwrite("alice", stolen)
    house.bind("newest")
    house.later()
    found = house.account().credentials
    assert [one.id for one in found.records] == ["newest"]
    assert found.unreadable
    assert found.generation == 3


def test_the_desk_lets_a_person_begin_anew(house: House) -> None:
    house.bind("old")
    stolen = house.site.stored("alice")
    house.bind("new", "old")
    house.site.overwrite("alice", stolen)
    account = house.account()
    assert house.watched.clear(account.user.id, account.credentials) is ChangeAnswer.DONE
    assert house.account().credentials.has_none
    assert house.account(by=house.process()).credentials.has_none
    house.bind("fresh")
    assert [one.id for one in house.account().credentials.records] == ["fresh"]
    house.site.overwrite("alice", stolen)
    assert house.account().credentials.records == ()


def test_a_change_by_somebody_else_is_no_alarm(house: House) -> None:
    other = house.process()
    house.bind("c1")
    stale = house.account()
    account = house.account(by=other)
    other.change(account.user.id, account.credentials, [Change(None, credential("c2"))])

    class Lagging:
        """A replica that shows what stood there before; the writer is asked by ``read``."""

        find = staticmethod(lambda login: stale)
        read = staticmethod(house.site.directory.read)

    behind = Watched(
        Lagging(),
        house.site.directory,
        house.store,
        audit=house.audit,
        clock=lambda: house.now,
        randomness=os.urandom,
    )
    assert len(house.account(by=behind).credentials.records) == 2
    assert not house.audit.records


def test_a_forged_number_does_not_raise_what_is_remembered(house: House) -> None:
    house.bind("c1")
    stored = house.site.stored("alice")
    assert stored.manifest is not None
    parts = stored.manifest.split(b"$")
    parts[3] = b"9" * 15
    house.site.overwrite("alice", Stored(stored.records, b"$".join(parts)))
    house.later()
    assert house.account().credentials.unreadable
    house.site.overwrite("alice", stored)
    house.later()
    assert len(house.account().credentials.records) == 1


def test_a_few_reads_in_a_row_ask_the_store_once(house: House) -> None:
    asked = []
    get = house.store.get
    house.store.get = lambda key: asked.append(key) or get(key)
    house.bind("c1")
    house.account()
    asked.clear()
    for _ in range(5):
        house.account()
    assert not asked
    house.later()
    house.account()
    house.account()
    assert len(asked) == 1
    assert "alice" not in asked[0]


def test_the_alarm_is_not_repeated_at_every_read(house: House) -> None:
    house.bind("c1")
    house.site.overwrite("alice", Stored((), None))
    for _ in range(5):
        house.account()
    assert len(house.audit.records) == 1
    house.now += timedelta(hours=2)
    house.account()
    assert len(house.audit.records) == 2
