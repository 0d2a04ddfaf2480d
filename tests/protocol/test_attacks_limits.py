"""What is shut stays shut, whatever else happens; and what is set up anew is open.

Advisories 9, 22, 23, 25, 28 and NIST SP 800-63B-4 3.2.2.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator

import pytest
import redis
import requests

from tests.bench.processes import children
from tests.faults.stand import wait_until
from tests.protocol.attacked import (
    CAMPUS,
    Attacked,
    another_node,
    attacked,
    carried,
    filled,
    path_of,
)
from tests.servers.idp import WIDE
from tests.simulators.person import Person
from tests.simulators.user_agent import Page

IN_A_ROW = 7
PASSWORDS = 3


@pytest.fixture(scope="module")
def site() -> Iterator[Attacked]:
    limits = {
        **WIDE,
        "factor_in_a_row": IN_A_ROW,
        "factor_after_loss": 2,
        "password_burst": PASSWORDS,
    }
    with attacked(limits) as started:
        yield started


def typed(page: Page, code: str) -> Page:
    return page.submit(page.form_with("code"), code=code)


def wrong_password(site: Attacked, login: str, **more: str) -> Page:
    page = site.at_password()
    return page.submit(page.form_with("password"), username=login, password="guess", **more)


def right_code(person: Person) -> str:
    assert person.phone is not None
    return person.phone.code()


def kill_all_workers(site: Attacked) -> None:
    """Whatever only a process knew is gone."""
    for worker in children(site.idp.pid):
        os.kill(worker, signal.SIGKILL)

    def ready() -> bool:
        with contextlib.suppress(requests.RequestException):
            answer = requests.get(f"{site.idp.origin}/readyz", timeout=10)
            return answer.status_code == 200
        return False

    wait_until(lambda: all(ready() for _ in range(4)), 30)


def flush(site: Attacked) -> None:
    with redis.Redis(unix_socket_path=str(site.store.socket)) as client:
        client.flushall()
        # Codes from before are refused for a minute; the test does not wait for it.
        client.set("idp_mfa:epoch", f"{client.info('server')['run_id']} 0")


def factor_states(site: Attacked, person: Person) -> list[str]:
    shown = json.loads(site.idp.must("user", "show", person.login, "--json"))
    return [one["state"] for one in shown["factors"]]


def fail(site: Attacked, person: Person, times: int) -> None:
    """Wrong codes, in as many sign-ins as it takes."""
    page = None
    for _ in range(times):
        if page is None or page.mark != "signin.challenge":
            page = site.at_code(person)
        page = typed(page, "000000")


def disable(site: Attacked, person: Person) -> None:
    """So many failures that the right code does not help any more."""
    fail(site, person, IN_A_ROW)
    assert factor_states(site, person) == ["active"]
    shut = typed(site.at_code(person), right_code(person))
    assert (shut.mark, shut.status) == ("signin.refused", 403)
    assert factor_states(site, person) == ["disabled"]
    assert site.events(person).count("factor.disabled") == 1


def test_too_many_failures_in_a_row_disable_the_factor_until_it_is_set_up_anew(
    site: Attacked,
) -> None:
    person = site.person()
    disable(site, person)
    site.idp.must("user", "reset", person.login, "--factor", "totp", "--reason", "came in person")
    person.phone = site.idp.set_up_phone(person.login)
    page = site.at_code(person)
    assert carried(typed(page, right_code(person))), "another key was never guessed at"


def test_who_sets_up_anew_does_not_pay_for_what_was_guessed_before(site: Attacked) -> None:
    person = site.person()
    fail(site, person, IN_A_ROW)
    person.phone = site.idp.set_up_phone(person.login)
    assert carried(typed(site.at_code(person), right_code(person)))


def test_no_loss_of_the_store_enables_a_factor_again(site: Attacked) -> None:
    person = site.person()
    disable(site, person)
    for happens in (kill_all_workers, flush):
        happens(site)
        refused = person.give_password(site.at_password())
        assert (refused.mark, refused.status) == ("signin.refused", 403)
        assert factor_states(site, person) == ["disabled"]


def test_a_success_between_ends_the_row(site: Attacked) -> None:
    person = site.person()
    for _ in range(2):
        fail(site, person, IN_A_ROW - 1)
        assert carried(typed(site.at_code(person), right_code(person)))
    assert factor_states(site, person) == ["active"]
    assert "factor.disabled" not in site.events(person)


def test_a_lock_is_known_to_every_process_and_node(site: Attacked) -> None:
    """Vikunja CVE-2026-35597: the counter was written where nobody else read it."""
    person = site.person()
    for _ in range(PASSWORDS):
        assert wrong_password(site, person.login).status == 422
    kill_all_workers(site)
    assert person.give_password(site.at_password()).status == 429
    with another_node(site) as second:
        page = site.at_password()
        sent = filled(page, "password", username=person.login, password=person.password)
        there = page.agent.once("POST", f"{second}{path_of(page, 'password')}", sent)
        assert there.status == 429
    assert person.give_password(site.at_password(CAMPUS)).status == 200, "nobody is locked out"


def test_nothing_that_a_guesser_adds_opens_another_bucket(site: Attacked) -> None:
    """Strapi CVE-2025-64526: the key of the limit was a field that anybody may fill in."""
    person = site.person()
    statuses = []
    for number in range(PASSWORDS + 4):
        page = site.at_password(f"203.0.113.{100 + number}")
        agent = page.agent
        agent.session.headers.update(
            {
                "X-Real-IP": f"198.18.0.{number}",
                "Forwarded": f"for=198.18.1.{number}",
                "X-Client-IP": f"198.18.2.{number}",
                "User-Agent": f"browser {number}",
                "Accept-Language": "en",
            }
        )
        agent.plant("idp-dev", f"device-{number}.{'0' * 64}")
        agent.plant("unknown", f"cookie-{number}")
        sent = {
            **filled(page, "password", username=person.login, password="guess"),
            "email": f"mail{number}@example.ac.jp",
            "user": f"other{number}",
            "identifier": f"{number}",
            "device": f"device-{number}",
        }
        statuses.append(
            agent.once("POST", f"{site.idp.origin}{path_of(page, 'password')}", sent).status
        )
    assert statuses == [422] * PASSWORDS + [429] * 4


@pytest.mark.parametrize("spell", [str.upper, str.title, lambda login: f"{login} ", "ｗｉｄｅ"])
def test_every_spelling_of_a_name_is_asked_for_the_factor(site: Attacked, spell: object) -> None:
    """Vault CVE-2025-6013: another spelling of the name skipped the second factor."""
    person = site.person()
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in person.login)
    login = spell(person.login) if callable(spell) else wide
    page = site.at_password()
    asked = page.submit(page.form_with("password"), username=login, password=person.password)
    assert asked.mark == "signin.challenge", (login, asked.words[:200])
    assert not carried(typed(asked, "000000"))
    assert carried(typed(asked, right_code(person)))


def test_what_was_revoked_stays_revoked_over_a_restart_and_a_flush(site: Attacked) -> None:
    """Keycloak CVE-2026-9802: what was ended lived again after a restart."""
    person = site.person()
    agent = site.browser(CAMPUS)
    assert carried(person.sign_in(agent.ask()))
    stolen = agent.copy()
    sign_out = agent.open(f"{site.idp.origin}/sign-out")
    sign_out.submit(sign_out.form_with("csrf"))
    old = right_code(person)
    site.idp.must("user", "reset", person.login, "--everything", "--reason", "stolen")
    for happens in (lambda: None, lambda: kill_all_workers(site), lambda: flush(site)):
        happens()
        assert stolen.ask().mark == "signin.password"
        refused = person.give_password(site.at_password())
        assert (refused.mark, refused.status) == ("signin.refused", 403)
    person.phone = site.idp.set_up_phone(person.login)
    if old != right_code(person):
        assert not carried(typed(site.at_code(person), old))
