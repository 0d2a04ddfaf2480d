"""The directory hangs, is down, slow, read-only or blind: never "wrong", and never a skip."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

from idp_mfa.throttle import Limits
from tests.faults.nodes import answers_ready, node
from tests.faults.stand import CAMPUS, Stand
from tests.faults.test_kills import walk
from tests.faults.test_store import nothing_accepted, pauses
from tests.faults.visitor import way_on
from tests.protocol.attacked import carried
from tests.servers.proxy import Act, Mood

TOTAL_SECONDS = 5.0
MOST_COMMANDS = 9
"""More than a password is worth."""
MDB = "olcDatabase={1}mdb,cn=config"


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@contextlib.contextmanager
def both(site: Stand, mood: Mood) -> Iterator[None]:
    for road in site.directory_roads:
        road.mood = mood
        if mood is Mood.DOWN:
            road.cut()
    try:
        yield
    finally:
        for road in site.directory_roads:
            road.well()
    site.heal()


@pytest.mark.alone
def test_one_server_that_hangs_is_slower_once(site: Stand) -> None:
    first, second = site.people(2)
    site.directory_roads[0].silent()
    asked = site.directory_roads[0].commands
    with within(2 * TOTAL_SECONDS):
        visitor = site.visitor()
        page = visitor.ask()
        answer = first.give_password(page)
        # A bind that got no answer is not sent to another server: it may have counted.
        if answer.status == 503:
            pauses(answer)
        assert carried(visitor.sign_in(first, site.visitor().ask()).page)
    for _ in range(4):
        site.ready()
    with within(2.0):
        assert carried(site.visitor().sign_in(second).page)
    assert site.directory_roads[0].commands - asked < 10


@pytest.mark.alone
@pytest.mark.parametrize(
    ("mood", "address"), [(Mood.DOWN, CAMPUS), (Mood.DOWN, None), (Mood.SILENT, CAMPUS)]
)
def test_no_server_at_all_is_a_pause_on_campus_and_off_it(
    site: Stand, mood: Mood, address: str | None
) -> None:
    person, visitor = site.person(), site.visitor(address)
    page = visitor.ask()
    with nothing_accepted(site), both(site, mood):
        with within(TOTAL_SECONDS + 1):
            paused = pauses(person.give_password(page))
        # Nobody queues up behind a server that is known not to answer.
        answers = [person.give_password(page) for _ in range(3)]
        with within(1.0):
            answers.append(person.give_password(page))
        for each in answers:
            pauses(each)
    assert carried(visitor.sign_in(person, way_on(paused)).page)


def test_a_directory_that_is_cut_off_at_any_command_calls_nobody_wrong(patient: Stand) -> None:
    for act in (Act.CUT_BEFORE, Act.CUT_AFTER):
        done = walk(patient, patient.directory_roads[0], act)
        assert any(each.failed for each in done), "a bind is not sent to another server"
        assert max(len(each.failed) for each in done) <= 1


def test_tries_that_no_server_answered_lock_nobody(site: Stand) -> None:
    """Found first, and cut off at the bind: only then was a try taken.

    Each from another address: how often one network begins a sign-in has a limit of its own.
    """
    person, road = site.person(), site.directory_roads[0]
    shipped = {"limits": {}, "registry": {"folder": "registry"}}
    with node(site, "shipped-limits", more=shipped, started=answers_ready) as strict:
        paused, number = 0, 1
        while paused <= Limits().password_burst:
            page = site.visitor(origin=strict.origin).ask()
            road.at(number, Act.CUT_BEFORE)
            answer = person.give_password(page)
            road.well()
            if answer.status == 503:
                pauses(answer)
                paused += 1
                continue
            # Another command was cut, which another server could answer.
            assert answer.mark == "signin.challenge", answer.words[:300]
            number = number % MOST_COMMANDS + 1
        assert carried(site.visitor(origin=strict.origin).sign_in(person).page)


def test_a_slow_directory_is_waited_for(site: Stand) -> None:
    person = site.person()
    for road in site.directory_roads:
        road.delay = 0.3
    done = site.visitor().sign_in(person)
    assert carried(done.page)
    assert not done.failed


def test_a_read_only_directory_signs_people_in_and_binds_nothing(site: Stand) -> None:
    person, (bare,) = site.person(), site.people(1, enrolled=False)
    setting_up = site.visitor(CAMPUS)
    page = bare.give_password(setting_up.open(f"{site.idp.origin}/portal/totp"))
    assert page.mark == "portal.totp.begin", page.words[:300]
    site.directory.configure(MDB, "olcReadOnly", "TRUE")
    try:
        assert carried(site.visitor().sign_in(person).page)
        paused = pauses(page.submit(page.tree.xpath("//form[@class='question']")[0]))
        assert "data-totp-key" not in paused.text
    finally:
        site.directory.configure(MDB, "olcReadOnly", "FALSE")
    page = way_on(paused)
    assert page.mark == "portal.totp.begin", page.words[:300]
    shown = page.submit(page.tree.xpath("//form[@class='question']")[0])
    assert shown.mark == "portal.totp.setup"


def test_records_that_became_invisible_are_not_taken_for_none(site: Stand) -> None:
    person = site.person()
    ours = site.directory
    rules = access_rules(site)
    hidden = "{0}to attrs=mfaCredential,mfaManifest by * none"
    ours.configure(MDB, "olcAccess", hidden, *(one for one in rules if "mfaCred" not in one))
    try:
        shared = {"registry": {"folder": "registry"}, "audit": {"file": "audit.jsonl"}}
        with node(site, "blind", more=shared) as blind, nothing_accepted(site):
            assert blind.ready().json()["directory"] == "unavailable"
            for address in (CAMPUS, None):
                visitor = site.visitor(address, origin=blind.origin)
                pauses(person.give_password(visitor.ask()))
    finally:
        ours.configure(MDB, "olcAccess", *rules)
    assert carried(site.visitor().sign_in(person).page)


def access_rules(site: Stand) -> list[str]:
    with site.directory.as_admin("cn=config") as connection:
        connection.search(MDB, "(objectClass=*)", "BASE", attributes=["olcAccess"])
        found = connection.response[0]["raw_attributes"]["olcAccess"]
        return [rule.decode() for rule in found]
