"""What is built installs anywhere and has everything with it: sdist, wheel and editable."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.foreground import free_port, running

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ("templates", "policies", "conf")
_NOT_SOURCE = shutil.ignore_patterns(
    *(".git", ".venv", "var", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")
)
_ASK = (
    "from idp_mfa.assets import folder; import idp_mfa;"
    "print(idp_mfa.__file__, *(folder(n) for n in ('templates', 'policies', 'conf')), sep='\\n')"
)


@dataclass(frozen=True, slots=True)
class Built:
    """The two files that a release publishes, the wheel built out of the sdist."""

    sdist: Path
    wheel: Path


def _run(*command: str | Path, cwd: Path, path: str | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path or "", "PIP_NO_INDEX": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What this interpreter has installed but the product, for one that has nothing."""
    place = tmp_path_factory.mktemp("libraries")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(("idp_mfa", "__editable__")):
            (place / entry.name).symlink_to(entry)
    return str(place)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that building leaves nothing in the tree."""
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("source") / "tree", ignore=_NOT_SOURCE)


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    out = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source, cwd=out)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return Built(sdist, wheel)


def _fresh_environment(place: Path) -> Path:
    _run(sys.executable, "-m", "venv", "--without-pip", place, cwd=place.parent)
    return place / "bin"


def _install(libraries: str, binaries: Path, *what: str | Path) -> None:
    _run(
        *(sys.executable, "-m", "pip", "--python", binaries / "python", "install", "--quiet"),
        *("--no-deps", "--no-build-isolation", *what),
        cwd=binaries,
        path=libraries,
    )


def _expected_in_wheel() -> set[str]:
    """Everything under the package and the three folders but Python's own leavings."""
    found = set()
    for top, inside in (("idp_mfa", ""), *((name, "idp_mfa/assets/") for name in ASSETS)):
        for path in (ROOT / top).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                found.add(inside + path.relative_to(ROOT).as_posix())
    return found


def test_the_wheel_has_every_file_of_the_product_and_no_other(built: Built) -> None:
    names = {
        name
        for name in zipfile.ZipFile(built.wheel).namelist()
        if not name.endswith("/") and ".dist-info/" not in name
    }
    assert names == _expected_in_wheel()


def test_the_sdist_has_what_a_distributor_needs(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"LICENSE", "README.md", "CHANGELOG.md", "Makefile", "docs/architecture.md"}
    needed |= {"tests/conftest.py", "deploy/systemd/idp_mfa.service", ".ci/run"}
    assert needed <= names


def test_the_installed_wheel_runs_and_finds_its_own_files(
    built: Built, libraries: str, tmp_path: Path
) -> None:
    binaries = _fresh_environment(tmp_path / "fresh")
    _install(libraries, binaries, built.wheel)
    package, *folders = _run(
        binaries / "python", "-c", _ASK, cwd=tmp_path, path=libraries
    ).splitlines()
    inside = Path(package).parent
    assert inside.is_relative_to(tmp_path / "fresh")
    assert [Path(line) for line in folders] == [inside / "assets" / name for name in ASSETS]
    told = _run(binaries / "idp-mfa", "--help", cwd=tmp_path, path=libraries)
    assert "demo" in told
    assert "serve" in told


def test_the_demo_runs_from_the_installed_wheel(
    built: Built, libraries: str, tmp_path: Path
) -> None:
    binaries = _fresh_environment(tmp_path / "fresh")
    _install(libraries, binaries, built.wheel)
    log = tmp_path / "demo.out"
    with running(
        [
            *(str(binaries / "idp-mfa"), "demo", "--var", str(tmp_path / "var")),
            *("--port", str(free_port()), "--no-sp"),
        ],
        log=log,
        ready=lambda: "Ctrl-C stops everything" in log.read_text(),
        environment={"PYTHONPATH": libraries},
        cwd=tmp_path,
    ):
        settings = (tmp_path / "var/idp_mfa.yaml").read_text()
    assert "Stopped." in log.read_text()
    assert str(tmp_path / "fresh") in settings
    assert str(ROOT) not in settings


def test_an_editable_install_finds_the_files_of_the_checkout(
    source: Path, libraries: str, tmp_path: Path
) -> None:
    binaries = _fresh_environment(tmp_path / "fresh")
    _install(libraries, binaries, "--editable", source)
    package, *folders = _run(
        binaries / "python", "-c", _ASK, cwd=tmp_path, path=libraries
    ).splitlines()
    assert Path(package) == source / "idp_mfa/__init__.py"
    assert [Path(line) for line in folders] == [source / name for name in ASSETS]
    assert "demo" in _run(binaries / "idp-mfa", "--help", cwd=tmp_path, path=libraries)
