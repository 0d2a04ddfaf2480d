"""A session is one person's, worth what was shown, and dead once its ground is gone.

Advisories 13, 14, 16, 40 and 48; log-out, a password or a factor that changed, passive requests.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urljoin, urlsplit

import pytest

from tests.protocol.attacked import (
    CAMPUS,
    FOREIGN_KEY,
    OFF_CAMPUS,
    PASSWORD_PROTECTED_TRANSPORT,
    PLAIN,
    STRICT,
    Attacked,
    Attacker,
    carried,
    fetched_at,
    filled,
    new_id,
    path_of,
)
from tests.simulators.person import Person
from tests.simulators.service_provider import REFEDS_MFA, KeyPair, Read, signed
from tests.simulators.user_agent import Page


def signed_in(site: Attacked, person: Person, address: str = CAMPUS) -> tuple[Attacker, Page]:
    """A browser with a session, and the page that carries its first answer."""
    agent = site.browser(address)
    page = person.sign_in(agent.ask())
    assert carried(page)
    return agent, page


def decided(site: Attacked, person: Person) -> tuple[Attacker, str]:
    """A browser whose sign-in to the portal is decided, and where it would fetch the outcome."""
    agent = site.browser()
    page = person.give_password(agent.send("POST", f"{agent.idp}/portal/signin", {}))
    assert person.phone is not None
    sent = filled(page, "code", code=person.phone.code())
    done = agent.once("POST", f"{agent.idp}{path_of(page, 'code')}", sent)
    assert done.headers["Location"].startswith("/portal/answer/")
    return agent, urljoin(done.url, done.headers["Location"])


def sign_out(agent: Attacker) -> Page:
    """By our own page."""
    page = agent.open(f"{agent.idp}/sign-out")
    return page.submit(page.form_with("csrf"))


def is_dead(agent: Attacker) -> bool:
    """Whether nothing at all is opened by what this browser has, at any worker."""
    for _ in range(6):
        agent.close()  # a new connection may come to the other worker
        if agent.ask().mark != "signin.password":
            return False
        if agent.open(f"{agent.idp}/portal/totp").mark != "signin.password":
            return False
    return True


# -- log-out ---------------------------------------------------------------------------------


def test_after_log_out_the_old_cookies_are_dead_everywhere(site: Attacked) -> None:
    person = site.person()
    agent, answer = signed_in(site, person)
    copied = agent.copy()
    done = sign_out(agent)
    assert done.mark == "signin.signed-out"
    assert done.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert agent.cookie("idp") is None
    assert agent.cookie("idp-tx-") is None
    assert is_dead(copied)
    assert person.login not in copied.open(f"{site.idp.origin}/").words
    passive = site.answer(copied.ask(attributes='IsPassive="true"'))
    assert passive.statuses == ["Responder", "NoPassive"]
    assert not carried(copied.open(fetched_at(answer)))


def test_after_log_out_an_answer_is_not_given_again(site: Attacked) -> None:
    agent, answer = signed_in(site, site.person())
    copied = agent.copy()
    assert carried(copied.open(fetched_at(answer))), "who lost it on the way gets it again"
    sign_out(agent)
    for path in (fetched_at(answer), fetched_at(answer).replace("/saml/answer/", "/signin/")):
        again = copied.open(path)
        assert not carried(again)
        assert (again.mark, again.status) == ("signin.moved", 410)
    assert is_dead(copied)


def test_a_log_out_at_one_node_is_known_at_the_other(site: Attacked, second_node: str) -> None:
    person = site.person()
    agent, answer = signed_in(site, person)
    there = agent.copy(second_node)
    address = f"{second_node}{urlsplit(fetched_at(answer)).path}"
    assert carried(there.open(address))
    assert person.login in there.open(f"{second_node}/").words
    sign_out(agent)
    assert not carried(there.open(address))
    assert person.login not in there.open(f"{second_node}/").words


def test_a_log_out_that_was_done_is_no_error_the_second_time(site: Attacked) -> None:
    agent, _ = signed_in(site, site.person())
    page = agent.open(f"{agent.idp}/sign-out")
    for _ in range(2):
        assert page.submit(page.form_with("csrf")).mark == "signin.signed-out"


def logout(site: Attacked, agent: Attacker, read: Read, key: KeyPair | None) -> Page:
    """The service's request to end the session that its assertion named."""
    xml = PLAIN.logout_request(
        datetime.now(UTC),
        read.name_id_xml,
        read.statement.get("SessionIndex", ""),
        id=new_id(),
        destination=f"{site.idp.origin}/saml/slo",
    )
    return agent.open(f"{site.idp.origin}/saml/slo?{PLAIN.query(xml, key=key).decode()}")


