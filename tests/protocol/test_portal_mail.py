"""The portal's roads by mail over HTTP, with slapd, Valkey and a real SMTP server."""

from __future__ import annotations

import time

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.stand import wait_until
from tests.protocol.attacked import Attacked, Attacker, carried
from tests.protocol.mailed import (
    CAMPUS,
    OUTSIDE,
    VPN,
    code_in,
    newcomer_with_all,
    opened,
    own_address,
    press,
    set_up,
    staff_address,
    subjects,
    text,
)
from tests.servers.smtp import Post
from tests.simulators.person import Person
from tests.simulators.phone import Phone


@pytest.fixture(scope="module")
def site(mailed_site: Attacked) -> Attacked:
    """The one that mails."""
    return mailed_site


@pytest.fixture
def owner(site: Attacked, post: Post) -> Person:
    """Somebody with a phone and a re-issue address."""
    return newcomer_with_all(site, post)


def test_a_first_set_up_registers_address_and_factor_together(site: Attacked, post: Post) -> None:
    person = site.person(enrolled=False)
    page = opened(site, person, "/portal/totp", CAMPUS)
    assert set_up(site, post, person, page).mark == "portal.totp.done"
    assert len(site.credentials(person)) == 2
    told = [post.to(own_address(person), 2)[-1], *post.to(staff_address(person))]
    assert set(subjects(told)) == {"A way to sign in was added"}
    assert all("192.0.2.10" in text(mail) for mail in told)


def test_until_the_last_code_is_right_nothing_is_registered(site: Attacked, post: Post) -> None:
    person = site.person(enrolled=False)
    page = opened(site, person, "/portal/totp", CAMPUS)
    page = press(page, "/send", address=own_address(person))
    press(page, "/code", code=code_in(post.to(own_address(person))[-1]))
    assert site.credentials(person) == ()


def test_without_an_address_the_set_up_goes_on(site: Attacked) -> None:
    person = site.person(enrolled=False)
    page = opened(site, person, "/portal/totp", CAMPUS)
    page = press(page, "/portal/totp/begin")
    assert page.mark == "portal.totp.setup"
    key = page.tree.xpath("string(//*[@data-totp-key]/@data-totp-key)")
    assert press(page, "/complete", code=Phone(key).code()).mark == "portal.totp.done"
    assert len(site.credentials(person)) == 1


def test_a_mailbox_behind_the_same_password_is_no_way_back(site: Attacked) -> None:
    person = site.person(enrolled=False)
    page = opened(site, person, "/portal/totp", CAMPUS)
    refused = press(page, "/send", address=staff_address(person))
    assert (refused.status, refused.mark) == (422, "portal.mail")
    assert "university password" in refused.words


# -- re-issuing ----------------------------------------------------------------------------------


def test_re_issuing_in_four_steps_from_anywhere(site: Attacked, post: Post, owner: Person) -> None:
    assert owner.phone is not None
    old, came = owner.phone, len(post.to(own_address(owner)))
    page = opened(site, Person(owner.login, owner.password), "/portal/reissue", OUTSIDE)
    assert page.mark == "portal.reissue.2", page.words[:300]
    assert own_address(owner) not in page.text
    page = press(page, "/send")
    assert page.mark == "portal.reissue.2"
    mails = post.to(own_address(owner), came + 2)[came:]
    (mail,) = (one for one in mails if "anew" in one["Subject"])
    assert page.agent.open(page.url).mark == "portal.reissue.2"
    last = press(page, "/code", code=code_in(mail))
    assert last.mark == "portal.reissue.3"
    assert carried(owner.sign_in(site.browser(OUTSIDE).ask())), "nothing has changed yet"
    done = press(last, "/key")
    assert done.mark == "portal.reissue.4"
    again = done.agent.open(done.url)
    assert again.mark == "portal.reissue.4"
    key = done.tree.xpath("string(//*[@data-totp-key]/@data-totp-key)")
    assert key == again.tree.xpath("string(//*[@data-totp-key]/@data-totp-key)") != old.key
    dead = Person(owner.login, owner.password, old).sign_in(site.browser(OUTSIDE).ask())
    assert (dead.status, dead.mark) == (422, "signin.challenge")
    alive = Person(owner.login, owner.password, Phone(key)).sign_in(site.browser(OUTSIDE).ask())
    assert carried(alive)
    told = subjects(post.to(own_address(owner), came + 3)[came:])
    assert "Somebody began to replace your set-up key" in told
    assert "Your set-up key was replaced" in told


