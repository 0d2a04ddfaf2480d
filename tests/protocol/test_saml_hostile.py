"""Requests that an attacker sends: each must be refused for the reason that stands beside it.

Numbers are those of the advisories in docs/reference/security.md. What is accepted, signed by the
same means, stands beside what is not, so that no refusal comes from a broken test.
"""

from __future__ import annotations

import base64
import re
import resource
import zlib
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest
import xmlsec
from lxml import etree

from idp_mfa.saml import bindings
from idp_mfa.saml.bindings import Undecodable
from idp_mfa.saml.incoming import NotAccepted, RequestProblem
from idp_mfa.saml.logout import LogoutAsked
from idp_mfa.saml.names import TRANSIENT
from idp_mfa.saml.requests import Accepted, Declined
from idp_mfa.saml.signature import SignatureProblem, verified
from idp_mfa.saml.subject import name_id, sealed_index
from tests.simulators.service_provider import (
    DS,
    NAMES,
    RSA_SHA1,
    RSA_SHA256,
    SAML,
    SAMLP,
    TestServiceProvider,
    deflated,
    key_pair,
    query,
    sign_again,
    signature_of,
    signed,
)
from tests.unit.saml_parts import ALICE, IDP, NOW, Registered

KEY = key_pair("signing")
STRANGER = key_pair("stranger")
SP = TestServiceProvider(signs_requests=True)
OPEN = TestServiceProvider(entity_id="https://open.example/sp", signs_requests=False)
HOUSE = Registered(SP, OPEN)
XML = SP.authn_request(NOW)
SIGNED = signed(XML, KEY)
Outcome = Accepted | Declined | NotAccepted | LogoutAsked


def problem(found: Outcome) -> RequestProblem:
    assert isinstance(found, NotAccepted), found
    return found.problem


def posted(xml: str | bytes) -> Outcome:
    octets = xml.encode() if isinstance(xml, str) else xml
    return HOUSE.post({"SAMLRequest": [base64.b64encode(octets).decode()]})


def redirected(octets: bytes) -> Outcome:
    return HOUSE.redirect(octets)


def test_the_honest_ones_are_accepted() -> None:
    assert isinstance(posted(SIGNED), Accepted)
    assert isinstance(redirected(query(XML, "state", KEY)), Accepted)
    assert isinstance(posted(OPEN.authn_request(NOW)), Accepted)
    assert isinstance(redirected(OPEN.query(OPEN.authn_request(NOW))), Accepted)


# -- who signed ------------------------------------------------------------------------------


def test_unsigned_where_metadata_says_signed() -> None:
    assert problem(posted(XML)) is RequestProblem.UNSIGNED
    assert problem(redirected(query(XML))) is RequestProblem.UNSIGNED


@pytest.mark.parametrize("service", [SP, OPEN])
def test_a_signature_that_is_there_counts_even_if_none_is_needed(
    service: TestServiceProvider,
) -> None:
    xml = service.authn_request(NOW)
    assert problem(redirected(query(xml, None, STRANGER))) is RequestProblem.BAD_SIGNATURE
    assert problem(posted(signed(xml, STRANGER))) is RequestProblem.BAD_SIGNATURE
    garbage = query(xml) + b"&SigAlg=" + quote(RSA_SHA256, safe="").encode()
    for end in (b"", b"&Signature=", b"&Signature=AAAA", b"&Signature=%25%25", b"&Signature=!"):
        assert problem(redirected(garbage + end)) is RequestProblem.BAD_SIGNATURE
    assert problem(redirected(query(xml) + b"&Signature=AAAA")) is RequestProblem.BAD_SIGNATURE


