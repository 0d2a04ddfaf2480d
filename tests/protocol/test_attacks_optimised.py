"""Under ``python -O`` every ``assert`` is gone: none of ours may be a check (advisory 36)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import idp_mfa

CHECKOUT = Path(__file__).parents[2]
CORE = (
    "tests/unit/test_flow.py",
    "tests/unit/test_totp.py",
    "tests/unit/test_sealed.py",
    "tests/unit/test_policy_decide.py",
    "tests/unit/test_saml_requests.py",
    "tests/protocol/test_saml_hostile.py",
)


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
