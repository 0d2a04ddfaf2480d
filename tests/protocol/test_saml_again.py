"""A request that comes twice, an answer that is fetched twice, a service that goes meanwhile."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

from tests.protocol.attacked import CAMPUS, PLAIN, Attacked, carried, new_id
from tests.simulators.person import Person
from tests.simulators.service_provider import Read, TestServiceProvider
from tests.simulators.user_agent import Page


def request_url(site: Attacked, service: TestServiceProvider = PLAIN, content: str = "") -> str:
    xml = service.authn_request(
        datetime.now(UTC),
        id=new_id(),
        destination=f"{site.idp.origin}/saml/sso",
        content=content,
    )
    return f"{site.idp.origin}/saml/sso?{service.query(xml, 'state').decode()}"


def ids(read: Read) -> tuple[str | None, str | None]:
    assert read.assertion is not None
    return read.assertion.get("ID"), read.statement.get("SessionIndex")


def test_a_request_that_comes_again_finds_its_own_open_page(
    site: Attacked, somebody: Person
) -> None:
    browser, url = site.browser(CAMPUS), request_url(site)
    first, second = browser.open(url), browser.open(url)
    assert first.mark == second.mark == "signin.password"
    assert first.url == second.url
    assert carried(somebody.give_password(second))


def test_another_browser_with_the_same_request_does_not_get_that_page(site: Attacked) -> None:
    url = request_url(site)
    own = site.browser(CAMPUS).open(url)
    other = site.browser(CAMPUS).open(url)
    assert own.mark == "signin.password"
    assert (other.mark, other.status) == ("signin.moved", 409)


def test_an_answered_request_says_where_to_start_again(site: Attacked, somebody: Person) -> None:
    browser, url = site.browser(CAMPUS), request_url(site)
    assert carried(somebody.give_password(browser.open(url)))
    again = browser.open(url)
    assert (again.mark, again.status) == ("signin.moved", 409)
    assert not carried(again)
    assert "https://plain.example/" in again.text


def test_an_answer_fetched_again_is_one_answer_to_the_service(
    site: Attacked, somebody: Person
) -> None:
    browser = site.browser(CAMPUS)
    page = somebody.give_password(browser.open(request_url(site)))
    assert ids(site.answer(page)) == ids(site.answer(browser.open(page.url)))


def test_what_cannot_be_met_is_told_to_the_service_at_once(site: Attacked) -> None:
    policy = '<samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"/>'
    told = site.answer(site.browser(CAMPUS).open(request_url(site, content=policy)))
    assert told.statuses == ["Requester", "InvalidNameIDPolicy"]
    assert told.assertion is None
    unknown = (
        "<samlp:RequestedAuthnContext><saml:AuthnContextClassRef>urn:unknown"
        "</saml:AuthnContextClassRef></samlp:RequestedAuthnContext>"
    )
    told = site.answer(site.browser(CAMPUS).open(request_url(site, content=unknown)))
    assert told.statuses == ["Responder", "NoAuthnContext"]


def test_a_service_that_is_removed_meanwhile_gets_nothing(site: Attacked, somebody: Person) -> None:
    leaving = replace(
        PLAIN, entity_id="https://leaving.example/sp", acs_url="https://leaving.example/acs"
    )
    site.idp.register(leaving.metadata())
    page = _known(site, leaving)
    before = site.audited().count('"assertion.issued"')
    site.idp.must("sp", "remove", leaving.entity_id)
    time.sleep(1.1)  # a node looks at the registry once a second
    refused = somebody.give_password(page)
    assert (refused.mark, refused.status) == ("error", 400)
    assert not carried(refused)
    assert site.audited().count('"assertion.issued"') == before


def _known(site: Attacked, service: TestServiceProvider) -> Page:
    time.sleep(1.1)
    page = site.browser(CAMPUS).open(request_url(site, service))
    assert page.mark == "signin.password", page.words
    return page
