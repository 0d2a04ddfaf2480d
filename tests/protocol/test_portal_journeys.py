"""The portal's roads where they break: another browser, a second press, too late, many at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

import pytest

from tests.protocol.attacked import Attacked, Attacker, another_setting, carried
from tests.protocol.mailed import (
    CAMPUS,
    OUTSIDE,
    code_in,
    key_on,
    newcomer_with_all,
    opened,
    own_address,
    press,
    reissue_code,
    subjects,
)
from tests.servers.idp import WIDE
from tests.servers.smtp import Post
from tests.simulators.person import Person
from tests.simulators.phone import Phone
from tests.simulators.user_agent import Page

RACERS = 64
Sent = dict[str, str]


@pytest.fixture(scope="module")
def site(mailed_site: Attacked) -> Attacked:
    """The one that mails."""
    return mailed_site


@pytest.fixture
def owner(site: Attacked, post: Post) -> Person:
    """Somebody with a phone and a re-issue address."""
    return newcomer_with_all(site, post)


def form_of(page: Page, action: str, **filled: str) -> tuple[str, Sent]:
    """Where a form goes and what it sends."""
    (form,) = [one for one in page.tree.forms if one.action.endswith(action)]
    return urljoin(page.url, form.action), {**dict(form.form_values()), **filled}


def at_once(page: Page, action: str, **filled: str) -> list[Page]:
    """The same form from many tabs of one browser at the same moment."""
    url, sent = form_of(page, action, **filled)
    assert isinstance(page.agent, Attacker)
    tabs = [page.agent.copy() for _ in range(RACERS)]
    try:
        with ThreadPoolExecutor(RACERS) as many:
            return list(many.map(lambda tab: tab.once("POST", url, sent), tabs))
    finally:
        for tab in tabs:
            tab.close()


def password_only(person: Person) -> Person:
    return Person(person.login, person.password)


def at_last_question(site: Attacked, post: Post, person: Person) -> Page:
    """The mailed code was right; nothing has changed yet."""
    came = len(post.to(own_address(person)))
    page = press(opened(site, password_only(person), "/portal/reissue", OUTSIDE), "/send")
    page = press(page, "/code", code=reissue_code(post, person, came))
    assert page.mark == "portal.reissue.3", page.words[:300]
    return page


def at_new_key(site: Attacked, post: Post, person: Person) -> Page:
    page = press(at_last_question(site, post, person), "/key")
    assert page.mark == "portal.reissue.4", page.words[:300]
    return page


def keys_in(site: Attacked, person: Person) -> int:
    """How often a key was bound, as the record tells."""
    return site.events(person).count("factor.bound")


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


# -- the last page of a re-issue -----------------------------------------------------------------


def test_the_last_page_asks_for_a_code_of_the_new_key(
    site: Attacked, post: Post, owner: Person
) -> None:
    assert owner.phone is not None
    old = owner.phone
    page = at_new_key(site, post, owner)
    new = Phone(key_on(page))
    wrong = press(page, "/proof", code=old.code())
    assert (wrong.status, wrong.mark) == (422, "portal.reissue.4")
    assert "old" in wrong.words
    assert key_on(wrong) == new.key, "the key is still there to be added"
    code = new.code()
    done = press(wrong, "/proof", code=code)
    assert (done.status, done.mark) == (200, "portal.reissue.4")
    assert "your device is set up" in done.words
    assert not [one for one in done.tree.forms if one.action.endswith("/proof")]
    # It counted, so it counts nowhere else.
    elsewhere = password_only(owner).give_password(site.browser(OUTSIDE).ask())
    used = elsewhere.submit(elsewhere.form_with("code"), code=code)
    assert (used.status, used.mark) == (422, "signin.challenge")


def test_that_code_is_taken_once_and_in_that_browser(
    site: Attacked, post: Post, owner: Person
) -> None:
    page = at_new_key(site, post, owner)
    new = Phone(key_on(page))
    other = press(opened(site, password_only(owner), "/portal/reissue", OUTSIDE), "/send")
    url, sent = form_of(page, "/proof", code=new.code())
    stolen = other.agent.send("POST", url, sent | {"csrf": form_of(other, "/code")[1]["csrf"]})
    assert stolen.mark == "portal.reissue.2"
    assert other.agent.open(f"{site.idp.origin}/portal/totp/show").mark == "signin.challenge"
    answers = at_once(page, "/proof", code=new.code())
    assert {one.status for one in answers} <= {303, 422}
    assert site.events(owner).count("factor.accepted") == 1


def test_a_sign_in_that_waits_goes_on_with_that_code_or_asks_for_one(
    site: Attacked, post: Post, owner: Person
) -> None:
    for proves in (True, False):
        came = len(post.to(own_address(owner)))
        page = password_only(owner).give_password(site.browser(OUTSIDE).ask_mfa())
        page = press(page, "/reissue")
        page = press(page, "/send")
        page = press(page, "/code", code=reissue_code(post, owner, came))
        page = press(page, "/key")
        owner.phone = Phone(key_on(page))
        if proves:
            page = press(page, "/proof", code=owner.phone.code())
        (way_on,) = page.tree.xpath("//a[starts-with(@href, '/signin/')]/@href")
        came_back = page.agent.open(f"{site.idp.origin}{way_on}")
        if proves:
            assert "multi-factor" not in came_back.words
            assert site.answer(came_back).acr == "https://refeds.org/profile/mfa"
        else:
            assert came_back.mark == "signin.challenge"
            assert carried(owner.give_code(came_back))


def test_what_was_shown_before_a_sign_in_began_does_not_make_it_go_on(
    site: Attacked, owner: Person
) -> None:
    page = owner.sign_in(site.browser(OUTSIDE).ask())
    assert carried(page)
    assert isinstance(page.agent, Attacker)
    forced = owner.give_password(page.agent.ask(attributes='ForceAuthn="true"'))
    assert forced.mark == "signin.challenge"
    aside = press(forced, "/reissue")
    assert aside.mark == "portal.reissue.2", aside.words[:200]
    (way_on,) = aside.tree.xpath("//a[starts-with(@href, '/signin/')]/@href")
    assert aside.agent.open(f"{site.idp.origin}{way_on}").mark == "signin.challenge"


# -- one winner ----------------------------------------------------------------------------------


def test_of_64_last_clicks_one_makes_a_key(site: Attacked, post: Post, owner: Person) -> None:
    page = at_last_question(site, post, owner)
    bound, records = keys_in(site, owner), len(site.credentials(owner))
    answers = at_once(page, "/key")
    assert {one.status for one in answers} == {303}
    assert keys_in(site, owner) == bound + 1
    assert len(site.credentials(owner)) == records + 1, "the old one is kept for the code doctor"
    owner.phone = Phone(key_on(page.agent.open(page.url)))
    assert carried(owner.sign_in(site.browser(OUTSIDE).ask()))


def test_of_64_posts_of_the_mailed_code_one_is_taken(
    site: Attacked, post: Post, owner: Person
) -> None:
    came = len(post.to(own_address(owner)))
    page = press(opened(site, password_only(owner), "/portal/reissue", OUTSIDE), "/send")
    code = reissue_code(post, owner, came)
    at_once(page, "/code", code=code)
    assert site.events(owner).count("reissue.confirmed") == 1
    assert page.agent.open(page.url).mark == "portal.reissue.3"


def test_of_64_first_set_ups_one_binds(site: Attacked, post: Post) -> None:
    person = site.person(enrolled=False)
    page = press(opened(site, person, "/portal/totp", CAMPUS), "/portal/totp/begin")
    person.phone = Phone(key_on(page))
    answers = at_once(page, "/complete", code=person.phone.code())
    assert sum(one.mark == "portal.totp.done" for one in answers) == 1
    assert keys_in(site, person) == 1
    assert len(site.credentials(person)) == 1
    assert carried(person.sign_in(site.browser(OUTSIDE).ask()))


def test_of_64_posts_of_an_address_code_one_writes(
    site: Attacked, post: Post, owner: Person
) -> None:
    new = f"{owner.login}@new.example"
    page = press(opened(site, owner, "/portal/mail", OUTSIDE), "/send", address=new)
    code = code_in(post.to(new)[-1])
    answers = at_once(page, "/code", code=code)
    assert site.events(owner).count("address.changed") == 1
    assert any(one.mark == "portal.mail.done" for one in answers)
    told = "The address for re-issuing was changed"
    until = time.monotonic() + 20
    while told not in subjects(post.to(new)):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert subjects(post.to(new)).count(told) == 1


# -- pressed twice, too late, or after the end ---------------------------------------------------


def test_a_double_click_on_an_address_code_ends_where_one_does(
    site: Attacked, post: Post, owner: Person
) -> None:
    new = f"{owner.login}@new.example"
    page = press(opened(site, owner, "/portal/mail", OUTSIDE), "/send", address=new)
    url, sent = form_of(page, "/code", code=code_in(post.to(new)[-1]))
    for _ in range(2):
        done = page.agent.send("POST", url, sent)
        assert (done.status, done.mark) == (200, "portal.mail.done"), done.words[:300]
    assert site.events(owner).count("address.changed") == 1
    assert "address.rejected" not in site.events(owner)


def test_a_double_click_on_the_first_address_code_goes_on(site: Attacked, post: Post) -> None:
    person = site.person(enrolled=False)
    page = opened(site, person, "/portal/totp", CAMPUS)
    page = press(page, "/send", address=own_address(person))
    url, sent = form_of(page, "/code", code=code_in(post.to(own_address(person))[-1]))
    for _ in range(2):
        assert page.agent.send("POST", url, sent).mark == "portal.totp.begin"


def test_after_the_end_no_form_of_a_re_issue_does_anything(
    site: Attacked, post: Post, owner: Person
) -> None:
    came = len(post.to(own_address(owner)))
    first = press(opened(site, password_only(owner), "/portal/reissue", OUTSIDE), "/send")
    second = press(first, "/code", code=reissue_code(post, owner, came))
    third = press(second, "/key")
    kept, key = site.credentials(owner), key_on(third)
    for page, action, typed in (
        (first, "/code", {"code": "123456"}),
        (second, "/key", {}),
    ):
        again = press(page, action, **typed)
        assert key_on(again) in ("", key), "no other key"
    assert site.credentials(owner) == kept
    assert keys_in(site, owner) == 2


def test_after_the_end_no_form_of_a_set_up_does_anything(site: Attacked) -> None:
    person = site.person(enrolled=False)
    begin = opened(site, person, "/portal/totp", CAMPUS)
    shown = press(begin, "/portal/totp/begin")
    person.phone = Phone(key_on(shown))
    assert press(shown, "/complete", code=person.phone.code()).mark == "portal.totp.done"
    kept = site.credentials(person)
    page = press(shown, "/complete", code=person.phone.at(int(time.time()) // 30 + 1))
    assert page.mark != "portal.totp.done"
    assert key_on(press(shown, "/complete", code="000000")) == ""
    assert site.credentials(person) == kept


# -- a password that is changed elsewhere in between ---------------------------------------------


def changed(site: Attacked, person: Person) -> None:
    time.sleep(1.1)  # the directory keeps the change in whole seconds
    person.password = f"changed-{person.login}"
    site.directory.put(site.entry(person), "userPassword", person.password)


def set_up_begun(site: Attacked, _post: Post, person: Person) -> tuple[Page, str, Sent]:
    page = press(opened(site, person, "/portal/totp", CAMPUS), "/begin")
    return page, "/complete", {"code": Phone(key_on(page)).code()}


def code_awaited(site: Attacked, post: Post, person: Person) -> tuple[Page, str, Sent]:
    came = len(post.to(own_address(person)))
    page = press(opened(site, password_only(person), "/portal/reissue", OUTSIDE), "/send")
    return page, "/code", {"code": reissue_code(post, person, came)}


def key_awaited(site: Attacked, post: Post, person: Person) -> tuple[Page, str, Sent]:
    return at_last_question(site, post, person), "/key", {}


def address_awaited(site: Attacked, post: Post, person: Person) -> tuple[Page, str, Sent]:
    new = f"{person.login}@new.example"
    page = press(opened(site, person, "/portal/mail", OUTSIDE), "/send", address=new)
    return page, "/code", {"code": code_in(post.to(new)[-1])}


def key_shown(site: Attacked, post: Post, person: Person) -> tuple[Page, str, Sent]:
    page = at_new_key(site, post, person)
    return page, "/proof", {"code": Phone(key_on(page)).code()}


Step = Callable[[Attacked, Post, Person], tuple[Page, str, Sent]]
STEPS: tuple[Step, ...] = (set_up_begun, code_awaited, key_awaited, address_awaited, key_shown)


@pytest.mark.parametrize("step", STEPS)
def test_a_password_changed_elsewhere_ends_the_road_where_it_stands(
    site: Attacked, post: Post, owner: Person, step: Step
) -> None:
    page, action, typed = step(site, post, owner)
    kept = site.credentials(owner)
    url, sent = form_of(page, action, **typed)
    changed(site, owner)
    ended = page.agent.send("POST", url, sent)
    assert ended.mark == "signin.password", ended.words[:300]
    assert site.credentials(owner) == kept
    assert "data-totp-key" not in page.agent.open(page.url).text


# -- too late ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hasty(site: Attacked) -> Iterator[Attacked]:
    """The same provider, whose mailed codes live for two seconds."""
    limits = {**WIDE, "mail_again_after": "0s", "mailed_code_lives": "2s"}
    with another_setting(site, {"limits": limits}) as other:
        yield other


def test_a_mailed_code_that_came_too_late_is_told_so_and_a_new_one_helps(
    hasty: Attacked, post: Post, owner: Person
) -> None:
    kept = hasty.credentials(owner)
    page, action, typed = code_awaited(hasty, post, owner)
    time.sleep(2.1)  # the code's life
    late = press(page, action, **typed)
    assert (late.status, late.mark) == (422, "portal.reissue.2")
    assert "expired" in late.words
    assert [one for one in late.tree.forms if one.action.endswith("/send")], "a way on"
    assert "reissue.confirmed" not in hasty.events(owner)
    assert hasty.credentials(owner) == kept


def test_an_address_code_that_came_too_late_writes_nothing(
    hasty: Attacked, post: Post, owner: Person
) -> None:
    kept = hasty.credentials(owner)
    page, action, typed = address_awaited(hasty, post, owner)
    time.sleep(2.1)  # the code's life
    late = press(page, action, **typed)
    assert (late.status, late.mark) == (422, "portal.mail")
    assert hasty.credentials(owner) == kept
