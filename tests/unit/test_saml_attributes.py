"""Which attributes leave, for whom, and what a wrong release file is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from idp_mfa.model import Account
from idp_mfa.ports import ServiceOptions
from idp_mfa.saml.attributes import Release
from idp_mfa.saml.provider import ServiceProvider
from idp_mfa.saml.release import read_release, shipped_types
from idp_mfa.yaml_document import Problems, read
from tests.simulators.service_provider import TestServiceProvider
from tests.unit.saml_parts import ALICE, IDP, Registered
from tests.unit.test_saml_metadata import entity_attribute

SP = TestServiceProvider()
PROVIDER = Registered(SP).provider(SP)
EPPN = "urn:oid:1.3.6.1.4.1.5923.1.1.1.6"
SCOPED = "urn:oid:1.3.6.1.4.1.5923.1.1.1.9"
MAIL = "urn:oid:0.9.2342.19200300.100.1.3"
DISPLAY_NAME = "urn:oid:2.16.840.1.113730.3.1.241"
SUBJECT_ID = "urn:oasis:names:tc:SAML:attribute:subject-id"
PAIRWISE_ID = "urn:oasis:names:tc:SAML:attribute:pairwise-id"
FILE = """
sources:
  eduPersonPrincipalName: { from: [eduPersonPrincipalName, uid] }
  eduPersonScopedAffiliation: { from: eduPersonAffiliation, scope: med.example.ac.jp }
  mail: { from: mail }
  displayName: { from: [nothing, displayName] }
  schacHomeOrganization: { values: [example.ac.jp] }
