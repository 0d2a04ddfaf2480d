"""The shipped profiles on a running server, and the road that one of them opens on campus."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from idp_mfa.assets import folder
from tests.protocol.attacked import PLAIN, Attacked, carried
from tests.protocol.mailed import press, staff_address, subjects
from tests.servers import foreground, slapd, valkey
from tests.servers.idp import WIDE, identity_provider
from tests.servers.smtp import Post, post_office
from tests.servers.valkey import Kind
from tests.simulators.person import Person
from tests.simulators.phone import Phone
from tests.simulators.user_agent import Page

CAMPUS, VPN, OUTSIDE = "192.0.2.10", "198.51.100.10", "203.0.113.10"


@contextlib.contextmanager
def site_of(profile: str, post: Post) -> Iterator[Attacked]:
    with (
        slapd.slapd() as directory,
        valkey.running(Kind.VALKEY) as store,
        foreground.folder("audit") as place,
        identity_provider(
            foreground.free_port(),
            directory=directory,
            store=store,
            more={
                "profile": str(folder("conf") / "profiles" / f"{profile}.yaml"),
                "policy": str(folder("policies") / "examples" / f"{profile}.yaml"),
                "audit": {"file": str(place / "audit.jsonl")},
                "limits": WIDE,
                "mail": {"smtp": f"smtp://127.0.0.1:{post.port}"},
            },
        ) as idp,
    ):
        started = Attacked(idp, directory, store, place / "audit.jsonl")
        idp.register(PLAIN.metadata())
        yield started
        for browser in started.browsers:
            browser.close()


@pytest.fixture(scope="module")
def post() -> Iterator[Post]:
    with post_office("clear") as running:
        yield running


@pytest.fixture(scope="module")
def sums(post: Post) -> Iterator[Attacked]:
    with site_of("sums", post) as started:
        yield started


@pytest.fixture(scope="module")
def omu(post: Post) -> Iterator[Attacked]:
    with site_of("omu", post) as started:
        yield started


NAMES = {
    "omu": ("大阪公立大学", "Osaka Metropolitan University", "大阪公立大学 情報基盤センター"),
    "sums": ("滋賀医科大学", "Shiga University of Medical Science", "滋賀医科大学"),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_pages_are_the_universitys_own(request: pytest.FixtureRequest, name: str) -> None:
    site: Attacked = request.getfixturevalue(name)
    ja, en, footer = NAMES[name]
    browser = site.browser(OUTSIDE)
    for language, words in (("en", (en,)), ("ja", (ja, footer))):
        browser.language = language
        page = browser.ask()
        assert page.mark == "signin.password"
        assert all(one in page.words for one in words), page.words
        assert 'src="data:image/svg+xml' in page.text
    brand = page.tree.xpath("string(//*[local-name()='rect']/@fill)")
    person = site.person()
    yellow = person.give_password(page)
    assert yellow.mark == "signin.challenge"
    asked = yellow.tree.xpath("string(//*[local-name()='rect']/@fill)")
    assert (brand != asked, asked) == (True, "#FFD84D")
    links = yellow.tree.xpath("//footer//a/@href")
    assert len([link for link in links if link.startswith("https://")]) == 2, links
    found = json.loads(site.idp.command("check", "--json").stdout)
    for part in ("settings", "contact", "colours", "policy", "mail"):
        assert found[part]["ok"], found[part]
        assert not found[part]["soon"], found[part]


def test_the_mail_comes_in_the_universitys_name(sums: Attacked, post: Post) -> None:
    person = sums.person()
    begin(sums, person)
    (mail,) = post.to(staff_address(person))
    assert str(mail["Subject"]).startswith("[SUMS多要素認証]")
    assert "Shiga University of Medical Science" in str(mail["From"])


# -- a password replaces a key, on campus --------------------------------------------------------


def key_on(page: Page) -> str:
    return str(page.tree.xpath("string(//*[@data-totp-key]/@data-totp-key)"))


def begin(site: Attacked, person: Person) -> Page:
    """From a service that asks for two kinds, with the password alone, to a set-up that is done."""
    yellow = Person(person.login, person.password).give_password(site.browser(CAMPUS).ask_mfa())
    assert yellow.mark == "signin.challenge", yellow.words
    page = press(yellow, "/reissue")
    assert page.mark == "portal.reissue.closed", page.words
    (link,) = page.tree.xpath("//a[@href='/portal/totp']/@href")
    page = page.agent.send("GET", f"{site.idp.origin}{link}", None)
    page = press(page, "/begin")
    assert page.mark == "portal.totp.setup", page.words
    assert person.phone is not None
    assert person.phone.key not in page.text
    person.phone = Phone(key_on(page))
    return press(page, "/complete", code=person.phone.code())


def test_on_campus_a_new_device_takes_the_old_ones_place_and_leads_to_the_service(
    sums: Attacked, post: Post
) -> None:
    person = sums.person()
    old = person.phone
    assert old is not None
    done = begin(sums, person)
    assert done.mark == "portal.totp.done"
    assert "Your old key no longer works" in done.words
    told = subjects(post.to(staff_address(person)))
    assert [one for one in told if "Your set-up key was replaced" in one]
    (back,) = done.tree.xpath("//a[@class='main']/@href")
    asked = done.agent.send("GET", f"{sums.idp.origin}{back}", None)
    assert carried(person.sign_in(asked)), asked.words
    dead = Person(person.login, person.password, old).sign_in(sums.browser(OUTSIDE).ask())
    assert (dead.status, dead.mark) == (422, "signin.challenge")
    assert '"bound_by":"onsite"' in sums.audited()


@pytest.mark.parametrize("address", [VPN, OUTSIDE])
def test_nowhere_else_does_a_password_replace_a_key(sums: Attacked, address: str) -> None:
    person = sums.person()
    kept = sums.credentials(person)
    thief = sums.browser(address)
    page = Person(person.login, person.password).give_password(thief.ask_mfa())
    page = press(page, "/reissue")
    assert "/portal/totp'" not in page.text
    token = page.tree.xpath("string(//input[@name='csrf']/@value)")
    for step in ("begin", "complete"):
        thief.send("POST", f"{sums.idp.origin}/portal/totp/{step}", {"csrf": token, "code": "1"})
    assert sums.credentials(person) == kept


def test_without_the_setting_no_policy_lets_a_password_replace_a_key(omu: Attacked) -> None:
    person = omu.person()
    kept = omu.credentials(person)
    thief = omu.browser(CAMPUS)
    home = press(thief.open(f"{omu.idp.origin}/"), "/portal/signin")
    home = Person(person.login, person.password).give_password(home)
    assert home.mark == "portal.home"
    page = thief.open(f"{omu.idp.origin}/portal/totp")
    assert page.mark == "signin.challenge"
    token = home.tree.xpath("string(//input[@name='csrf']/@value)")
    thief.send("POST", f"{omu.idp.origin}/portal/totp/begin", {"csrf": token})
    assert omu.credentials(person) == kept


def test_a_key_that_a_password_alone_has_seen_is_not_the_one_that_its_owner_finishes(
    sums: Attacked,
) -> None:
    person = sums.person()
    thief = sums.browser(CAMPUS)
    home = press(thief.open(f"{sums.idp.origin}/"), "/portal/signin")
    Person(person.login, person.password).give_password(home)
    seen = press(thief.open(f"{sums.idp.origin}/portal/totp"), "/begin")
    assert seen.mark == "portal.totp.setup"
    owner = sums.browser(CAMPUS)
    owner.open(f"{sums.idp.origin}/portal/totp/show")
    shown = person.sign_in(owner.open(f"{sums.idp.origin}/portal/totp/show"))
    assert shown.mark == "portal.totp.show"
    page = owner.open(f"{sums.idp.origin}/portal/totp")
    assert page.mark == "portal.totp.begin"
    assert key_on(press(page, "/begin")) != key_on(seen)
