"""Responses: the truth about a sign-in, signed twice, encrypted where that is due.

The ids depend on the transaction alone: an answer that is fetched again carries the same ones, so
that a service's own replay cache sees that it is one answer.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from idp_mfa.keys import SigningKey
from idp_mfa.model import AuthnResult, Randomness, Reference, Refusal, TransactionId
from idp_mfa.saml import instant
from idp_mfa.saml.attributes import Attribute
from idp_mfa.saml.encryption import encrypted
from idp_mfa.saml.names import BEARER, URI_NAME_FORMAT, StatusCode
from idp_mfa.saml.options import IdentityProvider
from idp_mfa.saml.provider import ServiceProvider
from idp_mfa.saml.signature import enveloped
from idp_mfa.saml.subject import NameId, name_id, sealed_index
from idp_mfa.saml.writing import Canonical, Element


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request its answer needs; it travels in the transaction."""

    id: str
    consumer_url: str
    name_id_format: str
    relay_state: str | None

    def context(self) -> dict[str, str]:
        """For ``AuthnRequest.context``."""
        context = {
            "id": self.id,
            "consumer_url": self.consumer_url,
            "name_id_format": self.name_id_format,
        }
        return context if self.relay_state is None else {**context, "relay_state": self.relay_state}

    @classmethod
    def of(cls, context: Mapping[str, str]) -> Asked:
        """The reverse of ``context``."""
        return cls(
            context["id"],
            context["consumer_url"],
            context["name_id_format"],
            context.get("relay_state"),
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """Where an answer goes and when it is made."""

    asked: Asked
    provider: ServiceProvider
    transaction: TransactionId
    at: datetime


@dataclass(frozen=True, slots=True)
class Issuer:
    """With what answers are made: who we are, the key of this moment, a source of randomness."""

    idp: IdentityProvider
    key: SigningKey
    randomness: Randomness


@dataclass(frozen=True, slots=True)
class NotEncryptable:
    """The assertion must be encrypted and the service publishes no key for it: nothing leaves."""


def success(
    answer: Answer,
    result: AuthnResult,
    attributes: Sequence[Attribute],
    issuer: Issuer,
) -> Canonical | NotEncryptable:
    """A Response with one assertion (SAML profiles 4.1.4.2)."""
    provider, idp = answer.provider, issuer.idp
    name = name_id(
        idp.salt,
        answer.asked.name_id_format,
        provider.entity_id,
        result.account.user.id,
        result.session_index,
    )
    index = sealed_index(idp.salt, result.session_index, provider.entity_id, name)
    statements = [_authn_statement(result, index)]
    if attributes:
        statements.append(_attribute_statement(attributes))
    assertion = enveloped(
        Element(
            "saml:Assertion",
            {
                "ID": _id(idp, "assertion", answer),
                "IssueInstant": instant.write(answer.at),
                "Version": "2.0",
            },
            (
                _issuer(idp),
                _subject(answer, name, idp),
                _conditions(answer, idp),
                *statements,
            ),
        ),
        issuer.key,
    )
    payload: Element | Canonical = assertion
    if provider.encryption_due:
        if not provider.encryption_keys:
            return NotEncryptable()
        payload = encrypted(assertion, provider.encryption_keys[0], issuer.randomness)
    return _response(answer, status(StatusCode.SUCCESS), (payload,), issuer)


def failure(
    answer: Answer,
    codes: tuple[StatusCode, StatusCode],
    reference: Reference | None,
    issuer: Issuer,
) -> Canonical:
    """A Response without an assertion; its message is the reference code alone."""
    message = () if reference is None else (_element("samlp:StatusMessage", reference),)
    return _response(answer, status(*codes, rest=message), (), issuer)


def codes_of(refusal: Refusal) -> tuple[StatusCode, StatusCode]:
    """Status codes for each way in which a sign-in ends without an assertion."""
    match refusal:
        case Refusal.INTERACTION_REQUIRED:
            return StatusCode.RESPONDER, StatusCode.NO_PASSIVE
        case Refusal.ACR_UNMET:
            return StatusCode.RESPONDER, StatusCode.NO_AUTHN_CONTEXT
        case Refusal.POLICY | Refusal.ACCOUNT | Refusal.IDENTITY_SWITCH:
            return StatusCode.RESPONDER, StatusCode.REQUEST_DENIED
        case (
            Refusal.CANCELLED
            | Refusal.TIMED_OUT
            | Refusal.LOCKED
            | Refusal.NO_FACTOR_ENROLLED
            | Refusal.CREDENTIAL_UNREADABLE
        ):
            return StatusCode.RESPONDER, StatusCode.AUTHN_FAILED
        case never:
            assert_never(never)


def _response(
    answer: Answer,
    outcome: Element,
    payload: tuple[Element | Canonical, ...],
    issuer: Issuer,
) -> Canonical:
    attributes = {
        "Destination": answer.asked.consumer_url,
        "ID": _id(issuer.idp, "response", answer),
        "InResponseTo": answer.asked.id,
        "IssueInstant": instant.write(answer.at),
        "Version": "2.0",
    }
    response = Element("samlp:Response", attributes, (_issuer(issuer.idp), outcome, *payload))
    return enveloped(response, issuer.key)


def status(*codes: StatusCode, rest: tuple[Element, ...] = ()) -> Element:
    """Codes, the outer one first, and what follows them."""
    inner: tuple[Element, ...] = ()
    for code in reversed(codes):
        inner = (Element("samlp:StatusCode", {"Value": code.value}, inner),)
    return Element("samlp:Status", children=(*inner, *rest))


def _subject(answer: Answer, name: NameId, idp: IdentityProvider) -> Element:
    qualifiers = {
        "Format": name.format,
        "NameQualifier": idp.entity_id,
        "SPNameQualifier": answer.provider.entity_id,
    }
    data = {
        "InResponseTo": answer.asked.id,
        "NotOnOrAfter": instant.write(answer.at + idp.options.assertion_lifetime),
        "Recipient": answer.asked.consumer_url,
    }
    confirmation = Element("saml:SubjectConfirmationData", data)
    return Element(
        "saml:Subject",
        children=(
            Element("saml:NameID", qualifiers, (name.value,)),
            Element("saml:SubjectConfirmation", {"Method": BEARER}, (confirmation,)),
        ),
    )


def _conditions(answer: Answer, idp: IdentityProvider) -> Element:
    audience = _element("saml:Audience", answer.provider.entity_id)
    return Element(
        "saml:Conditions",
        {
            "NotBefore": instant.write(answer.at),
            "NotOnOrAfter": instant.write(answer.at + idp.options.assertion_lifetime),
        },
        (Element("saml:AudienceRestriction", children=(audience,)),),
    )


def _authn_statement(result: AuthnResult, index: str) -> Element:
    reached = _element("saml:AuthnContextClassRef", result.acr)
    return Element(
        "saml:AuthnStatement",
        {"AuthnInstant": instant.write(result.authn_instant), "SessionIndex": index},
        (Element("saml:AuthnContext", children=(reached,)),),
    )


def _attribute_statement(attributes: Sequence[Attribute]) -> Element:
    return Element(
        "saml:AttributeStatement",
        children=tuple(
            Element(
                "saml:Attribute",
                {
                    "FriendlyName": attribute.friendly_name,
                    "Name": attribute.name,
                    "NameFormat": URI_NAME_FORMAT,
                },
                tuple(_element("saml:AttributeValue", value) for value in attribute.values),
            )
            for attribute in attributes
        ),
    )


def _issuer(idp: IdentityProvider) -> Element:
    return _element("saml:Issuer", idp.entity_id)


def _element(name: str, text: str) -> Element:
    return Element(name, children=(text,))


def _id(idp: IdentityProvider, purpose: str, answer: Answer) -> str:
    named = f"{purpose}\0{answer.transaction}\0{answer.asked.id}".encode()
    return "_" + hmac.new(idp.salt, named, hashlib.sha256).hexdigest()[:40]
