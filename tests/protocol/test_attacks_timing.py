"""Whether a name is somebody's cannot be told by the time that a refusal takes (checklist A7)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median
from urllib.parse import urljoin

import argon2
import ldap3
import pytest

from tests.protocol.attacked import Attacked, filled
from tests.servers.slapd import DECOY
from tests.simulators.person import Person

pytestmark = pytest.mark.alone

PEOPLE = 12
TRIES_EACH = 8
TOLERANCE = 1.15
"""Measured: 0.99 to 1.03. Without the bind for nobody it would be 5."""

_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=16 * 1024, parallelism=1)


@pytest.fixture(scope="module")
def people(site: Attacked) -> list[Person]:
    """Half of them with a factor; their passwords and the decoy's cost what a university's do."""
    with site.directory.as_admin("cn=config") as connection:
        module = {"olcModuleLoad": [(ldap3.MODIFY_ADD, ["argon2"])]}
        assert connection.modify("cn=module{0},cn=config", module), connection.result
    found = [site.person(enrolled=number % 2 == 0) for number in range(PEOPLE)]
    for entry in (DECOY, *(site.entry(person) for person in found)):
        hashed = "{ARGON2}" + _HASHER.hash(entry)
        site.directory.put(entry, "userPassword", hashed)
    return found


def refusals(site: Attacked, person: Person, number: int) -> Iterator[tuple[bool, float]]:
    """Wrong passwords from one browser, for somebody and nobody by turns: whose, and seconds."""
    page = site.at_password(f"203.0.113.{100 + number}")
    action = urljoin(page.url, page.form_with("password").action)
    for turn in range(TRIES_EACH):
        for known in (True, False) if turn % 2 else (False, True):
            login = person.login if known else f"{person.login}{turn}x"
            sent = filled(page, "password", username=login, password=f"wrong {turn}")
            began = time.perf_counter()
            refused = page.agent.once("POST", action, sent)
            taken = time.perf_counter() - began
            assert (refused.mark, refused.status) == ("signin.password", 422), refused.words
            yield known, taken


def test_the_time_of_a_refusal_does_not_say_whether_the_name_exists(
    site: Attacked, people: list[Person]
) -> None:
    times: dict[bool, list[float]] = {True: [], False: []}
    for number, person in enumerate(people):
        for known, taken in refusals(site, person, number):
            times[known].append(taken)
    ratio = median(times[True]) / median(times[False])
    assert 1 / TOLERANCE < ratio < TOLERANCE, {
        known: f"{median(taken) * 1000:.1f} ms" for known, taken in times.items()
    }
