"""The reference names what the code knows, and shows what the loader takes."""

from __future__ import annotations

import re
import shlex
import shutil
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from idp_mfa.cli.program import program
from idp_mfa.model import Page, Refusal
from idp_mfa.policy.assurance import SHIPPED_FACTORS, levels
from idp_mfa.policy.case_reading import GIVEN
from idp_mfa.policy.cases import Outcome, Standing
from idp_mfa.policy.condition_reading import CONDITIONS, JOINTS
from idp_mfa.policy.load import KEYS
from idp_mfa.policy.model import Assurance, ZoneKind
from idp_mfa.policy.rules import OUTCOMES, SKIPPABLE
from idp_mfa.policy.zone_reading import ZONE

DOCS = Path(__file__).parents[2] / "docs"
HOWTO = (DOCS / "howto" / "write-a-policy.md").read_text(encoding="utf-8")
REFERENCE = (DOCS / "reference" / "policy.md").read_text(encoding="utf-8")


def table(heading: str) -> list[str]:
    """The first column of the table under a heading, in code words."""
    block = re.search(rf"^\| {heading} \|.*?\n\n", REFERENCE, re.MULTILINE | re.DOTALL)
    assert block, f"no table of {heading}"
    rows = block[0].strip().splitlines()[2:]
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_the_conditions_are_those_of_the_code() -> None:
    assert set(table("condition")) == set(CONDITIONS)


@pytest.mark.parametrize("joint", JOINTS)
def test_the_joints_are_named(joint: str) -> None:
    assert f"`{joint}`" in REFERENCE


def test_the_outcomes_are_those_of_the_code() -> None:
    named = {re.sub(r"\W*(\w+).*", r"\1", written) for written in table("outcome")}
    assert named == set(OUTCOMES)


@pytest.mark.parametrize(
    "word",
    [
        *(page.value for page in Page),
        *SHIPPED_FACTORS,
        *(level.acr for level in levels(Assurance(gakunin_aal2=True))),
        *(kind.value for kind in ZoneKind),
        *(outcome.value for outcome in Outcome),
        *(one.value for one in Standing if one is not Standing.CLEAR),
        Refusal.POLICY.value,
    ],
)
def test_every_word_is_named(word: str) -> None:
    assert f"`{word}`" in REFERENCE


def test_the_pages_that_are_never_skipped_are_named() -> None:
    paragraph = REFERENCE.split("A rule that skips names its pages")[1].split("\n- ")[0]
    named = set(re.findall(r"`([a-z.-]+)`", paragraph)) - {"none"}
    assert named == {page.value for page in set(Page) - SKIPPABLE}


@pytest.fixture
def as_the_howto_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the shipped policies, and the howto's rules and tests in a copy of one."""
    shutil.copytree(DOCS.parent / "policies", tmp_path / "policies")
    rules, tests = (block.split("```")[0] for block in HOWTO.split("```yaml\n")[1:])
    text = (tmp_path / "policies" / "default.yaml").read_text(encoding="utf-8")
    text = text.replace("\nrules:\n", "\nrules:\n" + textwrap.indent(rules, "  "))
    text = text.replace("\ntests:\n", "\ntests:\n" + textwrap.indent(tests, "  "))
    (tmp_path / "my-policy.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands() -> list[str]:
    """What the howto says to type."""
    blocks = [block.split("```")[0] for block in HOWTO.split("```sh\n")[1:]]
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.removeprefix("idp-mfa ") for line in lines if line.startswith("idp-mfa")]


@pytest.mark.parametrize("command", commands())
@pytest.mark.usefixtures("as_the_howto_has_it")
def test_the_howtos_commands_do_what_it_says(command: str) -> None:
    answer = CliRunner().invoke(program, shlex.split(command))
    assert answer.exit_code == 0, answer.output


def test_the_howto_names_every_example_and_shows_what_is_denied_by_it() -> None:
    for example in (DOCS.parent / "policies" / "examples").glob("*.yaml"):
        assert f"| `{example.name}` |" in HOWTO
    assert len(commands()) == 4


def test_every_key_of_a_policy_and_its_tests_is_named() -> None:
    for key in (*KEYS, *GIVEN, *ZONE):
        assert f"`{key}`" in REFERENCE, key
