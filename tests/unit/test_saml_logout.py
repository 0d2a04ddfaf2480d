"""Answers to log-out requests, as the service that asked verifies them."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from lxml import etree

from idp_mfa.saml import bindings, logout
from idp_mfa.saml.logout import LogoutAsked
from idp_mfa.saml.names import Binding, StatusCode
from idp_mfa.saml.responses import success
from idp_mfa.saml.writing import Canonical
from tests.simulators.service_provider import (
    NAMES,
    POST,
    REDIRECT,
    Read,
    TestServiceProvider,
    key_pair,
    query,
    read_response,
    signed,
)
from tests.unit.saml_parts import NOW, Registered, issuer, result, signing_key
from tests.unit.test_saml_responses import answer

KEY = key_pair("signing")
SP = TestServiceProvider()
ASYNCHRONOUS = (
    "<samlp:Extensions><aslo:Asynchronous "
    'xmlns:aslo="urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo"/></samlp:Extensions>'
)
SUCCESS = (StatusCode.SUCCESS,)


def signed_in() -> Read:
    """What the service keeps of a sign-in."""
    made = success(answer(SP), result(), (), issuer())
    assert isinstance(made, Canonical)
    return read_response(made.encode(), signing_key().public.certificate)


def asked(service: TestServiceProvider = SP, extensions: str = "") -> LogoutAsked:
    got = signed_in()
    index = got.statement.get("SessionIndex", "")
    xml = service.logout_request(NOW, got.name_id_xml, index, extensions=extensions)
    found = Registered(service).logout(bindings.from_query(query(xml, "back/to", KEY)))
    assert isinstance(found, LogoutAsked), found
    return found


def test_what_the_assertion_gave_is_enough_to_sign_out() -> None:
    found = asked()
    assert found.session_indexes == (result().session_index,)
    assert found.relay_state == "back/to"


def test_a_redirected_answer_is_signed_over_its_query() -> None:
    found = asked()
    assert found.reply_to is not None
    assert found.reply_to.binding is Binding.REDIRECT
    xml = logout.response(found, found.reply_to, SUCCESS, issuer(), NOW)
    text = bindings.signed_query("SAMLResponse", xml, found.relay_state, signing_key())
    octets, _, signature = text.partition("&Signature=")
    fields = parse_qs(text, strict_parsing=True)
    key = signing_key()
    assert fields["SigAlg"] == [key.algorithm.value]
    assert key.public.verify(
        key.algorithm, base64.b64decode(fields["Signature"][0]), octets.encode()
    )
    assert signature
    assert fields["RelayState"] == ["back/to"]
    root = etree.fromstring(zlib.decompress(base64.b64decode(fields["SAMLResponse"][0]), wbits=-15))
    assert root.get("InResponseTo") == "_logout-1"
    assert root.get("Destination") == "https://sp.example/slo"
    assert root.find("samlp:Status/samlp:StatusCode", NAMES) is not None
    assert root.find("ds:Signature", NAMES) is None


def test_a_posted_answer_is_signed_in_itself() -> None:
    service = replace(SP, slo_binding=POST)
    found = asked(service)
    assert found.reply_to is not None
    assert found.reply_to.binding is Binding.POST
    codes = (StatusCode.REQUESTER, StatusCode.UNKNOWN_PRINCIPAL)
    xml = logout.response(found, found.reply_to, codes, issuer(), NOW)
    got = read_response(xml.encode(), signing_key().public.certificate)
    assert got.statuses == ["Requester", "UnknownPrincipal"]


def test_an_asynchronous_request_wants_no_answer() -> None:
    found = asked(extensions=ASYNCHRONOUS)
    assert found.reply_to is None
    assert found.session_indexes


def test_the_binding_that_asked_is_answered_if_it_is_published() -> None:
    class Both(TestServiceProvider):
        def metadata(self) -> bytes:
            more = (
                f'<md:SingleLogoutService Binding="{POST}" Location="https://sp.example/slo-post" '
                'ResponseLocation="https://sp.example/slo-done"/>'
            )
            first, mark, rest = super().metadata().partition(b"<md:SingleLogoutService")
            return first + more.encode() + mark + rest

    by_redirect = asked(Both())
    assert by_redirect.reply_to is not None
    assert by_redirect.reply_to.url == "https://sp.example/slo"
    got = signed_in()
    xml = signed(
        SP.logout_request(NOW, got.name_id_xml, got.statement.get("SessionIndex", "")), KEY
    )
    by_post = Registered(Both()).logout(bindings.from_form(SP.form(xml), {}))
    assert isinstance(by_post, LogoutAsked)
    assert by_post.reply_to is not None
    assert by_post.reply_to.url == "https://sp.example/slo-done"


@pytest.mark.parametrize("binding", [REDIRECT, POST])
def test_a_service_that_publishes_no_address_gets_no_answer(binding: str) -> None:
    class Silent(TestServiceProvider):
        def metadata(self) -> bytes:
            return super().metadata().replace(b"md:SingleLogoutService", b"md:ManageNameIDService")

    assert asked(Silent(slo_binding=binding)).reply_to is None
