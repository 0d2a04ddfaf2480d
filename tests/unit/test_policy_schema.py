"""The schema for editors: it accepts what is loaded, and marks what people get wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import fastjsonschema
import pytest

from idp_mfa.model import BoundBy, Device, Page, Refusal
from idp_mfa.policy.assurance import SHIPPED_FACTORS, levels
from idp_mfa.policy.case_reading import GIVEN
from idp_mfa.policy.cases import Outcome
from idp_mfa.policy.condition_reading import CONDITIONS, JOINTS
from idp_mfa.policy.countries import COUNTRIES
from idp_mfa.policy.dated import DAYS
from idp_mfa.policy.load import KEYS, load
from idp_mfa.policy.model import Assurance, Policy, ZoneKind
from idp_mfa.policy.rules import OUTCOMES
from idp_mfa.policy.zone_reading import ZONE
from idp_mfa.yaml_document import Problems, plain, read
from tests.unit.policy_facts import ZONES
from tests.unit.policy_random import policy_text

SHIPPED = Path(__file__).parents[2] / "policies"
SCHEMA = json.loads((SHIPPED / "policy.schema.json").read_text(encoding="utf-8"))
WORDS = SCHEMA["definitions"]
accepts = fastjsonschema.compile(SCHEMA)


def as_an_editor_sees(text: str) -> Any:
    node = read(text, "p.yaml")
    assert not isinstance(node, Problems), str(node)
    return plain(node)


@pytest.mark.parametrize("file", sorted(SHIPPED.rglob("*.yaml")), ids=lambda file: file.stem)
def test_a_shipped_policy_names_the_schema_and_is_accepted(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    first, _, _ = text.partition("\n")
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (file.parent / named).resolve() == SHIPPED / "policy.schema.json"
    accepts(as_an_editor_sees(text))


def test_what_is_loaded_is_accepted() -> None:
    chance, loaded = Random(4), 0
    while loaded < 300:
        text = policy_text(chance)
        if isinstance(load(text, "by chance"), Policy):
            accepts(as_an_editor_sees(text))
            loaded += 1


RULE = "{ name: a, when: { page: sign-in }, then: skip }"
TEST = "{ name: a, given: { from: 192.0.2.1 }, expect: { outcome: ask } }"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("page: sign-in", "page: signin"),
        ("page: sign-in", "netwrok: campus"),
        ("page: sign-in", "page: []"),
        ("page: sign-in", "zone: { campus: true }"),
        ("page: sign-in", "country: UK"),
        ("page: sign-in", "country: jp"),
        ("page: sign-in", "device: unknown"),
        ("page: sign-in", "time: { days: [monday] }"),
        ("page: sign-in", "time: { from: '08:00' }"),
        ("page: sign-in", "time: { from: 8am, to: '18:00' }"),
        ("page: sign-in", "time: {}"),
        ("page: sign-in", "attribute: title"),
        ("page: sign-in", "attribute: { 'cn;lang-ja': [x] }"),
        ("page: sign-in", "bound: mail"),
        ("page: sign-in", "bound: { within: tomorrow }"),
        ("page: sign-in", "verified: { factor: totp }"),
        ("page: sign-in", "enrolled: password"),
        ("page: sign-in", "any: { zone: campus }"),
        ("page: sign-in", "not: campus"),
        ("then: skip", "then: allow"),
        ("then: skip", "than: skip"),
        ("then: skip", "then: { require: [password] }"),
        ("then: skip", "then: { require: [totp], fresh: 5 }"),
        ("then: skip", "then: { require: [totp], kinds: 3 }"),
        ("then: skip", "then: { require: [totp], deny: {} }"),
        ("then: skip", "then: { grace: { until: soon } }"),
        ("then: skip", "then: { enrol: [] }"),
        ("then: skip", "then: { deny: { en: No } }"),
        ("when: { page: sign-in }, ", ""),
        ("version: 1", "version: 2"),
        ("kind: vpn", "kind: VPN"),
        ("kind: vpn, ", ""),
        ("[198.51.100.0/24]", "198.51.100.0/24"),
        ("[198.51.100.0/24]", "[198.51.100.0/24/8]"),
        ("[198.51.100.0/24]", "[{ network: 198.51.100.0/24, expiry: 2027-03-31 }]"),
        ("  vpn:", "  outside:"),
        ("from: 192.0.2.1", "from: here"),
        ("from: 192.0.2.1", "page: sign-in"),
        ("from: 192.0.2.1", "from: 192.0.2.1, verified: 'totp:3'"),
        ("outcome: ask", "outcome: asked"),
        ("outcome: ask", "outcome: deny, why: no"),
    ],
)
def test_a_mistake_is_marked(right: str, wrong: str) -> None:
    text = f"{ZONES}rules:\n  - {RULE}\ntests:\n  - {TEST}\n"
    accepts(as_an_editor_sees(text))
    changed = text.replace(right, wrong, 1)
    assert changed != text
    assert isinstance(load(changed, "p.yaml"), Problems)
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        accepts(as_an_editor_sees(changed))


def enumerated(schema: Any) -> Iterator[str]:
    """Every word that an editor offers there."""
    if isinstance(schema, dict):
        yield from schema.get("enum", ())
        for key, inner in schema.items():
            if key != "not":
                yield from enumerated(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from enumerated(inner)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (WORDS["page"], {one.value for one in Page}),
        (WORDS["class"], {one.acr for one in levels(Assurance(gakunin_aal2=True))}),
        (WORDS["proof"], {one.value for one in BoundBy}),
        (WORDS["country"], COUNTRIES),
        (WORDS["factor"], set(SHIPPED_FACTORS)),
        (WORDS["zone"]["properties"]["kind"], {one.value for one in ZoneKind}),
        (
            WORDS["condition"]["properties"]["device"]["anyOf"][0],
            {one.value for one in Device if one is not Device.UNKNOWN},
        ),
        (WORDS["condition"]["properties"]["time"]["properties"]["days"]["anyOf"][0], set(DAYS)),
        (WORDS["expect"]["properties"]["outcome"], {one.value for one in Outcome}),
        (WORDS["expect"]["properties"]["why"], {one.value for one in Refusal}),
    ],
)
def test_an_editor_offers_the_words_of_the_code(schema: Any, words: set[str]) -> None:
    assert set(enumerated(schema)) == words


def test_the_keys_are_those_of_the_code() -> None:
    assert set(WORDS["condition"]["properties"]) == {*CONDITIONS, *JOINTS}
    outcomes = WORDS["outcome"]["anyOf"]
    assert {*outcomes[0]["enum"], *(key for one in outcomes[1:] for key in one["required"])} == {
        *OUTCOMES
    }
    assert set(SCHEMA["properties"]) == set(KEYS)
    assert set(WORDS["given"]["properties"]) == set(GIVEN)
    assert set(WORDS["zone"]["properties"]) == set(ZONE)
