"""Debian's Shibboleth SP 3 signs in with us: users in slapd, state in Debian's Redis."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from tests.protocol.conftest import CAMPUS, OFF_CAMPUS, VPN, BrowserAt
from tests.protocol.messages import (
    NAMES,
    PASSWORD_PROTECTED_TRANSPORT,
    REFEDS_MFA,
    response,
    statuses,
)
from tests.servers.apache import loopback, what_came
from tests.servers.foreground import free_port
from tests.servers.idp import Idp
from tests.servers.shibboleth import POST, REDIRECT, Shibboleth, ShibbolethOptions, shibboleth
from tests.servers.slapd import PEOPLE, Slapd
from tests.servers.valkey import Kind
from tests.simulators.person import Person

STORE = Kind.REDIS
Starts = Iterator[Shibboleth]


@contextlib.contextmanager
def registered(idp: Idp, options: ShibbolethOptions) -> Starts:
    """A service provider that we know and that knows us."""
    with started(idp, options, idp.metadata()) as service:
        idp.register(service.metadata)
        yield service


def started(
    idp: Idp, options: ShibbolethOptions, metadata: bytes
) -> AbstractContextManager[Shibboleth]:
    """A service provider that knows us."""
    return shibboleth(
        loopback(free_port()),
        idp_entity_id=idp.entity_id,
        idp_metadata=metadata,
        options=options,
    )


@pytest.fixture(scope="module")
def signed(idp: Idp) -> Starts:
    """Signs its requests, decrypts our answers, and waits for no answer to its logout."""
    with registered(idp, ShibbolethOptions("signed")) as service:
        yield service


@pytest.fixture(scope="module")
def plain(idp: Idp) -> Starts:
    """Has no keys at all."""
    with registered(idp, ShibbolethOptions("plain", signs=False, decrypts=False)) as service:
        yield service


@pytest.fixture(scope="module")
def waiting(idp: Idp) -> Starts:
    """Wants to hear that the logout was done."""
    with registered(idp, ShibbolethOptions("waiting", logout="synchronous")) as service:
        yield service


@pytest.fixture(scope="module")
def narrow(idp: Idp) -> Starts:
    """Read in our metadata that we speak for another domain than we do."""
    metadata = idp.metadata().replace(b">example.ac.jp</", b">elsewhere.ac.jp</")
    assert metadata != idp.metadata()
    with started(idp, ShibbolethOptions("narrow"), metadata) as service:
        idp.register(service.metadata)
        yield service


@pytest.fixture(scope="module")
def stranger(idp: Idp) -> Starts:
    """Knows us, but nobody registered it."""
    with started(idp, ShibbolethOptions("stranger"), idp.metadata()) as service:
        yield service


BINDINGS = pytest.mark.parametrize("binding", [REDIRECT, POST], ids=["redirect", "post"])
METHODS = {REDIRECT: "GET", POST: "POST"}


@BINDINGS
@pytest.mark.parametrize("address", [CAMPUS, VPN, "2001:db8:1::10"], ids=["campus", "vpn", "v6"])
def test_on_campus_and_on_the_vpn_the_password_is_enough(
    signed: Shibboleth, person: Person, browser_at: BrowserAt, binding: str, address: str
) -> None:
    agent = browser_at(address)
    arrived = person.give_password(agent.open(signed.login(binding)))
    came = what_came(arrived.text)
    assert came["eppn"] == person.principal_name, signed.log()
    assert came["Shib-AuthnContext-Class"] == PASSWORD_PROTECTED_TRANSPORT


@BINDINGS
@pytest.mark.parametrize("service", ["signed", "plain"])
def test_off_campus_a_code_is_asked_and_the_assertion_says_what_was_done(
    request: pytest.FixtureRequest,
    person: Person,
    browser_at: BrowserAt,
    binding: str,
    service: str,
) -> None:
    shibboleth: Shibboleth = request.getfixturevalue(service)
    agent = browser_at(OFF_CAMPUS)
    asked = agent.open(shibboleth.login(binding))
    assert agent.carried("SAMLRequest").method == METHODS[binding]
    before = datetime.now(UTC) - timedelta(seconds=1)
    yellow = person.give_password(asked)
    assert OFF_CAMPUS in yellow.words
    arrived = person.give_code(yellow)
    came = what_came(arrived.text)
    assert came["REMOTE_USER"] == person.principal_name, shibboleth.log()
    assert came["Shib-AuthnContext-Class"] == REFEDS_MFA
    instant = datetime.fromisoformat(came["Shib-Authentication-Instant"])
    assert before <= instant + timedelta(seconds=1)
    assert instant <= datetime.now(UTC)


def test_an_address_that_no_proxy_told_never_skips(
    signed: Shibboleth, person: Person, browser_at: BrowserAt
) -> None:
    yellow = person.give_password(browser_at(None).open(signed.secure))
    assert yellow.mark == "signin.challenge"


def test_what_is_encrypted_for_a_service_is_readable_by_it_alone(
    signed: Shibboleth, plain: Shibboleth, person: Person, browser_at: BrowserAt
) -> None:
    agent = browser_at(CAMPUS)
    arrived = person.sign_in(agent.open(signed.secure))
    assert "eppn" in what_came(arrived.text)
    sealed = response(agent)
    assert sealed.find("saml:EncryptedAssertion", NAMES) is not None
    assert sealed.find("saml:Assertion", NAMES) is None
    assert person.login not in etree.tostring(sealed, encoding="unicode")
    agent.open(plain.secure)
    clear = response(agent)
    assert clear.find("saml:Assertion/ds:Signature", NAMES) is not None
    assert clear.find("ds:Signature", NAMES) is not None


def test_a_service_that_asks_mfa_on_campus_gets_it(
    signed: Shibboleth, person: Person, browser_at: BrowserAt
) -> None:
    yellow = person.give_password(browser_at(CAMPUS).open(signed.multi_factor))
    arrived = person.give_code(yellow)
    assert what_came(arrived.text)["Shib-AuthnContext-Class"] == REFEDS_MFA


def test_a_session_of_a_password_is_asked_the_missing_factor_only(
    signed: Shibboleth, plain: Shibboleth, person: Person, browser_at: BrowserAt
) -> None:
    agent = browser_at(CAMPUS)
    person.give_password(agent.open(signed.secure))
    yellow = agent.open(plain.multi_factor)
    assert yellow.mark == "signin.challenge"
    arrived = person.give_code(yellow)
    assert what_came(arrived.text)["Shib-AuthnContext-Class"] == REFEDS_MFA


def test_single_sign_on_asks_nothing_twice_and_force_authn_asks_again(
    signed: Shibboleth, plain: Shibboleth, person: Person, browser_at: BrowserAt
) -> None:
    agent = browser_at(CAMPUS)
    first = what_came(person.give_password(agent.open(signed.secure)).text)
    second = what_came(agent.open(plain.secure).text)
    assert second["Shib-Authentication-Instant"] == first["Shib-Authentication-Instant"]
    again = agent.open(plain.login(REDIRECT, forceAuthn="true"))
    assert again.mark == "signin.password"
    time.sleep(1.1)  # the instant is told in whole seconds
    third = what_came(person.give_password(again).text)
    assert third["Shib-Authentication-Instant"] > first["Shib-Authentication-Instant"]


def test_passive_shows_no_page(
    signed: Shibboleth, plain: Shibboleth, person: Person, browser_at: BrowserAt
) -> None:
    agent = browser_at(CAMPUS)
    back = agent.open(signed.login(REDIRECT, isPassive="true"))
    assert back.url == signed.open, (back.words, signed.log()[-1500:])
    assert "eppn" not in what_came(back.text)
    assert statuses(response(agent)) == ["Responder", "NoPassive"]
    person.give_password(agent.open(plain.secure))
    known = agent.open(signed.login(REDIRECT, isPassive="true"))
    assert what_came(known.text)["eppn"] == person.principal_name


def test_shibboleths_own_scope_filter_drops_what_is_not_ours_to_say(
    narrow: Shibboleth, person: Person, browser_at: BrowserAt
) -> None:
    came = what_came(person.give_password(browser_at(CAMPUS).open(narrow.secure)).text)
    assert "eppn" not in came
    assert "affiliation" not in came
    assert came["mail"] == person.principal_name, "what has no scope still arrives"
    assert "eppn" in narrow.log()


def test_a_foreign_domain_in_the_directory_is_not_passed_on(
    signed: Shibboleth, person: Person, directory: Slapd, browser_at: BrowserAt
) -> None:
    entry = f"uid={person.login},{PEOPLE}"
    directory.put(entry, "eduPersonPrincipalName", "president@elsewhere.ac.jp")
    came = what_came(person.give_password(browser_at(CAMPUS).open(signed.secure)).text)
    assert "eppn" not in came
    assert came["mail"] == person.principal_name
    assert "elsewhere.ac.jp" not in signed.log()


@pytest.mark.parametrize(
    ("service", "told"),
    [("signed", "You are signed out"), ("waiting", "Logout completed successfully")],
)
def test_logging_out_of_the_service_ends_our_session(
    request: pytest.FixtureRequest,
    person: Person,
    browser_at: BrowserAt,
    service: str,
    told: str,
) -> None:
    shibboleth: Shibboleth = request.getfixturevalue(service)
    agent = browser_at(CAMPUS)
    person.give_password(agent.open(shibboleth.secure))
    kept = agent.session.cookies["idp"]
    assert told in agent.open(shibboleth.logout).words
    assert agent.carried("SAMLRequest").url.startswith(agent.idp)
    assert "idp" not in agent.session.cookies
    assert agent.open(shibboleth.secure).mark == "signin.password", shibboleth.log()
    agent.session.cookies.set("idp", kept, domain="127.0.0.1")
    assert agent.open(shibboleth.secure).mark == "signin.password", "a kept cookie still counts"


def test_an_unsigned_logout_request_ends_nothing(
    signed: Shibboleth, plain: Shibboleth, person: Person, browser_at: BrowserAt
) -> None:
    agent = browser_at(CAMPUS)
    person.give_password(agent.open(plain.secure))
    agent.open(plain.logout)
    assert "eppn" in what_came(agent.open(signed.secure).text)


def test_a_service_we_do_not_know_is_told_so(
    idp: Idp, stranger: Shibboleth, browser_at: BrowserAt
) -> None:
    page = browser_at(CAMPUS).open(stranger.secure)
    assert page.url.startswith(idp.origin)
    assert page.mark == "error"
