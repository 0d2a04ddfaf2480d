"""A code counts once: in every spelling, on every node, for one of many at the same moment.

Advisories 11, 12, 22 and 27; what is spent and what is counted.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.protocol.attacked import CAMPUS, Attacked, carried, fetched_at, filled, path_of
from tests.simulators.person import Person
from tests.simulators.phone import STEP_SECONDS, Phone
from tests.simulators.user_agent import Page

RACERS = 64
PRESSES = 4


def phone_of(person: Person) -> Phone:
    """Their phone; everybody here has one."""
    assert person.phone is not None
    return person.phone


def typed(page: Page, code: str) -> Page:
    """A code given on a yellow page."""
    return page.submit(page.form_with("code"), code=code)


SPELLINGS = {
    "the same": lambda code: code,
    "with a blank": lambda code: f"{code[:3]} {code[3:]}",
    "with a hyphen": lambda code: f"{code[:3]}-{code[3:]}",
    "full width": lambda code: "".join(chr(ord(digit) + 0xFEE0) for digit in code),
    "blanks around": lambda code: f"  {code}\t",
    "ideographic blank": lambda code: f"{code[:3]}\u3000{code[3:]}",
}
NOT_DIGITS = {
    "Arabic": lambda code: "".join(chr(ord(digit) + 0x630) for digit in code),
    "mathematical": lambda code: "".join(chr(0x1D7CE + int(digit)) for digit in code),
    "superscript": lambda code: "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in code),
    "signed": lambda code: f"+{code}",
    "decimal": lambda code: f"{code}.0",
    "twice": lambda code: f"{code}{code}",
}


@pytest.fixture(scope="module")
def used(site: Attacked, second_node: str) -> tuple[Person, str]:
    """Somebody, and a code of theirs that was used a moment ago and would still be in time."""
    assert second_node, "it is up before the code is given, so that none grows old meanwhile"
    person = site.person()
    page = site.at_code(person)
    code = phone_of(person).shown()
    assert carried(typed(page, code))
    return person, code


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_used_code_is_dead_in_every_spelling(
    site: Attacked, used: tuple[Person, str], spelling: str
) -> None:
    person, code = used
    refused = typed(site.at_code(person), SPELLINGS[spelling](code))
    assert (refused.mark, refused.status) == ("signin.challenge", 422)
    assert "already" in refused.words


def test_a_used_code_is_dead_on_the_other_node(
    site: Attacked, second_node: str, used: tuple[Person, str]
) -> None:
    person, code = used
    page = site.at_code(person)
    refused = page.agent.once(
        "POST", f"{second_node}{path_of(page, 'code')}", filled(page, "code", code=code)
    )
    assert refused.status == 422
    assert "already" in refused.words


def test_a_used_code_is_dead_on_the_other_road(site: Attacked, used: tuple[Person, str]) -> None:
    person, code = used
    page = person.give_password(site.browser().send("POST", f"{site.idp.origin}/portal/signin", {}))
    refused = typed(page, code)
    assert (refused.mark, refused.status) == ("signin.challenge", 422)


@pytest.mark.parametrize("spelling", NOT_DIGITS)
def test_other_digits_are_no_code(site: Attacked, spelling: str) -> None:
    person = site.person()
    code = phone_of(person).code()
    page = site.at_code(person)
    refused = typed(page, NOT_DIGITS[spelling](code))
    assert (refused.mark, refused.status) == ("signin.challenge", 422)
    assert carried(typed(page, code)), "and what is no code spends none"


@pytest.mark.parametrize("steps", [-3, -2, 2, 3])
def test_a_code_lives_one_step_to_either_side(site: Attacked, steps: int) -> None:
    person = site.person()
    page = site.at_code(person)
    wait_for_room()
    code = phone_of(person).at(int(time.time()) // STEP_SECONDS + steps)
    assert typed(page, code).status == 422


def test_the_step_before_a_used_one_is_dead(site: Attacked) -> None:
    person = site.person()
    first, second = site.at_code(person), site.at_code(person)
    wait_for_room()
    now = int(time.time()) // STEP_SECONDS
    assert carried(typed(first, phone_of(person).at(now + 1)))
    assert typed(second, phone_of(person).at(now)).status == 422


@pytest.mark.alone
def test_of_many_browsers_with_the_same_code_one_gets_in(site: Attacked, second_node: str) -> None:
    person = site.person()
    pages = [site.at_code(person) for _ in range(RACERS)]
    code = phone_of(person).code()
    start = threading.Barrier(RACERS)

    def race(number: int) -> bool:
        page = pages[number]
        origin = site.idp.origin if number % 2 else second_node
        sent = filled(page, "code", code=code)
        start.wait(30)
        return carried(page.agent.once("POST", f"{origin}{path_of(page, 'code')}", sent))

    with ThreadPoolExecutor(RACERS) as racers:
        inside = list(racers.map(race, range(RACERS)))
    assert inside.count(True) == 1
    arrived = [page for page in pages if carried(page.agent.open(fetched_at(page)))]
    assert len(arrived) == 1
    assert site.events(person).count("factor.accepted") == 1


@pytest.mark.alone
def test_of_many_presses_of_one_button_one_counts_and_none_is_lost(site: Attacked) -> None:
    person = site.person()
    page = site.at_code(person)
    copies = [page.agent.copy() for _ in range(PRESSES)]
    sent = filled(page, "code", code=phone_of(person).code())
    target = f"{site.idp.origin}{path_of(page, 'code')}"
    start = threading.Barrier(PRESSES)

    def race(number: int) -> int:
        start.wait(30)
        return copies[number].once("POST", target, sent).status

    with ThreadPoolExecutor(PRESSES) as racers:
        statuses = list(racers.map(race, range(PRESSES)))
    assert set(statuses) <= {200, 303, 422, 403}
    assert site.events(person).count("factor.accepted") == 1
    assert carried(page.agent.open(fetched_at(page)))


def test_five_wrong_codes_end_the_sign_in_and_the_right_one_is_too_late(site: Attacked) -> None:
    person = site.person()
    page = site.at_code(person)
    right = phone_of(person).code()
    wrong = "000000" if right != "000000" else "000001"
    for _ in range(4):
        page = typed(page, wrong)
        assert page.mark == "signin.challenge"
    last = page
    ended = typed(page, wrong)
    assert (ended.mark, ended.status) == ("signin.refused", 403)
    assert not carried(typed(last, right))
    assert "factor.accepted" not in site.events(person)


@pytest.mark.alone
def test_many_wrong_codes_at_once_are_five(site: Attacked) -> None:
    person = site.person()
    page = site.at_code(person)
    right = phone_of(person).code()
    wrong = [code for code in (f"{number:06d}" for number in range(40)) if code != right]
    target = f"{site.idp.origin}{path_of(page, 'code')}"
    copies = [page.agent.copy() for _ in wrong]
    sent = [filled(page, "code", code=code) for code in wrong]

    with ThreadPoolExecutor(16) as racers:
        list(
            racers.map(
                lambda number: copies[number].once("POST", target, sent[number]),
                range(len(wrong)),
            )
        )
    assert site.events(person).count("factor.rejected") <= 5
    assert not carried(typed(page, right))


def test_one_wrong_password_is_one_bind_however_many_factors_there_are(site: Attacked) -> None:
    person = site.person()
    for _ in range(4):
        site.idp.set_up_phone(person.login)
    assert len(site.credentials(person)) == 5
    page = site.at_password(CAMPUS)
    own = f'BIND dn="{site.entry(person)}" method='
    every = len(site.directory.lines(" method=128"))
    refused = page.submit(page.form_with("password"), username=person.login, password="wrong")
    assert refused.status == 422
    assert len(site.directory.lines(own)) == 1
    assert len(site.directory.lines(" method=128")) - every == 1


def wait_for_room() -> None:
    """Not at the end of a time step, where "now" is another moment for the server."""
    left = STEP_SECONDS - time.time() % STEP_SECONDS
    if left < 5:
        time.sleep(left + 0.1)