release:
  - to: everyone
    attributes: [displayName]
  - to: [https://sp.example/shibboleth]
    attributes: [eduPersonPrincipalName]
  - to: ["tag:internal"]
    attributes: [mail, subject-id, schacHomeOrganization]
  - to: [https://category.example/]
    attributes: [eduPersonScopedAffiliation]
"""


def release(text: str = FILE) -> Release:
    node = read(text, "release.yaml")
    assert not isinstance(node, Problems)
    found = read_release(node, IDP.options.scopes)
    assert not isinstance(found, Problems), str(found)
    return found


def given(
    provider: ServiceProvider = PROVIDER, account: Account = ALICE, text: str = FILE
) -> dict[str, tuple[str, ...]]:
    found = release(text).released(provider, account, IDP.salt)
    return {attribute.name: attribute.values for attribute in found}


def tagged(*tags: str) -> ServiceProvider:
    return replace(PROVIDER, options=ServiceOptions(tags=frozenset(tags)))


def test_a_service_receives_what_its_rows_say_and_no_more() -> None:
    assert given() == {
        EPPN: ("alice@example.ac.jp",),
        DISPLAY_NAME: ('Alice <&> "Liddell"',),
    }
    stranger = replace(PROVIDER, entity_id="https://sp.example/shibboleth2")
    assert set(given(stranger)) == {DISPLAY_NAME}


def test_tags_and_entity_categories_count_as_addresses() -> None:
    assert {MAIL, SUBJECT_ID} <= set(given(tagged("internal")))
    assert MAIL not in given(tagged("internals"))
    categorised = replace(PROVIDER, categories=frozenset({"https://category.example/"}))
    assert given(categorised)[SCOPED] == (
        "student@med.example.ac.jp",
        "member@med.example.ac.jp",
    )


@pytest.mark.parametrize(
    ("value", "leaves"),
    [
        ("alice@example.ac.jp", True),
        ("alice@med.example.ac.jp", True),
        ("alice@evil.example", False),
        ("alice@example.ac.jp@evil.example", False),
        ("alice@EXAMPLE.AC.JP", False),
        ("alice@", False),
        ("@example.ac.jp", False),
        ("root@evil.example@example.ac.jp", False),
    ],
)
def test_a_foreign_scope_never_leaves(value: str, leaves: bool) -> None:
    account = replace(ALICE, attributes={"eduPersonPrincipalName": (value,)})
    assert (EPPN in given(account=account)) is leaves


def test_values_that_are_missing_or_cannot_be_written_are_left_out() -> None:
    account = replace(ALICE, attributes={"displayName": ("", "a\x00b", "Alice", "Alice")})
    assert given(account=account) == {DISPLAY_NAME: ("Alice",)}


@pytest.mark.parametrize(
    ("demand", "names"),
    [
        ("subject-id", {SUBJECT_ID}),
        ("pairwise-id", {PAIRWISE_ID}),
        ("any", {PAIRWISE_ID}),
        ("none", set()),
        ("nonsense", {SUBJECT_ID}),
    ],
)
def test_what_metadata_demands_of_subject_identifiers_is_honoured(
    demand: str, names: set[str]
) -> None:
    name = "urn:oasis:names:tc:SAML:profiles:subject-id:req"
    service = replace(SP, extensions=entity_attribute(name, demand))
    provider = replace(
        Registered(service).provider(SP), options=ServiceOptions(tags=frozenset({"internal"}))
    )
    assert set(given(provider)) & {SUBJECT_ID, PAIRWISE_ID} == names


def test_subject_ids_have_our_scope_and_are_no_user_names() -> None:
    text = "release: [{ to: everyone, attributes: [subject-id, pairwise-id] }]"
    found = given(text=text)
    ((subject,), (pairwise,)) = (found[SUBJECT_ID], found[PAIRWISE_ID])
    other = given(replace(PROVIDER, entity_id="https://other.example/sp"), text=text)
    assert other[SUBJECT_ID] == (subject,)
    assert other[PAIRWISE_ID] != (pairwise,)
    for value in (subject, pairwise):
        local, _, scope = value.partition("@")
        assert scope == "example.ac.jp"
        assert local.isalnum()
        assert local == local.lower()
        assert "alice" not in local
        assert len(local) <= 127


def test_nothing_is_released_without_a_file() -> None:
    assert given(text="{}") == {}


def test_the_directory_is_asked_for_what_the_sources_name() -> None:
    assert release().directory_attributes() == {
        "eduPersonPrincipalName",
        "uid",
        "eduPersonAffiliation",
        "mail",
        "nothing",
        "displayName",
    }


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("sources: { emial: { from: mail } }", 1, "did you mean `mail`"),
        ("sources: { mail: { form: mail } }", 1, "`form` is not known"),
        ("sources: { mail: {} }", 1, "either `from` or `values`"),
        ("sources: { mail: { from: mail, values: [x] } }", 1, "either `from` or `values`"),
        ("sources: { eduPersonPrincipalName: { from: uid, scope: evil.example } }", 1, "no scope"),
        ("sources: { subject-id: { from: uid } }", 1, "no attribute that can stand here"),
        ("release:\n  - to: everyone\n    attributes: [mail]", 3, "has no source"),
        ("release:\n  - to: everyone\n    attributes: [pairwise_id]", 3, "`pairwise-id`"),
        ("release:\n  - attributes: [pairwise-id]", 2, "`to` names no service"),
        ("release: { to: everyone }", 1, "a list is wanted"),
        ("sources: []", 1, "a mapping is wanted"),
        ("[]", 1, "a mapping with sources, release"),
        ("releases: []", 1, "`releases` is not known"),
        ("sources: { mail: { from: [[mail]] } }", 1, "a text is wanted"),
        ("release: [{ to: { a: b }, attributes: [[x]] }]", 1, "attribute's name is wanted"),
    ],
)
def test_a_wrong_release_file_is_told_where(text: str, line: int, says: str) -> None:
    node = read(text, "release.yaml")
    assert not isinstance(node, Problems)
    found = read_release(node, IDP.options.scopes)
    assert isinstance(found, Problems)
    assert any(problem.line == line and says in problem.message for problem in found), str(found)


def test_the_shipped_map_names_each_attribute_once() -> None:
    types = shipped_types()
    names = [each.name for each in types.values()]
    assert len(set(names)) == len(names)
    assert types["eduPersonPrincipalName"].scoped
    assert not types["mail"].scoped
    assert types["gakuninScopedPersonalUniqueCode"].name == "urn:oid:1.3.6.1.4.1.32264.1.1.6"
    assert all(name.startswith(("urn:oid:", "urn:oasis:")) for name in names)
