"""docs/reference/saml.md tells what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from idp_mfa.cli.sp import add
from idp_mfa.keys import KeyType
from idp_mfa.model import Refusal
from idp_mfa.policy.assurance import levels
from idp_mfa.policy.model import Assurance
from idp_mfa.saml.bindings import RELAY_STATE_OCTETS
from idp_mfa.saml.incoming import RequestProblem
from idp_mfa.saml.names import Comparison
from idp_mfa.saml.options import SamlOptions
from idp_mfa.saml.reading import MESSAGE
from idp_mfa.saml.responses import codes_of

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference/saml.md").read_text("utf-8")
HOWTO = (DOCS / "howto/register-a-service.md").read_text("utf-8")


def test_every_refusal_status_comparison_and_class_is_named() -> None:
    text = re.sub(r"```.*?```", "", REFERENCE, flags=re.S)
    named = set(re.findall(r"`([^`]+)`", text))
    assert {each.value for each in RequestProblem} <= named
    assert {each.value for each in Comparison} <= named
    codes = {code.value.rpartition(":")[2] for each in Refusal for code in codes_of(each)}
    assert codes <= named
    classes = [str(level.acr).rpartition(":")[2] for level in levels(Assurance(True))]
    assert {name if not name.startswith("//") else f"https:{name}" for name in classes} <= named
    assert {each.value for each in KeyType if each is not KeyType.RSA_3072} <= {
        word for name in named for word in name.split()
    }


def test_the_limits_are_those_of_the_code() -> None:
    size = f"{MESSAGE.octets // 1024} KB of XML after inflating, {MESSAGE.depth} levels"
    assert size in REFERENCE
    assert f"{MESSAGE.nodes:,} elements and attributes" in REFERENCE
    assert f"RelayState {RELAY_STATE_OCTETS:,} octets" in REFERENCE
    defaults = SamlOptions("x", ("example.ac.jp",))
    minutes = int(defaults.clock_skew.total_seconds()) // 60
    assert f"{minutes} minutes off at most" in REFERENCE
    assert defaults.assertion_lifetime == defaults.clock_skew
    assert "five minutes of life" in REFERENCE


@pytest.mark.parametrize("option", [o for p in add.params for o in p.opts if o.startswith("--")])
def test_every_option_of_adding_a_service_is_explained(option: str) -> None:
    assert option == "--json" or option in HOWTO
