"""What every request must pass before its content is looked at: who sent it, and is it really so.

Each refusal is one of a closed list; the pages' author puts each in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Generic, TypeVar

from lxml import etree

from idp_mfa.keys import PublicKey, SignatureAlgorithm
from idp_mfa.model import ServiceId
from idp_mfa.saml import instant
from idp_mfa.saml.bindings import Message, QuerySignature, Undecodable
from idp_mfa.saml.names import ENTITY_NAME_ID
from idp_mfa.saml.peer import NotThis
from idp_mfa.saml.provider import ServiceProvider
from idp_mfa.saml.reading import MESSAGE, Malformed, canonical, parse
from idp_mfa.saml.signature import SignatureProblem, is_signed, verified
from idp_mfa.saml.stated import ParsedAuthnRequest, ParsedLogoutRequest, ParsedRequest

Parsed = TypeVar("Parsed", ParsedAuthnRequest, ParsedLogoutRequest)
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,255}")


class RequestProblem(Enum):
    """Why a request is answered by a page of ours, and not to the service."""

    MALFORMED = "malformed"
    DUPLICATE_PARAMETER = "duplicate-parameter"
    UNKNOWN_SERVICE = "unknown-service"
    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad-signature"
    EXPIRED = "expired-request"
    WRONG_DESTINATION = "wrong-destination"
    UNKNOWN_ENDPOINT = "unknown-endpoint"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class NotAccepted:
    """Nothing of the request counts; ``detail`` is for the record, in words of ours alone."""

    problem: RequestProblem
    detail: str
    service: ServiceId | None = None


@dataclass(frozen=True, slots=True)
class Incoming(Generic[Parsed]):
    """A request by a known service, read from the octets that were verified if it was signed."""

    parsed: Parsed
    provider: ServiceProvider
    signed: bool


FindProvider = Callable[[str], ServiceProvider | None]


def undecodable(why: Undecodable) -> NotAccepted:
    """The refusal for parameters that are no message."""
    duplicate = why is Undecodable.DUPLICATE
    problem = RequestProblem.DUPLICATE_PARAMETER if duplicate else RequestProblem.MALFORMED
    return NotAccepted(problem, why.value)


@dataclass(frozen=True, slots=True)
class Expected(Generic[Parsed]):
    """What is taken at one of our addresses; ``read`` raises ``NotThis`` for another element."""

    read: Callable[[bytes], Parsed]
    destination: str
    clock_skew: timedelta


def received(
    message: Message, expected: Expected[Parsed], find: FindProvider, now: datetime
) -> Incoming[Parsed] | NotAccepted:
    """The request, once its sender, signature, destination and age are right.

    Who must sign is not decided here; a signature that is there is verified or refused (SDP-IDP05).
    """
    root = parse(message.xml, MESSAGE)
    if isinstance(root, Malformed):
        return NotAccepted(RequestProblem.MALFORMED, root.value)
    if message.kind != "SAMLRequest":
        return NotAccepted(RequestProblem.MALFORMED, "no request")
    try:
        claimed_octets = canonical(root)
        claimed = expected.read(claimed_octets)
        provider = find(claimed.request.issuer or "")
        if provider is None:
            return NotAccepted(RequestProblem.UNKNOWN_SERVICE, "issuer")
        octets = _verified(root, message.signature, provider.signing_keys)
        if isinstance(octets, NotAccepted):
            return NotAccepted(octets.problem, octets.detail, provider.entity_id)
        parsed = claimed if octets == claimed_octets else expected.read(octets)
    except NotThis as error:
        return NotAccepted(RequestProblem.MALFORMED, str(error))
    signed = message.signature is not None or is_signed(root)
    wrong = _wrong(parsed.request, expected, now, must_be_addressed=signed)
    if parsed.request.issuer != provider.entity_id:
        wrong = NotAccepted(RequestProblem.UNKNOWN_SERVICE, "issuer")
    if wrong is not None:
        return NotAccepted(wrong.problem, wrong.detail, provider.entity_id)
    return Incoming(parsed, provider, signed)


def _verified(
    root: etree._Element, query: QuerySignature | None, keys: tuple[PublicKey, ...]
) -> bytes | NotAccepted:
    if query is not None and not _query_right(query, keys):
        return NotAccepted(RequestProblem.BAD_SIGNATURE, "query")
    if not is_signed(root):
        return canonical(root)
    octets = verified(root, keys)
    if isinstance(octets, SignatureProblem):
        return NotAccepted(RequestProblem.BAD_SIGNATURE, octets.value)
    return octets


def _query_right(query: QuerySignature, keys: tuple[PublicKey, ...]) -> bool:
    try:
        algorithm = SignatureAlgorithm(query.algorithm)
    except ValueError:
        return False
    value = query.value
    if value is None:
        return False
    return any(key.verify(algorithm, value, query.octets) for key in keys)


def _wrong(
    request: ParsedRequest,
    expected: Expected[Parsed],
    now: datetime,
    *,
    must_be_addressed: bool,
) -> NotAccepted | None:
    if request.version != "2.0" or _ID.fullmatch(request.id or "") is None:
        return NotAccepted(RequestProblem.MALFORMED, "version or id")
    if request.issuer_format not in (None, ENTITY_NAME_ID):
        return NotAccepted(RequestProblem.MALFORMED, "issuer's format")
    if request.destination is None and must_be_addressed:
        return NotAccepted(RequestProblem.WRONG_DESTINATION, "signed without a destination")
    if request.destination not in (None, expected.destination):
        return NotAccepted(RequestProblem.WRONG_DESTINATION, "destination")
    issued = instant.read(request.issue_instant or "")
    if issued is None:
        return NotAccepted(RequestProblem.MALFORMED, "issue instant")
    if abs(now - issued) > expected.clock_skew:
        return NotAccepted(RequestProblem.EXPIRED, "issue instant")
    return None
