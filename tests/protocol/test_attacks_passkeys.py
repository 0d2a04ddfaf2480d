"""Passkeys attacked over HTTP: registrations and assertions replayed, forced, and out of turn."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from idp_mfa.webauthn import base64url
from tests.protocol.attacked import CAMPUS, OFF_CAMPUS, Attacked, carried, filled, raw
from tests.protocol.test_attacks_sessions import closed
from tests.protocol.test_phishing_resistant import Owner, owner_at
from tests.simulators.authenticator import ATTESTED, VERIFIED, Authenticator
from tests.simulators.passkey_owner import (
    asks,
    begin,
    confirm,
    confirm_without_name,
    options_of,
    post,
    register,
)
from tests.simulators.user_agent import Page


@pytest.fixture(scope="module")
def owner(site: Attacked) -> Owner:
    return owner_at(site)


def new_page(owner: Owner) -> Page:
    """A signed-in browser on the page that begins a registration."""
    page = owner.browser().open(f"{owner.site.idp.origin}/portal/fido2/new")
    page = owner.shown(page)
    assert page.mark == "portal.fido2.new", page
    return page


def yellow(owner: Owner) -> Page:
    page = owner.person.give_password(owner.browser().ask())
    assert asks(page), page
    return page


# -- registering -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lies",
    [
        {"alg": -47},
        {"alg": -65535},
        {"flags": VERIFIED | ATTESTED},
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"client_data": {"crossOrigin": True}},
        {"type": "webauthn.get"},
    ],
)
def test_what_was_not_offered_is_not_registered(owner: Owner, lies: dict[str, Any]) -> None:
    """CVE-2026-8830: the server decides, whatever a script let through."""
    before = owner.site.credentials(owner.person)
    found = register(new_page(owner), Authenticator(origin=owner.site.idp.origin), **lies)
    assert (found.status, found.mark) == (422, "portal.fido2.new")
    assert owner.site.credentials(owner.person) == before


def test_a_registration_is_taken_once(site: Attacked) -> None:
    """CVE-2022-42731: whether it was right or wrong, in this browser or another."""
    owner = owner_at(site)
    device = Authenticator(origin=site.idp.origin)
    created = begin(new_page(owner))
    answer = device.create(options_of(created))
    assert post(created, answer).mark == "portal.fido2.done"
    once = site.credentials(owner.person)
    for page in (created, begin(new_page(owner))):
        assert post(page, answer).mark != "portal.fido2.done"
    wrong = begin(new_page(owner))
    right = Authenticator(origin=site.idp.origin).create(options_of(wrong))
    assert (
        post(wrong, device.create(options_of(wrong), origin="https://evil.example")).status == 422
    )
    assert post(wrong, right).mark != "portal.fido2.done"
    assert site.credentials(owner.person) == once


def test_a_step_up_under_way_registers_none(site: Attacked) -> None:
    """CVE-2023-3597: a password alone, on campus, by whoever has a factor already."""
    person = site.person()
    agent = site.browser(CAMPUS)
    assert carried(person.give_password(agent.ask()))
    assert agent.ask_mfa().mark == "signin.challenge"
    before = site.credentials(person)
    csrf = filled(agent.open(f"{site.idp.origin}/sign-out"), "csrf")["csrf"]
    for step in ("new", "begin", "complete"):
        url = f"{site.idp.origin}/portal/fido2/{step}"
        asked = agent.open(url)
        if step != "new":
            asked = agent.send("POST", url, {"csrf": csrf, "credential": "{}"})
        assert asked.mark in ("signin.challenge", "portal.fido2"), asked
        assert not asks(asked) or asked.mark == "signin.challenge"
    assert site.credentials(person) == before


def test_the_first_passkey_takes_more_than_a_password_off_campus(site: Attacked) -> None:
    """CVE-2021-3632: nobody's first key is registered by whoever has the password."""
    person = site.person(enrolled=False)
    for step, method in (("new", "GET"), ("begin", "POST"), ("complete", "POST")):
        agent = site.browser(OFF_CAMPUS)
        agent.open(f"{site.idp.origin}/portal/fido2/new")
        page = agent.open(f"{site.idp.origin}/portal/fido2/new")
        page = person.give_password(page)
        assert page.mark in ("portal.refused", "signin.refused"), page
        found = agent.send(method, f"{site.idp.origin}/portal/fido2/{step}", {"credential": "{}"})
        assert found.mark != "portal.fido2.done"
        assert not asks(found)
    assert site.credentials(person) == ()


