"""Steps out of their order, without their proof, or in another's browser move nothing.

Advisories 2, 7, 17 and 29; forged and empty posts, planted cookies, tabs and the back button.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

import pytest

from tests.protocol.attacked import (
    CAMPUS,
    Attacked,
    Attacker,
    carried,
    filled,
    form,
    raw,
)
from tests.simulators.person import Person
from tests.simulators.user_agent import Page

FORM = "application/x-www-form-urlencoded"


def cookies_of(agent: Attacker) -> tuple[str, str]:
    """The header that the browser would send."""
    return "Cookie", "; ".join(f"{each.name}={each.value}" for each in agent.session.cookies)


def again(page: Page) -> Page:
    """Where the sign-in of a page stands now, as its own browser sees it."""
    return page.agent.open(f"{page.agent.idp}/signin/{id_of(page)}")


def id_of(page: Page) -> str:
    """The transaction that a page belongs to."""
    return urlsplit(page.url).path.split("/")[2]


def version_of(page: Page) -> str:
    """The version that the page's forms carry."""
    return str(filled(page, "version")["version"])


BODIES: dict[str, tuple[str, bytes]] = {
    "nothing": (FORM, b""),
    "no type": ("", b""),
    "json": ("application/json", b"{}"),
    "text": ("text/plain", b"code=000000"),
    "xml": ("application/xml", b"<code/>"),
    "extra fields": (FORM, b"factor=totp&verified=true&step=done&user=alice&acr=mfa"),
    "state": (FORM, b"state=authenticated&version=0&kinds=knowledge&kinds=possession"),
    "broken multipart": ("multipart/form-data; boundary=x", b"--y"),
    "octets": (FORM, b"\xff\xfe\x00=%00&%"),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("step", ["identity", "choose", "response", "cancel"])
def test_a_post_without_its_fields_is_the_same_step_again(
    site: Attacked, somebody: Person, step: str, body: str
) -> None:
    page = site.at_password() if step == "identity" else site.at_code(somebody)
    before, recorded = again(page), len(site.events(somebody))
    kind, octets = BODIES[body]
    headers = [cookies_of(page.agent), ("X-Forwarded-For", CAMPUS)]
    status, head, _ = raw(
        site,
        "POST",
        f"/signin/{id_of(page)}/{step}",
        [*headers, ("Content-Type", kind)] if kind else headers,
        octets,
    )
    assert status in (303, 400)
    assert "set-cookie" not in head
    after = again(page)
    assert (after.mark, version_of(after)) == (before.mark, version_of(before))
    assert len(site.events(somebody)) == recorded


def test_a_right_token_and_nothing_else_is_a_wrong_answer(site: Attacked, somebody: Person) -> None:
    page = site.at_code(somebody)
    refused = page.submit(page.form_with("code"), code="")
    assert (refused.mark, refused.status) == ("signin.challenge", 422)
    page = site.at_password()
    refused = page.submit(page.form_with("password"), username=somebody.login, password="")
    assert (refused.mark, refused.status) == ("signin.password", 422)


def test_a_choice_of_what_was_not_offered_is_none(site: Attacked, somebody: Person) -> None:
    page = site.at_code(somebody)
    path = f"{site.idp.origin}/signin/{id_of(page)}/choose"
    for factor in ("password", "fido2", "", "TOTP", "totp\0", "../totp"):
        values = {key: filled(page, "code")[key] for key in ("csrf", "version")}
        page.agent.send("POST", path, {**values, "factor": factor})
        assert version_of(again(page)) == version_of(page)


@pytest.mark.parametrize("step", ["choose", "response", "cancel", "identity"])
@pytest.mark.parametrize("token", ["none", "foreign", "of the session", "empty"])
def test_a_post_needs_the_token_of_its_own_browser(site: Attacked, step: str, token: str) -> None:
    person = site.person()
    foreign = filled(site.at_password(), "csrf")["csrf"]
    page = site.at_password() if step == "identity" else site.at_code(person)
    tokens = {"foreign": foreign, "empty": "", "of the session": id_of(page)}
    right = {
        "version": version_of(page),
        "username": person.login,
        "password": person.password,
        "factor": "totp",
        "code": person.phone.code() if person.phone else "",
    }
    values = right if token == "none" else {**right, "csrf": tokens[token]}
    events = site.events(person)
    answer = page.agent.once("POST", f"{site.idp.origin}/signin/{id_of(page)}/{step}", values)
    assert answer.status == 303
    after = again(page)
    assert (after.mark, version_of(after)) == (page.mark, version_of(page))
    assert site.events(person) == events


def test_a_sign_out_needs_the_token_of_its_own_session(site: Attacked, somebody: Person) -> None:
    person = site.person()
    mine, hers = site.browser(CAMPUS), site.browser(CAMPUS)
    person.give_password(mine.ask())
    somebody.give_password(hers.ask())
    foreign = filled(hers.open(f"{site.idp.origin}/sign-out"), "csrf")["csrf"]
    for values in ({}, {"csrf": ""}, {"csrf": foreign}):
        mine.send("POST", f"{site.idp.origin}/sign-out", values)
        assert carried(mine.ask())


@pytest.mark.parametrize("step", ["begin", "complete"])
def test_a_set_up_needs_the_token_of_its_own_session(site: Attacked, step: str) -> None:
    person = site.person(enrolled=False)
    agent = site.browser(CAMPUS)
    page = person.give_password(agent.open(f"{site.idp.origin}/portal/totp"))
    if step == "complete":
        page = page.submit(page.form_with("csrf"))
    before = site.credentials(person)
    foreign = filled(site.at_password(), "csrf")["csrf"]
    for values in ({}, {"csrf": foreign}, {"csrf": foreign, "code": "123456"}):
        agent.send("POST", f"{site.idp.origin}/portal/totp/{step}", values)
        assert site.credentials(person) == before


def test_what_carries_no_token_only_opens_an_empty_sign_in(site: Attacked) -> None:
    person = site.person()
    agent = site.browser(CAMPUS)
    person.give_password(agent.ask())
    page = site.at_code(person)
    for path in ("/portal/signin", f"/signin/{id_of(page)}/again"):
        fresh = site.browser().send("POST", f"{site.idp.origin}{path}", {})
        assert fresh.mark == "signin.password"
        assert id_of(fresh) != id_of(page)
    assert again(page).mark == "signin.challenge"


def test_a_get_moves_nothing(site: Attacked) -> None:
    person = site.person()
    page = site.at_code(person)
    assert person.phone is not None
    query = form(filled(page, "code", code=person.phone.code(), factor="totp")).decode()
    for step in ("identity", "choose", "response", "cancel", "again"):
        page.agent.open(f"{site.idp.origin}/signin/{id_of(page)}/{step}?{query}")
        after = again(page)
        assert (after.mark, version_of(after)) == (page.mark, version_of(page))
    assert "factor.accepted" not in site.events(person)


def test_a_get_signs_nobody_out_and_sets_nothing_up(site: Attacked) -> None:
    person = site.person(enrolled=False)
    agent = site.browser(CAMPUS)
    person.give_password(agent.open(f"{site.idp.origin}/portal/totp"))
    csrf = filled(agent.open(f"{site.idp.origin}/sign-out"), "csrf")["csrf"]
    for path in ("/sign-out", "/portal/totp/begin", "/portal/totp/complete"):
        agent.open(f"{site.idp.origin}{path}?csrf={csrf}&code=000000")
    assert site.credentials(person) == ()
    assert person.login in agent.open(f"{site.idp.origin}/").words


def test_the_cookie_of_the_password_step_opens_nothing(site: Attacked) -> None:
    person = site.person()
    page = site.at_code(person)
    copied = page.agent.copy()
    assert copied.cookie("idp") is None
    assert copied.ask().mark == "signin.password"
    assert copied.open(f"{site.idp.origin}/portal/totp").mark == "signin.password"
    assert person.login not in copied.open(f"{site.idp.origin}/").words
    for face in ("saml", "portal"):
        back = copied.open(f"{site.idp.origin}/{face}/answer/{id_of(page)}")
        assert back.mark == "signin.challenge"
        assert not carried(back)
    copied.plant("idp", copied.cookie("idp-tx-") or "")
    assert copied.ask().mark == "signin.password"


def test_a_planted_binding_is_worthless_after_the_password(site: Attacked) -> None:
    person = site.person()
    planted = site.at_password()
    victim = site.browser()
    for each in planted.agent.session.cookies:
        victim.plant(each.name, each.value or "")
    page = person.give_password(victim.open(planted.url))
    assert page.mark == "signin.challenge"
    thief = planted.agent
    for path in (f"/signin/{id_of(page)}", f"/signin/{id_of(page)}/choose"):
        seen = thief.open(f"{site.idp.origin}{path}")
        assert (seen.mark, seen.status) == ("signin.moved", 409)
    done = person.give_code(page)
    assert carried(done)
    stolen = thief.open(f"{site.idp.origin}/saml/answer/{id_of(page)}")
    assert not carried(stolen)
    assert thief.cookie("idp") is None


def test_a_planted_session_cookie_never_becomes_right(site: Attacked) -> None:
    attacker, victim = site.person(), site.person()
    own = site.browser(CAMPUS)
    attacker.give_password(own.ask())
    for value in ("a.b", "x" * 40, own.cookie("idp") or ""):
        agent = site.browser(CAMPUS)
        agent.plant("idp", value)
        page = agent.ask(attributes='ForceAuthn="true"')
        assert carried(victim.give_password(page))
        assert agent.cookie("idp") != value
        thief = site.browser(CAMPUS)
        thief.plant("idp", value)
        assert thief.ask().mark == "signin.password"


def test_a_sign_in_begun_elsewhere_takes_nothing_over(site: Attacked) -> None:
    person = site.person()
    prepared = site.at_password(CAMPUS)
    victim = site.browser(CAMPUS)
    person.give_password(victim.ask())
    for path in ("", "/identity", "/choose", "/response", "/cancel"):
        opened = victim.open(f"{site.idp.origin}/signin/{id_of(prepared)}{path}")
        assert (opened.mark, opened.status) == ("signin.moved", 409)
    for face in ("saml", "portal"):
        opened = victim.open(f"{site.idp.origin}/{face}/answer/{id_of(prepared)}")
        assert not carried(opened)
    assert again(prepared).mark == "signin.password"
    restarted = victim.send("POST", f"{site.idp.origin}/signin/{id_of(prepared)}/again", {})
    assert id_of(restarted) != id_of(prepared)
    assert again(prepared).mark == "signin.password"


def test_two_tabs_do_not_collide(site: Attacked) -> None:
    person = site.person()
    agent = site.browser()
    first, second = agent.ask(), agent.ask()
    first = person.give_password(first)
    assert first.mark == "signin.challenge"
    assert again(second).mark == "signin.password"
    assert carried(person.give_code(first))
    # The second tab is signed in by now: one look, and it has its answer.
    assert carried(again(second))


def ids(site: Attacked, page: Page) -> list[str]:
    """By which a service knows an answer and its assertion again."""
    answer = site.answer(page)
    return [
        str(each.attrib["ID"]) for each in (answer.response, answer.assertion) if each is not None
    ]


def test_the_back_button_finds_where_the_sign_in_stands(site: Attacked) -> None:
    person = site.person()
    password_page = site.at_password()
    code_page = person.give_password(password_page)
    binds = len(site.directory.lines(" BIND dn="))
    back = person.give_password(password_page)
    assert (back.mark, version_of(back)) == ("signin.challenge", version_of(code_page))
    assert len(site.directory.lines(" BIND dn=")) == binds
    done = person.give_code(code_page)
    assert carried(done)
    assert site.events(person).count("factor.accepted") == 1
    twice = code_page.submit(code_page.form_with("code"), code="000000")
    assert ids(site, twice) == ids(site, done), "the same answer"
    lost = done.agent.open(done.url)
    assert (lost.mark, lost.status) == ("signin.moved", 409)
    (way_on,) = lost.tree.xpath("//a[contains(@href, '/saml/answer/')]/@href")
    fetched = lost.agent.open(f"{site.idp.origin}{way_on}")
    assert ids(site, fetched) == ids(site, done), "who lost it gets the same answer"
    assert site.events(person).count("factor.rejected") == 0


def test_a_form_of_another_version_moves_nothing(site: Attacked) -> None:
    person = site.person()
    old = site.at_code(person)
    asked = {**filled(old, "code"), "factor": "totp"}
    new = old.agent.send("POST", f"{site.idp.origin}/signin/{id_of(old)}/choose", asked)
    assert version_of(new) != version_of(old)
    assert person.phone is not None
    code = person.phone.code()
    for version in (version_of(old), "", "-1", "99", "99999999", "１", f"{version_of(new)}.0"):
        stands = new.submit(new.form_with("code"), code=code, version=version)
        assert (stands.mark, version_of(stands)) == ("signin.challenge", version_of(new))
    assert "factor.rejected" not in site.events(person)
    assert carried(new.submit(new.form_with("code"), code=code))


def test_another_person_cannot_continue_a_sign_in(site: Attacked) -> None:
    person, other = site.person(), site.person()
    password_page = site.at_password()
    code_page = person.give_password(password_page)
    stands = other.give_password(password_page)
    assert person.login in stands.words
    assert other.login not in stands.words
    assert other.phone is not None
    refused = code_page.submit(code_page.form_with("code"), code=other.phone.code())
    assert refused.status == 422


NAMES = {
    "nothing": "",
    "blanks": "   ",
    "tab": "\t",
    "nul": "\0",
    "nul inside": "ali\0ce",
    "star": "*",
    "emoji": "🔑🔒",
    "very long": "a" * 100_000,
    "newline": "alice\r\nX: y",
    "lone surrogate": "%ED%A0%80",
    "right-to-left": "\u202eecila",
}


@pytest.mark.parametrize("case", NAMES)
def test_a_strange_name_gets_the_password_page(site: Attacked, case: str) -> None:
    page = site.at_password()
    refused = page.submit(page.form_with("password"), username=NAMES[case], password="x")
    assert (refused.mark, refused.status) == ("signin.password", 422)
    assert len(refused.text) < 20_000


@pytest.mark.parametrize("password", ["\0", "a\0b", "x" * 100_000, "％", "\n"])
def test_a_strange_password_gets_the_password_page(
    site: Attacked, somebody: Person, password: str
) -> None:
    page = site.at_password()
    name = somebody.login
    refused = page.submit(page.form_with("password"), username=name, password=password)
    assert (refused.mark, refused.status) == ("signin.password", 422)


def test_a_name_of_a_megabyte_is_refused_whole(site: Attacked) -> None:
    page = site.at_password()
    refused = page.submit(page.form_with("password"), username="a" * 1_048_576, password="x")
    assert (refused.mark, refused.status) == ("error", 413)
    page.agent.close()  # the server hung up on it
    assert again(page).mark == "signin.password"


FILTERS = ("*", "targe*", "{}*", "{})(uid=*", "*)(uid={}", "\\2a", "{}\\00", "({})", "{})(|(uid=*")


@pytest.mark.parametrize("pattern", FILTERS)
def test_a_name_is_no_filter(site: Attacked, somebody: Person, pattern: str) -> None:
    page = site.at_password(CAMPUS)
    name = pattern.format(somebody.login)
    refused = page.submit(page.form_with("password"), username=name, password=somebody.password)
    assert (refused.mark, refused.status) == ("signin.password", 422)
    for line in site.directory.lines('filter="')[-3:]:
        assert not re.search(r"\(uid=[^)\\]*\*", line), line


def reference_of(page: Page) -> str:
    """The code that a page asks its reader to quote."""
    return str(page.tree.xpath("string(//*[@data-reference])")).strip()


def test_unknown_wrong_and_locked_look_the_same(site: Attacked) -> None:
    known, locked = site.person(), site.person()
    site.directory.put(site.entry(locked), "pwdAccountLockedTime", "000001010000Z")
    seen = set()
    for login, password in (
        (known.login, "wrong"),
        ("nobody-by-this-name", "wrong"),
        (locked.login, "wrong"),
        (locked.login, locked.password),
    ):
        page = site.at_password()
        refused = page.submit(page.form_with("password"), username=login, password=password)
        text = refused.text
        for own in (login, filled(refused, "csrf")["csrf"], id_of(refused), reference_of(refused)):
            text = text.replace(own, "")
        seen.add((refused.status, json.dumps(sorted(refused.headers.keys())), text))
    assert len(seen) == 1


@pytest.mark.parametrize("name", ["admin", "root", "test", "administrator", "guest", "idp_mfa"])
def test_no_account_answers_that_nobody_made(site: Attacked, name: str) -> None:
    page = site.at_password(CAMPUS)
    for password in (name, "password", f"demo-{name}", "changeit"):
        refused = page.submit(page.form_with("password"), username=name, password=password)
        assert (refused.mark, refused.status) == ("signin.password", 422)