def test_sha1_and_hmac_are_no_signatures() -> None:
    assert problem(redirected(query(XML, None, KEY, RSA_SHA1))) is RequestProblem.BAD_SIGNATURE
    by_sha1 = signed(XML, KEY, signature=xmlsec.constants.TransformRsaSha1)
    assert problem(posted(by_sha1)) is RequestProblem.BAD_SIGNATURE
    digest_sha1 = signed(XML, KEY, digest=xmlsec.constants.TransformSha1)
    assert problem(posted(digest_sha1)) is RequestProblem.BAD_SIGNATURE
    hmac = SIGNED.replace(RSA_SHA256, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
    assert problem(posted(hmac)) is RequestProblem.BAD_SIGNATURE


def test_the_key_in_the_message_is_not_looked_at() -> None:
    """Advisory 35: xmlsec would trust any key that a message brings along."""
    assert isinstance(posted(signed(XML, KEY, certificate=STRANGER)), Accepted)
    brought = signed(XML, STRANGER, certificate=STRANGER)
    assert problem(posted(brought)) is RequestProblem.BAD_SIGNATURE
    root = etree.fromstring(signed(XML, STRANGER))
    signature = root.find("ds:Signature", NAMES)
    assert signature is not None
    numbers = STRANGER.private.public_key().public_numbers()
    info = etree.SubElement(signature, f"{{{DS}}}KeyInfo")
    value = etree.SubElement(etree.SubElement(info, f"{{{DS}}}KeyValue"), f"{{{DS}}}RSAKeyValue")
    for name, number in (("Modulus", numbers.n), ("Exponent", numbers.e)):
        octets = number.to_bytes((number.bit_length() + 7) // 8)
        etree.SubElement(value, f"{{{DS}}}{name}").text = base64.b64encode(octets).decode()
    assert problem(posted(etree.tostring(root))) is RequestProblem.BAD_SIGNATURE


def test_another_registered_service_cannot_sign_for_this_one() -> None:
    other = replace(SP, entity_id="https://other.example/sp", signing=(STRANGER,))
    house = Registered(SP, other)
    found = house.post({"SAMLRequest": [base64.b64encode(signed(XML, STRANGER).encode()).decode()]})
    assert problem(found) is RequestProblem.BAD_SIGNATURE


# -- what is signed is what is read (advisories 35, 37, 39) ----------------------------------


def wrapped(shape: int) -> bytes:
    """Eight ways to put a verified element where it is not read."""
    original = etree.fromstring(SIGNED)
    signature = original.find("ds:Signature", NAMES)
    assert signature is not None
    evil = etree.fromstring(
        SP.authn_request(NOW, id="_evil", attributes='ForceAuthn="false" IsPassive="true"')
    )
    match shape:
        case 1:  # the original within the signature of the evil root
            evil.insert(1, signature)
            etree.SubElement(signature, f"{{{DS}}}Object").append(original)
        case 2:  # the original within the evil root's extensions
            evil.insert(1, signature)
            etree.SubElement(evil, f"{{{SAMLP}}}Extensions").append(original)
        case 3:  # the evil root bears the same ID
            evil.set("ID", original.get("ID", ""))
            evil.insert(1, signature)
            etree.SubElement(evil, f"{{{SAMLP}}}Extensions").append(original)
        case 4:  # the signed original whole, as a child
            evil.append(original)
        case 5:  # the signature is not the root's child
            etree.SubElement(original, f"{{{SAMLP}}}Extensions").append(signature)
            return etree.tostring(original)
        case 6:  # two signatures
            original.insert(2, etree.fromstring(etree.tostring(signature)))
            return etree.tostring(original)
        case 7:  # an element elsewhere bears the ID in another spelling
            extensions = etree.SubElement(original, f"{{{SAMLP}}}Extensions")
            etree.SubElement(extensions, "x").set("Id", original.get("ID", ""))
            return etree.tostring(original)
        case 8:  # the reference is to the whole document, not to an ID
            text = SIGNED.replace(f'URI="#{original.get("ID")}"', 'URI=""')
            return text.encode()
    return etree.tostring(evil)


@pytest.mark.parametrize("shape", range(1, 9))
def test_signature_wrapping(shape: int) -> None:
    assert problem(posted(wrapped(shape))) is RequestProblem.BAD_SIGNATURE


EXTENDED = SP.authn_request(NOW, content="<samlp:Extensions><x/></samlp:Extensions>")


@pytest.mark.parametrize(
    "xml",
    [
        signed(EXTENDED, KEY, beneath="samlp:Extensions"),
        signed(XML, KEY, uri=""),
        signed(signed(XML, KEY), KEY),
        signed(EXTENDED.replace("<x/>", '<x Id="_request-1"/>'), KEY),
        signed(EXTENDED.replace("<x/>", f'<ds:Signature xmlns:ds="{DS}"/>'), KEY),
    ],
)
def test_a_right_signature_in_a_shape_that_invites_wrapping(xml: str) -> None:
    """The service's own key made each of them, and a plain verifier takes most."""
    assert isinstance(posted(signed(EXTENDED, KEY)), Accepted)
    assert problem(posted(xml)) is RequestProblem.BAD_SIGNATURE


def test_what_is_read_is_what_was_signed_and_nothing_beside_it() -> None:
    root = etree.fromstring(SIGNED.replace("</saml:Issuer>", "</saml:Issuer>\n  "))
    assert verified(root, HOUSE.provider(SP).signing_keys) is SignatureProblem.WRONG
    octets = verified(etree.fromstring(SIGNED), HOUSE.provider(SP).signing_keys)
    assert octets == etree.tostring(etree.fromstring(XML), method="c14n", exclusive=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Version="2.0"', 'Version="2.0" ForceAuthn="true"'),
        ("https://idp.example/saml/sso", "https://idp.example/saml/ssO"),
        ("</samlp:AuthnRequest>", "<samlp:Scoping/></samlp:AuthnRequest>"),
    ],
)
def test_a_signed_request_that_was_touched(old: str, new: str) -> None:
    assert old in SIGNED
    assert problem(posted(SIGNED.replace(old, new, 1))) is RequestProblem.BAD_SIGNATURE


def test_a_transform_that_would_take_more_away_than_the_signature() -> None:
    xpath = (
        f'<ds:Transform xmlns:ds="{DS}" Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">'
        "<ds:XPath>not(ancestor-or-self::*[local-name()='Scoping'])</ds:XPath></ds:Transform>"
    )
    end = "</ds:Transforms>"
    assert problem(posted(SIGNED.replace(end, xpath + end))) is RequestProblem.BAD_SIGNATURE
    root = etree.fromstring(SIGNED)
    transforms = root.find(".//ds:Transforms", NAMES)
    assert transforms is not None
    transforms.append(etree.fromstring(xpath))
    by_the_service = sign_again(root, KEY)
    assert problem(posted(by_the_service)) is RequestProblem.BAD_SIGNATURE


def test_an_issuer_that_differs_between_the_readings_has_no_place() -> None:
    root = etree.fromstring(SIGNED)
    signature = root.find("ds:Signature", NAMES)
    assert signature is not None
    holder = etree.SubElement(signature, f"{{{DS}}}Object")
    etree.SubElement(holder, f"{{{SAML}}}Issuer").text = OPEN.entity_id
    assert problem(posted(etree.tostring(root))) is RequestProblem.BAD_SIGNATURE


# -- the query's octets (advisory 34) --------------------------------------------------------


def honest_query() -> str:
    return query(XML, "state/ä 1", KEY).decode()


@pytest.mark.parametrize("name", ["SAMLRequest", "RelayState", "SigAlg", "Signature"])
def test_a_parameter_twice(name: str) -> None:
    honest = honest_query()
    (own,) = (part for part in honest.split("&") if part.startswith(f"{name}="))
    for doubled in (f"{honest}&{own}", f"{own}&{honest}", f"{honest}&{name}="):
        assert problem(redirected(doubled.encode())) is RequestProblem.DUPLICATE_PARAMETER


def test_a_parameter_in_another_spelling_of_its_name() -> None:
    honest = honest_query()
    evil = quote(deflated(SP.authn_request(NOW, id="_evil").encode()), safe="")
    for name in ("SAMLReques%74", "%53AMLRequest", "SAML%52equest"):
        for text in (f"{honest}&{name}={evil}", f"{name}={evil}&{honest}"):
            assert problem(redirected(text.encode())) is RequestProblem.DUPLICATE_PARAMETER


def test_request_and_response_together() -> None:
    both = f"{honest_query()}&SAMLResponse={quote(deflated(XML.encode()), safe='')}"
    assert problem(redirected(both.encode())) is RequestProblem.DUPLICATE_PARAMETER
    form = {"SAMLRequest": ["AA=="], "SAMLResponse": ["AA=="]}
    assert problem(HOUSE.post(form)) is RequestProblem.DUPLICATE_PARAMETER


def test_order_and_other_parameters_do_not_matter() -> None:
    parts = honest_query().split("&")
    assert isinstance(redirected("&".join(reversed(parts)).encode()), Accepted)
    assert isinstance(redirected(f"x=1&{honest_query()}&samlrequest=2".encode()), Accepted)


def test_the_signature_is_over_the_octets_as_they_came() -> None:
    """Another spelling of the same value is fine when it was signed so, and only then."""
    parts = [f"SAMLRequest={quote(deflated(XML.encode()), safe='')}", "RelayState=a%2fb"]
    parts.append(f"SigAlg={quote(RSA_SHA256, safe='').replace('%3A', '%3a')}")
    text = "&".join(parts)
    signature = quote(signature_of(text, KEY), safe="")
    found = redirected(f"{text}&Signature={signature}".encode())
    assert isinstance(found, Accepted)
    respelt = text.replace("a%2fb", "a%2Fb")
    assert (
        problem(redirected(f"{respelt}&Signature={signature}".encode()))
        is RequestProblem.BAD_SIGNATURE
    )


def test_relay_state_is_covered_and_bounded() -> None:
    honest = honest_query()
    moved = re.sub(r"RelayState=[^&]*", "RelayState=elsewhere", honest)
    assert problem(redirected(moved.encode())) is RequestProblem.BAD_SIGNATURE
    dropped = re.sub(r"&RelayState=[^&]*", "", honest)
    assert problem(redirected(dropped.encode())) is RequestProblem.BAD_SIGNATURE
    assert isinstance(redirected(query(XML, "x" * 1024, KEY)), Accepted)
    assert problem(redirected(query(XML, "x" * 1025, KEY))) is RequestProblem.MALFORMED
    assert problem(redirected(query(XML, "ﾊ" * 400, KEY))) is RequestProblem.MALFORMED
    assert problem(HOUSE.post(SP.form(SIGNED, "x" * 1025))) is RequestProblem.MALFORMED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SAMLRequest=",
        "SAMLRequest=%",
        "SAMLRequest=%zz",
        "SAMLRequest=AAAA%00",
        "SAMLRequest=AAAA",
        "SAMLRequest=!!!!",
        f"{query(XML).decode()}&SAMLEncoding=urn:other",
        query(XML).decode()[:-9],
    ],
)
def test_queries_that_are_no_message(text: str) -> None:
    assert problem(redirected(text.encode())) is RequestProblem.MALFORMED


