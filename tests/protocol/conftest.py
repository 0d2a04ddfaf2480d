"""An identity provider on real parts, people in its directory, and browsers at several places."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.protocol.attacked import Attacked, another_node, attacked
from tests.protocol.mailed import mailed
from tests.servers import slapd, valkey
from tests.servers.foreground import free_port
from tests.servers.idp import Idp, identity_provider
from tests.servers.smtp import Post, post_office
from tests.simulators.person import Person
from tests.simulators.user_agent import UserAgent

CAMPUS = "192.0.2.10"
VPN = "198.51.100.10"
OFF_CAMPUS = "203.0.113.10"

BrowserAt = Callable[[str | None], UserAgent]
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def site() -> Iterator[Attacked]:
    """The one that all attacks are made on."""
    with attacked() as started:
        yield started


@pytest.fixture(scope="session")
def second_node(site: Attacked) -> Iterator[str]:
    """Another machine of the same provider, by its address."""
    with another_node(site) as origin:
        yield origin


@pytest.fixture(scope="session")
def post() -> Iterator[Post]:
    """A mail server and its mailboxes."""
    with post_office("clear") as running:
        yield running


@pytest.fixture(scope="session")
def mailed_site(post: Post) -> Iterator[Attacked]:
    """One that mails there."""
    with mailed(post) as started:
        yield started


@pytest.fixture(scope="session")
def somebody(site: Attacked) -> Person:
    """One person for all the attacks in which nobody gets through."""
    return site.person()


@pytest.fixture(scope="module")
def directory() -> Iterator[slapd.Slapd]:
    """Debian's slapd, with nobody in it yet but its own cast."""
    with slapd.slapd() as server:
        yield server


@pytest.fixture(scope="module")
def idp(request: pytest.FixtureRequest, directory: slapd.Slapd) -> Iterator[Idp]:
    """``idp-mfa serve`` on the store that the module names (``STORE``)."""
    with (
        valkey.running(request.module.STORE) as store,
        identity_provider(free_port(), directory=directory, store=store) as provider,
    ):
        yield provider


@pytest.fixture
def browser_at(idp: Idp) -> Iterator[BrowserAt]:
    """New browsers, each at an address; None is one of which no proxy says anything."""
    opened: list[UserAgent] = []

    def at(address: str | None) -> UserAgent:
        opened.append(UserAgent(idp.origin, address))
        return opened[-1]

    yield at
    for agent in opened:
        agent.close()


@pytest.fixture
def person(idp: Idp, directory: slapd.Slapd) -> Person:
    """Somebody new, whose phone is set up; nobody else's codes get in the way."""
    new = slapd.Person(f"person{next(_NUMBERS)}", "Person 人", ("students",))
    directory.add([new])
    return Person(new.login, f"demo-{new.login}", idp.set_up_phone(new.login))
