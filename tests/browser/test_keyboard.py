"""Journeys by the keyboard alone: every stop is seen, in reading order, and errors are said."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser

from tests.browser.walk import MOST_TABS, Walk
from tests.servers.chromium import DESKTOP, LANGUAGES, Visitor, chromium, visit
from tests.servers.demo import Demo, demo
from tests.simulators.person import Person
from tests.simulators.phone import Phone

ON_CAMPUS = "192.0.2.10"
LANGUAGE = pytest.mark.parametrize("language", sorted(LANGUAGES))
_STOP = """() => {
    const one = document.activeElement, style = getComputedStyle(one);
    const box = one.getBoundingClientRect(), last = window.lastStop;
    window.lastStop = one;
    const wrong = [];
    if (one === document.body) return wrong;
    if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2)
        wrong.push('the focus cannot be seen');
    if (box.bottom <= 0 || box.right <= 0 || box.top >= innerHeight || box.left >= innerWidth)
        wrong.push('the focus is out of sight');
    if (last?.isConnected && last !== document.body
        && !(last.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING))
        wrong.push('the focus went back');
    return wrong.map(what => what + ': ' + one.outerHTML.slice(0, 160));
}"""
_SAID_OF_THE_FIELD = """() => {
    const one = document.activeElement;
    const ids = (one.getAttribute('aria-describedby') ?? '').split(' ');
    return [one.name, one.getAttribute('aria-invalid'), document.title,
        ids.map(id => document.getElementById(id)?.innerText ?? '').join(' ')];
}"""


@dataclass(slots=True)
class Keys:
    """A person who has no mouse."""

    walk: Walk

    def to(self, selector: str) -> None:
        """Press Tab until it has the focus, and look at every stop on the way."""
        page = self.walk.page
        page.wait_for_load_state()
        page.evaluate("() => { window.lastStop = undefined; }")
        for _ in range(MOST_TABS):
            if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
                return
            page.keyboard.press("Tab")
            assert page.evaluate(_STOP) == [], page.url
        raise AssertionError(f"{selector} cannot be reached by Tab at {page.url}")

    def press(self, selector: str) -> None:
        self.to(selector)
        self.enter()

    def enter(self) -> None:
        with self.walk.page.expect_navigation():
            self.walk.page.keyboard.press("Enter")

    def type(self, name: str, text: str) -> None:
        self.to(f"input[name={name}]")
        self.walk.page.keyboard.type(text)

    def send(self, name: str, text: str) -> None:
        self.type(name, text)
        self.enter()

    def password(self, person: Person) -> None:
        self.walk.expect("signin.password")
        self.type("username", person.login)
        self.send("password", person.password)

    def code(self, person: Person) -> None:
        self.walk.expect("signin.challenge")
        assert person.phone is not None
        self.send("code", person.phone.code())

    def told_of_the_field(self) -> tuple[str, str, str, str]:
        """Of the field with the focus: name, validity, the page's title and what describes it."""
        self.walk.page.wait_for_selector("[aria-invalid=true]")
        self.walk.page.wait_for_function("document.activeElement !== document.body")
        name, invalid, title, said = self.walk.page.evaluate(_SAID_OF_THE_FIELD)
        return name, invalid, title, said


