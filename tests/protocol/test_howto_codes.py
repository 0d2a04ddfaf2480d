"""docs/howto/codes-and-pictures.md: its settings load, its policy counts, its commands work."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

from idp_mfa.factors.recovery_code import written
from idp_mfa.policy.load import load as load_policy
from idp_mfa.policy.model import Policy
from idp_mfa.settings import Settings, load
from tests.protocol.attacked import Attacked

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "howto" / "codes-and-pictures.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[str]:
    return [block for written, block in _BLOCK.findall(TEXT) if written == language]


def test_its_settings_load_and_its_rule_is_one(site: Attacked, tmp_path: Path) -> None:
    settings, rule = blocks("yaml")
    as_it_is = yaml.safe_load((site.idp.folder / "idp_mfa.yaml").read_text(encoding="utf-8"))
    file = tmp_path / "idp_mfa.yaml"
    file.write_text(yaml.safe_dump({**as_it_is, **yaml.safe_load(settings)}), encoding="utf-8")
    found = load(file)
    assert isinstance(found, Settings), found
    assert found.image_matrix.only_factor
    assert isinstance(load_policy(f"version: 1\nrules:\n{rule}", "howto"), Policy)


def test_its_commands_do_what_it_says(site: Attacked) -> None:
    person = site.person()
    commands = [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) == 4
    said = []
    for program, *words in commands:
        assert program == "idp-mfa"
        said.append(site.idp.must(*(person.login if word == "hanako" else word for word in words)))
    for_today, for_a_set_up, taken, shown = said
    assert written(for_today.splitlines()[0])
    assert written(for_a_set_up.splitlines()[0])
    assert taken.startswith("1 record(s) taken")
    assert "enrolment_passcode, active" in shown
    assert "factor:              passcode" not in shown
    assert "totp, active" in shown