def test_a_signed_log_out_request_ends_the_session_and_its_name_is_dead(site: Attacked) -> None:
    agent, page = signed_in(site, site.person())
    copied = agent.copy()
    read = site.answer(page)
    logout(site, agent, read, PLAIN.signing[0])
    assert is_dead(copied)
    ended = site.audited().count("session.ended")
    logout(site, copied, read, PLAIN.signing[0])
    assert site.audited().count("session.ended") == ended


@pytest.mark.parametrize("key", [None, FOREIGN_KEY], ids=["unsigned", "foreign"])
@pytest.mark.parametrize("binding", ["redirect", "post"])
def test_a_log_out_request_of_nobody_ends_nothing(
    site: Attacked, key: KeyPair | None, binding: str
) -> None:
    agent, page = signed_in(site, site.person())
    read = site.answer(page)
    if binding == "redirect":
        refused = logout(site, agent, read, key)
    else:
        xml = PLAIN.logout_request(
            datetime.now(UTC),
            read.name_id_xml,
            read.statement.get("SessionIndex", ""),
            id=new_id(),
            destination=f"{site.idp.origin}/saml/slo",
        )
        xml = xml if key is None else signed(xml, key)
        fields = {name: values[0] for name, values in PLAIN.form(xml).items()}
        refused = agent.send("POST", f"{site.idp.origin}/saml/slo", fields)
    assert (refused.mark, refused.status) == ("error", 400)
    assert carried(agent.ask())


def test_another_service_cannot_end_a_session_that_it_was_not_told_of(site: Attacked) -> None:
    agent, page = signed_in(site, site.person())
    read = site.answer(page)
    xml = STRICT.logout_request(
        datetime.now(UTC),
        read.name_id_xml,
        read.statement.get("SessionIndex", ""),
        id=new_id(),
        destination=f"{site.idp.origin}/saml/slo",
    )
    query = STRICT.query(xml, key=STRICT.signing[-1]).decode()
    agent.once("GET", f"{site.idp.origin}/saml/slo?{query}", None)
    assert carried(agent.ask())


# -- one person ------------------------------------------------------------------------------


def test_another_person_in_the_same_browser_gets_nothing_of_the_first(site: Attacked) -> None:
    first, second = site.person(), site.person()
    agent, page = signed_in(site, first)
    was = site.answer(page).name_id.text
    forced = agent.ask(attributes='ForceAuthn="true"')
    cancel = path_of(forced, "password").replace("identity", "cancel")
    agent.send("POST", f"{site.idp.origin}{cancel}", filled(forced, "csrf"))
    old = agent.copy()
    done = second.give_password(agent.ask(attributes='ForceAuthn="true"'))
    assert f"{second.login}@" in str(site.answer(done).attributes)
    for service in (PLAIN, STRICT):
        attributes = str(site.answer(agent.ask(service)).attributes)
        assert second.login in attributes
        assert first.login not in attributes
    home = agent.open(f"{site.idp.origin}/").words
    assert second.login in home
    assert first.login not in home
    assert is_dead(old), "the first person's session is ended, not kept beside"
    assert was != site.answer(done).name_id.text


def test_the_same_cookie_is_not_good_after_more_was_shown(site: Attacked) -> None:
    person = site.person()
    agent, _ = signed_in(site, person)
    before = agent.copy()
    assert carried(person.give_code(agent.ask_mfa()))
    assert agent.cookie("idp") != before.cookie("idp")
    assert before.ask().mark == "signin.password"


