"""The phishing-resistant classes from the service's side: told to who asks, and when earned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.protocol.attacked import (
    CAMPUS,
    OFF_CAMPUS,
    PASSWORD_PROTECTED_TRANSPORT,
    Attacked,
    Attacker,
    another_setting,
    carried,
)
from tests.simulators.authenticator import PRESENT, VERIFIED, Authenticator
from tests.simulators.passkey_owner import asks, confirm, confirm_without_name, register
from tests.simulators.person import Person
from tests.simulators.service_provider import REFEDS_MFA
from tests.simulators.user_agent import Page

PHR = "phr"
NAMED = "https://refeds.org/profile/second-class-of-this-test"
FORCED = 'ForceAuthn="true"'
POLICY = Path(__file__).parents[2] / "policies" / "default.yaml"


def asking(*classes: str, comparison: str = "exact") -> str:
    listed = "".join(
        f"<saml:AuthnContextClassRef>{each}</saml:AuthnContextClassRef>" for each in classes
    )
    return (
        f'<samlp:RequestedAuthnContext Comparison="{comparison}">{listed}'
        "</samlp:RequestedAuthnContext>"
    )


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody with a phone and a passkey."""

    site: Attacked
    person: Person
    device: Authenticator

    def browser(self, address: str = OFF_CAMPUS) -> Attacker:
        return self.site.browser(address)

    def shown(self, page: Page, **lies: int) -> Page:
        """The password if it is asked, and the passkey if that is."""
        if page.mark == "signin.password":
            page = self.person.give_password(page)
        return confirm(page, self.device, **lies) if asks(page) else page

    def with_code(self, page: Page) -> Page:
        """The password, and the phone's code in the passkey's place."""
        if page.mark == "signin.password":
            page = self.person.give_password(page)
        page = page.agent.open(f"{page.url}/choose").press("factor", "totp")
        return self.person.give_code(page)

    def told(self, page: Page) -> str:
        return self.site.answer(page).acr


def owner_at(site: Attacked) -> Owner:
    person = site.person()
    device = Authenticator(origin=site.idp.origin)
    page = person.sign_in(site.browser().open(f"{site.idp.origin}/portal/fido2/new"))
    done = register(page, device)
    assert done.mark == "portal.fido2.done", done
    return Owner(site, person, device)


@pytest.fixture(scope="module")
def owner(site: Attacked) -> Owner:
    """One person for all who are told apart by their browser's session."""
    return owner_at(site)


@pytest.fixture(scope="module")
def named_site(site: Attacked, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """The same provider, whose policy has the identifier filled in."""
    file = tmp_path_factory.mktemp("named") / "policy.yaml"
    text, filled = re.subn(
        r"refeds_phishing_resistant: \"\"", f'refeds_phishing_resistant: "{NAMED}"',
        POLICY.read_text(encoding="utf-8"),
    )  # fmt: skip
    assert filled == 1
    file.write_text(text, encoding="utf-8")
    with another_setting(site, {"policy": str(file)}) as started:
        yield started


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("", REFEDS_MFA),
        (asking(REFEDS_MFA), REFEDS_MFA),
        (asking(PHR), PHR),
        (asking(PHR, REFEDS_MFA), PHR),
        (asking(REFEDS_MFA, PHR), REFEDS_MFA),
        (asking(REFEDS_MFA, comparison="minimum"), REFEDS_MFA),
        (asking(PASSWORD_PROTECTED_TRANSPORT, comparison="minimum"), REFEDS_MFA),
        (asking(REFEDS_MFA, comparison="better"), PHR),
        (asking(PHR, comparison="maximum"), PHR),
    ],
)
def test_a_passkey_earns_it_and_who_does_not_name_it_is_told_what_all_know(
    owner: Owner, asked: str, told: str
) -> None:
    assert owner.told(owner.shown(owner.browser().ask(content=asked))) == told


def test_a_touch_behind_a_password_is_two_kinds_of_which_one_withstands_phishing(
    owner: Owner,
) -> None:
    page = owner.shown(owner.browser().ask(content=asking(PHR)), flags=PRESENT)
    assert owner.told(page) == PHR


