"""Sealing keys rotated under records: sealed anew one person at a time, and nothing is lost."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp_mfa.directory.records import Stored, holder
from idp_mfa.model import UserId
from idp_mfa.ports import Change, ChangeAnswer, Unavailable
from idp_mfa.resealing import Resealing
from idp_mfa.sealing_keys import KeyEncryptionKeys
from tests.contracts.directory_sites import (
    RING,
    LdapSite,
    Site,
    SqliteSite,
    account,
    bind,
    credential,
)
from tests.servers.slapd import slapd

K1, K2 = bytes(range(32)), bytes(range(1, 33))
BOTH = KeyEncryptionKeys("k2", {"k1": K1, "k2": K2})
ONLY_NEW = KeyEncryptionKeys("k2", {"k2": K2}, frozenset({"k1"}))
PEOPLE = ("alice", "bob", "dave", "helen")


@pytest.fixture(params=["sqlite", "ldap"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "sqlite":
        made: Site = SqliteSite(tmp_path / "directory.sqlite")
        for login in PEOPLE:
            made.person(login)
        yield made
        return
    with slapd() as server:
        site = LdapSite(server)
        yield site
        site.close()


def kids(site: Site, login: str) -> set[str]:
    return set(holder(site.stored(login), UserId("x")).kids)


def test_what_every_person_has_opens_under_the_new_key_alone(site: Site) -> None:
    secrets = {}
    for login in PEOPLE[:3]:
        secrets[login] = bind(
            site.directory, login, credential("c1", f"A{login}"), credential("c2")
        )
    batch = Resealing(site.under(BOTH))
    assert batch.left() == {"k1": 9}
    people = batch.waiting("k2")
    assert len(people) == 3
    assert all(batch.reseal(one) for one in people)
    assert batch.left() == {"k2": 9}
    for login, before in secrets.items():
        now = account(site.under(ONLY_NEW), login)
        assert not now.credentials.unreadable
        assert now.credentials.records == before.credentials.records
    assert not batch.waiting("k2"), "a second run finds nothing to do"


def test_a_batch_that_was_killed_goes_on_where_it_was(site: Site) -> None:
    for login in PEOPLE:
        bind(site.directory, login, credential())
    first = Resealing(site.under(BOTH))
    for one in first.waiting("k2")[:2]:
        first.reseal(one)
    assert first.left() == {"k1": 4, "k2": 4}
    again = Resealing(site.under(BOTH))
    assert len(again.waiting("k2")) == 2
    for one in again.waiting("k2"):
        again.reseal(one)
    assert again.left() == {"k2": 8}
    for login in PEOPLE:
        assert len(account(site.under(ONLY_NEW), login).credentials.active) == 1


def test_changes_go_on_and_none_is_lost(site: Site) -> None:
    for login in PEOPLE:
        bind(site.directory, login, credential())
    running, batch = site.under(BOTH), Resealing(site.under(BOTH))
    done = dict.fromkeys(PEOPLE, 1)

    def change() -> None:
        for number in range(2, 12):
            for login in PEOPLE:
                before = account(running, login)
                new = dataclasses.replace(credential(f"c{number}"), label=str(number))
                answer = running.change(before.user.id, before.credentials, (Change(None, new),))
                done[login] += answer is ChangeAnswer.DONE

    changing = threading.Thread(target=change)
    changing.start()
    while changing.is_alive():
        for one in batch.waiting("k2"):
            batch.reseal(one)
    changing.join()
    for one in batch.waiting("k2"):
        assert batch.reseal(one)
    for login in PEOPLE:
        now = account(site.under(ONLY_NEW), login).credentials
        assert not now.unreadable
        assert len(now.active) == done[login] > 1


def test_a_changed_record_is_sealed_by_the_active_key_at_once(site: Site) -> None:
    bind(site.directory, "alice", credential("c1"))
    bind(site.under(BOTH), "alice", credential("c2"))
    assert kids(site, "alice") == {"k1", "k2"}


def test_what_does_not_open_stays_counted_and_keeps_its_key_in_use(site: Site) -> None:
    bind(site.directory, "alice", credential("c1"), credential("c2"))
    stored = site.stored("alice")
    edited = stored.records[0][:-2] + (b"AA" if stored.records[0][-2:] != b"AA" else b"BB")
    site.overwrite("alice", Stored((edited, *stored.records[1:]), stored.manifest))
    batch = Resealing(site.under(BOTH))
    unreadable = account(site.directory, "alice").credentials.unreadable
    for one in batch.waiting("k2"):
        assert batch.reseal(one)
    assert batch.left() == {"k1": 1, "k2": 2}
    now = account(site.under(BOTH), "alice").credentials
    assert now.unreadable == unreadable
    assert len(now.active) == 1
    manifest_gone = Stored(site.stored("alice").records, None)
    site.overwrite("alice", manifest_gone)
    for one in batch.waiting("k2"):
        assert batch.reseal(one)
    assert account(site.under(BOTH), "alice").credentials.unreadable


def test_who_has_nothing_is_no_holder_and_who_is_gone_stops_nobody(site: Site) -> None:
    batch = Resealing(site.under(BOTH))
    assert batch.left() == {}
    bind(site.directory, "alice", credential())
    (gone,) = batch.waiting("k2")
    site.remove("alice")
    assert not batch.reseal(gone)
    assert not batch.reseal(UserId("nobody"))


def test_a_list_that_the_server_cuts_short_is_not_taken_for_the_whole() -> None:
    with slapd() as server:
        server.configure("cn=config", "olcSizeLimit", "3")
        site = LdapSite(server)
        for login in PEOPLE:
            bind(site.directory, login, credential())
        with pytest.raises(Unavailable, match="not shown all entries"):
            Resealing(site.directory).left()
        site.close()


def test_more_people_than_one_page_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idp_mfa.directory.ldap_wire._PAGE", 2)
    with slapd() as server:
        site = LdapSite(server)
        logins = [f"p{number}-{os.getpid()}" for number in range(7)]
        for login in logins:
            site.person(login)
            bind(site.directory, login, credential())
        assert Resealing(site.under(RING)).left() == {"k1": 14}
        site.close()
