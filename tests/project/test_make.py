"""The commands of a checkout: what `make` lists, what it installs, and that CI forgives no skip."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests/debian_packages.sh"


def test_make_alone_lists_the_commands_of_the_contract() -> None:
    told = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = {line.split()[1] for line in told.splitlines()}
    assert {"run", "test", "lint", "fix", "bench"} <= listed


def test_ci_checks_and_tests() -> None:
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", str(script)], check=True)
    lines = script.read_text().splitlines()
    assert {"make lint", "make test"} <= set(lines)
    assert "set -eu" in lines


@pytest.mark.parametrize(("together", "alone"), [(0, 0), (1, 0), (0, 1), (2, 1)])
def test_both_runs_of_the_tests_are_made_and_either_may_fail(
    tmp_path: Path, together: int, alone: int
) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("setup.cfg", "pyproject.toml", "tests/debian_packages.sh", ".venv/bin/python"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("installed", "installed-for-tests"):
        (tmp_path / ".venv" / name).touch()
    python = tmp_path / ".venv/bin/python"
    python.write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/asked\n'
        f'case "$*" in *"not alone"*) exit {together};; *) exit {alone};; esac\n'
    )
    python.chmod(0o755)
    done = subprocess.run(["make", "test"], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode == 0) == (together == alone == 0), done.stderr
    first, second = (tmp_path / "asked").read_text().splitlines()
    assert first.endswith("-m not alone")
    assert second.endswith("-m alone")


@dataclass(slots=True)
class Machine:
    """A made-up Debian: programs that say what they were asked, first on the path."""

    place: Path
    programs: dict[str, str] = field(default_factory=dict)

    @property
    def policy(self) -> Path:
        return self.place / "policy-rc.d"

    @property
    def asked(self) -> list[str]:
        log = self.place / "asked"
        return log.read_text().splitlines() if log.exists() else []

    def install(self) -> subprocess.CompletedProcess[str]:
        binaries = self.place / "bin"
        binaries.mkdir(exist_ok=True)
        for name in ("env", "tee", "mv", "rm", "chmod", "test", "grep", "cat"):
            (binaries / name).unlink(missing_ok=True)
            (binaries / name).symlink_to(str(shutil.which(name)))
        for name, body in self.programs.items():
            (binaries / name).write_text(f"#!/bin/sh\n{body}\n")
            (binaries / name).chmod(0o755)
        return subprocess.run(
            ["/bin/sh", str(SCRIPT)],
            env={"PATH": str(binaries), "POLICY_RC_D": str(self.policy)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Everything is installed but redis-server and chromium; we are root."""
    record = f'echo "$0 $* front=$DEBIAN_FRONTEND" >> {tmp_path}/asked'
    return Machine(
        tmp_path,
        {
            "id": "echo 0",
            "dpkg-query": 'case "$3" in redis-server|chromium) exit 1;; *) echo installed;; esac',
            "apt-get": f"{record}\n[ -x {tmp_path}/policy-rc.d ] && {tmp_path}/policy-rc.d\n"
            f'echo "policy says $?" >> {tmp_path}/asked',
        },
    )


class TestDebianPackages:
    def test_what_is_there_is_left_alone(self, machine: Machine) -> None:
        machine.programs["dpkg-query"] = "echo installed"
        assert machine.install().returncode == 0
        assert machine.asked == []

    def test_without_rights_it_names_what_is_missing(self, machine: Machine) -> None:
        machine.programs["id"] = "echo 1000"
        done = machine.install()
        assert done.returncode == 1
        assert done.stderr.endswith(": redis-server chromium\n")
        assert machine.asked == []

    def test_root_installs_and_no_service_starts(self, machine: Machine) -> None:
        assert machine.install().returncode == 0
        update, first, install, second = machine.asked
        assert "apt-get --quiet update" in update
        assert install.endswith("install redis-server chromium front=noninteractive")
        assert first == second == "policy says 101"
        assert not machine.policy.exists()

    def test_a_policy_that_was_there_comes_back(self, machine: Machine) -> None:
        machine.policy.write_text("theirs")
        machine.install()
        assert machine.policy.read_text() == "theirs"

    def test_after_a_failure_too(self, machine: Machine) -> None:
        machine.policy.write_text("theirs")
        machine.programs["apt-get"] = "exit 100"
        assert machine.install().returncode != 0
        assert machine.policy.read_text() == "theirs"

    def test_elsewhere_it_says_what_debian_calls_them(self, machine: Machine) -> None:
        del machine.programs["apt-get"]
        done = machine.install()
        assert done.returncode == 1
        assert "slapd" in done.stderr


class TestSkips:
    TESTS = """
import pytest

def test_right():
    pass

@pytest.mark.skip(reason="not here")
def test_skipped():
    pass

@pytest.mark.xfail(strict=True)
def test_known():
    assert False
"""

    @staticmethod
    def _run(place: Path, text: str, ci: str, how: tuple[str, ...] = ()) -> tuple[int, str]:
        (place / "test_it.py").write_text(text)
        (place / "pytest.ini").write_text("[pytest]\n")
        (place / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *how, str(place)],
            cwd=place,
            env={**os.environ, "CI": ci},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    @pytest.mark.parametrize("how", [(), ("-n", "2")], ids=["one process", "two"])
    def test_ci_takes_a_skip_for_a_failure(self, tmp_path: Path, how: tuple[str, ...]) -> None:
        status, told = self._run(tmp_path, self.TESTS, "true", how)
        assert status == 1
        assert "1 passed, 1 xfailed, 1 error" in told

    @pytest.mark.parametrize("how", [(), ("-n", "2")], ids=["one process", "two"])
    def test_a_module_that_skips_itself_fails_too(
        self, tmp_path: Path, how: tuple[str, ...]
    ) -> None:
        text = "import pytest\npytest.skip('no', allow_module_level=True)\n"
        assert self._run(tmp_path, text, "true", how)[0] not in (0, 5)

    @pytest.mark.parametrize("how", [(), ("-n", "2")], ids=["one process", "two"])
    def test_elsewhere_a_skip_is_loud(self, tmp_path: Path, how: tuple[str, ...]) -> None:
        status, told = self._run(tmp_path, self.TESTS, "", how)
        assert status == 0
        assert "1 skipped: this was not the whole" in told


def test_a_test_that_hangs_says_where_and_ends_the_run(tmp_path: Path) -> None:
    hangs = "import time\n\ndef test_that_hangs():\n    time.sleep(60)\n"
    (tmp_path / "test_a.py").write_text(hangs)
    (tmp_path / "test_b.py").write_text("def test_right():\n    pass\n")
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nfaulthandler_timeout = 1\nfaulthandler_exit_on_timeout = true\n"
    )
    makefile = (ROOT / "Makefile").read_text()
    how = re.search(r"pytest (-n .*?) -m 'not alone'", makefile.replace("\\\n", ""))
    assert how is not None
    words = how[1].replace("$(TEST_PROCESSES)", "2").split()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode not in (0, 5)
    assert "1 failed, 1 passed" in done.stdout
    assert "in test_that_hangs" in done.stderr