def test_a_form_cannot_be_mixed_with_a_query() -> None:
    found = bindings.from_form(SP.form(SIGNED), {"SAMLRequest": "x"})
    assert found is Undecodable.DUPLICATE
    assert bindings.from_form({"SAMLRequest": ["a", "b"]}, {}) is Undecodable.DUPLICATE


# -- what stands in the XML (advisories 36, 38, 41) ------------------------------------------

DOCTYPE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
LAUGHS = "<!DOCTYPE x [" + "".join(
    f'<!ENTITY l{n} "{("&l" + str(n - 1) + ";") * 10 if n else "ha"}">' for n in range(9)
)


@pytest.mark.parametrize(
    "xml",
    [
        DOCTYPE + XML,
        DOCTYPE + XML.replace(SP.entity_id, "&e;"),
        LAUGHS + "]>" + XML.replace(SP.entity_id, "&l8;"),
        '<?xml version="1.0" encoding="UTF-7"?>' + XML,
        '<?xml version="1.0" encoding="ISO-8859-1"?>' + XML,
        XML + "<!-- -->",
        "<?php ?>" + XML,
        XML.replace("<saml:Issuer>", "<!-- --><saml:Issuer>"),
        XML.replace("<saml:Issuer>", "<?x?><saml:Issuer>"),
        XML[:-5],
        XML + XML,
        "",
        "<x/>",
        f'<samlp:Response xmlns:samlp="{SAMLP}"/>',
        XML.replace("AuthnRequest", "AuthnQuery"),
        XML.replace("AuthnRequest", "LogoutRequest"),
        "<a>" * 2000 + "</a>" * 2000,
        XML.replace("</samlp:Auth", "<x>" * 70 + "</x>" * 70 + "</samlp:Auth"),
        XML.replace("</samlp:Auth", "<x/>" * 5000 + "</samlp:Auth"),
        XML.replace(" ID=", " ".join(f' xmlns:a{n}="urn:{n}"' for n in range(400)) + " ID="),
    ],
)
def test_documents_that_are_not_looked_at(xml: str) -> None:
    assert problem(posted(xml)) is RequestProblem.MALFORMED
    assert problem(redirected(query(xml))) is RequestProblem.MALFORMED


