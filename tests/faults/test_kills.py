"""A worker that dies at any step of a sign-in: one more press, and no code counts twice."""

from __future__ import annotations

from tests.faults.stand import CAMPUS, Stand
from tests.faults.visitor import Signed
from tests.servers.proxy import Act, Proxy
from tests.simulators.person import Person

MOST_COMMANDS = 60


def walk(site: Stand, road: Proxy, act: Act, address: str | None = None) -> list[Signed]:
    """Sign-ins, each struck at one command more than the one before, until none is left."""
    done = []
    for number, person in enumerate(site.people(MOST_COMMANDS), 1):
        struck = len(road.happened)
        road.at(number, act)
        done.append(site.visitor(address).sign_in(person))
        reached = len(road.happened) > struck
        road.well()
        if done[-1].codes:
            taken_once(site, person, done[-1])
        if not reached:
            return done
    raise AssertionError(f"more than {MOST_COMMANDS} commands for a sign-in")


def taken_once(site: Stand, person: Person, done: Signed) -> None:
    """The code that signed in does so no more."""
    page = site.visitor().ask()
    asked = person.give_password(page)
    assert asked.mark == "signin.challenge", asked.words[:300]
    page = asked.submit(asked.form_with("code"), code=done.codes[-1])
    assert (page.mark, page.status) == ("signin.challenge", 422), page.words[:300]


def test_a_worker_killed_after_each_command_to_the_store(patient: Stand) -> None:
    done = walk(patient, patient.store_road, Act.KILL_AFTER)
    assert sum(bool(each.failed) for each in done) >= 8
    assert max(len(each.failed) for each in done) <= 1


def test_on_campus_too_nobody_is_led_nowhere(patient: Stand) -> None:
    done = walk(patient, patient.store_road, Act.KILL_AFTER, CAMPUS)
    assert sum(bool(each.failed) for each in done) >= 6
    assert max(len(each.failed) for each in done) <= 1


def test_a_worker_killed_around_each_command_to_the_directory(patient: Stand) -> None:
    for act in (Act.KILL_BEFORE, Act.KILL_AFTER):
        done = walk(patient, patient.directory_roads[0], act)
        assert sum(bool(each.failed) for each in done) >= 3
        assert max(len(each.failed) for each in done) <= 1
