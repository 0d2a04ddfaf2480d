"""The image matrix as somebody's only factor, where a site lets it be: in Chromium, by keyboard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from playwright.sync_api import Browser

from idp_mfa.compose import compose
from idp_mfa.factors.image_matrix import NAME as MATRIX
from idp_mfa.ports import Change, ChangeAnswer
from idp_mfa.settings import Settings, load
from tests.browser.test_image_matrix import figures
from tests.browser.walk import Walk
from tests.servers import slapd, valkey
from tests.servers.chromium import DESKTOP, LANGUAGES, PHONE, chromium
from tests.servers.foreground import free_port
from tests.servers.idp import Idp, identity_provider
from tests.servers.valkey import Kind
from tests.simulators.person import Person

CAMPUS, OUTSIDE = "192.0.2.10", "203.0.113.10"
USES = 2
WORN = {"en": "somebody may have watched", "ja": "見られていた可能性"}


@dataclass(frozen=True, slots=True)
class Site:
    """A provider whose people may have the image matrix and nothing else."""

    idp: Idp
    directory: slapd.Slapd

    def person(self, login: str) -> Person:
        self.directory.add([slapd.Person(login, "Hanako 花", ("students",))])
        return Person(login, f"demo-{login}")

    def grows_old(self, person: Person) -> None:
        """As if half a year had gone by since the pictures were drawn."""
        settings = load(self.idp.folder / "idp_mfa.yaml")
        assert isinstance(settings, Settings)
        house = compose(settings)
        account = house.directory.find(person.login)
        assert account is not None
        (held,) = account.credentials.of(MATRIX)
        older = replace(
            held,
            bound_at=held.bound_at - timedelta(days=180),
            generation=held.generation + 1,
        )
        changes = (Change(held, older),)
        done = house.directory.change(account.user.id, account.credentials, changes)
        assert done is ChangeAnswer.DONE
        house.directory.close()
        house.store_server.close()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with (
        slapd.slapd() as directory,
        valkey.running(Kind.VALKEY) as store,
        identity_provider(
            free_port(),
            directory=directory,
            store=store,
            more={
                "factors": ["totp", "image_matrix", "recovery_code"],
                "image_matrix": {"only_factor": True, "uses": USES},
            },
        ) as idp,
    ):
        yield Site(idp, directory)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as program:
        yield program


@contextlib.contextmanager
def tab(
    browser: Browser, address: str, language: str = "en", screen: object = None
) -> Iterator[Walk]:
    context = browser.new_context(
        locale=LANGUAGES[language],
        extra_http_headers={"X-Forwarded-For": address},
        **(screen or DESKTOP),  # type: ignore[arg-type]
    )
    try:
        yield Walk(context.new_page())
    finally:
        context.close()


def enter(walk: Walk, name: str, text: str) -> None:
    """By keyboard alone: to the field, the figures, Enter."""
    walk.tab_to(name)
    walk.page.keyboard.press("Control+A")
    walk.page.keyboard.type(text)
    walk.page.keyboard.press("Enter")


def press(walk: Walk, selector: str) -> None:
    """A button or a link, by Tab and Enter."""
    for _ in range(40):
        if walk.page.evaluate("one => document.activeElement?.matches(one)", selector):
            break
        walk.page.keyboard.press("Tab")
    else:
        raise AssertionError(f"{selector} cannot be reached by Tab on {walk.page.url}")
    with walk.page.expect_navigation():
        walk.page.keyboard.press("Enter")


def password(walk: Walk, person: Person) -> None:
    walk.expect("signin.password")
    walk.tab_to("username")
    walk.page.keyboard.type(person.login)
    walk.tab_to("password")
    walk.page.keyboard.type(person.password)
    walk.page.keyboard.press("Enter")


def pictures(walk: Walk) -> list[str]:
    listed = walk.page.locator(".pattern li").all()
    return [one.get_attribute("data-picture") or "" for one in listed]


def practise_twice(walk: Walk) -> list[str]:
    """From the new pictures to the last page; what is to be remembered."""
    walk.expect("portal.matrix.pattern")
    pattern = pictures(walk)
    assert len(set(pattern)) == 6
    press(walk, "form.question button")
    for _ in range(2):
        walk.expect("portal.matrix.question")
        enter(walk, "code", figures(walk.page, pattern))
    walk.expect("portal.matrix.done")
    return pattern


def set_up(walk: Walk, site: Site, person: Person) -> list[str]:
    walk.page.goto(f"{site.idp.origin}/portal/matrix")
    password(walk, person)
    walk.expect("portal.matrix.begin")
    press(walk, "form.question button")
    return practise_twice(walk)


def signed_in(walk: Walk, site: Site, person: Person, pattern: Sequence[str]) -> str:
    """Off campus, to the portal; what the yellow page said."""
    walk.page.goto(site.idp.origin)
    press(walk, "form.question button")
    password(walk, person)
    walk.expect("signin.challenge")
    assert walk.page.get_attribute("body", "data-factor") == "image_matrix"
    said = walk.page.locator("main").inner_text()
    enter(walk, "code", figures(walk.page, list(pattern)))
    walk.expect("portal.home")
    return said


@pytest.mark.parametrize(("language", "screen"), [("en", DESKTOP), ("ja", PHONE)])
def test_set_up_on_campus_signed_in_from_home_seen_worn_out_and_drawn_anew(
    site: Site, browser: Browser, language: str, screen: dict[str, object]
) -> None:
    person = site.person(f"alone-{language}")
    with tab(browser, CAMPUS, language, screen) as walk:
        pattern = set_up(walk, site, person)
        assert walk.page.locator("a[href='/portal/codes']").count() == 1, "a second one is offered"
    for _ in range(USES):
        with tab(browser, OUTSIDE, language, screen) as walk:
            assert WORN[language] not in signed_in(walk, site, person, pattern)
    with tab(browser, OUTSIDE, language, screen) as walk:
        assert WORN[language] in signed_in(walk, site, person, pattern), "used often enough"
        assert WORN[language] in walk.page.locator("main").inner_text()
        press(walk, ".notice a[href='/portal/matrix']")
        walk.expect("portal.matrix")
        assert pictures(walk) == pattern
        press(walk, "form[action='/portal/matrix/begin'] button")
        drawn = practise_twice(walk)
        assert drawn != pattern
    with tab(browser, OUTSIDE, language, screen) as walk:
        walk.page.goto(site.idp.origin)
        press(walk, "form.question button")
        password(walk, person)
        walk.expect("signin.challenge")
        old, new = figures(walk.page, pattern), figures(walk.page, drawn)
        if old != new:
            enter(walk, "code", old)
            walk.page.wait_for_selector("[aria-invalid=true]")
        enter(walk, "code", figures(walk.page, drawn))
        walk.expect("portal.home")
        assert WORN[language] not in walk.page.locator("main").inner_text()
    site.grows_old(person)
    with tab(browser, OUTSIDE, language, screen) as walk:
        assert WORN[language] in signed_in(walk, site, person, drawn), "half a year old"


def test_who_has_it_alone_keeps_it_and_finds_a_device_on_campus_alone(
    site: Site, browser: Browser
) -> None:
    person = site.person("keeps")
    with tab(browser, CAMPUS) as walk:
        pattern = set_up(walk, site, person)
        walk.page.goto(f"{site.idp.origin}/portal/remove")
        walk.expect("portal.remove")
        assert "cannot be removed now" in walk.page.locator("main").inner_text()
        assert not walk.page.locator("form[action='/portal/remove/factor']").count()
        walk.page.goto(f"{site.idp.origin}/portal/totp")
        walk.expect("portal.totp.begin")
    with tab(browser, OUTSIDE) as walk:
        signed_in(walk, site, person, pattern)
        walk.page.goto(f"{site.idp.origin}/portal/totp")
        assert not walk.page.locator("form[action='/portal/totp/begin']").count()
        assert "campus" in walk.page.locator("main").inner_text()