def test_other_encodings_are_not_looked_at() -> None:
    for encoding in ("utf-16", "utf-16-be", "utf-32"):
        assert problem(posted(XML.encode(encoding))) is RequestProblem.MALFORMED


@pytest.mark.parametrize(
    "issuer",
    [
        "https://open.example/sp<!-- -->.evil.tld",
        "https://open.example<!-- -->/sp",
        "https://open.example/sp<?x?>.evil.tld",
        "https://open.example/sp<x/>.evil.tld",
    ],
)
def test_comments_and_the_like_never_cut_an_issuer(issuer: str) -> None:
    assert problem(posted(OPEN.authn_request(NOW, issuer=issuer))) is RequestProblem.MALFORMED


def test_cdata_is_plain_text() -> None:
    whole = "https://open.example/<![CDATA[sp]]>"
    assert isinstance(posted(OPEN.authn_request(NOW, issuer=whole)), Accepted)
    longer = "https://open.example/sp<![CDATA[.evil.tld]]>"
    found = posted(OPEN.authn_request(NOW, issuer=longer))
    assert problem(found) is RequestProblem.UNKNOWN_SERVICE


def test_a_deflate_bomb_is_not_inflated() -> None:
    deflate = zlib.compressobj(9, wbits=-15)
    blanks = b" " * 1_000_000
    bomb = b"".join(deflate.compress(blanks) for _ in range(60)) + deflate.flush()
    assert len(bomb) > 40_000
    text = b"SAMLRequest=" + quote(base64.b64encode(bomb[:40_000]).decode(), safe="").encode()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert problem(redirected(text)) is RequestProblem.MALFORMED
    assert bindings.from_query(text) is Undecodable.TOO_LARGE
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 20_000, "kilobytes"


