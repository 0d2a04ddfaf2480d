"""The image matrix in Chromium: by keyboard alone, and from what readers are told."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.walk import Walk
from tests.servers.chromium import DESKTOP, PHONE, Visitor, chromium, visit
from tests.servers.demo import Demo, demo
from tests.simulators.person import Person


@pytest.fixture(scope="module")
def running() -> Iterator[Demo]:
    with demo() as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as program:
        yield program


@contextlib.contextmanager
def tab(browser: Browser, visitor: Visitor) -> Iterator[Walk]:
    with visit(browser, visitor) as context:
        yield Walk(context.new_page())


def figures(page: Page, pattern: list[str]) -> str:
    cells = {
        cell.get_attribute("data-picture"): cell.get_attribute("data-digit")
        for cell in page.locator(".board li").all()
    }
    assert len(cells) == 64
    return "".join(cells[one] or "" for one in pattern)


def answer(page: Page, code: str) -> None:
    page.fill("input[name=code]", code)
    page.press("input[name=code]", "Enter")


def set_up(walk: Walk, running: Demo, person: Person) -> list[str]:
    """From the menu's tile to the last page; what is remembered."""
    page = walk.page
    page.goto(f"{running.idp}/portal/matrix")
    walk.give_password(person)
    walk.give_code(person)
    walk.expect("portal.matrix.begin")
    page.click("form.question button")
    walk.expect("portal.matrix.pattern")
    pattern = [one.get_attribute("data-picture") or "" for one in page.locator(".pattern li").all()]
    page.goto(f"{running.idp}/portal/matrix/pattern")
    page.click("form.question button")
    for wanted in ("portal.matrix.question", "portal.matrix.question"):
        walk.expect(wanted)
        answer(page, figures(page, pattern))
    walk.expect("portal.matrix.done")
    return pattern


@pytest.fixture(scope="module")
def remembered(running: Demo) -> list[str]:
    """What dave has of the image matrix from the start, as the demo tells newcomers."""
    return running.pictures["dave"]


def at_matrix(walk: Walk, running: Demo, person: Person) -> None:
    walk.page.goto(running.idp)
    walk.page.click("form.question button")
    walk.give_password(person)
    walk.expect("signin.challenge")
    if walk.page.get_attribute("body", "data-factor") != "image_matrix":
        walk.page.click("a[href$='/choose']")
        walk.page.click("button[value=image_matrix]")
        walk.page.wait_for_selector(".board")


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_signed_in_by_keyboard_alone_and_nothing_scrolls_sideways(
    browser: Browser, running: Demo, remembered: list[str], screen: dict[str, object]
) -> None:
    with tab(browser, Visitor(screen=dict(screen), script=True)) as walk:
        page = walk.page
        at_matrix(walk, running, running.people["dave"])
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) == 0
        assert page.get_attribute("input[name=code]", "autocomplete") == "off"
        page.evaluate("document.activeElement.blur()")
        walk.tab_to("code")
        page.keyboard.type(figures(page, remembered))
        page.keyboard.press("Enter")
        walk.expect("portal.home")


def test_signed_in_from_the_accessibility_tree_alone(
    browser: Browser, running: Demo, remembered: list[str]
) -> None:
    with tab(browser, Visitor()) as walk:
        at_matrix(walk, running, running.people["dave"])
        page = walk.page
        told = page.locator("main").aria_snapshot()
        said = dict(re.findall(r'img "([^"]+): ([1-8])"', told))
        assert len(said) == 64
        page.get_by_text("The same as a list").click()
        listed = page.locator("main").aria_snapshot()
        assert listed.count("heading") >= told.count("heading") + 8
        by_name = {
            cell.get_attribute("data-picture") or "": (cell.get_attribute("title") or "")
            for cell in page.locator(".board li").all()
        }
        code = "".join(said[by_name[one]] for one in remembered)
        for name, figure in said.items():
            assert re.search(rf"{re.escape(name)}\s*(?:\n\s*- strong: )?\"?{figure}", listed), name
        page.get_by_role("textbox").fill(code)
        page.get_by_role("button", name="Continue").click()
        walk.expect("portal.home")


def test_two_people_see_two_boards(browser: Browser, running: Demo, remembered: list[str]) -> None:
    del remembered
    with tab(browser, Visitor()) as other:
        set_up(other, running, running.people["olga"])
    boards = []
    for name in ("dave", "olga"):
        with tab(browser, Visitor()) as walk:
            at_matrix(walk, running, running.people[name])
            cells = walk.page.locator(".board li").all()
            boards.append([cell.get_attribute("data-picture") for cell in cells])
    assert boards[0] != boards[1]
    assert sorted(map(str, boards[0])) == sorted(map(str, boards[1]))


def test_another_tab_and_a_wrong_answer_show_the_same_board(
    browser: Browser, running: Demo, remembered: list[str]
) -> None:
    with tab(browser, Visitor()) as one, tab(browser, Visitor()) as two:
        for walk in (one, two):
            at_matrix(walk, running, running.people["dave"])
        code = figures(one.page, remembered)
        assert figures(two.page, remembered) == code
        answer(two.page, code[::-1] if code != code[::-1] else "123456")
        two.page.wait_for_selector(".error")
        assert figures(two.page, remembered) == code
        answer(one.page, code)
        one.expect("portal.home")
        answer(two.page, code)
        two.page.wait_for_selector(".error")
        assert figures(two.page, remembered) != code, "an answered board is gone"
        answer(two.page, figures(two.page, remembered))
        two.expect("portal.home")
