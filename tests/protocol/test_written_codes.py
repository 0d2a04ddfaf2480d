"""Recovery codes and the help desk's passcodes over HTTP: made once, used once, for one thing."""

from __future__ import annotations

import threading

import pytest

from tests.protocol.attacked import Attacked, Attacker, carried
from tests.protocol.mailed import press
from tests.simulators.person import Person
from tests.simulators.phone import Phone
from tests.simulators.user_agent import Page

CAMPUS, OUTSIDE = "192.0.2.10", "203.0.113.10"
PASSWORD_CLASS = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"


def opened(site: Attacked, person: Person, path: str, address: str = OUTSIDE) -> Page:
    """A page of the portal, in a new browser, after whatever it asks."""
    return person.sign_in(site.browser(address).open(f"{site.idp.origin}{path}"))


def codes_on(page: Page) -> list[str]:
    return [str(one.text) for one in page.tree.iterfind(".//ol[@class='codes']//code")]


def made(site: Attacked, person: Person) -> list[str]:
    """Ten new codes, kept by their owner."""
    page = press(opened(site, person, "/portal/codes"), "/begin")
    codes = codes_on(page)
    assert len(set(codes)) == 10, page.words[:300]
    assert press(page, "/complete", code=codes[3]).mark == "portal.codes.done"
    return codes


def asked(page: Page, factor: str) -> Page:
    """The yellow page, for another factor than the first one."""
    if page.factor == factor:
        return page
    return page.agent.open(f"{page.url}/choose").press("factor", factor)


def offered(page: Page, factor: str) -> bool:
    """Whether the yellow page has it among the other methods."""
    choices = page.agent.open(f"{page.url}/choose")
    assert choices.mark in ("signin.choose", "signin.challenge")
    return bool(choices.tree.xpath(f"//button[@name='factor'][@value='{factor}']"))


def used(page: Page, factor: str, code: str) -> Page:
    there = asked(page, factor)
    return there.submit(there.form_with("code"), code=code)


def at_code(site: Attacked, person: Person) -> Page:
    return person.give_password(site.browser(OUTSIDE).ask())


@pytest.fixture
def owner(site: Attacked) -> Person:
    return site.person()


def test_a_code_lets_one_sign_in_go_on_and_is_of_no_kind(site: Attacked, owner: Person) -> None:
    codes = made(site, owner)
    done = used(at_code(site, owner), "recovery_code", codes[0].lower().replace("-", " "))
    assert site.answer(done).acr == PASSWORD_CLASS
    again = used(at_code(site, owner), "recovery_code", codes[0])
    assert (again.status, again.mark) == (422, "signin.challenge")
    assert carried(used(at_code(site, owner), "recovery_code", codes[3])), "typed in to be kept"
    page = opened(site, owner, "/portal/codes")
    assert "8 unused codes" in page.words


def test_it_opens_this_sign_in_and_no_other(site: Attacked, owner: Person) -> None:
    codes = made(site, owner)
    done = used(at_code(site, owner), "recovery_code", codes[0])
    assert carried(done)
    agent = done.agent
    assert isinstance(agent, Attacker)
    assert agent.ask().mark == "signin.challenge"


def test_it_gives_no_class_of_two_kinds(site: Attacked, owner: Person) -> None:
    made(site, owner)
    page = owner.give_password(site.browser(OUTSIDE).ask_mfa())
    assert page.factor == "totp"
    assert not page.tree.xpath("//a[contains(@href, '/choose')]")


def test_it_sets_up_a_new_device_and_shows_and_changes_nothing(
    site: Attacked, owner: Person
) -> None:
    codes = made(site, owner)
    page = at_password_of(site, owner, "/portal/totp")
    page = used(page, "recovery_code", codes[0])
    assert page.mark == "portal.totp.begin", page.words[:300]
    for path in ("/portal/totp/show", "/portal/mail"):
        refused = page.agent.open(f"{site.idp.origin}{path}")
        assert not refused.tree.xpath("//*[@data-totp-key]"), path
        assert refused.mark != "portal.mail"
    page = press(page.agent.open(f"{site.idp.origin}/portal/totp"), "/begin")
    phone = Phone(page.tree.xpath("string(//*[@data-totp-key]/@data-totp-key)"))
    assert press(page, "/complete", code=phone.code()).mark == "portal.totp.done"
    assert carried(Person(owner.login, owner.password, phone).sign_in(site.browser(OUTSIDE).ask()))