def test_what_inflates_to_just_too_much() -> None:
    assert isinstance(redirected(query(OPEN.authn_request(NOW) + " " * 200_000)), Accepted)
    too_much = query(XML + " " * 300_000)
    assert bindings.from_query(too_much) is Undecodable.TOO_LARGE
    form = {"SAMLRequest": [base64.b64encode(b" " * 300_000).decode()]}
    assert bindings.from_form(form, {}) is Undecodable.TOO_LARGE


def test_text_of_a_request_stands_in_no_refusal() -> None:
    """Advisory 53: what is shown and recorded are our own words."""
    evil = "<![CDATA[<script>alert(1)</script>]]>"
    for xml in (
        OPEN.authn_request(NOW, issuer=evil),
        OPEN.authn_request(NOW, destination="https://evil.tld/script"),
        OPEN.authn_request(NOW, attributes='AssertionConsumerServiceURL="https://evil.tld/"'),
    ):
        found = posted(xml)
        assert isinstance(found, NotAccepted)
        assert not re.search("script|evil", f"{found.detail} {found.problem.value}")


# -- when and where to -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "destination",
    [
        "https://idp.example/saml/sso/",
        "https://idp.example/saml/SSO",
        "https://idp.example.evil.tld/saml/sso",
        "http://idp.example/saml/sso",
        "https://idp.example/saml/slo",
        "",
    ],
)
def test_a_request_that_was_meant_for_somebody_else(destination: str) -> None:
    unsigned = posted(OPEN.authn_request(NOW, destination=destination))
    assert problem(unsigned) is RequestProblem.WRONG_DESTINATION
    by_key = posted(signed(SP.authn_request(NOW, destination=destination), KEY))
    assert problem(by_key) is RequestProblem.WRONG_DESTINATION


