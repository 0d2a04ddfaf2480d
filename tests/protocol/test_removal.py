"""Removing a factor over HTTP: any but the last one with which its owner can sign in."""

from __future__ import annotations

import threading

import pytest

from tests.protocol.attacked import Attacked, Attacker, carried
from tests.protocol.test_written_codes import (
    asked,
    at_code,
    at_password_of,
    made,
    offered,
    opened,
    used,
)
from tests.simulators.person import Person
from tests.simulators.user_agent import Page

OUTSIDE = "203.0.113.10"
REMOVAL = "/portal/remove"


@pytest.fixture
def owner(site: Attacked) -> Person:
    return site.person()


def button(page: Page, factor: str) -> str | None:
    """The credential that the page would remove of a factor, by the words of its button."""
    words = {"totp": "One-time password (6 digits)", "recovery_code": "Recovery code"}[factor]
    found = page.tree.xpath(f"//button[text()='Remove: {words}']/@value")
    return str(found[0]) if found else None


def removed(page: Page, factor: str) -> Page:
    credential = button(page, factor)
    assert credential is not None, page.words[:400]
    form = next(one for one in page.tree.forms if one.action.endswith("/factor"))
    return page.submit(form, credential=credential)


def test_codes_are_removed_and_their_owner_hears_of_it(site: Attacked, owner: Person) -> None:
    codes = made(site, owner)
    done = removed(opened(site, owner, REMOVAL), "recovery_code")
    assert done.mark == "portal.remove.done"
    assert "factor.removed" in site.events(owner)
    assert len(site.credentials(owner)) == 1
    page = at_code(site, owner)
    assert not offered(page, "recovery_code")
    form = page.form_with("code")
    assert not carried(page.submit(form, code=codes[0]))


def test_the_last_one_that_signs_in_stays_and_the_page_says_what_to_do(
    site: Attacked, owner: Person
) -> None:
    made(site, owner)
    kept = site.credentials(owner)
    page = opened(site, owner, REMOVAL)
    assert button(page, "totp") is None
    assert "cannot be removed now" in page.words
    assert page.tree.xpath("//li//a[@href='/portal/totp']")
    (token, *_) = page.tree.xpath("//form[contains(@action, '/factor')]/input[@name='csrf']/@value")
    for credential in (*_ids(site, owner, "totp"), "", "made up", "../"):
        answer = page.agent.send(
            "POST", f"{site.idp.origin}{REMOVAL}/factor", {"csrf": token, "credential": credential}
        )
        assert answer.mark == "portal.remove"
    assert site.credentials(owner) == kept


def _ids(site: Attacked, person: Person, factor: str) -> list[str]:
    lines = site.audited().splitlines()
    marker = f'"factor":"{factor}"'
    return [
        line.split('"credential":"')[1].split('"')[0]
        for line in lines
        if marker in line.replace(" ", "") and '"credential":"' in line.replace(" ", "")
    ][-3:]


def test_it_takes_a_factor_of_just_now_and_the_form_of_our_page(
    site: Attacked, owner: Person
) -> None:
    made(site, owner)
    kept = site.credentials(owner)
    page = opened(site, owner, REMOVAL)
    credential = button(page, "recovery_code") or ""
    for form in ({"credential": credential}, {"credential": credential, "csrf": "A" * 43}):
        page.agent.send("POST", f"{site.idp.origin}{REMOVAL}/factor", form)
    page.agent.open(f"{site.idp.origin}{REMOVAL}/factor?credential={credential}")
    stranger = at_password_of(site, owner, REMOVAL)
    assert stranger.mark == "signin.challenge", "the password alone"
    token = stranger.tree.xpath("string(//input[@name='csrf']/@value)")
    stranger.agent.send(
        "POST",
        f"{site.idp.origin}{REMOVAL}/factor",
        {"csrf": token, "credential": credential},
    )
    other = opened(site, site.person(), REMOVAL)
    form = {"credential": credential}
    (token, *_) = other.tree.xpath("//input[@name='csrf']/@value")
    other.agent.send("POST", f"{site.idp.origin}{REMOVAL}/factor", {**form, "csrf": token})
    assert site.credentials(owner) == kept


def test_a_code_on_paper_shows_who_it_is_and_a_passcode_of_the_desk_does_not(
    site: Attacked, owner: Person
) -> None:
    codes = made(site, owner)
    page = asked(at_password_of(site, owner, REMOVAL), "recovery_code")
    page = used(page, "recovery_code", codes[0])
    assert page.mark == "portal.remove", page.words[:300]
    site.idp.must("user", "passcode", owner.login, "--for", "sign-in", "--reason", "showed a card")
    page = at_password_of(site, owner, REMOVAL)
    assert not offered(page, "passcode")


def test_of_many_browsers_that_remove_it_one_does(site: Attacked, owner: Person) -> None:
    made(site, owner)
    first = opened(site, owner, REMOVAL)
    assert isinstance(first.agent, Attacker)
    copies = [first.agent.copy() for _ in range(7)]
    site.browsers.extend(copies)
    pages = [first, *(one.open(f"{site.idp.origin}{REMOVAL}") for one in copies)]
    ended: list[Page] = []
    threads = [
        threading.Thread(target=lambda page=page: ended.append(removed(page, "recovery_code")))
        for page in pages
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    marks = sorted(page.mark for page in ended)
    assert marks == ["portal.remove"] * 7 + ["portal.remove.done"], marks
    assert len(site.credentials(owner)) == 1
