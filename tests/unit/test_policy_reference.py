"""The reference names what the code knows, and shows what the loader takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from idp_mfa.model import Page, Refusal
from idp_mfa.policy.assurance import SHIPPED_FACTORS, levels
from idp_mfa.policy.cases import Outcome, Standing
from idp_mfa.policy.condition_reading import CONDITIONS, JOINTS
from idp_mfa.policy.load import load
from idp_mfa.policy.model import Assurance, Policy, ZoneKind
from idp_mfa.policy.rules import OUTCOMES, SKIPPABLE
from tests.unit.policy_facts import ZONES

DOCS = Path(__file__).parents[2] / "docs"
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


def test_the_howtos_example_is_a_policy() -> None:
    howto = (DOCS / "howto" / "write-a-policy.md").read_text(encoding="utf-8")
    example = howto.split("```yaml\n")[1].split("```")[0]
    assert isinstance(load(f"{ZONES}rules:\n{example}", "howto"), Policy)