def test_a_mail_says_what_it_is_for_and_binds_its_code_to_our_host(
    site: Attacked, post: Post, owner: Person
) -> None:
    came = len(post.to(own_address(owner)))
    forged = site.browser(OUTSIDE)
    forged.session.headers["X-Forwarded-Host"] = "evil.example"
    page = owner.sign_in(forged.open(f"{site.idp.origin}/portal/reissue"))
    press(page, "/send")
    mails = post.to(own_address(owner), came + 2)[came:]
    (mail,) = (one for one in mails if "anew" in one["Subject"])
    words = text(mail)
    assert words.rstrip().splitlines()[-1] == f"@127.0.0.1 #{code_in(mail)}"
    assert "https://help.example/" in words
    assert "evil.example" not in words
    assert owner.login in words
    assert "203.0.113.10" in words


def test_the_code_is_of_no_use_in_another_browser_or_twice(
    site: Attacked, post: Post, owner: Person
) -> None:
    came = len(post.to(own_address(owner)))
    mine = press(opened(site, owner, "/portal/reissue", OUTSIDE), "/send")
    code = code_in(
        next(m for m in post.to(own_address(owner), came + 2)[came:] if "anew" in m["Subject"])
    )
    theirs = press(opened(site, owner, "/portal/reissue", OUTSIDE), "/send")
    refused = press(theirs, "/code", code=code)
    assert refused.status == 422
    assert "another browser" in refused.words
    copied = Attacker(site.idp.origin, OUTSIDE)
    site.browsers.append(copied)
    copied.session.cookies.update(mine.agent.session.cookies)
    assert press(mine, "/code", code=code).mark == "portal.reissue.3"
    again = copied.send("POST", mine.url + "/code", {**dict(mine.tree.forms[-1].form_values())})
    assert again.mark in ("portal.reissue.3", "portal.reissue.2"), again.words[:200]
    key = copied.open(mine.url)
    assert key.mark == "portal.reissue.3"
    assert press(key, "/key").mark == "portal.reissue.4"
    replayed = mine.agent.open(mine.url)
    assert replayed.mark == "portal.reissue.4"
    keys = {
        page.tree.xpath("string(//*[@data-totp-key]/@data-totp-key)")
        for page in (replayed, copied.open(mine.url))
    }
    assert len(keys) == 1


def test_twenty_wrong_codes_void_the_right_one(site: Attacked, post: Post, owner: Person) -> None:
    came = len(post.to(own_address(owner)))
    page = press(opened(site, owner, "/portal/reissue", OUTSIDE), "/send")
    code = code_in(
        next(m for m in post.to(own_address(owner), came + 2)[came:] if "anew" in m["Subject"])
    )
    for number in range(20):
        wrong = f"{(int(code) + 1 + number) % 1_000_000:06}"
        assert press(page, "/code", code=wrong).status == 422
    assert press(page, "/code", code=code).status == 422
    assert page.agent.open(page.url).mark == "portal.reissue.2"


# -- who may not ---------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [OUTSIDE, VPN])
def test_a_password_alone_binds_nothing_and_mails_nobody(
    site: Attacked, post: Post, address: str
) -> None:
    bob = site.person(enrolled=False)
    thief = site.browser(address)
    page = bob.give_password(thief.open(f"{site.idp.origin}/portal/totp"))
    token = page.tree.xpath("string(//input[@name='csrf']/@value)")
    home = thief.open(f"{site.idp.origin}/")
    token = token or home.tree.xpath("string(//input[@name='csrf']/@value)")
    for road in ("/portal/totp/address", "/portal/mail", "/portal/reissue"):
        for step in ("send", "code", "again", "key"):
            thief.send(
                "POST",
                f"{site.idp.origin}{road}/{step}",
                {"csrf": token, "address": "thief@evil.example", "code": "123456"},
            )
    for step in ("begin", "complete"):
        thief.send("POST", f"{site.idp.origin}/portal/totp/{step}", {"csrf": token})
    assert site.credentials(bob) == ()
    time.sleep(3)
    assert not [mail for mail in post.mails if mail["To"] == "thief@evil.example"]


def test_on_campus_a_password_alone_shows_no_key_and_changes_no_address(
    site: Attacked, owner: Person
) -> None:
    kept = site.credentials(owner)
    thief = Person(owner.login, owner.password)
    inside = site.browser(CAMPUS)
    home = thief.give_password(press(inside.open(f"{site.idp.origin}/"), "/portal/signin"))
    assert home.mark == "portal.home"
    for path in ("/portal/totp/show", "/portal/mail", "/portal/totp"):
        page = inside.open(f"{site.idp.origin}{path}")
        assert page.mark == "signin.challenge", (path, page.mark)
        assert "data-totp-key" not in page.text
    assert site.credentials(owner) == kept


