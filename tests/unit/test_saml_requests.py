"""AuthnRequests as services send them: what is asked of the sign-in, and what is told at once."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest

from idp_mfa.policy.assurance import (
    GAKUNIN_AAL2,
    PASSWORD_CLASS,
    PASSWORD_PROTECTED_TRANSPORT,
    PHISHING_RESISTANT,
    REFEDS_MFA,
    UNSPECIFIED,
)
from idp_mfa.policy.model import Assurance
from idp_mfa.saml import bindings
from idp_mfa.saml.incoming import NotAccepted, RequestProblem
from idp_mfa.saml.names import PERSISTENT, TRANSIENT, StatusCode
from idp_mfa.saml.requests import Accepted, Declined
from idp_mfa.saml.responses import Asked
from tests.simulators.service_provider import POST, REDIRECT, TestServiceProvider, key_pair
from tests.unit.saml_parts import NOW, Registered

SP = TestServiceProvider(
    more_consumers=f'<md:AssertionConsumerService Binding="{POST}" '
    'Location="https://sp.example/second" index="7"/>'
)
HOUSE = Registered(SP)
EMAIL = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"


def context(*classes: str, comparison: str = "") -> str:
    listed = "".join(
        f"<saml:AuthnContextClassRef>{each}</saml:AuthnContextClassRef>" for each in classes
    )
    said = f' Comparison="{comparison}"' if comparison else ""
    return f"<samlp:RequestedAuthnContext{said}>{listed}</samlp:RequestedAuthnContext>"


def accepted(attributes: str = "", content: str = "", **more: str) -> Accepted:
    xml = SP.authn_request(NOW, attributes=attributes, content=content, **more)
    found = HOUSE.redirect(SP.query(xml, "state/1"))
    assert isinstance(found, Accepted), found
    return found


def refused(attributes: str = "", content: str = "") -> NotAccepted | Declined:
    found = HOUSE.redirect(SP.query(SP.authn_request(NOW, attributes=attributes, content=content)))
    assert not isinstance(found, Accepted)
    return found


def test_a_plain_request_asks_for_nothing_special() -> None:
    request = accepted().request
    assert request.service.id == SP.entity_id
    assert request.service.host == "sp.example"
    assert (request.acr_values, request.force_authn, request.is_passive) == ((), False, False)
    asked = Asked.of(request.context)
    assert asked == Asked("_request-1", "https://sp.example/acs", TRANSIENT, "state/1")
    assert request.service.start_url == "https://sp.example/"


@pytest.mark.parametrize(("written", "meant"), [("true", True), ("1", True), ("0", False)])
def test_booleans_are_read_in_both_spellings(written: str, meant: bool) -> None:
    request = accepted(f'ForceAuthn="{written}" IsPassive="{written}"').request
    assert (request.force_authn, request.is_passive) == (meant, meant)
    found = refused('ForceAuthn="yes"')
    assert isinstance(found, NotAccepted)
    assert found.problem is RequestProblem.MALFORMED


def test_the_answer_goes_to_a_listed_address_alone() -> None:
    def address(attributes: str) -> str:
        return Asked.of(accepted(attributes).request.context).consumer_url

    assert address(f'ProtocolBinding="{POST}"') == "https://sp.example/acs"
    second = "https://sp.example/second"
    assert address(f'AssertionConsumerServiceURL="{second}"') == second
    assert address('AssertionConsumerServiceIndex="7"') == second


def consumer(path: str, more: str) -> str:
    address = f"https://sp.example/{path}"
    return f'<md:AssertionConsumerService Binding="{POST}" Location="{address}" {more}/>'


@pytest.mark.parametrize(
    ("more", "path"),
    [
        (consumer("b", 'index="1"'), "acs"),
        (consumer("b", 'index="1" isDefault="true"'), "b"),
        (consumer("b", 'index="1" isDefault="false"'), "acs"),
    ],
)
def test_without_an_address_the_default_one_is_taken(more: str, path: str) -> None:
    service = replace(SP, more_consumers=more)
    found = Registered(service).redirect(service.query(service.authn_request(NOW)))
    assert isinstance(found, Accepted)
    assert Asked.of(found.request.context).consumer_url == f"https://sp.example/{path}"


@pytest.mark.parametrize(
    "url",
    [
        "https://sp.example.evil.tld/acs",
        "https://sp.example/acs/",
        "https://sp.example/ACS",
        "https://sp.example/acs?x=1",
        "https://sp.example@evil.tld/acs",
        "https:\\\\evil.tld\\acs",
        "https://sp.example/acs/../evil",
        "https://sp.example:443/acs",
        "http://sp.example/acs",
        "javascript:alert(1)//https://sp.example/acs",
        " https://sp.example/acs",
        "",
    ],
)
def test_an_address_that_only_looks_right_is_refused(url: str) -> None:
    found = refused(f'AssertionConsumerServiceURL="{url}"')
    assert isinstance(found, NotAccepted)
    assert found.problem is RequestProblem.UNKNOWN_ENDPOINT


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ('AssertionConsumerServiceIndex="8"', RequestProblem.UNKNOWN_ENDPOINT),
        (f'ProtocolBinding="{REDIRECT}"', RequestProblem.UNSUPPORTED),
        (
            'AssertionConsumerServiceIndex="7" '
            'AssertionConsumerServiceURL="https://sp.example/second"',
            RequestProblem.MALFORMED,
        ),
    ],
)
def test_other_ways_to_name_an_address(attributes: str, problem: RequestProblem) -> None:
    found = refused(attributes)
    assert isinstance(found, NotAccepted)
    assert found.problem is problem


@pytest.mark.parametrize(
    ("policy", "format"),
    [
        ("", TRANSIENT),
        (f'<samlp:NameIDPolicy Format="{PERSISTENT}" AllowCreate="true"/>', PERSISTENT),
        ("<samlp:NameIDPolicy/>", TRANSIENT),
        (f'<samlp:NameIDPolicy Format="{EMAIL}"/>', None),
        ('<samlp:NameIDPolicy SPNameQualifier="https://other.example"/>', None),
    ],
)
def test_a_name_id_is_given_as_asked_or_declined(policy: str, format: str | None) -> None:
    if format is None:
        found = refused(content=policy)
        assert isinstance(found, Declined)
        assert found.codes == (StatusCode.REQUESTER, StatusCode.INVALID_NAME_ID_POLICY)
    else:
        assert Asked.of(accepted(content=policy).request.context).name_id_format == format


def test_a_subject_that_we_would_have_to_match_is_declined() -> None:
    subject = "<saml:Subject><saml:NameID>alice</saml:NameID></saml:Subject>"
    found = refused(content=subject)
    assert isinstance(found, Declined)
    assert found.codes == (StatusCode.REQUESTER, StatusCode.REQUEST_UNSUPPORTED)


AAL2 = Assurance(gakunin_aal2=True)
PHR = PHISHING_RESISTANT
SFA = "https://refeds.org/profile/sfa"


@pytest.mark.parametrize(
    ("classes", "comparison", "expanded"),
    [
        ([REFEDS_MFA], "", [REFEDS_MFA]),
        ([REFEDS_MFA], "exact", [REFEDS_MFA]),
        ([PASSWORD_CLASS, REFEDS_MFA], "exact", [PASSWORD_CLASS, REFEDS_MFA]),
        ([SFA, REFEDS_MFA], "exact", [REFEDS_MFA]),
        ([SFA], "exact", None),
        ([SFA], "minimum", None),
        ([GAKUNIN_AAL2], "minimum", [REFEDS_MFA, GAKUNIN_AAL2, PHR]),
        (
            [PASSWORD_PROTECTED_TRANSPORT],
            "minimum",
            [REFEDS_MFA, GAKUNIN_AAL2, PASSWORD_PROTECTED_TRANSPORT, PHR],
        ),
        ([PASSWORD_PROTECTED_TRANSPORT], "better", [REFEDS_MFA, GAKUNIN_AAL2, PHR]),
        ([REFEDS_MFA], "better", [PHR]),
        ([PHR], "better", None),
        ([PHR], "", [PHR]),
        ([REFEDS_MFA, PHR], "minimum", [PHR, REFEDS_MFA]),
        ([PASSWORD_CLASS], "maximum", [PASSWORD_CLASS, UNSPECIFIED]),
        (
            [REFEDS_MFA],
            "maximum",
            [REFEDS_MFA, GAKUNIN_AAL2, PASSWORD_PROTECTED_TRANSPORT, PASSWORD_CLASS, UNSPECIFIED],
        ),
        (
            [REFEDS_MFA, PASSWORD_PROTECTED_TRANSPORT],
            "minimum",
            [REFEDS_MFA, GAKUNIN_AAL2, PASSWORD_PROTECTED_TRANSPORT, PHR],
        ),
        ([PASSWORD_PROTECTED_TRANSPORT, GAKUNIN_AAL2], "better", [REFEDS_MFA, PHR]),
        (
            [PASSWORD_CLASS, GAKUNIN_AAL2],
            "maximum",
            [GAKUNIN_AAL2, PASSWORD_PROTECTED_TRANSPORT, PASSWORD_CLASS, UNSPECIFIED],
        ),
        ([REFEDS_MFA], "sideways", None),
        ([], "exact", []),
    ],
)
def test_a_requested_class_becomes_an_exact_list(
    classes: list[str], comparison: str, expanded: list[str] | None
) -> None:
    xml = SP.authn_request(NOW, content=context(*classes, comparison=comparison))
    found = HOUSE.asked(bindings.from_query(SP.query(xml)), AAL2)
    if expanded is None:
        assert isinstance(found, Declined)
        assert found.codes == (StatusCode.RESPONDER, StatusCode.NO_AUTHN_CONTEXT)
    else:
        assert isinstance(found, Accepted)
        assert list(found.request.acr_values) == expanded


def test_a_class_that_this_site_may_not_assert_is_declined() -> None:
    found = refused(content=context(GAKUNIN_AAL2))
    assert isinstance(found, Declined)


def test_both_bindings_ask_the_same() -> None:
    xml = SP.authn_request(NOW, attributes='ForceAuthn="true"', content=context(REFEDS_MFA))
    by_post = HOUSE.post(SP.form(xml, "state"))
    by_redirect = HOUSE.redirect(SP.query(xml, "state"))
    assert isinstance(by_post, Accepted)
    assert by_post == by_redirect


def test_white_space_and_line_breaks_in_base64_are_read_over() -> None:
    xml = SP.authn_request(NOW)
    text = base64.encodebytes(xml.encode()).decode()
    assert "\n" in text.strip()
    assert isinstance(HOUSE.post({"SAMLRequest": [text]}), Accepted)


@pytest.mark.parametrize(("minutes", "fresh"), [(-4.9, True), (4.9, True), (-6, False), (6, False)])
def test_the_clock_of_a_service_may_be_five_minutes_off(minutes: float, fresh: bool) -> None:
    xml = SP.authn_request(NOW + timedelta(minutes=minutes))
    found = HOUSE.redirect(SP.query(xml))
    if fresh:
        assert isinstance(found, Accepted)
    else:
        assert isinstance(found, NotAccepted)
        assert found.problem is RequestProblem.EXPIRED


def test_a_signed_request_is_taken_with_each_published_key() -> None:
    old, new = key_pair("old"), key_pair("new")
    service = replace(SP, signing=(old, new), signs_requests=True)
    house = Registered(service)
    for key in (old, new):
        query = service.query(service.authn_request(NOW), "state", key=key)
        assert isinstance(house.redirect(query), Accepted)
    found = house.redirect(service.query(service.authn_request(NOW), key=key_pair("third")))
    assert isinstance(found, NotAccepted)
    assert found.problem is RequestProblem.BAD_SIGNATURE


def test_requests_of_one_service_are_told_apart_and_those_of_two_are_not_mixed() -> None:
    other = replace(SP, entity_id="https://other.example/sp")
    house = Registered(SP, other)

    def once(service: TestServiceProvider, id: str) -> str:
        found = house.redirect(service.query(service.authn_request(NOW, id=id)))
        assert isinstance(found, Accepted)
        return found.once

    assert once(SP, "_a") == once(SP, "_a")
    assert len({once(SP, "_a"), once(SP, "_b"), once(other, "_a")}) == 3
    assert "_a" not in once(SP, "_a")


def test_a_removed_service_and_one_whose_metadata_ran_out_are_not_known() -> None:
    service = replace(SP, attributes='validUntil="2026-11-22T00:00:00Z"')
    house = Registered(service)

    def problem() -> RequestProblem | None:
        found = house.redirect(service.query(service.authn_request(house.now)))
        return found.problem if isinstance(found, NotAccepted) else None

    assert problem() is None
    house.now = NOW + timedelta(days=1)
    assert problem() is RequestProblem.UNKNOWN_SERVICE
    house.now = NOW
    assert problem() is None
    assert house.services.remove(service.entity_id, "test")
    assert problem() is RequestProblem.UNKNOWN_SERVICE