def at_password_of(site: Attacked, person: Person, path: str) -> Page:
    return person.give_password(site.browser(OUTSIDE).open(f"{site.idp.origin}{path}"))


def test_with_a_lost_phone_and_a_code_on_paper_to_the_service(
    site: Attacked, owner: Person
) -> None:
    codes = made(site, owner)
    lost = press(at_code(site, owner), "/renew")
    assert (lost.mark, lost.factor) == ("signin.challenge", "recovery_code"), lost.words[:300]
    assert not lost.tree.xpath("//form[contains(@action, '/renew')]"), "it is this very road"
    page = press(used(lost, "recovery_code", codes[0]), "/portal/totp/begin")
    phone = Phone(page.tree.xpath("string(//*[@data-totp-key]/@data-totp-key)"))
    page = press(page, "/complete", code=phone.code())
    assert page.mark == "portal.totp.done"
    old, owner.phone = owner.phone, phone
    (back,) = page.tree.xpath("//a[@class='main']/@href")
    waiting = page.agent.open(f"{site.idp.origin}{back}")
    assert waiting.mark != "signin.password", "it was typed once"
    done = waiting if carried(waiting) else owner.give_code(waiting)
    assert carried(done), done.words[:300]
    assert not carried(Person(owner.login, owner.password, old).sign_in(site.browser().ask()))


def test_who_is_asked_for_two_kinds_finds_the_same_road(site: Attacked, owner: Person) -> None:
    codes = made(site, owner)
    page = owner.give_password(site.browser(CAMPUS).ask_mfa())
    assert not page.tree.xpath("//details//form[contains(@action, '/choose')]")
    page = used(press(page, "/renew"), "recovery_code", codes[0])
    assert page.mark == "portal.totp.begin"
    still = page.agent.open(f"{site.idp.origin}/")
    assert still.mark == "portal.home"
    assert not carried(page.agent.ask_mfa()), "a code is of no kind"


def test_a_password_alone_finds_nothing_on_that_road(site: Attacked, owner: Person) -> None:
    kept = site.credentials(owner)
    page = press(at_code(site, owner), "/renew")
    assert (page.mark, page.factor) == ("signin.challenge", "totp")
    token = page.tree.xpath("string(//input[@name='csrf']/@value)")
    for step in ("begin", "complete"):
        page.agent.send("POST", f"{site.idp.origin}/portal/totp/{step}", {"csrf": token})
    assert site.credentials(owner) == kept
    assert not carried(page.agent.ask())


def test_until_one_is_typed_in_the_old_ones_stay(site: Attacked, owner: Person) -> None:
    old = made(site, owner)
    page = press(opened(site, owner, "/portal/codes"), "/begin")
    new = codes_on(page)
    assert press(page, "/complete", code=old[5]).status == 422
    assert "not shown again" in press(page, "/complete", code="2345").words
    assert not carried(used(at_code(site, owner), "recovery_code", new[0]))
    assert carried(used(at_code(site, owner), "recovery_code", old[0]))
    assert press(page, "/complete", code=new[0]).mark == "portal.codes.done"
    assert not carried(used(at_code(site, owner), "recovery_code", old[1]))
    assert carried(used(at_code(site, owner), "recovery_code", new[0]))


def test_they_do_not_do_alone_and_need_a_device_of_just_now(site: Attacked) -> None:
    nobody = site.person(enrolled=False)
    page = opened(site, nobody, "/portal/codes", CAMPUS)
    assert "does not do alone" in page.words
    assert not [form for form in page.tree.forms if form.action.endswith("/begin")]
    form = {"csrf": dict(page.tree.forms[0].form_values()).get("csrf", "")}
    refused = page.agent.send("POST", f"{site.idp.origin}/portal/codes/begin", form)
    assert not codes_on(refused)
    assert site.credentials(nobody) == ()


