"""``idp-mfa policy prove`` and ``diff`` as an admin meets them without a directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from idp_mfa.cli.house import Program
from idp_mfa.cli.policy import policy as group
from idp_mfa.cli.policy_check import check
from idp_mfa.cli.policy_diff import diff
from idp_mfa.cli.policy_prove import prove

DEFAULT = Path(__file__).parents[2] / "policies" / "default.yaml"
TEXT = DEFAULT.read_text(encoding="utf-8")


def run(command: Any, *arguments: str | Path) -> Result:
    words = [str(one) for one in arguments]
    return CliRunner().invoke(command, words, obj=Program(Path("no-such-settings.yaml")))


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """The default policy without the VPN in its skip."""
    file = tmp_path / "planted.yaml"
    skip = "when: { page: [sign-in, portal.home], zone: [campus, vpn] }"
    assert skip in TEXT
    file.write_text(TEXT.replace(skip, skip.replace(", vpn", "")), encoding="utf-8")
    return file


def test_a_policy_that_locks_out_those_alone_whom_its_tests_name_is_well() -> None:
    answer = run(prove, DEFAULT)
    assert answer.exit_code == 0
    assert "expected by the test 'off campus without a factor there is no way in'" in answer.stdout
    assert answer.stdout.splitlines()[-1].endswith("3 lock-outs, 0 of them not expected")
    assert answer.stderr == ""


def test_a_lock_out_that_nobody_expects_ends_with_1(planted: Path) -> None:
    answer = run(prove, planted)
    assert answer.exit_code == 1
    (line,) = (
        one
        for one in answer.stdout.splitlines()
        if one.startswith("lock-out: people who have no factor, from vpn")
    )
    assert "they get in from campus; a factor can be set up from campus" in line
    assert "NOT EXPECTED by any test of the policy" in answer.stdout


def test_a_proof_for_programs(planted: Path) -> None:
    told = json.loads(run(prove, planted, "--json").stdout)
    assert told["ok"] is False
    (one,) = (
        one
        for one in told["lock_outs"]
        if one["expected_by"] is None
        and one["where"]["enrolled"] == [{"factors": [], "standing": "clear"}]
    )
    assert one["where"]["zone"] == [["vpn"]]
    assert (one["set_up"], one["elsewhere"]) == (["campus"], ["campus"])
    assert "people" not in one


def test_a_policy_that_cannot_be_read_proves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("version: 1\nruless: []\n", encoding="utf-8")
    for answer in (run(prove, file), run(diff, DEFAULT, file)):
        assert (answer.exit_code, answer.stdout) == (1, "")
        assert f"{file}:2:1" in answer.stderr


def test_a_difference_in_words_and_for_programs(planted: Path) -> None:
    answer = run(diff, DEFAULT, planted)
    assert answer.exit_code == 0
    assert answer.stdout.splitlines()[0] == (
        "newly asked: people who have fido2, image_matrix, passcode, recovery_code or totp, "
        "for sign-in, from vpn, where no class is asked, with the password alone "
        "(by rule 'Everyone else shows a factor')"
    )
    told = json.loads(run(diff, DEFAULT, planted, "--json").stdout)
    assert told["same"] is False
    assert told["changes"][0]["turn"] == "newly asked"
    assert told["changes"][0]["where"]["zone"] == [["vpn", "vpn"]]


def test_no_difference_is_said() -> None:
    answer = run(diff, DEFAULT, DEFAULT)
    assert answer.stdout == "nothing changes: of every request the same comes\n"
    assert json.loads(run(diff, DEFAULT, DEFAULT, "--json").stdout)["same"] is True


def test_a_warning_is_an_error_to_who_is_strict(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    again = "  - { name: again, when: { page: desk }, then: { require: [fido2] } }\n\ntests:\n"
    file.write_text(TEXT.replace("\ntests:\n", f"\n{again}"), encoding="utf-8")
    answer = run(check, file)
    assert (answer.exit_code, run(check, file, "--strict").exit_code) == (0, 1)
    line = next(
        number for number, one in enumerate(file.read_text().splitlines(), 1) if "again" in one
    )
    assert f"{file}:{line}:5: warning: rule 'again' never decides" in answer.stdout
    assert answer.stdout.endswith(": 1 warning\n")
    assert run(check, DEFAULT, "--strict").exit_code == 0


def test_as_of_a_moment(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    lent = "{ network: 192.0.2.0/24, expires: 2027-03-31 }"
    file.write_text(TEXT.replace("192.0.2.0/24", lent, 1), encoding="utf-8")
    assert "warning" not in run(check, file, "--at", "2026-12-01T09:00+09:00").stdout
    assert "ends on 2027-0" in run(check, file, "--at", "2027-03-20T09:00+09:00").stdout
    wrong = run(check, file, "--at", "tomorrow")
    assert (wrong.exit_code, "--at tomorrow" in wrong.stderr) == (2, True)


def test_explain_says_what_class_can_be_reached() -> None:
    words = ("explain", "--policy", DEFAULT, "--ip", "192.0.2.10")
    totp = run(group, *words, "--enrolled", "totp")
    assert totp.stdout.endswith(
        "the class reachable from here: https://refeds.org/profile/mfa\n"
    ), totp.output
    matrix = json.loads(run(group, *words, "--enrolled", "image_matrix", "--json").stdout)
    password = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    assert matrix["reachable"] == password
    outside = ("explain", "--policy", DEFAULT, "--ip", "203.0.113.10", "--json")
    assert json.loads(run(group, *outside).stdout)["reachable"] is None


def test_explain_at_a_moment(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    night = (
        "  - { name: night, when: { page: sign-in, time: { from: '22:00', to: '06:00', "
        "zone: Asia/Tokyo } }, then: deny }\n"
    )
    file.write_text(TEXT.replace("rules:\n", f"rules:\n{night}", 1), encoding="utf-8")
    words = ("explain", "--policy", file, "--ip", "192.0.2.10", "--json", "--at")
    assert json.loads(run(group, *words, "2026-12-01T23:00+09:00").stdout)["rule"] == "night"
    assert json.loads(run(group, *words, "2026-12-01T12:00+09:00").stdout)["outcome"] == "skip"
