"""Who has to register a passkey first does so on the way, shows it, and goes on to the service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocol.attacked import CAMPUS, OFF_CAMPUS, Attacked, another_setting, carried
from tests.protocol.test_phishing_resistant import PHR, asking
from tests.simulators.authenticator import Authenticator
from tests.simulators.passkey_owner import begin, confirm, options_of, post, register
from tests.simulators.person import Person
from tests.simulators.service_provider import REFEDS_MFA
from tests.simulators.user_agent import Page

POLICY = """
version: 1
zones:
  campus: { kind: campus, networks: [192.0.2.0/24] }
rules:
  - name: newcomers register a passkey first
    when: { page: sign-in, enrolled: none }
    then: { enrol: [fido2] }
  - name: first set-up on campus
    when: { page: portal.add-factor, enrolled: none, zone: campus }
    then: skip
  - name: at home
    when: { page: portal.home, zone: campus }
    then: skip
  - { name: rest, when: {}, then: { require: [totp, fido2] } }
"""


@pytest.fixture(scope="module")
def strict(site: Attacked, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    file = tmp_path_factory.mktemp("enrol-first") / "policy.yaml"
    file.write_text(POLICY, encoding="utf-8")
    with another_setting(site, {"policy": str(file)}) as started:
        yield started


def newcomer(site: Attacked) -> tuple[Person, Authenticator]:
    return site.person(enrolled=False), Authenticator(origin=site.idp.origin)


def led(page: Page) -> Page:
    """From the page that says what is missing to the one that begins the registration."""
    assert page.mark == "signin.refused", page
    actions = [one.action for one in page.tree.forms if "/set-up" in (one.action or "")]
    assert [one.rpartition("/")[2] for one in actions] == ["set-up-fido2"], "what helps, no more"
    (form,) = (one for one in page.tree.forms if one.action == actions[0])
    return page.submit(form)


def onward(page: Page) -> str:
    (link,) = page.tree.xpath("//a[@class='main' and starts-with(@href, '/signin/')]/@href")
    return str(link)


def test_registered_on_the_way_proved_and_told_to_the_service(strict: Attacked) -> None:
    person, device = newcomer(strict)
    browser = strict.browser(CAMPUS)
    page = led(person.give_password(browser.ask(content=asking(PHR))))
    done = register(page, device)
    assert done.mark == "portal.fido2.done", done
    asked = browser.open(f"{strict.idp.origin}{onward(done)}")
    assert not carried(asked), "nothing has attested the new key: it has to be shown"
    assert (asked.mark, asked.factor) == ("signin.challenge", "fido2")
    answered = confirm(asked, device)
    assert strict.answer(answered).acr == PHR
    assert len(strict.credentials(person)) == 1


def test_a_service_that_asks_for_mfa_is_told_so(strict: Attacked) -> None:
    person, device = newcomer(strict)
    browser = strict.browser(CAMPUS)
    done = register(led(person.give_password(browser.ask_mfa())), device)
    answered = confirm(browser.open(f"{strict.idp.origin}{onward(done)}"), device)
    assert strict.answer(answered).acr == REFEDS_MFA


def test_off_campus_a_password_alone_is_led_to_none(strict: Attacked) -> None:
    person, _ = newcomer(strict)
    page = person.give_password(strict.browser(OFF_CAMPUS).ask())
    assert page.mark == "signin.refused"
    assert not [one for one in page.tree.forms if "/set-up" in (one.action or "")]
    # The address by hand leads nowhere either: the page of the set-up is refused.
    here = page.url
    kept = {"csrf": dict(page.form_with("csrf").form_values())["csrf"]}
    forced = page.agent.send("POST", f"{here}/set-up-fido2", kept)
    assert forced.mark in ("signin.refused", "portal.refused")
    assert not strict.credentials(person)
    assert page.agent.send("GET", f"{here}/set-up-fido2", None).mark == "signin.refused"


def test_a_registration_that_failed_leaves_the_sign_in_where_it_was(strict: Attacked) -> None:
    person, device = newcomer(strict)
    browser = strict.browser(CAMPUS)
    waiting = person.give_password(browser.ask())
    page = led(waiting)
    assert page.tree.xpath("//div[@class='ways']/a[starts-with(@href, '/signin/')]"), "a way back"
    wrong = register(page, device, origin="https://evil.example")
    assert (wrong.status, wrong.mark) == (422, "portal.fido2.new")
    still = browser.open(waiting.url)
    assert still.mark == "signin.refused"
    assert not carried(still)
    assert register(led(still), Authenticator(origin=strict.idp.origin)).mark == "portal.fido2.done"


def test_another_browser_completes_nothing_of_it(strict: Attacked) -> None:
    person, device = newcomer(strict)
    page = led(person.give_password(strict.browser(CAMPUS).ask()))
    created = begin(page)
    answer = device.create(options_of(created))
    other = led(person.give_password(strict.browser(CAMPUS).ask()))
    theirs = begin(other)
    spent = post(theirs, answer)
    assert spent.mark == "portal.fido2.new", "a question is for the session that asked"
    assert not strict.credentials(person)
    assert post(created, answer).mark == "portal.fido2.done"
    again = post(created, answer)
    assert again.mark != "portal.fido2.done", "and counts once"
    assert len(strict.credentials(person)) == 1
