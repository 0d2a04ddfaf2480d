"""Whoever follows the README gets what it says: its marked commands are run as they stand."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_MARKED = re.compile(r"<!-- (run[^:]*): (.+?) -->\s*```sh\n(.*?)```", re.S)
_EXPECTED = {"six digits": r"(?m)^\d{6}$"}
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Step:
    """A command block, how to run it, and what has to appear."""

    how: str
    expected: re.Pattern[str]
    command: str


def _steps(name: str) -> list[Step]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [
        Step(how, re.compile(_EXPECTED.get(what, re.escape(what))), command.strip())
        for how, what, command in _MARKED.findall(text)
    ]


def test_both_readmes_run_the_same_commands() -> None:
    english, japanese = _steps("README.md"), _steps("README.ja.md")
    assert english == japanese
    assert len(english) >= 4


def test_the_readme_holds(tmp_path: Path) -> None:
    environment = {**os.environ, "IDP_MFA_DEMO_VAR": str(tmp_path / "demo"), "PIP_NO_INDEX": "1"}
    # Else `make run` would install first, and tests fetch nothing.
    stale = subprocess.run(["make", "--question", ".venv/installed"], cwd=ROOT, check=False)
    assert stale.returncode == 0, "setup.cfg is newer than .venv: run `make test`"
    begin, *rest = _steps("README.md")
    assert begin.how == "run in the background until"
    log = tmp_path / "run.out"
    with log.open("wb") as output:
        running = subprocess.Popen(
            ["bash", "-c", f"exec {begin.command}"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _until_said(log, begin.expected, running)
        for step in rest:
            done = subprocess.run(
                ["bash", "-c", step.command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
            )
            assert done.returncode == 0, (step.command, done.stdout, done.stderr)
            assert step.expected.search(done.stdout), (step.command, done.stdout)
    finally:
        # Ctrl-C in a terminal reaches every process of it.
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGINT)
        running.wait(30)
    assert "Stopped." in log.read_text()


def _until_said(log: Path, expected: re.Pattern[str], running: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    while not expected.search(log.read_text(errors="replace")):
        if running.poll() is not None or time.monotonic() > end:
            pytest.fail(f"it did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.1)
