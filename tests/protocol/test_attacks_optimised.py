"""Under ``python -O`` every ``assert`` is gone: none of ours may be a check (advisory 36)."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import idp_mfa
from tests.protocol import (
    test_attacks_codes,
    test_attacks_saml,
    test_attacks_sessions,
    test_attacks_steps,
)
from tests.protocol.attacked import Attacked, attacked
from tests.servers.idp import PROGRAM

CHECKOUT = Path(__file__).parents[2]
CORE = (
    "tests/unit/test_flow.py",
    "tests/unit/test_totp.py",
    "tests/unit/test_sealed.py",
    "tests/unit/test_policy_decide.py",
    "tests/unit/test_saml_requests.py",
    "tests/protocol/test_saml_hostile.py",
)
ATTACKS = [
    attack
    for module in (test_attacks_codes, test_attacks_saml, test_attacks_sessions, test_attacks_steps)
    for name, attack in vars(module).items()
    if name.startswith("test_") and set(inspect.signature(attack).parameters) == {"site"}
]


@pytest.fixture(scope="module")
def optimised() -> Iterator[Attacked]:
    """The product without asserts, its own and its libraries'; the tests keep theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONOPTIMIZE", "1")
        told = subprocess.run(
            (PROGRAM[0], "-c", "print(__debug__)"), capture_output=True, check=True
        )
        assert told.stdout == b"False\n", "and so is every program that is started from here"
        with attacked() as started:
            yield started


def test_the_product_has_no_assert_at_all() -> None:
    package = Path(idp_mfa.__file__).parent
    found = [
        f"{path.relative_to(package)}:{node.lineno}"
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_the_core_holds_without_asserts(tmp_path: Path) -> None:
    # pytest makes the tests' own asserts plain statements, so these still count.
    broken = tmp_path / "test_broken.py"
    broken.write_text("def test_this_fails():\n    assert False\n")
    for files, expected in (((str(broken),), 1), (CORE, 0)):
        done = subprocess.run(
            (
                sys.executable,
                *("-O", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
                *("-W", "ignore::pytest.PytestConfigWarning", "--rootdir", str(CHECKOUT)),
                *("-c", str(CHECKOUT / "setup.cfg"), *files),
            ),
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == expected, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_what_is_served_without_asserts_withstands_the_same(
    optimised: Attacked, attack: Callable[[Attacked], None]
) -> None:
    attack(optimised)
