"""``idp-mfa policy`` as an admin meets it: what is printed, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from idp_mfa.cli.house import Program
from idp_mfa.cli.policy import policy as command

DEFAULT = Path(__file__).parents[2] / "policies" / "default.yaml"
GOOD = """version: 1
zones: { campus: { kind: campus, networks: [192.0.2.0/24] } }
rules:
  - { name: inside, when: { page: sign-in, zone: campus }, then: skip }
  - { name: others, when: { page: sign-in }, then: { require: [totp] } }
tests:
  - { name: in, given: { from: 192.0.2.1 }, expect: { outcome: skip } }
"""


def run(*arguments: str | Path) -> Result:
    program = Program(Path("no-such-settings.yaml"))
    return CliRunner().invoke(command, [str(one) for one in arguments], obj=program)


def told(*arguments: str | Path) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text(GOOD, encoding="utf-8")
    return path


@pytest.fixture
def failing(file: Path) -> Path:
    file.write_text(GOOD.replace("outcome: skip", "outcome: ask"), encoding="utf-8")
    return file


def test_check_of_a_good_policy(file: Path) -> None:
    answer = run("check", file)
    assert (answer.exit_code, answer.stdout) == (
        0,
        f"{file}:2:10: note: zone `campus` has IPv4 networks alone: over IPv6 its people are "
        f"outside\n{file}: 1 zones, 2 rules, 1 tests: nothing is wrong\n",
    )
    assert (told("check", file)["ok"], told("check", file)["problems"]) == (True, [])


def test_check_names_file_line_and_column(file: Path) -> None:
    file.write_text(GOOD.replace("zone: campus", "zone: campsu"), encoding="utf-8")
    answer = run("check", file)
    expected = "`campsu` is not known in `zone`; did you mean `campus`?"
    assert (answer.exit_code, answer.stdout) == (1, f"{file}:4:50: {expected}\n")
    (problem,) = told("check", file)["problems"]
    assert problem == {"file": str(file), "line": 4, "column": 50, "message": expected}


def test_check_tries_the_tests(failing: Path) -> None:
    answer = run("check", failing)
    assert answer.exit_code == 1
    assert f"{failing}:7:5: test 'in' fails: permit with " in answer.stdout


def test_check_of_what_is_no_text(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    answer = run("check", file)
    assert (answer.exit_code, answer.stdout) == (1, f"{file}:1:1: is no UTF-8 text\n")


def test_check_of_no_file_is_wrong_use(tmp_path: Path) -> None:
    assert run("check", tmp_path / "none.yaml").exit_code == 2


def test_test_prints_a_row_for_each_test(file: Path) -> None:
    answer = run("test", file)
    assert (answer.exit_code, answer.stdout) == (0, f"ok      in\n{file}: 1 tests, 0 failed\n")


def test_test_says_what_came_instead(failing: Path) -> None:
    answer = run("test", failing)
    assert answer.exit_code == 1
    assert answer.stdout.startswith("FAILED  in: permit with urn:")
    (row,) = told("test", failing)
    assert (row["ok"], row["line"], row["rule"]) == (False, 7, "inside")


def test_test_without_a_file_and_without_settings_is_wrong_configuration() -> None:
    assert run("test").exit_code == 2


def test_explain_tells_the_rules_and_the_outcome() -> None:
    answer = run("explain", "--policy", DEFAULT, "--ip", "203.0.113.10", "--enrolled", "totp")
    assert answer.exit_code == 0
    assert "outcome: ask totp, from 203.0.113.10, zone outside" in answer.stdout
    assert answer.stdout.startswith("line ")


def test_explain_for_programs() -> None:
    common = ("explain", "--policy", DEFAULT, "--enrolled", "totp", "--page", "portal.show")
    shown = told(*common, "--ip", "192.0.2.1", "--verified", "password:1h", "--verified", "totp:3m")
    assert (shown["outcome"], shown["zone"]) == ("permit", "campus")
    old = told(*common, "--ip", "unknown", "--verified", "password", "--verified", "totp:6m")
    assert (old["outcome"], old["cause"], old["address"]) == ("ask", "freshness", None)
    last = old["steps"][-1]
    assert last["effect"] == "decided"
    assert last["matched"]["condition"] == "page"


def test_explain_of_a_service_that_asks_for_a_class() -> None:
    mfa = "https://refeds.org/profile/mfa"
    common = ("explain", "--policy", DEFAULT, "--ip", "192.0.2.1", "--acr", mfa)
    assert told(*common, "--enrolled", "totp")["cause"] == "service-demand"
    assert told(*common, "--enrolled", "image_matrix")["told"] == "deny (acr-unmet)"


@pytest.mark.parametrize(
    "wrong",
    [
        ("--ip", "here"),
        ("--ip", "192.0.2.1", "--enrolled", "sms"),
        ("--ip", "192.0.2.1", "--verified", "totp:soon"),
        ("--ip", "192.0.2.1", "--verified", "sms"),
        ("--ip", "192.0.2.1", "--page", "portal"),
        ("--ip", "192.0.2.1", "--user", "alice", "--group", "staff"),
        (),
    ],
)
def test_explain_used_wrongly(wrong: tuple[str, ...]) -> None:
    assert run("explain", "--policy", DEFAULT, *wrong).exit_code == 2


def test_explain_of_a_policy_that_is_not_well_written(file: Path) -> None:
    file.write_text("version: 1", encoding="utf-8")
    assert run("explain", "--policy", file, "--ip", "unknown").exit_code == 2


PARTICULARS = """version: 1
rules:
  - name: no
    when: { attribute: { title: dean }, country: JP, device: phone }
    then: deny
  - { name: rest, when: {}, then: { require: [totp] } }
"""


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (("--attribute", "title=dean", "--country", "JP", "--device", "phone"), "no"),
        (("--attribute", "title=x", "--attribute", "title=dean"), "no"),
        (("--attribute", "title="), "rest"),
        (("--attribute", "title=student"), "rest"),
        (("--country", "FR"), "rest"),
        (("--device", "computer"), "rest"),
        ((), "no"),
    ],
)
def test_explain_is_told_of_attributes_country_and_device(
    file: Path, said: tuple[str, ...], rule: str
) -> None:
    """What is not said is not known."""
    file.write_text(PARTICULARS, encoding="utf-8")
    assert told("explain", "--policy", file, "--ip", "203.0.113.9", *said)["rule"] == rule


def test_explain_of_an_attribute_without_a_value_is_used_wrongly(file: Path) -> None:
    file.write_text(PARTICULARS, encoding="utf-8")
    wrong = run("explain", "--policy", file, "--ip", "203.0.113.9", "--attribute", "title")
    assert wrong.exit_code == 2
