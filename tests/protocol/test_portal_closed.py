"""A password alone binds nothing and registers no address, on any road that the portal has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from idp_mfa.browser import csrf_of
from idp_mfa.compose import House, compose
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.model import CredentialState
from idp_mfa.ports import Change, ChangeAnswer
from idp_mfa.settings import Settings, load
from tests.protocol.attacked import Attacked, Attacker, carried
from tests.protocol.mailed import (
    CAMPUS,
    OUTSIDE,
    VPN,
    opened,
    own_address,
    press,
)
from tests.servers.smtp import Post
from tests.simulators.person import Person
from tests.simulators.user_agent import Page

THIEF = "thief@evil.example"
SECRETS = (
    "data-totp-key",
    'class="codes"',
    "data-picture",
    'data-passkey="create"',
    "apple-otpauth:",
)
"""By which a page is known that shows a key, codes, pictures, or a question for a new passkey."""
BOB = "no factor"
CASES = [
    (BOB, OUTSIDE),
    (BOB, VPN),
    *(
        (state.value, address)
        for state in (CredentialState.DISABLED, CredentialState.SUSPENDED)
        for address in (OUTSIDE, VPN, CAMPUS)
    ),
    *((CredentialState.ACTIVE.value, address) for address in (OUTSIDE, VPN, CAMPUS)),
]


@pytest.fixture(scope="module")
def site(mailed_site: Attacked) -> Attacked:
    """The one that mails."""
    return mailed_site


@pytest.fixture(scope="module")
def house(site: Attacked) -> Iterator[House]:
    """The same product in this process: its addresses, and the way to its records."""
    settings = load(site.idp.folder / "idp_mfa.yaml")
    assert isinstance(settings, Settings), settings
    made = compose(settings)
    yield made
    made.directory.close()  # type: ignore[union-attr]
    made.store_server.close()


@pytest.fixture(scope="module")
def posts(house: House) -> list[str]:
    """Every address that takes a form of the portal, as the server itself lists them."""
    rules = [
        rule.rule
        for rule in house.application().url_map.iter_rules()
        if "POST" in (rule.methods or ())
    ]
    found = [
        rule
        for rule in rules
        if not rule.startswith(("/saml/", "/signin/", "/oidc/"))
        or rule.startswith(("/signin/<id>/set-up", "/signin/<id>/reissue"))
    ]
    assert len(found) > 20
    return sorted(found)


def somebody(site: Attacked, house: House, state: str) -> Person:
    """No factor, or one in a state, with an address that is registered."""
    person = site.person(enrolled=False)
    if state == BOB:
        return person
    person.phone = site.idp.set_up_phone(person.login, own_address(person))
    account = house.directory.find(person.login)
    assert account is not None
    account = house.directory.read(account.user.id)
    assert account is not None
    (key,) = account.credentials.of(TOTP)
    shut = replace(key, state=CredentialState(state), generation=key.generation + 1)
    done = house.directory.change(account.user.id, account.credentials, (Change(key, shut),))
    assert done is ChangeAnswer.DONE
    return person


def signed_in(site: Attacked, person: Person, address: str) -> Attacker:
    """A browser whose session holds the password and no more: re-issuing begins with it."""
    page = opened(site, Person(person.login, person.password), "/portal/reissue", address)
    assert page.mark in ("portal.reissue.closed", "portal.reissue.2"), page.words[:300]
    assert isinstance(page.agent, Attacker)
    return page.agent


def opens_nothing(page: Page) -> None:
    assert not carried(page)
    assert page.status < 500, page
    for secret in SECRETS:
        assert secret not in page.text, (page.url, secret)


@pytest.mark.parametrize(("state", "address"), CASES)
def test_no_road_of_the_portal_takes_a_password_alone(
    site: Attacked, house: House, posts: list[str], post: Post, state: str, address: str
) -> None:
    person = somebody(site, house, state)
    kept, came = site.credentials(person), len(post.mails)
    active = state == CredentialState.ACTIVE.value
    thief = signed_in(site, person, address)
    typed = {
        "address": THIEF,
        "code": "123456" if active or person.phone is None else person.phone.code(),
        "id": "x",
        "label": "x",
        "replaces": "",
        "session": "others",
        "answer": "{}",
    }
    for rule in posts:
        if rule == "/sign-out":
            continue
        if "<id>" in rule:
            # A browser of its own: what another one began belongs to that.
            page = person.give_password(site.browser(address).ask_mfa())
            agent, token = page.agent, page.tree.xpath("string(//input[@name='csrf']/@value)")
            target = rule.replace("<id>", urlsplit(page.url).path.split("/")[2])
        else:
            agent, target = thief, rule
            token = csrf_of(thief.cookie("idp") or "")
        answer = agent.send("POST", f"{site.idp.origin}{target}", {**typed, "csrf": str(token)})
        opens_nothing(answer)
        opens_nothing(agent.open(f"{site.idp.origin}{target.rpartition('/')[0]}"))
        assert site.credentials(person) == kept, rule
    assert "factor.bound" not in site.events(person)
    # Whoever may have a mail sent comes last, and has it: nothing was sent before.
    last = site.person(enrolled=False)
    page = press(opened(site, last, "/portal/totp", CAMPUS), "/send", address=own_address(last))
    assert page.mark == "portal.mail"
    post.to(own_address(last))
    mailed = [mail["To"] for mail in post.mails[came:]]
    assert THIEF not in mailed
    # Re-issuing begins with the password; what it takes lies in a mailbox that opens otherwise.
    assert active or own_address(person) not in mailed
