"""What is broken: ``idp-mfa serve`` with a proxy of ours on each road to its servers."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from idp_mfa.compose import compose
from idp_mfa.settings import Settings, load
from tests.bench.processes import children
from tests.faults.visitor import Visitor
from tests.protocol.attacked import PLAIN
from tests.servers import slapd, valkey
from tests.servers.foreground import free_port
from tests.servers.idp import Idp, identity_provider, phone_set_up
from tests.servers.proxy import Proxy, proxy
from tests.simulators.person import Person
from tests.simulators.phone import Phone

CAMPUS = "192.0.2.10"
SHIPPED: Mapping[str, Any] = {}
PATIENT: Mapping[str, Any] = {"command_timeout": "1s"}
"""For runs in which only what we do shall be a fault, not what else a machine has to do."""

_NUMBERS = itertools.count(1)
_ADDRESSES = itertools.count(1)
_HEAL_SECONDS = 15.0


def off_campus() -> str:
    """An address that nobody came from yet: no limit on a network stands in the way."""
    number = next(_ADDRESSES)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@dataclass(slots=True)
class Stand:
    """The servers, the roads to them, and who comes."""

    idp: Idp
    directory: slapd.Slapd
    store: valkey.StoreServer
    store_road: Proxy
    directory_roads: tuple[Proxy, Proxy]
    visitors: list[Visitor] = field(default_factory=list)

    @property
    def workers(self) -> tuple[int, ...]:
        """The processes that answer requests."""
        return children(self.idp.pid)

    @property
    def roads(self) -> tuple[Proxy, ...]:
        """All of them."""
        return (self.store_road, *self.directory_roads)

    @property
    def audit(self) -> Path:
        """The record."""
        return self.idp.folder / "audit.jsonl"

    def visitor(self, address: str | None = None, origin: str | None = None) -> Visitor:
        """A new browser; without an address at one of its own, off campus."""
        self.visitors.append(Visitor(origin or self.idp.origin, address or off_campus()))
        return self.visitors[-1]

    def people(self, count: int, *, enrolled: bool = True) -> list[Person]:
        """New people, with phones unless told otherwise."""
        new = [slapd.Person(f"visitor{next(_NUMBERS)}", "Visitor 客") for _ in range(count)]
        self.directory.add(new)
        logins = [each.login for each in new]
        phones: Sequence[Phone | None] = set_up(self, logins) if enrolled else [None] * len(logins)
        return [
            Person(login, f"demo-{login}", phone)
            for login, phone in zip(logins, phones, strict=True)
        ]

    def person(self) -> Person:
        """Somebody new with a phone."""
        return self.people(1)[0]

    def ready(self) -> requests.Response:
        """What a balancer is told."""
        return requests.get(f"http://127.0.0.1:{self.idp.port}/readyz", timeout=30)

    def heal(self) -> None:
        """Everything is well again, for every worker."""
        for road in self.roads:
            road.well()
        wait_until(lambda: all(self.ready().status_code == 200 for _ in range(6)))


def wait_until(true: Any, seconds: float = _HEAL_SECONDS) -> None:
    """Until it is so, or fail."""
    until = time.monotonic() + seconds
    while True:
        with contextlib.suppress(requests.RequestException):
            if true():
                return
        assert time.monotonic() < until, "it did not come to that in time"
        time.sleep(0.1)


def set_up(site: Stand, logins: Sequence[str]) -> list[Phone]:
    """Keys bound by the product itself, as the portal does; not over the roads."""
    settings = load(site.idp.folder / "idp_mfa.yaml")
    assert isinstance(settings, Settings), settings
    assert settings.directory.ldap is not None
    ldap = replace(settings.directory.ldap, uris=(site.directory.uri,))
    house = compose(
        replace(
            settings,
            store=replace(settings.store, url=site.store.tcp_url),
            directory=replace(settings.directory, ldap=ldap),
        )
    )
    phones = [phone_set_up(house, login) for login in logins]
    house.directory.close()
    house.store_server.close()
    return phones


@contextlib.contextmanager
def stand(store: Mapping[str, Any] = SHIPPED, more: Mapping[str, Any] = SHIPPED) -> Iterator[Stand]:
    """slapd behind two roads, Redis behind one, and the product on the near side of them.

    ``store`` adds to the settings of that name, ``more`` to all of them.
    """
    masters: list[int] = []

    def kill(port: int) -> None:
        """Only a worker: the tests' own connections take the same roads."""
        for worker in (worker for master in masters for worker in children(master)):
            if holds(worker, port):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)

    with (
        slapd.slapd(()) as directory,
        valkey.running(valkey.Kind.REDIS) as redis,
        proxy(("127.0.0.1", redis.port), kill) as store_road,
        proxy(_place(directory.uri), kill) as first,
        proxy(_place(directory.uri), kill) as second,
    ):
        settings = roads_in_settings(directory, store_road, (first, second))
        settings["store"] |= store
        settings |= more
        with identity_provider(free_port(), directory=directory, store=redis, more=settings) as idp:
            masters.append(idp.pid)
            idp.register(PLAIN.metadata())
            built = Stand(idp, directory, redis, store_road, (first, second))
            try:
                yield built
            finally:
                for visitor in built.visitors:
                    visitor.close()


def roads_in_settings(
    directory: slapd.Slapd, store: Proxy, directories: Sequence[Proxy]
) -> dict[str, Any]:
    """The settings that lead over the roads; each time-out is the shipped one."""
    return {
        "store": {"url": f"redis://127.0.0.1:{store.port}"},
        "directory": {
            "ldap": {
                "uris": [f"ldap://127.0.0.1:{road.port}" for road in directories],
                "base_dn": directory.base_dn,
                "bind_dn": directory.service_dn,
                "bind_password_file": str(directory.password_file),
                "decoy_dn": slapd.DECOY,
                "canary_dn": slapd.CANARY,
            }
        },
    }


def holds(process: int, port: int) -> bool:
    """Whether a process holds the connection that comes from a loopback port."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if int(columns[1].rpartition(":")[2], 16) == port:
            inodes.add(f"socket:[{columns[9]}]")
    for descriptor in Path(f"/proc/{process}/fd").glob("*"):
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()) in inodes:
                return True
    return False


def _place(uri: str) -> tuple[str, int]:
    parts = urlsplit(uri)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port
