"""What a service receives: judged by code that shares nothing with ours, and by xmlsec1."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from lxml import etree

from idp_mfa.keys import KeyType
from idp_mfa.model import Refusal, TransactionId, UserId
from idp_mfa.ports import Encryption
from idp_mfa.saml.attributes import Attribute
from idp_mfa.saml.names import PERSISTENT, TRANSIENT, StatusCode
from idp_mfa.saml.provider import ServiceProvider
from idp_mfa.saml.responses import (
    Answer,
    Asked,
    Issuer,
    NotEncryptable,
    codes_of,
    failure,
    success,
)
from idp_mfa.saml.writing import Canonical
from tests.simulators.service_provider import (
    NAMES,
    Read,
    TestServiceProvider,
    Wrong,
    key_pair,
    lifetime,
    read_response,
)
from tests.unit.saml_parts import ALICE, IDP, NOW, Registered, issuer, result, signing_key

ASKED = Asked("_request-1", "https://sp.example/acs?a=1&b=2", TRANSIENT, None)
PLAIN = TestServiceProvider(acs_url="https://sp.example/acs?a=1&b=2")
ENCRYPTING = replace(PLAIN, encryption=key_pair("encryption"))
GCM = "http://www.w3.org/2009/xmlenc11#aes{}-gcm"
OAEP_11 = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
MAIL = Attribute("urn:oid:0.9.2342.19200300.100.1.3", "mail", ("a@example.ac.jp", "b@example"))


def answer(service: TestServiceProvider, asked: Asked = ASKED) -> Answer:
    return Answer(asked, Registered(service).provider(service), TransactionId("t-1"), NOW)


def read(
    service: TestServiceProvider,
    asked: Asked = ASKED,
    attributes: tuple[Attribute, ...] = (MAIL,),
    by: Issuer | None = None,
) -> Read:
    by = by or issuer()
    response = success(answer(service, asked), result(), attributes, by)
    assert isinstance(response, Canonical)
    return read_response(response.encode(), by.key.public.certificate, service.encryption)


@pytest.mark.parametrize("kind", [KeyType.RSA_2048, KeyType.P_256])
@pytest.mark.parametrize("service", [PLAIN, ENCRYPTING])
def test_a_service_verifies_both_signatures_and_reads_the_truth(
    kind: KeyType, service: TestServiceProvider
) -> None:
    got = read(service, by=issuer(kind))
    assert got.was_encrypted is (service is ENCRYPTING)
    assert got.statuses == ["Success"]
    assert got.response.get("InResponseTo") == "_request-1"
    assert got.response.get("Destination") == ASKED.consumer_url
    assert got.response.findtext("saml:Issuer", "", NAMES) == IDP.entity_id
    assert got.acr.endswith(":PasswordProtectedTransport")
    assert got.statement.get("AuthnInstant") == "2026-11-21T03:00:00Z"
    assert got.attributes == {MAIL.name: ["a@example.ac.jp", "b@example"]}
    assert got.assertion is not None
    assert lifetime(got.assertion) == timedelta(minutes=5)
    assert got.assertion.findtext(".//saml:Audience", "", NAMES) == service.entity_id
    (data,) = got.assertion.iterfind(".//saml:SubjectConfirmationData", NAMES)
    assert dict(data.attrib) == {
        "InResponseTo": "_request-1",
        "NotOnOrAfter": "2026-11-21T03:05:00Z",
        "Recipient": ASKED.consumer_url,
    }


def test_what_is_sent_is_canonical_as_it_stands() -> None:
    hostile = Attribute("urn:oid:1", "x", ("<&>\"'\r\n\t\u2028 ｱ", "]]>", "\U0001f600"))
    made = success(answer(ENCRYPTING), result(), (hostile,), issuer())
    assert isinstance(made, Canonical)
    parsed = etree.fromstring(made.encode())
    assert etree.tostring(parsed, method="c14n", exclusive=True) == made.encode()
    assert read(PLAIN, attributes=(hostile,)).attributes["urn:oid:1"] == list(hostile.values)


@pytest.mark.parametrize("kind", [KeyType.RSA_2048, KeyType.P_256])
def test_debians_xmlsec1_accepts_both_signatures(kind: KeyType, tmp_path: Path) -> None:
    program = shutil.which("xmlsec1")
    if program is None:
        pytest.skip("the Debian package xmlsec1 is not installed")
    by = issuer(kind)
    made = success(answer(PLAIN), result(), (MAIL,), by)
    assert isinstance(made, Canonical)
    (tmp_path / "certificate.der").write_bytes(by.key.public.certificate)
    (tmp_path / "response.xml").write_text(made)
    assertion = etree.fromstring(made.encode()).find("saml:Assertion", NAMES)
    (tmp_path / "assertion.xml").write_bytes(etree.tostring(assertion, with_tail=False))
    for name, element in (("response", "protocol:Response"), ("assertion", "assertion:Assertion")):
        command = (
            program,
            "--verify",
            "--pubkey-cert-der",
            str(tmp_path / "certificate.der"),
            "--id-attr:ID",
            f"urn:oasis:names:tc:SAML:2.0:{element}",
            str(tmp_path / f"{name}.xml"),
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        touched = (
            (tmp_path / f"{name}.xml")
            .read_text()
            .replace("Liddell", "")
            .replace("PasswordProtectedTransport", "Password")
        )
        (tmp_path / f"{name}.xml").write_text(touched)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode != 0


@pytest.mark.parametrize(
    ("methods", "cipher", "transport"),
    [
        ((), GCM.format(256), "rsa-oaep-mgf1p"),
        ((GCM.format(128), GCM.format(256)), GCM.format(128), "rsa-oaep-mgf1p"),
        (("http://www.w3.org/2001/04/xmlenc#aes128-cbc",), GCM.format(256), "rsa-oaep-mgf1p"),
        ((GCM.format(256), OAEP_11), GCM.format(256), "rsa-oaep"),
    ],
)
def test_the_cipher_is_gcm_whatever_the_service_lists(
    methods: tuple[str, ...], cipher: str, transport: str
) -> None:
    service = replace(ENCRYPTING, encryption_methods=methods)
    made = success(answer(service), result(), (MAIL,), issuer())
    assert isinstance(made, Canonical)
    used = [e.get("Algorithm") for e in etree.fromstring(made).iter("{*}EncryptionMethod")]
    assert used[0] == cipher
    assert str(used[1]).rpartition("#")[2] == transport
    assert read(service).was_encrypted


def test_what_must_be_encrypted_never_leaves_in_plain_text() -> None:
    def told(change: Callable[[ServiceProvider], ServiceProvider]) -> Canonical | NotEncryptable:
        to = answer(ENCRYPTING)
        return success(replace(to, provider=change(to.provider)), result(), (MAIL,), issuer())

    def with_options(encryption: Encryption) -> Callable[[ServiceProvider], ServiceProvider]:
        return lambda was: replace(was, options=replace(was.options, encryption=encryption))

    secret = "a@example.ac.jp"
    always = told(with_options(Encryption.ALWAYS))
    assert isinstance(always, Canonical)
    assert secret not in always
    without_key = replace(answer(ENCRYPTING).provider, encryption_keys=())
    assert isinstance(told(lambda _: with_options(Encryption.ALWAYS)(without_key)), NotEncryptable)
    never = told(with_options(Encryption.NEVER))
    assert isinstance(never, Canonical)
    assert secret in never


def test_an_answer_that_is_fetched_again_has_the_same_ids() -> None:
    first, second = read(PLAIN), read(PLAIN)
    other = success(
        replace(answer(PLAIN), transaction=TransactionId("t-2")), result(), (), issuer()
    )
    assert isinstance(other, Canonical)
    third = read_response(other.encode(), signing_key().public.certificate)
    assert first.assertion is not None
    assert second.assertion is not None
    assert third.assertion is not None
    ids = {each.get("ID") for each in (first.assertion, second.assertion)}
    assert len(ids) == 1
    assert third.assertion.get("ID") not in ids
    assert first.response.get("ID") != first.assertion.get("ID")


def test_services_cannot_join_their_people() -> None:
    other = replace(PLAIN, entity_id="https://other.example/sp")
    persistent = replace(ASKED, name_id_format=PERSISTENT)
    here, again, there = (
        read(service, persistent).name_id.text for service in (PLAIN, PLAIN, other)
    )
    assert here == again != there
    assert "alice" not in f"{here}{there}"
    transient, elsewhere = (read(service).name_id.text for service in (PLAIN, other))
    assert len({here, there, transient, elsewhere}) == 4
    assert read(PLAIN).statement.get("SessionIndex") != read(other).statement.get("SessionIndex")


def test_a_rename_keeps_the_persistent_id_and_a_new_account_gets_another() -> None:
    def named(account: object) -> str | None:
        to = answer(PLAIN, replace(ASKED, name_id_format=PERSISTENT))
        made = success(to, replace(result(), account=account), (), issuer())
        assert isinstance(made, Canonical)
        return read_response(made.encode(), signing_key().public.certificate).name_id.text

    renamed = replace(ALICE, user=replace(ALICE.user, login="alice.l", display_name="A. L."))
    anew = replace(ALICE, user=replace(ALICE.user, id=UserId("another")))
    assert named(ALICE) == named(renamed) != named(anew)


def test_a_touched_response_is_refused_by_the_services_own_check() -> None:
    made = success(answer(PLAIN), result(), (MAIL,), issuer())
    assert isinstance(made, Canonical)
    touched = made.replace("a@example.ac.jp", "root@example.ac.jp")
    with pytest.raises(Exception, match=r"(?i)verif|signature|digest"):
        read_response(touched.encode(), signing_key().public.certificate)
    with pytest.raises(Wrong):
        read_response(b"<Response/>", signing_key().public.certificate)


@pytest.mark.parametrize("refusal", list(Refusal))
def test_every_refusal_is_told_signed_and_without_an_assertion(refusal: Refusal) -> None:
    made = failure(answer(PLAIN), codes_of(refusal), result().reference, issuer())
    got = read_response(made.encode(), signing_key().public.certificate)
    assert got.assertion is None
    assert got.statuses[0] == "Responder"
    expected = {
        Refusal.INTERACTION_REQUIRED: "NoPassive",
        Refusal.ACR_UNMET: "NoAuthnContext",
        Refusal.POLICY: "RequestDenied",
        Refusal.ACCOUNT: "RequestDenied",
        Refusal.IDENTITY_SWITCH: "RequestDenied",
    }
    assert got.statuses[1] == expected.get(refusal, "AuthnFailed")
    assert got.response.findtext(".//samlp:StatusMessage", "", NAMES) == "ABCD2345"


def test_status_codes_are_nested() -> None:
    codes = (StatusCode.REQUESTER, StatusCode.INVALID_NAME_ID_POLICY)
    made = etree.fromstring(failure(answer(PLAIN), codes, None, issuer()))
    outer = made.find("samlp:Status/samlp:StatusCode", NAMES)
    assert outer is not None
    assert [each.get("Value") for each in outer] == [StatusCode.INVALID_NAME_ID_POLICY.value]
    assert made.find(".//samlp:StatusMessage", NAMES) is None


def test_text_that_xml_cannot_hold_is_never_written() -> None:
    bad = Attribute("urn:oid:1", "x", ("nul\x00",))
    with pytest.raises(ValueError, match="XML"):
        success(answer(PLAIN), result(), (bad,), Issuer(IDP, signing_key(), os.urandom))
