"""``idp-mfa policy prove`` and ``check`` where the settings lead to a directory and services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from idp_mfa.cli.house import Program
from idp_mfa.cli.policy_check import check
from idp_mfa.cli.policy_prove import prove
from idp_mfa.demo.prepare import SETTINGS, prepare
from tests.servers.valkey import Kind, running

POLICIES = Path(__file__).parents[2] / "policies"
DEFAULT = POLICIES / "default.yaml"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The demo's people and its service, in a folder of their own."""
    folder = tmp_path_factory.mktemp("demo")
    with running(Kind.REDIS) as store:
        base = "http://localhost:1"
        prepare(folder, base=base, service="http://localhost:2", store=store.url)
        yield folder / SETTINGS


def run(command: Any, settings: Path, *arguments: str | Path) -> Result:
    words = [str(one) for one in arguments]
    return CliRunner().invoke(command, words, obj=Program(settings))


def test_the_people_in_a_lock_out_are_counted_and_named(settings: Path) -> None:
    answer = run(prove, settings, DEFAULT, "--who")
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    begin = next(number for number, one in enumerate(lines) if "people who have no factor" in one)
    assert "from outside" in lines[begin]
    assert lines[begin + 1 : begin + 3] == ["  1 person", "  bob"]
    told = json.loads(run(prove, settings, DEFAULT, "--who", "--json").stdout)
    (none,) = (one for one in told["lock_outs"] if "who have no factor" in one["words"])
    assert (none["people"], none["logins"]) == (1, ["bob"])


def test_nobody_is_named_unasked(settings: Path) -> None:
    answer = run(prove, settings, DEFAULT)
    assert "1 person" in answer.stdout
    assert "bob" not in answer.stdout
    assert "person" not in run(prove, settings, DEFAULT, "--offline").stdout


def test_a_lock_out_of_a_group_names_its_people(settings: Path, tmp_path: Path) -> None:
    rule = "  - { name: x, when: { page: sign-in, group: staff }, then: deny }\n"
    file = tmp_path / "p.yaml"
    text = DEFAULT.read_text(encoding="utf-8")
    file.write_text(text.replace("rules:\n", f"rules:\n{rule}"), encoding="utf-8")
    answer = run(prove, settings, file, "--json", "--who")
    assert answer.exit_code == 1
    planted = [one for one in json.loads(answer.stdout)["lock_outs"] if one["rule"] == "x"]
    assert any("dave" in one.get("logins", ()) for one in planted)
    assert not any("alice" in one.get("logins", ()) for one in planted)


def test_names_that_nobody_has_are_told(settings: Path, tmp_path: Path) -> None:
    rule = "  - { name: x, when: { group: stafff, service: [internall] }, then: deny }\n"
    file = tmp_path / "p.yaml"
    text = DEFAULT.read_text(encoding="utf-8")
    file.write_text(text.replace("rules:\n", f"rules:\n{rule}"), encoding="utf-8")
    answer = run(check, settings, file)
    assert answer.exit_code == 0, answer.output
    assert "nobody is in the group `stafff`; did you mean `staff`?" in answer.stdout
    assert "no service is called or tagged `internall`; did you mean `internal`?" in answer.stdout
    assert run(check, settings, file, "--strict").exit_code == 1
    assert "stafff" not in run(check, settings, file, "--offline").stdout


def test_a_directory_that_is_away_is_said_and_the_rest_is_proved(
    settings: Path, tmp_path: Path
) -> None:
    gone = settings.with_name("gone.yaml")
    text = settings.read_text(encoding="utf-8")
    gone.write_text(text.replace("directory.sqlite", "nothing/there.sqlite"), encoding="utf-8")
    answer = run(prove, gone, DEFAULT)
    assert answer.exit_code == 0, answer.output
    assert "not asked who and what there is: cannot reach the directory" in answer.stderr
    assert "lock-out: people who have no factor" in answer.stdout
