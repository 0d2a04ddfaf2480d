"""What is kept for diagnosis alone is let go of after thirty days, by one node, once a day."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.diagnosis import KEPT, retired
from idp_mfa.model import BoundBy, Credential, CredentialId, CredentialState, FactorName
from idp_mfa.ports import Change, ChangeAnswer, Unavailable
from idp_mfa.purging import LOOK_SECONDS, Purging, rounds
from idp_mfa.store.memory import MemoryStore
from tests.contracts.directory_sites import SqliteSite

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
TOTP = FactorName("totp")


@dataclass
class Kept:
    """A record that a test can read."""

    lines: list[AuditRecord] = field(default_factory=list)

    def record(self, record: AuditRecord) -> None:
        self.lines.append(record)


def key(name: str, state: CredentialState = CredentialState.ACTIVE) -> Credential:
    bound = AT - timedelta(days=99)
    return Credential(
        CredentialId(name), TOTP, state, name, bound, BoundBy.CAMPUS, 1, {"key": "A" * 32}
    )


class World:
    def __init__(self, place: Path) -> None:
        self.now, self.record = AT, Kept()
        self.site = SqliteSite(place / "people.db")
        self.store = MemoryStore(lambda: self.now)
        self.purging = Purging(
            self.site.directory,
            self.site.directory,
            self.store,
            self.record,  # type: ignore[arg-type]
            lambda: self.now,
            os.urandom,
        )

    def person(self, login: str, *records: Credential) -> None:
        self.site.person(login)
        account = self.site.directory.find(login)
        assert account is not None
        changes = tuple(Change(None, one) for one in records)
        done = self.site.directory.change(account.user.id, account.credentials, changes)
        assert done is ChangeAnswer.DONE

    def kept(self, login: str) -> set[str]:
        account = self.site.directory.find(login)
        assert account is not None
        return {one.id for one in account.credentials.records if one.secret}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_is_old_goes_and_what_is_young_or_in_force_stays(world: World) -> None:
    old, young = retired(key("old"), AT - KEPT), retired(key("young"), AT - KEPT / 2)
    left = key("left", CredentialState.UNFINISHED)
    world.person("alice", key("mine"), old, young, left)
    world.person("bob", key("his"))
    assert world.purging.round() == 1
    assert world.kept("alice") == {"mine", "young"}
    assert world.kept("bob") == {"his"}
    (line,) = world.record.lines
    assert line.event is AuditEvent.RECORDS_PURGED
    assert set(line.detail["credentials"]) == {"old", "left"}  # type: ignore[arg-type]


def test_nobody_becomes_somebody_who_never_had_a_factor(world: World) -> None:
    world.person("alice", retired(key("old"), AT - KEPT))
    assert world.purging.round() == 1
    account = world.site.directory.find("alice")
    assert account is not None
    assert world.kept("alice") == set()
    assert not account.credentials.has_none


def test_one_node_does_it_once_a_day(world: World) -> None:
    world.purging.round()
    world.person("alice", key("mine"), retired(key("old"), AT - KEPT))
    assert world.purging.round() == 0
    world.now += timedelta(days=1)
    assert world.purging.round() == 1
    assert world.kept("alice") == {"mine"}


class Stopped(Exception):  # noqa: N818 - ends a loop that has no end
    """Enough."""


def test_a_directory_that_is_away_is_asked_again(world: World) -> None:
    def waits() -> Iterator[None]:
        yield None
        yield None
        raise Stopped

    pauses, waited = waits(), []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        next(pauses)

    class Away:
        def round(self) -> int:
            raise Unavailable("directory", "away")

    with pytest.raises((Stopped, RuntimeError)):
        rounds(Away(), pause)  # type: ignore[arg-type]
    assert waited == [LOOK_SECONDS] * 3
