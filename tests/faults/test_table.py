"""The reliability reference names tests that are there, and every test of this folder."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TABLE = TESTS.parent / "docs" / "reference" / "reliability.md"
_NAMED = re.compile(r"`(\w+/test_\w+\.py)(?:::(test_\w+))?`")
_TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)
_NAMED_AS_A_WHOLE = {"test_two_nodes.py", "test_memory.py", "test_table.py"}


def test_the_table_and_the_tests_know_each_other() -> None:
    named = set(_NAMED.findall(TABLE.read_text(encoding="utf-8")))
    for file, test in named:
        assert (TESTS / file).is_file(), file
        assert not test or f"def {test}(" in (TESTS / file).read_text(encoding="utf-8"), test
    listed = {test for _, test in named}
    for file in (TESTS / "faults").glob("test_*.py"):
        if file.name not in _NAMED_AS_A_WHOLE:
            assert set(_TEST.findall(file.read_text(encoding="utf-8"))) <= listed, file.name
