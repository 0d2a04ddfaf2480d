"""What is measured: ``idp-mfa serve`` on slapd and Valkey, services, and people with phones."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from idp_mfa.compose import compose
from idp_mfa.settings import Settings, load
from tests.bench.processes import Process, children
from tests.servers import slapd, valkey
from tests.servers.foreground import free_port
from tests.servers.idp import Idp, identity_provider, phone_set_up
from tests.simulators.person import Person
from tests.simulators.service_provider import TestServiceProvider, key_pair

_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that runs, and who uses it."""

    idp: Idp
    directory: slapd.Slapd
    store: valkey.StoreServer
    people: tuple[Person, ...]
    signed: TestServiceProvider
    encrypted: TestServiceProvider

    @property
    def workers(self) -> tuple[int, ...]:
        """The processes that answer requests."""
        return children(self.idp.pid)

    def processes(self) -> tuple[Process, ...]:
        """All whose CPU counts."""
        return (
            Process("gunicorn, arbiter", self.idp.pid),
            *(Process("gunicorn, workers", pid) for pid in self.workers),
            Process("slapd", self.directory.pid),
            Process(self.store.kind.value, self.store.pid),
        )

    def asking(self, service: TestServiceProvider) -> str:
        """The path and query by which a browser comes from a service, with a request of its own."""
        xml = service.authn_request(
            datetime.now(UTC),
            id=f"_request-{next(_NUMBERS)}",
            destination=f"{self.idp.origin}/saml/sso",
        )
        return f"/saml/sso?{service.query(xml, 'relay-state').decode('ascii')}"


@contextlib.contextmanager
def site(people: int, *, workers: int = 2, log_level: str = "0") -> Iterator[Site]:
    """Start all of it for so many people; everything ends with the block.

    The limits are the shipped ones; the store may be slow, for the machine may be busy.
    ``log_level`` "stats" has slapd write down what it is asked.
    """
    port = free_port()
    with (
        slapd.slapd((), log_level=log_level) as directory,
        valkey.running(valkey.Kind.VALKEY) as store,
        identity_provider(
            port,
            directory=directory,
            store=store,
            more={
                "limits": {},
                "store": {"url": store.url, "command_timeout": "10s"},
                "server": {"bind": f"127.0.0.1:{port}", "workers": workers},
            },
        ) as idp,
    ):
        signed = TestServiceProvider("https://signed.example/sp", "https://signed.example/acs")
        encrypted = TestServiceProvider(
            "https://encrypted.example/sp",
            "https://encrypted.example/acs",
            encryption=key_pair("encryption"),
        )
        for service in (signed, encrypted):
            idp.register(service.metadata())
        entries = [
            slapd.Person(f"person{number}", f"Person {number} 人", ("students",))
            for number in range(people)
        ]
        directory.add(entries)
        logins = [entry.login for entry in entries]
        yield Site(idp, directory, store, _with_phones(idp, logins), signed, encrypted)


def _with_phones(idp: Idp, logins: list[str]) -> tuple[Person, ...]:
    """Each person's key bound by the product itself, sealed in the directory."""
    settings = load(idp.folder / "idp_mfa.yaml")
    assert isinstance(settings, Settings), settings
    house = compose(settings)
    people = tuple(Person(login, f"demo-{login}", phone_set_up(house, login)) for login in logins)
    house.directory.close()
    house.store_server.close()
    return people
