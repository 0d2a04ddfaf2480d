"""What people see and end of their own, how they leave, and pages that advise, over HTTP."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from tests.protocol.attacked import CAMPUS, OFF_CAMPUS, PLAIN, Attacked, Attacker, carried
from tests.simulators.person import Person
from tests.simulators.user_agent import Page

ACTIVITY = "/portal/activity"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1"
)


def activity(site: Attacked, person: Person, browser: Attacker | None = None) -> Page:
    browser = browser or site.browser(OFF_CAMPUS)
    page = person.sign_in(browser.open(f"{site.idp.origin}{ACTIVITY}"))
    assert page.mark == "portal.activity", page.words[:300]
    return page


def names(page: Page) -> list[str]:
    """The other sessions that can be ended."""
    found = page.tree.xpath("//input[@name='session']/@value")
    return [str(name) for name in found if name != "others"]


def end(page: Page, name: str, csrf: str | None = None) -> Page:
    token = page.tree.xpath("string(//input[@name='csrf']/@value)") if csrf is None else csrf
    return page.agent.send(
        "POST", f"{page.agent.idp}{ACTIVITY}/end", {"csrf": str(token), "session": name}
    )


def test_another_browsers_session_is_seen_and_ended(site: Attacked) -> None:
    person = site.person()
    theirs = activity(site, person)
    mine = activity(site, person)
    assert len(names(mine)) == 1
    assert OFF_CAMPUS in mine.words
    after = end(mine, names(mine)[0])
    assert after.mark == "portal.activity", "this browser goes on"
    assert names(after) == []
    assert theirs.agent.open(theirs.url).mark == "signin.password"
    assert "session.ended" in site.events(person)


def test_services_are_told_by_their_names(site: Attacked) -> None:
    person, browser = site.person(), site.browser(CAMPUS)
    assert carried(person.sign_in(browser.ask()))
    words = activity(site, person).words
    assert PLAIN.entity_id not in words
    assert "plain.example" in words


def test_all_others_are_ended_and_this_one_lives(site: Attacked) -> None:
    person = site.person()
    others = [activity(site, person) for _ in range(2)]
    mine = activity(site, person)
    assert len(names(mine)) == 2
    after = end(mine, "others")
    assert (after.mark, names(after)) == ("portal.activity", [])
    for other in others:
        assert other.agent.open(other.url).mark == "signin.password"


def test_nobody_ends_somebody_elses(site: Attacked) -> None:
    victim, thief = site.person(), site.person()
    theirs = activity(site, victim)
    seen_by_victim = names(activity(site, victim))
    mine = activity(site, thief)
    assert names(mine) == []
    for name in seen_by_victim:
        end(mine, name)
    assert theirs.agent.open(theirs.url).mark == "portal.activity"


def test_a_forged_form_and_a_get_end_nothing(site: Attacked) -> None:
    person = site.person()
    theirs, mine = activity(site, person), activity(site, person)
    (name,) = names(mine)
    for token in ("", "0" * 64):
        end(mine, name, token)
    mine.agent.open(f"{site.idp.origin}{ACTIVITY}/end?session={name}")
    assert theirs.agent.open(theirs.url).mark == "portal.activity"


def test_a_password_alone_sees_nothing_of_it(site: Attacked) -> None:
    person = site.person()
    thief = Person(person.login, person.password)
    for address in (CAMPUS, OFF_CAMPUS):
        page = thief.give_password(site.browser(address).open(f"{site.idp.origin}{ACTIVITY}"))
        assert page.mark == "signin.challenge"


def test_leaving_kills_the_session_there_and_here(site: Attacked) -> None:
    person = site.person()
    page = activity(site, person)
    copied = Attacker(site.idp.origin, OFF_CAMPUS)
    site.browsers.append(copied)
    copied.session.cookies.update(page.agent.session.cookies)
    asked = page.agent.open(f"{site.idp.origin}/sign-out")
    form = next(one for one in asked.tree.forms if "switch" not in one.fields)
    left = asked.submit(form)
    assert left.mark == "signin.signed-out"
    assert left.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert page.agent.cookie("idp") is None
    assert page.agent.cookie("idp-tx-") is None
    assert copied.open(page.url).mark == "signin.password"
    assert page.headers["Cache-Control"] == "no-store"


def test_another_id_is_asked_for_at_once_and_the_first_is_gone(site: Attacked) -> None:
    one, other = site.person(), site.person()
    page = activity(site, one)
    old = page.agent.cookie("idp")
    asked = page.agent.open(f"{site.idp.origin}/sign-out")
    assert one.login in asked.words
    switched = asked.submit(asked.form_with("switch"))
    assert switched.mark == "signin.password"
    home = other.sign_in(switched)
    assert home.mark == "portal.home", home.words[:200]
    assert other.login in home.words
    assert one.login not in home.words
    copied = Attacker(site.idp.origin, OFF_CAMPUS)
    site.browsers.append(copied)
    copied.plant("idp", str(old))
    assert copied.open(page.url).mark == "signin.password"


@pytest.mark.parametrize("forged", [None, "", "0" * 64])
def test_nobody_is_signed_out_by_a_forged_form(site: Attacked, forged: str | None) -> None:
    person = site.person()
    page = activity(site, person)
    values = {"switch": "1"} if forged is None else {"switch": "1", "csrf": forged}
    page.agent.send("POST", f"{site.idp.origin}/sign-out", values)
    assert page.agent.open(page.url).mark == "portal.activity"


# -- the code doctor -----------------------------------------------------------------------------


def test_the_page_explains_a_used_code_and_a_clock_with_the_way_to_its_page(
    site: Attacked,
) -> None:
    person = site.person()
    assert person.phone is not None
    page = site.at_code(person)
    for told in ("That code is not right", "off by about 6 minutes"):
        step = int(time.time()) // 30 - 12
        page = page.submit(page.form_with("code"), code=person.phone.at(step))
        assert (page.status, page.mark) == (422, "signin.challenge")
        assert told in page.words
        time.sleep(30 - time.time() % 30 if "not right" in told else 0)
    assert page.tree.xpath("//a[@href='/clock']")


# -- advice --------------------------------------------------------------------------------------


def test_answers_are_found_without_a_script(site: Attacked) -> None:
    browser = site.browser(OFF_CAMPUS)
    whole = browser.open(f"{site.idp.origin}/help")
    questions = whole.tree.xpath("//section[@class='answer']/@id")
    assert {"clock", "mail", "delete-entry", "sign-out", "abroad"} <= set(questions)
    form = whole.form_with("q")
    assert form.method == "GET"
    assert form.action.endswith("/help")
    some = browser.open(f"{site.idp.origin}/help?q={quote('ＭＡＩＬ　address')}")
    found = some.tree.xpath("//section[@class='answer']/@id")
    assert set(found) < set(questions)
    assert "mail" in found
    none = browser.open(f"{site.idp.origin}/help?q={quote('<script>')}")
    assert none.tree.xpath("//section[@class='answer']") == []
    assert "<script>" not in none.text.partition("<main")[2]


def test_every_answer_leads_to_a_page_that_is_there(site: Attacked) -> None:
    browser = site.browser(OFF_CAMPUS)
    page = browser.open(f"{site.idp.origin}/help")
    links = set(page.tree.xpath("//main//a/@href"))
    anchors = set(page.tree.xpath("//section/@id"))
    assert {link[1:] for link in links if link.startswith("#")} <= anchors
    for link in links:
        if link.startswith("/"):
            assert browser.open(f"{site.idp.origin}{link}").status == 200, link


def test_the_clock_page_shows_our_time(site: Attacked) -> None:
    page = site.browser(OFF_CAMPUS).open(f"{site.idp.origin}/clock")
    (told,) = page.tree.xpath("//@data-now")
    assert abs(int(told) / 1000 - time.time()) < 10


def test_auto_fill_shows_the_key_to_its_owners_device_alone(site: Attacked) -> None:
    person = site.person()
    assert person.phone is not None
    browser = site.browser(OFF_CAMPUS)
    assert "cannot do it" in browser.open(f"{site.idp.origin}/ios").words
    browser.session.headers["User-Agent"] = IPHONE
    page = browser.open(f"{site.idp.origin}/ios")
    assert person.phone.key not in page.text
    (link,) = page.tree.xpath("//a[@class='main']/@href")
    page = person.sign_in(browser.open(f"{site.idp.origin}{link}"))
    assert page.mark == "portal.apple", page.words[:200]
    (uri,) = page.tree.xpath("//a[@class='main']/@href")
    assert uri.startswith(f"apple-otpauth://totp/Test:{person.login}?secret={person.phone.key}&")
    assert "&issuer=127.0.0.1&" in uri
    assert "key.shown" in site.events(person)
    thief = Person(person.login, person.password)
    inside = thief.give_password(site.browser(CAMPUS).open(f"{site.idp.origin}{link}"))
    assert inside.mark == "signin.challenge"