def test_nothing_of_a_code_is_kept_in_clear(site: Attacked, owner: Person) -> None:
    codes = made(site, owner)
    everything = site.dump() + site.audited().encode() + site.idp.log().encode()
    for code in codes:
        assert code.encode() not in everything
        assert code.replace("-", "").encode() not in everything


def test_of_many_browsers_with_one_code_one_gets_in(site: Attacked, owner: Person) -> None:
    code = made(site, owner)[0]
    pages = [asked(at_code(site, owner), "recovery_code") for _ in range(16)]
    ended: list[Page] = []

    def send(page: Page) -> None:
        ended.append(page.submit(page.form_with("code"), code=code))

    threads = [threading.Thread(target=send, args=(page,)) for page in pages]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sum(map(carried, ended)) == 1, [page.words[:90] for page in ended]


# -- passcodes -----------------------------------------------------------------------------------


def passcode(site: Attacked, person: Person, purpose: str, *more: str) -> str:
    words = ("user", "passcode", person.login, "--for", purpose, "--reason", "showed a card", *more)
    return site.idp.must(*words).strip()


def test_a_passcode_for_a_sign_in_is_good_for_that(site: Attacked, owner: Person) -> None:
    code = passcode(site, owner, "sign-in")
    done = used(at_code(site, owner), "passcode", code)
    assert site.answer(done).acr == PASSWORD_CLASS
    agent = done.agent
    assert isinstance(agent, Attacker)
    assert agent.ask().mark == "signin.challenge", "for one sign-in"
    page = agent.open(f"{site.idp.origin}/portal/totp")
    assert page.factor == "totp", "it sets nothing up"
    assert not offered(page, "passcode")
    assert site.events(owner).count("passcode.issued") == 1


def test_a_newcomer_sets_up_a_first_device_from_afar_with_a_passcode(site: Attacked) -> None:
    newcomer = site.person(enrolled=False)
    assert at_password_of(site, newcomer, "/portal/totp").status == 403, "a password alone"
    code = passcode(site, newcomer, "enrol")
    page = at_password_of(site, newcomer, "/portal/totp")
    assert (page.mark, page.factor) == ("signin.challenge", "enrolment_passcode")
    page = used(page, "enrolment_passcode", code)
    page = press(page, "/portal/totp/begin")
    newcomer.phone = Phone(page.tree.xpath("string(//*[@data-totp-key]/@data-totp-key)"))
    assert press(page, "/complete", code=newcomer.phone.code()).mark == "portal.totp.done"
    assert '"bound_by":"passcode"' in site.audited().replace(" ", "")
    assert carried(newcomer.sign_in(site.browser(OUTSIDE).ask()))
    assert at_password_of(site, newcomer, "/portal/totp").factor == "totp", "it is used up"


def test_a_passcode_of_one_purpose_is_none_of_the_other(site: Attacked, owner: Person) -> None:
    enrol = passcode(site, owner, "enrol")
    page = at_code(site, owner)
    assert not offered(page, "enrolment_passcode")
    signin = passcode(site, owner, "sign-in")
    assert not carried(used(at_code(site, owner), "passcode", enrol))
    page = at_password_of(site, owner, "/portal/totp")
    assert page.factor == "enrolment_passcode"
    assert used(page, "enrolment_passcode", signin).status == 422


def test_a_newer_passcode_ends_the_older_one_and_a_zone_holds_it(
    site: Attacked, owner: Person
) -> None:
    old = passcode(site, owner, "sign-in")
    new = passcode(site, owner, "sign-in", "--zone", "vpn", "--hours", "1")
    page = at_code(site, owner)
    assert not offered(page, "passcode"), "it is for the VPN alone"
    newest = passcode(site, owner, "sign-in")
    for dead in (old, new):
        assert not carried(used(at_code(site, owner), "passcode", dead))
    assert carried(used(at_code(site, owner), "passcode", newest))


def test_the_desk_is_told_what_it_cannot_have(site: Attacked, owner: Person) -> None:
    words = ("user", "passcode", owner.login, "--reason", "r", "--for")
    assert site.idp.command(*words, "show").returncode == 2
    assert site.idp.command(*words, "sign-in", "--zone", "moon").returncode == 2
    assert site.idp.command("user", "passcode", owner.login, "--for", "enrol").returncode == 2