def test_it_overrides_the_campus_and_a_code_is_not_offered_for_it(owner: Owner) -> None:
    page = owner.person.give_password(owner.browser(CAMPUS).ask(content=asking(PHR)))
    assert (page.mark, page.factor) == ("signin.challenge", "fido2")
    choice = page.agent.open(f"{page.url}/choose")
    offered = choice.tree.xpath("//button[@name='factor']/@value")
    assert offered in ([], ["fido2"])
    # Nor does it help to ask for the code by hand.
    kept = dict(page.form_with("credential").form_values())
    forged = page.agent.send("POST", f"{page.url}/choose", {**kept, "factor": "totp"})
    assert forged.factor != "totp"
    assert not carried(forged)
    assert owner.told(confirm(page.agent.open(page.url), owner.device)) == PHR


def test_who_has_a_code_alone_is_not_let_in_and_nothing_is_asserted(site: Attacked) -> None:
    page = site.person().give_password(site.browser().ask(content=asking(PHR)))
    assert page.mark == "signin.refused"
    assert not carried(page)
    assert page.tree.xpath("//a[@class='main' and @href='/portal/fido2/new']"), "what would help"


def test_a_session_of_a_code_does_not_earn_it_before_the_passkey_is_shown(owner: Owner) -> None:
    browser = owner.browser()
    assert owner.told(owner.with_code(browser.ask())) == REFEDS_MFA
    page = browser.ask(content=asking(PHR))
    assert (page.mark, page.factor) == ("signin.challenge", "fido2")
    assert owner.told(confirm(page, owner.device)) == PHR
    assert owner.told(browser.ask(content=asking(PHR))) == PHR, "and then the session has it"


def test_a_passkey_that_is_older_than_asked_does_not_count(owner: Owner) -> None:
    browser = owner.browser()
    assert owner.told(owner.shown(browser.ask(content=asking(PHR)))) == PHR
    page = browser.ask(attributes=FORCED, content=asking(PHR))
    assert page.mark == "signin.password"
    page = owner.person.give_password(page)
    assert (page.mark, page.factor) == ("signin.challenge", "fido2")
    assert owner.told(confirm(page, owner.device)) == PHR
    # With a code shown anew it is what a code is, however young the passkey of the session.
    page = browser.ask(attributes=FORCED, content=asking(PHR, REFEDS_MFA))
    assert owner.told(owner.with_code(page)) == REFEDS_MFA


def test_a_passkey_that_was_removed_takes_it_along(site: Attacked) -> None:
    owner = owner_at(site)
    browser = owner.browser()
    assert owner.told(owner.shown(browser.ask(content=asking(PHR)))) == PHR
    page = browser.open(f"{site.idp.origin}/portal/fido2")
    (form,) = (one for one in page.tree.forms if (one.action or "").endswith("/remove"))
    assert page.submit(form).factor == "totp", "nothing that still counts opens the page again"
    page = browser.ask(content=asking(PHR))
    assert not carried(page)
    assert page.mark == "signin.refused"


def test_without_a_name_it_takes_pin_or_biometrics(owner: Owner) -> None:
    for flags, earned in ((PRESENT, False), (PRESENT | VERIFIED, True)):
        page = owner.browser().ask(content=asking(PHR))
        answered = confirm_without_name(page, owner.device, flags=flags)
        assert carried(answered) is earned, answered
        if earned:
            assert owner.told(answered) == PHR


def test_the_identifier_is_asserted_once_the_site_filled_it_in(
    site: Attacked, named_site: Attacked
) -> None:
    xml = asking(NAMED)
    unknown = site.browser().ask(content=xml)
    assert "NoAuthnContext" in str(site.answer(unknown).statuses)
    owner = owner_at(named_site)
    assert owner.told(owner.shown(owner.browser().ask(content=xml))) == NAMED
    assert owner.told(owner.shown(owner.browser().ask(content=asking(PHR)))) == PHR
    assert owner.told(owner.shown(owner.browser().ask())) == REFEDS_MFA
    page = owner.person.give_password(owner.browser().ask(content=xml))
    assert page.factor == "fido2"