def test_a_destination_may_be_missing_only_where_nothing_is_signed() -> None:
    assert isinstance(posted(OPEN.authn_request(NOW, destination=None)), Accepted)
    xml = SP.authn_request(NOW, destination=None)
    assert problem(posted(signed(xml, KEY))) is RequestProblem.WRONG_DESTINATION
    assert problem(redirected(query(xml, None, KEY))) is RequestProblem.WRONG_DESTINATION


@pytest.mark.parametrize("years", [-11, -1, 14])
def test_a_request_of_another_year(years: int) -> None:
    xml = SP.authn_request(NOW + timedelta(days=365 * years))
    assert problem(posted(signed(xml, KEY))) is RequestProblem.EXPIRED
    assert problem(redirected(query(xml, None, KEY))) is RequestProblem.EXPIRED


@pytest.mark.parametrize(
    "instant",
    [
        "",
        "yesterday",
        "2026-11-21",
        "2026-11-21T03:00:00",
        "20261121T030000Z",
        "2026-13-21T03:00:00Z",
    ],
)
def test_an_instant_that_is_none(instant: str) -> None:
    xml = OPEN.authn_request(NOW)
    xml = re.sub(r'IssueInstant="[^"]*"', f'IssueInstant="{instant}"', xml)
    assert problem(posted(xml)) is RequestProblem.MALFORMED


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Version="2.0"', 'Version="1.1"'),
        ('Version="2.0"', ""),
        ('ID="_request-1"', ""),
        ('ID="_request-1"', 'ID=""'),
        ('ID="_request-1"', 'ID="1"'),
        ('ID="_request-1"', f'ID="_{"x" * 256}"'),
        ('ID="_request-1"', 'ID="_a b"'),
        ("<saml:Issuer>", f'<saml:Issuer Format="{TRANSIENT}">'),
    ],
)
def test_requests_that_are_not_whole(old: str, new: str) -> None:
    xml = OPEN.authn_request(NOW)
    assert old in xml
    assert problem(posted(xml.replace(old, new))) is RequestProblem.MALFORMED


def test_issuers_that_are_not_registered() -> None:
    for issuer in ("", "https://sp.example/SHIBBOLETH", "https://sp.example", "*"):
        found = posted(SP.authn_request(NOW, issuer=issuer or " "))
        assert problem(found) is RequestProblem.UNKNOWN_SERVICE


# -- forced log-out (advisory 40) ------------------------------------------------------------

