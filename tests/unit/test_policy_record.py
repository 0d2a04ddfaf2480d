"""A decision that went on record is the same decision when it is read."""

from __future__ import annotations

import json
import re
from datetime import UTC
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.audit_log.lines import decode, encode
from idp_mfa.model import (
    Acr,
    Amr,
    BoundBy,
    CredentialId,
    Device,
    FactorKind,
    Page,
    Reference,
    Seen,
    ServiceId,
    User,
    UserId,
    Verification,
)
from idp_mfa.policy.decide import decide
from idp_mfa.policy.model import Bound, Facts, Policy, ZoneName
from idp_mfa.policy.record import from_record, to_record, verdict_of
from tests.contracts.audit_acts import ADDRESSES, ROOT
from tests.unit.policy_facts import KINDS, MATRIX, NOW, PASSWORD, TOTP, facts, policy, shown

RULES = """
  - name: admins
    when: { group: [admins, staff] }
    then: { require: [totp], kinds: 2 }
  - name: titles
    when: { attribute: { title: [dean] } }
    then: { require: [totp] }
  - name: campus
    when: { page: sign-in, zone: campus }
    then: skip
  - name: others
    when: {}
    then: { require: [totp, image_matrix] }
"""
_words = st.text(min_size=1, max_size=12)
_moments = st.datetimes(timezones=st.just(UTC))
_kinds = st.frozensets(st.sampled_from(FactorKind))
_factors = st.sampled_from(sorted(KINDS))
_verified = st.builds(
    Verification,
    factor=_factors,
    kinds=_kinds,
    amr=st.lists(_words.map(Amr), max_size=2).map(tuple),
    at=_moments,
    credential_id=st.none() | _words.map(CredentialId),
)
_facts = st.builds(
    Facts,
    user=_words.map(lambda id: User(UserId(id), "", "")),
    groups=st.frozensets(st.sampled_from(["admins", "staff"])),
    attributes=st.dictionaries(st.just("title"), st.lists(_words, max_size=3).map(tuple)),
    service=_words.map(ServiceId),
    service_tags=st.frozensets(_words, max_size=3),
    page=st.sampled_from(Page),
    acr_values=st.lists(_words.map(Acr), max_size=3).map(tuple),
    zone=st.sampled_from(["campus", "outside", "unknown"]).map(ZoneName),
    address=st.none() | st.ip_addresses().map(str),
    country=st.none() | st.just("JP"),
    device=st.sampled_from(Device),
    enrolled=st.dictionaries(_factors, _kinds, max_size=3),
    bound=st.dictionaries(
        _factors,
        st.lists(st.builds(Bound, st.sampled_from(BoundBy), _moments), max_size=2).map(tuple),
        max_size=3,
    ),
    has_none=st.booleans(),
    unreadable=st.booleans(),
    verified=st.lists(_verified, max_size=3).map(tuple),
    fresh_after=st.none() | _moments,
    at=_moments,
)


@pytest.fixture(scope="module")
def rules() -> Policy:
    return policy(RULES)


def on_record(told: dict[str, Any], of: Facts) -> AuditRecord:
    """The record as it comes back from its line."""
    address = None if of.address is None else ip_address(of.address)
    line = encode(
        AuditRecord(
            NOW,
            AuditEvent.PASSWORD_ACCEPTED,
            Reference("K7WQ2MZP"),
            of.user.id,
            of.service,
            Seen(address, ()),
            decision=told,
        ),
        ADDRESSES,
    )
    record = decode(line, ADDRESSES)
    assert record is not None
    return record


@given(_facts)
def test_every_fact_comes_back(rules: Policy, given_facts: Facts) -> None:
    decided = decide(rules, given_facts)
    told = to_record(rules, given_facts, decided)
    assert json.loads(json.dumps(told)) == told
    read = from_record(on_record(told, given_facts))
    assert read is not None
    assert read.facts == given_facts
    assert read.verdict == verdict_of(decided)
    assert verdict_of(decide(rules, read.facts)) == read.verdict
    assert rules.version.startswith(read.policy)


def test_of_groups_and_attributes_only_those_that_the_policy_names_are_kept(rules: Policy) -> None:
    seen = facts(
        groups=frozenset({"staff", "choir"}),
        attributes={"title": ("dean",), "birthday": ("2000-01-01",)},
    )
    told = to_record(rules, seen, decide(rules, seen))
    assert told["groups"] == {"admins": False, "staff": True}
    assert told["attributes"] == {"title": ["dean"]}
    assert "choir" not in json.dumps(told)
    assert "birthday" not in json.dumps(told)
    read = from_record(on_record(told, seen))
    assert read is not None
    assert (read.groups, read.attributes) == ({"admins", "staff"}, {"title"})


def test_no_address_and_no_name_stands_in_it(rules: Policy) -> None:
    seen = facts(user=User(UserId("1"), "alice", "Alice Example"))
    text = json.dumps(to_record(rules, seen, decide(rules, seen)))
    assert "203.0.113" not in text
    assert "alice" not in text.lower()


def test_groups_are_found_wherever_a_rule_names_them() -> None:
    nested = policy(
        """
  - name: nested
    when: { not: { any: [ { group: a }, { all: [ { group: [b, c] } ] } ] } }
    then: { require: [totp] }
"""
    )
    assert nested.groups == {"a", "b", "c"}


@pytest.mark.parametrize(
    "spoilt", [{"page": "nowhere"}, {"verified": [{}]}, {"at": "yesterday"}, {"groups": []}]
)
def test_a_decision_of_another_make_is_none(rules: Policy, spoilt: dict[str, Any]) -> None:
    told = to_record(rules, facts(), decide(rules, facts()))
    assert from_record(on_record(told, facts())) is not None
    assert from_record(on_record({**told, **spoilt}, facts())) is None


@pytest.mark.parametrize("name", ["policy", "outcome", "at", "page", "zone", "device"])
def test_a_decision_without_what_it_must_have_is_none(rules: Policy, name: str) -> None:
    told = to_record(rules, facts(), decide(rules, facts()))
    del told[name]
    assert from_record(on_record(told, facts())) is None


@pytest.mark.parametrize("factors", [(TOTP,), (TOTP, MATRIX), ()])
def test_what_was_asked_is_on_record(rules: Policy, factors: tuple[Any, ...]) -> None:
    seen = facts(factors, attributes={"title": ()})
    told = to_record(rules, seen, decide(rules, seen))
    if factors:
        assert (told["outcome"], told["factors"]) == ("ask", sorted(factors))
    else:
        assert (told["outcome"], told["why"]) == ("deny", "no-factor-enrolled")
    assert told["rule"] == "others"


def test_the_docs_name_every_field(rules: Policy) -> None:
    text = (ROOT / "docs/reference/audit.md").read_text(encoding="utf-8")
    table = text.partition("## Decisions")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `([a-z_`, ]+)` \|", table, re.MULTILINE))
    fields = {name for row in named for name in re.findall(r"[a-z_]+", row)}
    some = {
        "service_tags": frozenset({"a"}),
        "acr_values": ("a",),
        "country": "JP",
        "bound": {TOTP: (Bound(BoundBy.CAMPUS, NOW),)},
        "unreadable": True,
        "fresh_after": NOW,
    }
    seen = (facts(), facts(()), facts(**some), facts(verified=(shown(TOTP), shown(PASSWORD))))
    told = {name for one in seen for name in to_record(rules, one, decide(rules, one))}
    assert fields == told