# -- what was shown --------------------------------------------------------------------------


def test_looking_twenty_times_makes_nothing_stronger_or_newer(site: Attacked) -> None:
    agent, page = signed_in(site, site.person())
    first = site.answer(page)
    for _ in range(20):
        read = site.answer(agent.ask())
        assert read.acr == PASSWORD_PROTECTED_TRANSPORT
        assert read.statement.get("AuthnInstant") == first.statement.get("AuthnInstant")
    assert agent.ask_mfa().mark == "signin.challenge"


def test_a_session_of_the_campus_is_asked_outside(site: Attacked) -> None:
    person = site.person()
    agent, _ = signed_in(site, person)
    agent.address = OFF_CAMPUS
    asked = agent.ask()
    assert asked.mark == "signin.challenge"
    assert agent.open(f"{site.idp.origin}/portal/totp").mark == "signin.challenge"
    passive = site.answer(agent.ask(attributes='IsPassive="true"'))
    assert passive.statuses == ["Responder", "NoPassive"]
    assert site.answer(person.give_code(asked)).acr == REFEDS_MFA


def test_a_class_that_was_not_reached_is_never_asserted(site: Attacked) -> None:
    person = site.person(enrolled=False)
    agent, _ = signed_in(site, person)
    refused = agent.ask_mfa()
    assert (refused.mark, refused.status) == ("signin.refused", 403)
    (leave,) = (form for form in refused.tree.forms if (form.action or "").endswith("/cancel"))
    told = refused.submit(leave)
    assert site.answer(told).statuses[0] == "Responder"
    assert site.answer(told).assertion is None


def test_force_asks_the_password_again_and_means_it(site: Attacked) -> None:
    person = site.person()
    agent = site.browser(OFF_CAMPUS)
    first = site.answer(person.sign_in(agent.ask()))
    time.sleep(1.1)  # the instant is told in whole seconds
    forced = agent.ask(attributes='ForceAuthn="true"')
    assert forced.mark == "signin.password"
    assert forced.form_with("password").fields["username"] == person.login
    assert f"signed in as {person.login}" in forced.words
    yellow = person.give_password(forced)
    assert yellow.mark == "signin.challenge", "every factor anew"
    second = site.answer(person.give_code(yellow))
    assert second.statement.get("AuthnInstant", "") > first.statement.get("AuthnInstant", "")


def test_a_step_up_under_way_is_no_way_to_set_up_a_factor(site: Attacked) -> None:
    person = site.person()
    agent, _ = signed_in(site, person)
    assert agent.ask_mfa().mark == "signin.challenge"
    before = site.credentials(person)
    for step in ("", "/begin", "/complete"):
        asked = agent.open(f"{site.idp.origin}/portal/totp{step}")
        assert asked.mark == "signin.challenge"
        csrf = filled(agent.open(f"{site.idp.origin}/sign-out"), "csrf")["csrf"]
        if step:
            sent = {"csrf": csrf, "code": "000000"}
            asked = agent.send("POST", f"{site.idp.origin}/portal/totp{step}", sent)
            assert asked.mark == "signin.challenge"
        assert "data-totp-key" not in asked.text
    assert site.credentials(person) == before


# -- an account that is closed under way -----------------------------------------------------


def closed(site: Attacked, person: Person) -> None:
    site.directory.put(site.entry(person), "pwdAccountLockedTime", "000001010000Z")


def before_the_password(site: Attacked, person: Person) -> Page:
    page = site.at_password(CAMPUS)
    closed(site, person)
    return person.give_password(page)


def before_the_code(site: Attacked, person: Person) -> Page:
    page = site.at_code(person)
    closed(site, person)
    return person.give_code(page)


def before_a_choice(site: Attacked, person: Person) -> Page:
    page = site.at_code(person)
    closed(site, person)
    chosen = {**filled(page, "code"), "factor": "totp"}
    return page.agent.send("POST", page.url.partition("/response")[0] + "/choose", chosen)


def before_the_answer(site: Attacked, person: Person) -> Page:
    agent, answer = decided(site, person)
    closed(site, person)
    agent.open(answer)
    assert agent.cookie("idp") is None
    return agent.open(f"{site.idp.origin}/portal/totp")


