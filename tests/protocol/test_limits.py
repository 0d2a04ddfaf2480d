"""Limits as people and guessers meet them, with the numbers that sites get."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from tests.faults.stand import wait_until
from tests.protocol.conftest import CAMPUS, OFF_CAMPUS
from tests.servers import slapd, valkey
from tests.servers.foreground import free_port
from tests.servers.idp import Idp, identity_provider
from tests.simulators.person import Person
from tests.simulators.phone import STEP_SECONDS
from tests.simulators.user_agent import Page, UserAgent

STORE = valkey.Kind.VALKEY
ELSEWHERE = "203.0.113.77"


@pytest.fixture(scope="module")
def idp(directory: slapd.Slapd) -> Iterator[Idp]:
    with (
        valkey.running(STORE) as store,
        identity_provider(
            free_port(),
            directory=directory,
            store=store,
            more={"limits": {}, "mail": {"folder": "letters"}},
        ) as provider,
    ):
        yield provider


def begun(agent: UserAgent) -> Page:
    """The password page of a new sign-in."""
    page = agent.send("POST", f"{agent.idp}/portal/signin", {})
    assert page.mark == "signin.password", (page.status, page.words[:300])
    return page


def wrong_code(page: Page) -> Page:
    return page.submit(page.form_with("code"), code="000000")


def wrong_password(agent: UserAgent, login: str) -> Page:
    page = begun(agent)
    return page.submit(page.form_with("password"), username=login, password="not it")


def events(idp: Idp, name: str) -> list[dict[str, Any]]:
    lines = (idp.folder / "audit.jsonl").read_text("utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == name]


IN_A_ROW = {"disabled_at": 100}


def desk_sees(idp: Idp, person: Person) -> dict[str, int]:
    """What the help desk is shown of wrong codes."""
    shown = json.loads(idp.must("user", "show", person.login, "--json"))
    assert isinstance(shown["wrong_codes"], dict)
    return shown["wrong_codes"]


def letters_to(idp: Idp, person: Person) -> list[str]:
    """What was mailed to somebody."""
    mails = (
        message_from_bytes(file.read_bytes(), policy=default)
        for file in (idp.folder / "letters").glob("*.eml")
    )
    return [str(mail) for mail in mails if person.login in str(mail["To"])]


def test_five_wrong_codes_end_a_sign_in_and_the_next_one_waits(idp: Idp, person: Person) -> None:
    thief = UserAgent(idp.origin, ELSEWHERE)
    page = person.give_password(begun(thief))
    for left in (4, 3, 2, 1):
        page = wrong_code(page)
        assert page.status == 422
        assert f"{left} tr" in page.words
    page = wrong_code(page)
    assert page.mark == "signin.refused"
    page = person.give_password(begun(thief))
    assert person.phone is not None
    page = page.submit(page.form_with("code"), code=person.phone.code())
    assert page.status == 429, "the right code during a lock is not told from a wrong one"
    assert "paused" in page.words
    assert 0 < int(page.headers["Retry-After"]) <= 361


def test_a_lock_of_one_road_is_one_of_every_road(idp: Idp, person: Person) -> None:
    page = person.give_password(begun(UserAgent(idp.origin, ELSEWHERE)))
    for _ in range(5):
        page = wrong_code(page)
    assert page.mark == "signin.refused"
    assert person.phone is not None
    for path in ("totp", "totp/show", "mail", "activity", "codes", "fido2/new"):
        thief = UserAgent(idp.origin, ELSEWHERE)
        page = person.give_password(thief.open(f"{idp.origin}/portal/{path}"))
        assert page.mark == "signin.challenge", (path, page.words[:200])
        # Right, and not looked at, so that it is right for the next page, too.
        right = person.phone.at(int(time.time()) // STEP_SECONDS)
        page = page.submit(page.form_with("code"), code=right)
        assert (page.status, page.mark) == (429, "signin.challenge"), path


def test_a_known_browser_goes_on_while_others_burn_the_account(idp: Idp, person: Person) -> None:
    hers = UserAgent(idp.origin, OFF_CAMPUS)
    assert person.sign_in(begun(hers)).mark == "portal.home"
    hers.send("POST", f"{idp.origin}/sign-out", None)
    thief = UserAgent(idp.origin, ELSEWHERE)
    page = person.give_password(begun(thief))
    for _ in range(5):
        page = wrong_code(page)
    assert page.mark == "signin.refused"
    hers.session.cookies.pop("idp", None)
    assert person.sign_in(begun(hers)).mark == "portal.home"


def test_a_stranger_locks_nobody_out(idp: Idp, person: Person) -> None:
    hers = UserAgent(idp.origin, OFF_CAMPUS)
    assert person.sign_in(begun(hers)).mark == "portal.home"
    hers.session.cookies.pop("idp", None)
    refused = [
        wrong_password(UserAgent(idp.origin, f"203.0.113.{n}"), person.login).status
        for n in range(100, 112)
    ]
    assert refused == [422] * 10 + [429] * 2
    new_browser = person.give_password(begun(UserAgent(idp.origin, ELSEWHERE)))
    assert new_browser.status == 429
    assert "campus network" in new_browser.words, "it says what works meanwhile"
    assert person.give_password(begun(hers)).mark == "signin.challenge"
    assert person.give_password(begun(UserAgent(idp.origin, CAMPUS))).mark == "portal.home"


def test_every_spelling_is_one_bucket(idp: Idp, person: Person) -> None:
    login = person.login
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in login)
    spellings = [login, login.upper(), f"{login} ", wide, login.title()]
    found = [
        wrong_password(UserAgent(idp.origin, f"198.18.0.{n}"), spellings[n % 5]).status
        for n in range(12)
    ]
    assert found.count(429) == 2


def test_nobody_is_answered_like_somebody(idp: Idp) -> None:
    """Status by status, also when the limit is reached."""
    statuses = {
        login: [
            wrong_password(UserAgent(idp.origin, f"198.18.{net}.{n}"), login).status
            for n in range(12)
        ]
        for net, login in ((1, "dave"), (2, "nobody-of-that-name"))
    }
    assert statuses["dave"] == statuses["nobody-of-that-name"]


def test_the_tenth_wrong_code_behind_a_right_password_warns_its_owner(
    idp: Idp, person: Person
) -> None:
    """AuthQuake: whoever has the password has ten guesses before its owner and the desk know."""
    before = len(events(idp, "wrong-codes.repeated"))
    hers = UserAgent(idp.origin, OFF_CAMPUS)
    assert person.sign_in(begun(hers)).mark == "portal.home"
    hers.session.cookies.pop("idp", None)
    assert desk_sees(idp, person) == {"lately": 0, "warned_at": 10, **IN_A_ROW, "in_a_row": 0}
    for agent in (UserAgent(idp.origin, ELSEWHERE), hers):
        assert letters_to(idp, person) == []
        page = person.give_password(begun(agent))
        for _ in range(5):
            page = wrong_code(page)
    assert len(events(idp, "wrong-codes.repeated")) == before + 1
    wait_until(lambda: letters_to(idp, person) != [])
    (letter,) = letters_to(idp, person)
    assert "000000" not in letter
    assert person.password not in letter
    assert desk_sees(idp, person) == {"lately": 10, "warned_at": 10, **IN_A_ROW, "in_a_row": 10}
    shown = idp.must("user", "show", person.login)
    assert "10 lately behind the right password, 10 in a row" in shown
    assert "the owner was told by mail" in shown


@pytest.mark.alone
def test_parallel_guesses_over_all_workers_are_no_more_than_allowed(
    idp: Idp, person: Person
) -> None:
    """Keycloak CVE-2024-4629: what was verified is counted in the record, not on the page."""
    before = len(events(idp, "factor.rejected"))
    pages = [person.give_password(begun(UserAgent(idp.origin, f"198.19.0.{n}"))) for n in range(8)]
    assert {page.mark for page in pages} == {"signin.challenge"}
    start = threading.Barrier(64)

    def guess(page: Page) -> None:
        form = page.form_with("code")
        values = {**dict(form.form_values()), "code": "000000"}
        other = UserAgent(idp.origin, page.agent.address)
        other.session.cookies.update(page.agent.session.cookies)
        start.wait()
        for _ in range(3):
            other.once("POST", f"{idp.origin}{form.action.removeprefix(idp.origin)}", values)

    threads = [threading.Thread(target=guess, args=(page,)) for page in pages for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(events(idp, "factor.rejected")) - before == 5


def test_the_desk_unlocks(idp: Idp, person: Person) -> None:
    thief = UserAgent(idp.origin, ELSEWHERE)
    page = person.give_password(begun(thief))
    for _ in range(5):
        page = wrong_code(page)
    done = idp.command("user", "unlock", person.login, "--reason", "called from the office")
    assert done.returncode == 0, done.stderr
    assert person.sign_in(begun(UserAgent(idp.origin, ELSEWHERE))).mark == "portal.home"


def test_a_network_that_begins_too_many_sign_ins_waits(idp: Idp) -> None:
    before = [event["detail"]["of"] for event in events(idp, "limit.reached")]
    agent = UserAgent(idp.origin, "198.18.200.1")
    statuses = [agent.once("POST", f"{idp.origin}/portal/signin", {}).status for _ in range(62)]
    assert statuses == [303] * 60 + [429] * 2
    after = [event["detail"]["of"] for event in events(idp, "limit.reached")]
    assert after[len(before) :] == ["sign-ins"], "the operator sees it, and a flood fills no record"


def test_a_campus_that_is_one_address_begins_as_many_as_it_likes(idp: Idp) -> None:
    agent = UserAgent(idp.origin, CAMPUS)
    statuses = {agent.once("POST", f"{idp.origin}/portal/signin", {}).status for _ in range(70)}
    assert statuses == {303}


def test_a_spraying_network_is_slowed_for_unknown_browsers_alone(
    idp: Idp, directory: slapd.Slapd, person: Person
) -> None:
    net = "198.18.201.1"
    hers = UserAgent(idp.origin, net)
    assert person.sign_in(begun(hers)).mark == "portal.home"
    hers.session.cookies.pop("idp", None)
    found = []
    for n in range(51):
        agent = UserAgent(idp.origin, net)
        found.append(wrong_password(agent, f"guessed-name-{n}").status)
    assert events(idp, "spray.suspected")
    assert 429 in found
    assert person.give_password(begun(hers)).mark == "signin.challenge"