@pytest.fixture(scope="module")
def running() -> Iterator[Demo]:
    with demo() as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium that knows loopback alone."""
    with chromium() as program:
        yield program


@contextlib.contextmanager
def at(browser: Browser, url: str, language: str, place: str | None = None) -> Iterator[Keys]:
    with visit(browser, Visitor(language, DESKTOP)) as context:
        if place is not None:
            context.set_extra_http_headers({"X-Forwarded-For": place})
        page = context.new_page()
        page.goto(url)
        yield Keys(Walk(page))


def key_shown(walk: Walk) -> Phone:
    return Phone(walk.page.locator("[data-totp-key]").get_attribute("data-totp-key") or "")


@LANGUAGE
def test_after_wrong_answers_one_types_at_once_and_is_told_why(
    browser: Browser, running: Demo, language: str
) -> None:
    person = running.people["helen" if language == "ja" else "ivan"]
    mistaken = Person(person.login, "not this")
    error = {"ja": "エラー", "en": "Error"}[language]
    with at(browser, running.service, language) as keys:
        keys.press("button.main")
        keys.password(mistaken)
        name, invalid, title, said = keys.told_of_the_field()
        assert (name, invalid, title.partition(":")[0]) == ("password", "true", error)
        assert {"ja": "パスワード", "en": "password"}[language] in said
        keys.send("password", person.password)
        keys.walk.expect("signin.challenge")
        assert person.phone is not None
        keys.send("code", person.phone.at(1))
        name, invalid, title, said = keys.told_of_the_field()
        assert (name, invalid, title.partition(":")[0]) == ("code", "true", error)
        assert {"ja": "コードが違います", "en": "That code is not right"}[language] in said
        keys.code(person)
        keys.walk.expect("demo.service")


@LANGUAGE
def test_a_first_set_up_and_a_re_issue_to_the_end(
    browser: Browser, running: Demo, language: str
) -> None:
    # Each language sets somebody up who has nothing yet: the second finds them as they were left.
    bob = running.people["bob"]
    if bob.phone is None:
        with at(browser, f"{running.idp}/portal/totp", language, ON_CAMPUS) as keys:
            keys.password(bob)
            keys.walk.expect("portal.mail")
            before = running.outbox.mails()
            keys.send("address", "bob@home.example")
            keys.walk.page.wait_for_selector("input[name=code]")
            keys.send("code", running.outbox.code_since(before))
            keys.walk.expect("portal.totp.begin")
            keys.press("form[action$='/begin'] button")
            keys.walk.expect("portal.totp.setup")
            bob.phone = key_shown(keys.walk)
            keys.send("code", "000000")
            name, invalid, _, said = keys.told_of_the_field()
            assert (name, invalid, bool(said)) == ("code", "true", True)
            keys.send("code", bob.phone.code())
            keys.walk.expect("portal.totp.done")
    with at(browser, running.service, language) as keys:
        keys.press("button.main")
        keys.password(bob)
        keys.walk.expect("signin.challenge")
        keys.to("details.lost summary")
        keys.walk.page.keyboard.press("Enter")
        keys.press("form[action$='/reissue'] button")
        keys.walk.expect("portal.reissue.2")
        before = running.outbox.mails()
        keys.press("form[action$='/send'] button")
        keys.walk.page.wait_for_selector("input[name=code]")
        keys.send("code", running.outbox.code_since(before))
        keys.walk.expect("portal.reissue.3")
        keys.press("form[action$='/key'] button")
        keys.walk.expect("portal.reissue.4")
        bob.phone = key_shown(keys.walk)
        keys.send("code", bob.phone.code())
        keys.walk.expect("portal.reissue.4")
        keys.press("a.main")
        keys.walk.expect("demo.service")


def six(walk: Walk, pattern: list[str]) -> str:
    cells = {
        cell.get_attribute("data-picture"): cell.get_attribute("data-digit") or ""
        for cell in walk.page.locator(".board li").all()
    }
    return "".join(cells[one] for one in pattern)


def drawn_pattern(walk: Walk) -> list[str]:
    found = walk.page.locator(".pattern li").all()
    return [one.get_attribute("data-picture") or "" for one in found]


def practised_twice(keys: Keys) -> list[str]:
    keys.walk.expect("portal.matrix.pattern")
    pattern = drawn_pattern(keys.walk)
    keys.press("form.question button")
    for _ in range(2):
        keys.walk.expect("portal.matrix.question")
        keys.send("code", six(keys.walk, pattern))
    keys.walk.expect("portal.matrix.done")
    return pattern


def signed_in_by_another_method(
    browser: Browser, running: Demo, person: Person, pattern: list[str]
) -> None:
    with at(browser, running.service, "en") as keys:
        keys.press("button.main")
        keys.password(person)
        keys.walk.expect("signin.challenge")
        keys.press("a[href$='/choose']")
        keys.walk.expect("signin.choose")
        keys.press("button[value=image_matrix]")
        keys.walk.page.wait_for_selector(".board")
        keys.send("code", six(keys.walk, pattern))
        keys.walk.expect("demo.service")


def test_the_image_matrix_is_set_up_seen_changed_and_removed(
    browser: Browser, running: Demo
) -> None:
    olga = running.people["olga"]
    with at(browser, f"{running.idp}/portal/matrix", "ja") as keys:
        keys.password(olga)
        keys.code(olga)
        keys.walk.expect("portal.matrix.begin")
        keys.press("form.question button")
        first = practised_twice(keys)
        keys.press("a[href='/']")
        keys.walk.expect("portal.home")
        keys.press("a[href='/portal/matrix']")
        keys.walk.expect("portal.matrix")
        assert drawn_pattern(keys.walk) == first
        keys.press("form[action$='/begin'] button")
        second = practised_twice(keys)
        assert second != first
        keys.press("a[href='/']")
        keys.press("a[href='/portal/matrix']")
        keys.walk.expect("portal.matrix")
        assert drawn_pattern(keys.walk) == second
        signed_in_by_another_method(browser, running, olga, second)
        keys.press("a[href$='/remove']")
        keys.walk.expect("portal.remove")
        named = keys.walk.page.get_by_role("button", name="イメージングマトリクス")
        keys.press(f"button[value='{named.get_attribute('value')}']")
        assert named.count() == 0
        keys.press("form[action='/sign-out'] button")
        keys.walk.expect("signin.signed-out")
        keys.walk.page.goto(f"{running.idp}/portal/matrix")
        keys.walk.expect("signin.password")