def before_the_same_answer_again(site: Attacked, person: Person) -> Page:
    agent, page = signed_in(site, person)
    closed(site, person)
    return agent.open(fetched_at(page))


def before_the_next_service(site: Attacked, person: Person) -> Page:
    agent, _ = signed_in(site, person)
    closed(site, person)
    return agent.ask(STRICT)


def before_the_portal(site: Attacked, person: Person) -> Page:
    agent, _ = signed_in(site, person)
    closed(site, person)
    return agent.open(f"{site.idp.origin}/portal/totp")


@pytest.mark.parametrize(
    "walk",
    [
        before_the_password,
        before_the_code,
        before_a_choice,
        before_the_answer,
        before_the_same_answer_again,
        before_the_next_service,
        before_the_portal,
    ],
)
def test_a_closed_account_stops_at_the_next_step(
    site: Attacked, walk: Callable[[Attacked, Person], Page]
) -> None:
    page = walk(site, site.person())
    if carried(page):
        read = site.answer(page)
        assert read.statuses[0] == "Responder"
        assert read.assertion is None
    else:
        assert page.mark in ("signin.password", "signin.refused")
    assert "data-totp-key" not in page.text


# -- a password that is changed under way ----------------------------------------------------


def changed(site: Attacked, person: Person) -> None:
    time.sleep(1.1)  # the directory keeps the change in whole seconds
    person.password = "changed-password"
    site.directory.put(site.entry(person), "userPassword", person.password)


def test_a_password_changed_before_the_code_voids_the_sign_in(site: Attacked) -> None:
    person = site.person()
    page = site.at_code(person)
    changed(site, person)
    refused = person.give_code(page)
    assert (refused.mark, refused.status) == ("signin.refused", 403)
    assert refused.agent.cookie("idp") is None
    assert "assertion.issued" not in site.events(person)


def test_a_password_changed_before_the_answer_voids_it(site: Attacked) -> None:
    person = site.person()
    agent, answer = decided(site, person)
    changed(site, person)
    assert person.login not in agent.open(answer).words
    assert agent.cookie("idp") is None


def test_a_password_changed_ends_the_sessions_that_stood_on_it(site: Attacked) -> None:
    person = site.person()
    agent, _ = signed_in(site, person)
    copied = agent.copy()
    changed(site, person)
    assert agent.ask().mark == "signin.password"
    assert is_dead(copied)
    assert carried(person.sign_in(site.browser(CAMPUS).ask()))


def test_a_factor_that_was_replaced_counts_no_more(site: Attacked) -> None:
    person = site.person()
    agent, _ = signed_in(site, person, OFF_CAMPUS)
    assert carried(agent.ask())
    old = person.phone
    person.phone = site.idp.set_up_phone(person.login)
    asked = agent.ask()
    assert asked.mark == "signin.challenge"
    assert old is not None
    assert asked.submit(asked.form_with("code"), code=old.code()).status == 422
    site.idp.must("user", "reset", person.login, "--everything", "--reason", "lost")
    refused = agent.ask()
    assert (refused.mark, refused.status) == ("signin.refused", 403)


def test_an_outcome_is_fetched_by_the_face_that_asked_for_it(site: Attacked) -> None:
    """Else a session would be opened, or an answer put on record that no service ever gets."""
    person = site.person()
    agent, answer = decided(site, person)
    strayed = agent.once("GET", answer.replace("/portal/", "/saml/"), None)
    assert strayed.headers["Location"] == f"/signin/{answer.rsplit('/', 1)[1]}"
    assert "assertion.issued" not in site.events(person)
    assert agent.cookie("idp") is None
    assert person.login in agent.open(answer).words
    other, given = signed_in(site, site.person())
    before = other.cookie("idp")
    strayed = other.once("GET", fetched_at(given).replace("/saml/", "/portal/"), None)
    assert strayed.headers["Location"] == f"/signin/{fetched_at(given).rsplit('/', 1)[1]}"
    assert other.cookie("idp") == before