# -- the other pages -----------------------------------------------------------------------------


def test_the_key_is_shown_again_and_its_owner_told_once(
    site: Attacked, post: Post, owner: Person
) -> None:
    assert owner.phone is not None
    page = opened(site, owner, "/portal/totp/show", OUTSIDE)
    assert page.mark == "portal.totp.show", page.words[:300]
    key = page.tree.xpath("string(//*[@data-totp-key]/@data-totp-key)")
    assert key == owner.phone.key
    now = int(time.time()) // 30
    right = press(page, "/show", code=owner.phone.at(now))
    assert (right.status, right.mark) == (200, "portal.totp.show")
    assert "That code is right" in right.words
    wrong = press(page, "/show", code=owner.phone.at(now + 50))
    assert wrong.status == 422
    post.to(staff_address(owner), 2)
    time.sleep(2)
    shown = [s for s in subjects(post.to(staff_address(owner))) if "was shown" in s]
    assert len(shown) == 1


def test_a_new_address_is_told_to_both_and_rests_for_a_day(
    site: Attacked, post: Post, owner: Person
) -> None:
    new = f"{owner.login}@new.example"
    page = opened(site, owner, "/portal/mail", OUTSIDE)
    assert page.mark == "portal.mail"
    page = press(page, "/send", address=new)
    done = press(page, "/code", code=code_in(post.to(new)[-1]))
    assert done.mark == "portal.mail.done", done.words[:300]
    for address in (new, own_address(owner)):
        deadline = time.monotonic() + 15
        while "The address for re-issuing was changed" not in subjects(post.to(address)):
            assert time.monotonic() < deadline, subjects(post.to(address))
            time.sleep(0.1)
    closed = opened(site, owner, "/portal/reissue", OUTSIDE)
    assert (closed.status, closed.mark) == (403, "portal.reissue.closed")
    assert "within the last day" in closed.words


def test_a_mail_server_that_is_away_stops_nobody_and_the_mail_comes_later(
    site: Attacked, post: Post, owner: Person
) -> None:
    came = len(post.to(own_address(owner)))
    post.answers("451 4.3.0 later")
    page = press(opened(site, owner, "/portal/reissue", OUTSIDE), "/send")
    assert (page.status, page.mark) == (200, "portal.reissue.2")
    assert carried(owner.sign_in(site.browser(OUTSIDE).ask()))
    time.sleep(2)
    assert len(post.to(own_address(owner))) == came
    post.answers(None)
    late = post.to(own_address(owner), came + 2, seconds=40)
    code = code_in(next(m for m in late[came:] if "anew" in m["Subject"]))
    assert press(page, "/code", code=code).mark == "portal.reissue.3"


def gauge(site: Attacked, name: str) -> float:
    """What the operator's page tells."""
    settings = yaml.safe_load((site.idp.folder / "idp_mfa.yaml").read_text())
    told = requests.get(f"http://{settings['metrics']['bind']}/metrics", timeout=20).text
    (value,) = (
        sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
        if sample.name == name
    )
    return value


def test_the_operator_sees_mail_that_waits_and_for_how_long(
    site: Attacked, post: Post, owner: Person
) -> None:
    wait_until(lambda: gauge(site, "idp_mfa_letters_waiting") == 0, seconds=60)
    assert gauge(site, "idp_mfa_letters_oldest_seconds") == 0
    came = len(post.to(own_address(owner)))
    post.answers("451 4.3.0 later")
    try:
        press(opened(site, owner, "/portal/reissue", OUTSIDE), "/send")
        assert gauge(site, "idp_mfa_letters_waiting") >= 2, "a code and a notice"
        # Due again and again, and never done with.
        wait_until(lambda: gauge(site, "idp_mfa_letters_oldest_seconds") > 0)
    finally:
        post.answers(None)
    post.to(own_address(owner), came + 2, seconds=60)
    wait_until(lambda: gauge(site, "idp_mfa_letters_waiting") == 0, seconds=60)


def test_no_code_is_in_the_store_and_no_address_on_record(
    site: Attacked, post: Post, owner: Person
) -> None:
    came = len(post.to(own_address(owner)))
    press(opened(site, owner, "/portal/reissue", OUTSIDE), "/send")
    mails = post.to(own_address(owner), came + 2)[came:]
    code = code_in(next(m for m in mails if "anew" in m["Subject"]))
    for where, what in (
        ("record", site.audited()),
        ("store", site.dump().decode("utf-8", "replace")),
        ("log", site.idp.log()),
    ):
        assert f'"{code}"' not in what, where
        assert where == "store" or own_address(owner) not in what, where
