"""docs/seeds.md: every page and question of both documents, each with a place and a test."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
_ROW = re.compile(r"^\| ((?:OMU|SUMS) [^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.M)
_TEST = re.compile(r"`([a-z_/0-9]+)::(test_\w+)`")
_ANCHOR = re.compile(r"`/help#([a-z-]+)`")
OMU = {*(f"p.{n}" for n in (3, 4, 5, 6, 7, 8, 9, 10, 11, 15)), *(f"FAQ {n}" for n in range(1, 11))}
SUMS = {*"ABC", *map(str, range(1, 13))}

ROWS = _ROW.findall((ROOT / "docs" / "seeds.md").read_text(encoding="utf-8"))


@lru_cache
def names_in(file: str) -> frozenset[str]:
    path = TESTS / f"{file}.py"
    tree = ast.parse(path.read_text(encoding="utf-8") if path.exists() else "")
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def answers() -> set[str]:
    """The anchors of the page of answers."""
    text = (ROOT / "templates" / "help.html").read_text(encoding="utf-8")
    return set(re.findall(r"^  \('([a-z-]+)', ", text, re.M))


def test_every_page_and_question_has_a_row() -> None:
    pages = {row[0].strip() for row in ROWS}
    assert pages == {f"OMU {page}" for page in OMU} | {f"SUMS {question}" for question in SUMS}


def test_every_question_has_its_answer_at_help() -> None:
    questions = {row[0].strip(): _ANCHOR.findall(row[2]) for row in ROWS}
    without = {
        page
        for page, anchors in questions.items()
        if ("FAQ" in page or page.startswith("SUMS")) and not anchors
    }
    # Where the page itself explains, or a page of its own does.
    assert without == {"OMU FAQ 10", "SUMS 11", "SUMS 12"}
    assert {anchor for anchors in questions.values() for anchor in anchors} <= answers()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_a_test_that_is_there(row: tuple[str, str, str, str]) -> None:
    named = _TEST.findall(row[3])
    assert [f"{file}::{name}" for file, name in named if name not in names_in(file)] == []
    assert named