INDEX = "_0f0f"
NAME = name_id(IDP.salt, TRANSIENT, HOUSE.provider(SP).entity_id, ALICE.user.id, INDEX)
SEALED = sealed_index(IDP.salt, INDEX, HOUSE.provider(SP).entity_id, NAME)


def name_id_xml(value: str = NAME.value, attributes: str = "") -> str:
    return f'<saml:NameID Format="{TRANSIENT}" {attributes}>{value}</saml:NameID>'


def logged_out(xml: str, *, house: Registered = HOUSE) -> Outcome:
    return house.logout(bindings.from_form(SP.form(xml), {}))


def test_the_service_that_signed_in_can_sign_out() -> None:
    xml = SP.logout_request(NOW, name_id_xml(), SEALED)
    for found in (
        logged_out(signed(xml, KEY)),
        HOUSE.logout(bindings.from_query(query(xml, "state", KEY))),
    ):
        assert isinstance(found, LogoutAsked)
        assert found.session_indexes == (INDEX,)


@pytest.mark.parametrize("service", [SP, OPEN])
def test_an_unsigned_or_foreign_signed_logout_request(service: TestServiceProvider) -> None:
    """Also where the service's metadata asks for no signatures."""
    xml = service.logout_request(NOW, name_id_xml(), SEALED)
    assert problem(logged_out(xml)) is RequestProblem.UNSIGNED
    assert problem(HOUSE.logout(bindings.from_query(query(xml)))) is RequestProblem.UNSIGNED
    assert problem(logged_out(signed(xml, STRANGER))) is RequestProblem.BAD_SIGNATURE
    by_query = bindings.from_query(query(xml, None, STRANGER))
    assert problem(HOUSE.logout(by_query)) is RequestProblem.BAD_SIGNATURE


def test_another_service_cannot_use_an_index_that_it_saw() -> None:
    other = replace(SP, entity_id="https://other.example/sp", signing=(STRANGER,))
    house = Registered(SP, other)
    xml = other.logout_request(NOW, name_id_xml(), SEALED)
    found = logged_out(signed(xml, STRANGER), house=house)
    assert isinstance(found, LogoutAsked)
    assert found.session_indexes == ()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        (name_id_xml("_somebody-else"), SEALED),
        (name_id_xml(attributes='NameQualifier="https://other.example"'), SEALED),
        (name_id_xml(attributes='SPNameQualifier="https://other.example"'), SEALED),
        (name_id_xml(), INDEX),
        (name_id_xml(), f"{INDEX}."),
        (name_id_xml(), f"_1e1e.{SEALED.partition('.')[2]}"),
        (name_id_xml(), f"{SEALED}x"),
        (name_id_xml(), ""),
        ("", SEALED),
    ],
)
def test_a_session_is_named_by_both_or_not_at_all(name: str, index: str) -> None:
    found = logged_out(signed(SP.logout_request(NOW, name, index), KEY))
    assert isinstance(found, LogoutAsked)
    assert found.session_indexes == ()


def test_a_logout_request_is_no_authn_request_and_the_reverse() -> None:
    xml = signed(SP.logout_request(NOW, name_id_xml(), SEALED, destination=IDP.sso_url), KEY)
    assert problem(posted(xml)) is RequestProblem.MALFORMED
    xml = signed(SP.authn_request(NOW, destination=IDP.slo_url), KEY)
    assert problem(logged_out(xml)) is RequestProblem.MALFORMED


def test_an_old_logout_request() -> None:
    xml = SP.logout_request(NOW - timedelta(minutes=6), name_id_xml(), SEALED)
    assert problem(logged_out(signed(xml, KEY))) is RequestProblem.EXPIRED
    xml = SP.logout_request(NOW, name_id_xml(), SEALED)
    late = xml.replace(" ID=", ' NotOnOrAfter="2026-11-21T02:50:00Z" ID=', 1)
    assert problem(logged_out(signed(late, KEY))) is RequestProblem.EXPIRED
