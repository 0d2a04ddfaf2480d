"""docs/reference/security.md: every demand once, and every test that it names is there."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOCUMENT = TESTS.parent / "docs" / "reference" / "security.md"
DEMANDS = {"A": 27, "B": 12, "C": 13, "D": 13, "E": 17, "F": 7, "G": 12}
ADVISORIES = (
    *(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25),
    *(
        26,
        27,
        28,
        29,
        30,
        31,
        32,
        33,
        34,
        35,
        36,
        38,
        40,
        41,
        42,
        43,
        48,
        49,
        50,
        51,
        52,
        53,
        54,
        55,
    ),
)
_DEMAND = re.compile(r"^\| ([A-Z]\d+) \| ([^|]+) \| ([^|]+) \|$", re.M)
_ADVISORY = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", re.M)
_TEST = re.compile(r"`([a-z_/0-9]+)::(test_\w+)`")
_LATER = re.compile(r"\bissue [3-7]\b")


def text() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


@lru_cache
def names_in(file: str) -> frozenset[str]:
    """The tests that a file has."""
    path = TESTS / f"{file}.py"
    if not path.exists():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_demand_stands_there_once_and_in_order() -> None:
    expected = [f"{letter}{n}" for letter, most in DEMANDS.items() for n in range(1, most + 1)]
    assert [id for id, _, _ in _DEMAND.findall(text())] == expected


def test_every_advisory_of_the_sign_in_stands_there_once() -> None:
    numbers = [int(number) for number, _, _ in _ADVISORY.findall(text())]
    assert numbers == sorted(set(numbers))
    assert set(ADVISORIES) <= set(numbers)


@pytest.mark.parametrize("row", [*_DEMAND.findall(text()), *_ADVISORY.findall(text())])
def test_a_row_names_its_tests_its_issue_or_its_reason(row: tuple[str, str, str]) -> None:
    id, demand, where = row
    assert demand.strip()
    named = _TEST.findall(where)
    assert len(named) == where.count("::")
    missing = [f"{file}::{name}" for file, name in named if name not in names_in(file)]
    assert missing == []
    assert named or _LATER.search(where) or where.startswith("Not applicable: "), id
