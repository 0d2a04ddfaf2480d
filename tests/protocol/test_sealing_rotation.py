"""A sealing key is rotated while people sign in: no sign-in fails, and no factor is lost."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idp_mfa.compose import House, compose
from idp_mfa.directory.ldap import LdapDirectory
from idp_mfa.directory.sqlite import NewPerson, SqliteDirectory
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.resealing import Resealing
from idp_mfa.settings import Settings, load
from tests.protocol.attacked import OFF_CAMPUS, PLAIN, Attacker, carried
from tests.servers import slapd, valkey
from tests.servers.foreground import free_port
from tests.servers.idp import PROGRAM, Idp, identity_provider, phone_set_up
from tests.servers.valkey import Kind
from tests.simulators.person import Person

SIGNERS = 24
OTHERS = 120
VALUES = 2 * (SIGNERS + OTHERS)
"""A record and a manifest each."""


@pytest.fixture(params=["ldap", "sqlite"])
def idp(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Idp]:
    embedded: dict[str, Any] = {
        "directory": {
            "sqlite": {"path": str(tmp_path / "directory.sqlite"), "argon2_memory_kib": 64}
        }
    }
    with (
        slapd.slapd() as directory,
        valkey.running(Kind.VALKEY) as store,
        identity_provider(
            free_port(),
            directory=directory,
            store=store,
            more=embedded if request.param == "sqlite" else {},
        ) as provider,
    ):
        provider.register(PLAIN.metadata())
        if request.param == "ldap":
            directory.add([slapd.Person(login, login) for login in logins()])
        yield provider


def logins() -> list[str]:
    return [f"person{number}" for number in range(SIGNERS + OTHERS)]


@contextlib.contextmanager
def house_of(idp: Idp) -> Iterator[House]:
    settings = load(idp.folder / "idp_mfa.yaml")
    assert isinstance(settings, Settings), settings
    house = compose(settings)
    yield house
    house.store_server.close()
    if isinstance(house.directory, LdapDirectory):
        house.directory.close()


def enrolled(house: House, login: str) -> Person:
    if isinstance(house.directory, SqliteDirectory):
        password = f"demo-{login}".encode()
        house.directory.add_user(NewPerson(login, login, password, frozenset(), {}))
    return Person(login, f"demo-{login}", phone_set_up(house, login))


class Load:
    """People who sign in one after another, as long as it lasts."""

    def __init__(self, idp: Idp, people: list[Person]) -> None:
        self.idp = idp
        self.people = people
        self.done = 0
        self.failed: list[str] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        for person in itertools.cycle(self.people):
            # Nobody's phone comes round before it has a new code.
            if self.stopping.wait(0.4):
                return
            agent = Attacker(self.idp.origin, OFF_CAMPUS)
            try:
                page = person.give_code(person.give_password(agent.ask()))
                assert carried(page), (page.url, page.status, page.words[:300])
                self.done += 1
            except Exception as error:
                self.failed.append(repr(error))
                return
            finally:
                agent.close()

    def goes_on(self) -> None:
        """Two more get through."""
        wanted = self.done + 2
        until = time.monotonic() + 60
        while self.done < wanted and not self.failed:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert not self.failed

    def __enter__(self) -> Load:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join()
        assert not self.failed


def sealing(idp: Idp) -> dict[str, str]:
    rows = json.loads(idp.must("key", "list", "--json"))
    return {row["state"]: row["id"] for row in rows if row["purpose"] == "sealing"}


def killed_half_way(idp: Idp, house: House, new: str) -> None:
    batch = subprocess.Popen(
        [*PROGRAM, "--config", str(idp.folder / "idp_mfa.yaml"), "key", "reseal"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    resealing = Resealing(house.directory)
    until = time.monotonic() + 60
    while resealing.left().get(new, 0) == 0:
        assert time.monotonic() < until
        assert batch.poll() is None
    batch.kill()
    batch.wait()


def test_a_key_is_rotated_under_load_and_the_batch_killed_half_way(idp: Idp) -> None:
    with house_of(idp) as house:
        people = [enrolled(house, login) for login in logins()]
        (old,) = sealing(idp).values()
        resealing = Resealing(house.directory)
        assert resealing.left() == {old: VALUES}
        with Load(idp, people[:SIGNERS]) as load_:
            load_.goes_on()
            idp.must("key", "rotate", "sealing")
            new = sealing(idp)["next"]
            load_.goes_on()
            idp.must("key", "activate", new)
            load_.goes_on()
            refused = idp.command("key", "retire", "sealing", old)
            assert refused.returncode == 1
            assert f"{VALUES} value(s) are still sealed by {old}" in refused.stderr

            killed_half_way(idp, house, new)
            moved = resealing.left()
            assert moved.total() == VALUES
            assert 0 < moved[new] < VALUES, "killed too early or too late to show anything"
            load_.goes_on()

            told = idp.must("key", "reseal")
            assert f"{new} (active): {VALUES} value(s)" in told
            assert resealing.left() == {new: VALUES}
            assert "0 people had values under another key" in idp.must("key", "reseal")
            load_.goes_on()
            idp.must("key", "retire", "sealing", old)
            (idp.folder / "secrets" / "sealing" / f"{old}.key").unlink()
            time.sleep(1)
            load_.goes_on()
        for login in logins():
            account = house.directory.find(login)
            assert account is not None
            assert not account.credentials.unreadable
            assert len(account.credentials.of(TOTP)) == 1
    record = (idp.folder / "audit.jsonl").read_text()
    for event in ("key.added", "key.activated", "key.retired"):
        assert f'"{event}"' in record
