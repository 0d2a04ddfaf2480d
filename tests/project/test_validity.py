"""Every page in every state is HTML as the standard has it, by the Nu checker."""

from __future__ import annotations

import json
from pathlib import Path

from idp_mfa import locale
from tests.project.html_checker import complaints
from tests.project.page_states import STATES, drawn


def test_every_page_in_every_state_is_valid(tmp_path: Path) -> None:
    pages = {
        drawn(language, template, context): f"{name} {language}"
        for number, (name, template, context) in enumerate(STATES)
        for language in (locale.LANGUAGES[number % 2],)
    }
    found = complaints(
        {f"{n}: {name}": text for n, (text, name) in enumerate(pages.items())}, tmp_path
    )
    assert found == {}, json.dumps(found, indent=1, ensure_ascii=False)[:6000]


def test_the_checker_sees_what_is_wrong(tmp_path: Path) -> None:
    begin = "<!doctype html><html lang=en><title>Page</title>"
    wrong = {
        "nesting": "<p><span><form></form></span></p>",
        "twice": "<p id=a></p><p id=a></p>",
        "no label there": "<label for=b>Name</label>",
        "role": "<ul><li role=img aria-label=fish>1</li></ul>",
    }
    right = {"right": "<p id=a>Right</p>"}
    found = complaints({name: begin + body for name, body in {**wrong, **right}.items()}, tmp_path)
    assert set(found) == set(wrong), found
