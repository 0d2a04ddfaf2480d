"""Debian's mod_auth_mellon signs in with us: users in slapd, state in the Valkey of the wheel."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterator

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
from tests.servers.mellon import Mellon, MellonOptions, mellon
from tests.servers.shibboleth import POST
from tests.servers.valkey import Kind
from tests.simulators.person import Person

STORE = Kind.VALKEY
StartMellon = Callable[[MellonOptions], Mellon]

BY_REDIRECT = MellonOptions(name="redirect")
BY_POST = MellonOptions(name="post", binding=POST)
PLAIN = MellonOptions(name="plain", signs=False, decrypts=False)
PLAIN_BY_POST = MellonOptions(name="plain-post", binding=POST, signs=False, decrypts=False)
WANTS_MFA = MellonOptions(name="mfa", authn_context=REFEDS_MFA)


@pytest.fixture(scope="module")
def start_mellon(idp: Idp) -> Iterator[StartMellon]:
    """Each variant once, registered with us."""
    with contextlib.ExitStack() as stack:
        running: dict[str, Mellon] = {}

        def start(options: MellonOptions) -> Mellon:
            if options.name not in running:
                site = loopback(free_port())
                started = mellon(site, idp_metadata=idp.metadata(), options=options)
                running[options.name] = stack.enter_context(started)
                idp.register(running[options.name].metadata)
            return running[options.name]

        yield start


EVERY = pytest.mark.parametrize(
    "options", [BY_REDIRECT, BY_POST, PLAIN, PLAIN_BY_POST], ids=lambda options: options.name
)


def said_class(page_text: str) -> str:
    """The class in the assertion that Mellon keeps, from the dump of its session."""
    dumped = etree.fromstring(base64.b64decode(what_came(page_text)["MELLON_SESSION"]))
    found = dumped.findtext(".//saml:AuthnContextClassRef", namespaces=NAMES)
    assert found is not None, etree.tostring(dumped)
    return found


@EVERY
@pytest.mark.parametrize("address", [CAMPUS, VPN], ids=["campus", "vpn"])
def test_on_campus_and_on_the_vpn_the_password_is_enough(
    start_mellon: StartMellon,
    person: Person,
    browser_at: BrowserAt,
    options: MellonOptions,
    address: str,
) -> None:
    service = start_mellon(options)
    arrived = person.give_password(browser_at(address).open(service.secure))
    assert what_came(arrived.text)["eppn"] == person.principal_name, service.log()
    assert said_class(arrived.text) == PASSWORD_PROTECTED_TRANSPORT


@EVERY
def test_off_campus_a_code_is_asked(
    start_mellon: StartMellon, person: Person, browser_at: BrowserAt, options: MellonOptions
) -> None:
    service = start_mellon(options)
    agent = browser_at(OFF_CAMPUS)
    arrived = person.give_code(person.give_password(agent.open(service.secure)))
    assert what_came(arrived.text)["eppn"] == person.principal_name, service.log()
    assert said_class(arrived.text) == REFEDS_MFA
    sealed = response(agent).find("saml:EncryptedAssertion", NAMES)
    assert (sealed is not None) == options.decrypts


def test_mellon_insisting_on_mfa_gets_it_on_campus(
    start_mellon: StartMellon, person: Person, browser_at: BrowserAt
) -> None:
    service = start_mellon(WANTS_MFA)
    arrived = person.give_code(person.give_password(browser_at(CAMPUS).open(service.secure)))
    assert said_class(arrived.text) == REFEDS_MFA


def test_passive_shows_no_page(
    start_mellon: StartMellon, person: Person, browser_at: BrowserAt
) -> None:
    service = start_mellon(BY_REDIRECT)
    agent = browser_at(CAMPUS)
    agent.open(service.login(IsPassive="true"))
    assert statuses(response(agent)) == ["Responder", "NoPassive"]
    person.give_password(agent.open(service.secure))
    agent.forget("mellon-cookie")
    known = agent.open(service.login(IsPassive="true"))
    assert what_came(known.text)["eppn"] == person.principal_name


def test_logging_out_ends_our_session_and_comes_back(
    start_mellon: StartMellon, person: Person, browser_at: BrowserAt
) -> None:
    service = start_mellon(BY_REDIRECT)
    agent = browser_at(CAMPUS)
    person.give_password(agent.open(service.secure))
    back = agent.open(service.logout)
    assert back.url == service.open, (back.words, service.log())
    assert "eppn" not in what_came(back.text)
    assert agent.open(service.secure).mark == "signin.password"
