"""Metadata: ours as others read it, and others' as we judge it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from idp_mfa.cli.findings import trait_words, words
from idp_mfa.keys import KeyType
from idp_mfa.saml.description import describe
from idp_mfa.saml.metadata import metadata
from idp_mfa.services import Described, Finding, FindingKind, Trait, Unusable
from tests.simulators.service_provider import MD, NAMES, POST, TestServiceProvider, key_pair
from tests.unit.saml_parts import IDP, NOW, Registered, signing_key

SP = TestServiceProvider(encryption=key_pair("encryption"))
MDUI = "urn:oasis:names:tc:SAML:metadata:ui"
CBC = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
UI = f"""<md:Extensions><mdui:UIInfo xmlns:mdui="{MDUI}">
<mdui:DisplayName xml:lang="ja">例示<!-- -->サービス</mdui:DisplayName>
<mdui:DisplayName xml:lang="EN"> Example service </mdui:DisplayName>
<mdui:Logo width="1" height="1">https://sp.example/logo.png</mdui:Logo>
<mdui:Logo width="1" height="1">data:image/png;base64,AAAA</mdui:Logo>
</mdui:UIInfo></md:Extensions>"""


def entity_attribute(name: str, *values: str) -> str:
    listed = "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
    return (
        '<md:Extensions><mdattr:EntityAttributes xmlns:mdattr="urn:oasis:names:tc:SAML:metadata:'
        'attribute"><saml:Attribute xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" '
        f'Name="{name}">{listed}</saml:Attribute></mdattr:EntityAttributes></md:Extensions>'
    )


def one(document: bytes, now: datetime = NOW) -> Described | Unusable:
    (found,) = describe(document, now)
    return found


def kinds(found: Described | Unusable) -> set[FindingKind]:
    findings = found.findings if isinstance(found, Described) else found.problems
    return {finding.kind for finding in findings}


# -- ours ------------------------------------------------------------------------------------


def test_ours_says_what_a_federation_needs() -> None:
    keys = (signing_key(), signing_key(KeyType.P_256))
    root = etree.fromstring(metadata(IDP, keys))
    assert root.get("entityID") == "https://idp.example/idp"
    (role,) = root.iterfind("md:IDPSSODescriptor", NAMES)
    assert role.get("errorURL") == "https://www.example.ac.jp/help?a=1&b=2"
    scopes = list(role.iter("{urn:mace:shibboleth:metadata:1.0}Scope"))
    assert [(each.text, each.get("regexp")) for each in scopes] == [
        ("example.ac.jp", "false"),
        ("med.example.ac.jp", "false"),
    ]
    names = {
        each.get("{http://www.w3.org/XML/1998/namespace}lang"): each.text
        for each in role.iter(f"{{{MDUI}}}DisplayName")
    }
    assert names == {"ja": "例示大学", "en": "Example & University"}
    assert len(list(role.iterfind("md:KeyDescriptor[@use='signing']", NAMES))) == 2
    for name, url in (("SingleSignOnService", "sso"), ("SingleLogoutService", "slo")):
        found = {
            (each.get("Binding", "").rpartition(":")[2], each.get("Location"))
            for each in role.iterfind(f"md:{name}", NAMES)
        }
        address = f"https://idp.example/saml/{url}"
        assert found == {("HTTP-Redirect", address), ("HTTP-POST", address)}
    formats = [
        (each.text or "").rpartition(":")[2] for each in role.iterfind("md:NameIDFormat", NAMES)
    ]
    assert formats == ["transient", "persistent"]
    contact = root.find("md:ContactPerson[@contactType='technical']/md:EmailAddress", NAMES)
    assert contact is not None
    assert contact.text == "mailto:help@example.ac.jp"


def test_ours_keeps_the_order_that_the_schema_wants() -> None:
    root = etree.fromstring(metadata(IDP, (signing_key(),)))
    order = [etree.QName(each).localname for each in root]
    assert order == ["IDPSSODescriptor", "Organization", "ContactPerson"]
    within = list(dict.fromkeys(etree.QName(each).localname for each in root[0]))
    assert within == [
        "Extensions",
        "KeyDescriptor",
        "SingleLogoutService",
        "NameIDFormat",
        "SingleSignOnService",
    ]


# -- others' ---------------------------------------------------------------------------------


def test_a_good_service_is_read_whole() -> None:
    house = Registered(replace(SP, role_extensions=UI, signs_requests=True))
    provider = house.provider(SP)
    assert provider.names == {"ja": "例示サービス", "en": "Example service"}
    assert provider.logo == "data:image/png;base64,AAAA", "our pages load images from nowhere"
    assert provider.must_sign
    assert [key.public.can_wrap for key in provider.encryption_keys] == [True]
    assert [each.url for each in provider.logouts] == ["https://sp.example/slo"]


def test_entity_attributes_reach_policy_and_release() -> None:
    category = "http://refeds.org/category/research-and-scholarship"
    service = replace(
        SP, extensions=entity_attribute("http://macedir.org/entity-category", category)
    )
    assert category in Registered(service).provider(SP).service.tags


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("javascript:alert(1)", FindingKind.ENDPOINT_NOT_A_URL),
        ("data:text/html,x", FindingKind.ENDPOINT_NOT_A_URL),
        ("//sp.example/acs", FindingKind.ENDPOINT_NOT_HTTPS),
        ("http://sp.example/acs", FindingKind.ENDPOINT_NOT_HTTPS),
        ("ftp://sp.example/acs", FindingKind.ENDPOINT_NOT_HTTPS),
        ("javascript://sp.example/%0aalert(1)", FindingKind.ENDPOINT_NOT_HTTPS),
        ("https://user@sp.example/acs", FindingKind.ENDPOINT_NOT_A_URL),
        ("https://sp.example/acs#x", FindingKind.ENDPOINT_NOT_A_URL),
        ("https://sp.example\\@evil.tld/acs", FindingKind.ENDPOINT_NOT_A_URL),
        ("https://sp.example/a b", FindingKind.ENDPOINT_NOT_A_URL),
        ("https://[::1", FindingKind.ENDPOINT_NOT_A_URL),
        ("https://sp.example:port/acs", FindingKind.ENDPOINT_NOT_A_URL),
        ("https:///acs", FindingKind.ENDPOINT_NOT_A_URL),
        ("/acs", FindingKind.ENDPOINT_NOT_A_URL),
        ("", FindingKind.ENDPOINT_NOT_A_URL),
    ],
)
def test_an_address_that_no_answer_may_go_to(url: str, kind: FindingKind) -> None:
    """Advisory 42, for answers and for log-out alike."""
    found = one(replace(SP, acs_url=url).metadata())
    assert isinstance(found, Unusable)
    assert kind in kinds(found)
    found = one(replace(SP, slo_url=url).metadata())
    assert isinstance(found, Unusable)
    assert kind in kinds(found)


@pytest.mark.parametrize(
    "url", ["http://localhost:8081/acs", "http://127.0.0.2/acs", "http://[::1]:8081/acs"]
)
def test_plain_http_is_taken_on_loopback_with_a_warning(url: str) -> None:
    found = one(replace(SP, acs_url=url).metadata())
    assert isinstance(found, Described)
    assert Finding(FindingKind.LOOPBACK_HTTP, url) in found.findings


@pytest.mark.parametrize(
    ("service", "kind"),
    [
        (replace(SP, entity_id=""), FindingKind.NO_ENTITY_ID),
        (replace(SP, entity_id="x" * 1025), FindingKind.NO_ENTITY_ID),
        (replace(SP, attributes='validUntil="2026-11-21T03:00:00Z"'), FindingKind.EXPIRED),
        (replace(SP, attributes='validUntil="soon"'), FindingKind.EXPIRED),
        (replace(SP, signing=(), signs_requests=True), FindingKind.SIGNS_WITHOUT_KEY),
        (replace(SP, signing=(key_pair("short", 1024),)), FindingKind.KEY_TOO_SHORT),
    ],
)
def test_services_that_are_not_taken(service: TestServiceProvider, kind: FindingKind) -> None:
    found = one(service.metadata())
    assert isinstance(found, Unusable)
    assert kind in kinds(found)


def test_without_a_post_endpoint_there_is_no_answer() -> None:
    xml = SP.metadata().replace(
        b'AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"',
        b'AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"',
    )
    assert kinds(one(xml)) >= {FindingKind.NO_ENDPOINT}


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (b"", FindingKind.UNREADABLE),
        (b"<html>", FindingKind.UNREADABLE),
        (b"<html/>", FindingKind.NOT_METADATA),
        (b"<!DOCTYPE x><x/>", FindingKind.UNREADABLE),
        (b"\xff\xfe<\x00x\x00", FindingKind.UNREADABLE),
        (metadata(IDP, ()), FindingKind.NO_SERVICE_PROVIDER),
    ],
)
def test_documents_that_are_no_service(document: bytes, kind: FindingKind) -> None:
    assert kinds(one(document)) == {kind}


@pytest.mark.parametrize(
    ("service", "kind"),
    [
        (SP, FindingKind.NO_NAME),
        (SP, FindingKind.REQUESTS_UNSIGNED),
        (replace(SP, encryption=None), FindingKind.NO_ENCRYPTION_KEY),
        (replace(SP, encryption_methods=(CBC,)), FindingKind.OLD_ENCRYPTION_ONLY),
        (replace(SP, attributes='validUntil="2026-12-01T00:00:00Z"'), FindingKind.METADATA_EXPIRES),
        (
            replace(
                SP,
                more_consumers='<md:AssertionConsumerService Location="https://sp.example/x" '
                'index="1" Binding="urn:oasis:names:tc:SAML:2.0:bindings:PAOS"/>',
            ),
            FindingKind.OTHER_BINDING,
        ),
    ],
)
def test_what_is_worth_knowing_is_told(service: TestServiceProvider, kind: FindingKind) -> None:
    found = one(service.metadata())
    assert isinstance(found, Described)
    assert kind in kinds(found)


def test_an_expired_certificate_is_told_and_its_key_still_counts() -> None:
    later = datetime(2041, 1, 1, tzinfo=UTC)
    found = one(SP.metadata(), later)
    assert isinstance(found, Described)
    assert FindingKind.CERTIFICATE_EXPIRED in kinds(found)
    soon = one(SP.metadata(), datetime(2039, 12, 20, tzinfo=UTC))
    assert FindingKind.CERTIFICATE_EXPIRES in kinds(soon)


def aggregate(*members: bytes, attributes: str = "") -> bytes:
    bodies = b"".join(member.partition(b"?>")[2] or member for member in members)
    return (
        f'<md:EntitiesDescriptor xmlns:md="{MD}" {attributes}>'.encode()
        + bodies
        + b"</md:EntitiesDescriptor>"
    )


def test_one_bad_entity_leaves_the_others_of_its_aggregate_alone() -> None:
    good = replace(SP, entity_id="https://good.example/sp")
    bad = replace(SP, entity_id="https://bad.example/sp", acs_url="javascript:x")
    found = describe(aggregate(good.metadata(), bad.metadata(), metadata(IDP, ())), NOW)
    assert [(type(each), each.id) for each in found] == [
        (Described, "https://good.example/sp"),
        (Unusable, "https://bad.example/sp"),
    ]
    house = Registered()
    house.services.add(aggregate(good.metadata(), bad.metadata()), lambda was: was, "test")
    assert house.providers.find("https://good.example/sp") is not None
    assert house.providers.find("https://bad.example/sp") is None


def test_the_life_of_an_aggregate_holds_for_its_members() -> None:
    member = replace(SP, attributes='validUntil="2027-06-01T00:00:00Z"').metadata()
    outer = 'validUntil="2026-12-01T00:00:00.000Z"'
    (found,) = describe(aggregate(member, attributes=outer), NOW)
    assert found == one(found.document.encode()) if isinstance(found, Described) else False
    assert isinstance(found, Described)
    assert found.valid_until == datetime(2026, 12, 1, tzinfo=UTC)
    (expired,) = describe(aggregate(member, attributes=outer), NOW + timedelta(days=30))
    assert isinstance(expired, Unusable)


def test_an_entity_twice_in_one_document_is_told() -> None:
    found = describe(aggregate(SP.metadata(), SP.metadata()), NOW)
    assert [type(each) for each in found] == [Described, Unusable]
    assert kinds(found[1]) == {FindingKind.TWICE}


def test_every_finding_and_trait_has_words() -> None:
    for kind in FindingKind:
        told = words(Finding(kind, "ABOUT"))
        assert told
        assert "{" not in told
    assert all(trait_words(trait) for trait in Trait)


def test_a_post_endpoint_among_others_is_used() -> None:
    more = (
        f'<md:AssertionConsumerService Binding="{POST}" Location="https://sp.example/2" index="9"/>'
    )
    provider = Registered(replace(SP, more_consumers=more)).provider(SP)
    assert [each.url for each in provider.consumers] == [
        "https://sp.example/acs",
        "https://sp.example/2",
    ]
