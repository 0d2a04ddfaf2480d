"""Passkeys registered at once on many nodes: on slapd and Valkey together, one of 64 is first."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from idp_mfa.factor import Response as Answer
from idp_mfa.model import BoundBy
from idp_mfa.passkeys import Asked, Fido2Options, NotDone, PlatformFull, Registered
from idp_mfa.platforms import Platform
from idp_mfa.store.redis import RedisStore
from tests.contracts.directory_sites import LdapSite
from tests.contracts.store_acts import connected_to
from tests.contracts.test_passkeys import House
from tests.servers import slapd, valkey
from tests.servers.valkey import Kind
from tests.simulators.authenticator import Authenticator

RACERS = 64
PEOPLE = 4


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with slapd.slapd() as directory, valkey.running(Kind.VALKEY) as store:
        site = LdapSite(directory)
        try:
            with connected_to(store) as ours:
                yield House(site, RedisStore(ours))
        finally:
            site.close()


def prepared(
    house: House, login: str, number: int, device: Authenticator, id: bytes
) -> Callable[[threading.Barrier], object]:
    """A browser of somebody, up to the moment in which its answer is sent."""
    who, asked = house.account(login), Asked(f"{login} {number}", Platform.IPHONE)
    begun = house.passkeys.begin(who, asked, BoundBy.CAMPUS)
    assert not isinstance(begun, NotDone)
    answer = Answer({"credential": device.create(begun.shown["options"], id=id)})

    def send(gate: threading.Barrier) -> object:
        gate.wait()
        return house.passkeys.complete(who, asked, answer, replaces=None, notice=house.notice(who))

    return send


def race(sends: list[Callable[[threading.Barrier], object]]) -> list[object]:
    gate = threading.Barrier(len(sends))
    with ThreadPoolExecutor(len(sends)) as pool:
        return list(pool.map(lambda send: send(gate), sends))


def test_one_credential_is_registered_once_whoever_else_sends_it(house: House) -> None:
    """G5: of several people, from several browsers each, all with the same id."""
    people = [f"same{number}" for number in range(PEOPLE)]
    for login in people:
        house.site.person(login)
    device, id = Authenticator(), os.urandom(32)
    sends = [prepared(house, people[n % PEOPLE], n, device, id) for n in range(RACERS)]
    found = race(sends)
    assert sum(isinstance(one, Registered) for one in found) == 1
    held = [len(house.passkeys.held(house.account(login))) for login in people]
    assert sorted(held) == [0] * (PEOPLE - 1) + [1]


def test_the_limit_of_a_system_holds_however_many_are_sent_at_once(house: House) -> None:
    """SUMS 5: one of each system, also of 64 different ones in the same moment."""
    house.site.person("greedy")
    house.options = Fido2Options(per_platform=1)
    sends = [prepared(house, "greedy", n, Authenticator(), os.urandom(32)) for n in range(RACERS)]
    found = race(sends)
    assert sum(isinstance(one, Registered) for one in found) == 1
    assert found.count(NotDone.CHANGED_ELSEWHERE) == RACERS - 1
    late = house.register("greedy", Authenticator(), Platform.IPHONE, session="late")
    assert isinstance(late, PlatformFull)
    # What lost the race left no mark: the same authenticator registers elsewhere.
    house.options = Fido2Options()
    for number in range(3):
        house.register("greedy", Authenticator(), Platform.MAC, session=f"mac {number}")
    assert len(house.passkeys.held(house.account("greedy"))) == 4