# -- signing in ------------------------------------------------------------------------------


def test_an_assertion_is_taken_once_and_only_where_it_was_asked(owner: Owner) -> None:
    page, other = yellow(owner), yellow(owner)
    answer = owner.device.get(options_of(page))
    assert not carried(post(other, answer)), "of another sign-in"
    done = post(page, answer)
    assert carried(done)
    assert not carried(post(yellow(owner), answer))
    assert not carried(post(other, owner.device.get(options_of(other)))), "its question is spent"


def test_after_a_wrong_answer_there_is_a_new_question_and_a_way_on(owner: Owner) -> None:
    page = yellow(owner)
    for _ in range(2):
        wrong = confirm(page, owner.device, origin="https://evil.example")
        assert (wrong.status, wrong.mark, wrong.factor) == (422, "signin.challenge", "fido2")
        assert options_of(wrong) != options_of(page)
        ways = wrong.tree.xpath("//div[@class='ways']//a[contains(@href, '/choose')]")
        assert ways, "another method"
        page = wrong
    assert carried(confirm(page, owner.device))


def test_anothers_passkey_opens_nothing(site: Attacked, owner: Owner) -> None:
    other = owner_at(site)
    page = yellow(owner)
    allowed = options_of(page)
    for held in other.device.held:
        assert base64url(held.id) not in allowed
    lent = Authenticator(origin=site.idp.origin, held=[*other.device.held])
    # An authenticator that answers for whomever it likes.
    answer = lent.get(options_of(yellow(other)))
    refused = post(page, answer)
    assert refused.status == 422
    assert not carried(refused)


def before_the_passkey(owner: Owner) -> Page:
    page = yellow(owner)
    closed(owner.site, owner.person)
    return confirm(page, owner.device)


def before_a_passkey_without_a_name(owner: Owner) -> Page:
    page = owner.browser().ask()
    closed(owner.site, owner.person)
    return confirm_without_name(page, owner.device)


def before_a_registration(owner: Owner) -> Page:
    created = begin(new_page(owner))
    closed(owner.site, owner.person)
    device = Authenticator(origin=owner.site.idp.origin)
    return post(created, device.create(options_of(created)))


@pytest.mark.parametrize(
    "walk", [before_the_passkey, before_a_passkey_without_a_name, before_a_registration]
)
def test_a_closed_account_stops_at_the_next_step(site: Attacked, walk: Any) -> None:
    """CVE-2025-53942, on the roads of a passkey."""
    owner = owner_at(site)
    before = site.credentials(owner.person)
    page = walk(owner)
    assert not carried(page) or site.answer(page).assertion is None
    assert page.mark in ("signin.password", "signin.refused", "saml.post"), page
    assert site.credentials(owner.person) == before


def test_the_host_that_was_asked_for_binds_nothing(owner: Owner) -> None:
    """The site of a passkey is a setting."""
    page = yellow(owner)
    kept = "; ".join(f"{one.name}={one.value}" for one in page.agent.session.cookies)
    forged = [(name, "evil.example") for name in ("Host", "X-Forwarded-Host")]
    sent = (*forged, ("X-Forwarded-For", OFF_CAMPUS), ("Cookie", kept))
    _, _, text = raw(owner.site, "GET", urlsplit(page.url).path.removesuffix("/response"), sent)
    again = replace(page, text=text)
    assert asks(again)
    assert "evil.example" not in text
    assert json.loads(options_of(again))["rpId"] == urlsplit(owner.site.idp.origin).hostname
