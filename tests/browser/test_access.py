"""WCAG 2.2 AA by axe-core on every page in every shape it can take; nothing lost in any width."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from idp_mfa import locale
from tests.project.page_states import ROOT, STATES, Context, drawn
from tests.servers.chromium import chromium

STYLE = (ROOT / "idp_mfa" / "web" / "static" / "style.css").read_text("utf-8")
AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
LEVELS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
WIDTHS = (320, 390, 768, 1280, 1920)
"""The first is also 1280 at 400 % (WCAG 2.2, 1.4.10)."""
_TAG = re.compile(r"<(/?[a-z0-9]+)((?:\s+[a-z-]+(?:=\"[^\"]*\")?)*)\s*/?>")
_TELLING = re.compile(r"(class|type|role|aria-[a-z]+|hidden|disabled|tabindex)(?:=\"([^\"]*)\")?")
_RUN = """rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']}).then(
    found => found.violations.map(
        one => [one.id, one.nodes.map(node => node.html.slice(0, 160))]))"""
_SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def shape(text: str) -> str:
    """What axe can tell apart: elements and what they are, without the words."""
    body = text[text.index("<body") :]
    return " ".join(
        f"{tag}{sorted(set(_TELLING.findall(attributes)))}"
        for tag, attributes in _TAG.findall(body)
    )


def shapes() -> Iterator[tuple[str, locale.Language, str, Context]]:
    """One state of each template for each shape of page, in both languages by turns."""
    seen: set[str] = set()
    for number, (name, template, context) in enumerate(STATES):
        language = locale.LANGUAGES[number % 2]
        form = shape(drawn(language, template, context))
        if form not in seen:
            seen.add(form)
            yield f"{name} {language}", language, template, context


SHAPES = list(shapes())
PARTS = 4
PART = pytest.mark.parametrize("part", range(PARTS))
"""A quarter of all shapes at a time: on a busy machine all of them look like a test that hangs."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium that knows loopback alone."""
    with chromium() as program:
        yield program


def show(page: Page, language: locale.Language, template: str, context: Context) -> None:
    """The page as a browser would have it, with its style sheet and without its scripts."""
    text = drawn(language, template, context)
    text = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    page.set_content(re.sub(r'<link rel="stylesheet"[^>]*>', f"<style>{STYLE}</style>", text))


def refuse(page: Page, part: int, rules: dict[str, Any]) -> None:
    """Every ``PARTS``-th shape is without a violation of these rules."""
    found = {}
    for name, language, template, context in SHAPES[part::PARTS]:
        show(page, language, template, context)
        if page.evaluate("typeof axe === 'undefined'"):
            page.evaluate(AXE)
        if violations := page.evaluate(_RUN, rules):
            found[name] = violations
    page.close()
    assert found == {}, json.dumps(found, indent=1, ensure_ascii=False)[:6000]


@PART
def test_axe_finds_nothing_on_any_page(browser: Browser, part: int) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="light")
    refuse(page, part, {"type": "tag", "values": list(LEVELS)})


@PART
def test_in_the_dark_every_text_can_be_read(browser: Browser, part: int) -> None:
    # The dark changes colours and nothing else that axe looks at.
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    refuse(page, part, {"type": "rule", "values": ["color-contrast", "link-in-text-block"]})


def test_nothing_runs_out_of_any_width(browser: Browser) -> None:
    page = browser.new_page()
    wide = []
    for name, language, template, context in SHAPES:
        show(page, language, template, context)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            if page.evaluate(_SIDEWAYS):
                wide.append((name, width))
    assert wide == []


_UNSEEN = """() => [...document.querySelectorAll('a[href], button, input, summary')]
    .filter(one => one.checkVisibility() && one.type !== 'hidden')
    .filter(one => { one.focus(); const style = getComputedStyle(one);
        return document.activeElement !== one || style.outlineStyle === 'none'
            || parseFloat(style.outlineWidth) < 2; })
    .map(one => one.outerHTML.slice(0, 160))"""


def test_with_forced_colours_every_control_is_reached_and_seen(browser: Browser) -> None:
    page = browser.new_page(forced_colors="active", viewport={"width": 390, "height": 844})
    unseen = {}
    for name, language, template, context in SHAPES:
        show(page, language, template, context)
        page.keyboard.press("Tab")
        if lost := page.evaluate(_UNSEEN):
            unseen[name] = lost
    assert unseen == {}, json.dumps(unseen, indent=1, ensure_ascii=False)[:4000]


def test_nothing_moves_for_whoever_wants_it_still(browser: Browser) -> None:
    page = browser.new_page(reduced_motion="reduce")
    for _, language, template, context in SHAPES[::8]:
        show(page, language, template, context)
        moving = page.evaluate(
            """() => [...document.querySelectorAll('*')].filter(one => {
                const style = getComputedStyle(one);
                return parseFloat(style.transitionDuration) || style.animationName !== 'none';
            }).map(one => one.outerHTML.slice(0, 160))"""
        )
        assert moving == []
