"""AuthnRequests: from a message to the question that the sign-in is asked (SAML core 3.4)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from idp_mfa.model import Acr, AuthnRequest, Page, ServiceId
from idp_mfa.policy.assurance import levels
from idp_mfa.policy.model import Assurance
from idp_mfa.saml.bindings import Message
from idp_mfa.saml.incoming import (
    Expected,
    FindProvider,
    Incoming,
    NotAccepted,
    RequestProblem,
    received,
)
from idp_mfa.saml.names import (
    PERSISTENT,
    TRANSIENT,
    UNSPECIFIED_NAME_ID,
    Binding,
    Comparison,
    StatusCode,
)
from idp_mfa.saml.options import IdentityProvider
from idp_mfa.saml.peer import read_authn_request
from idp_mfa.saml.provider import Consumer, ServiceProvider
from idp_mfa.saml.responses import Asked
from idp_mfa.saml.stated import ParsedAuthnRequest

RESUME = "/saml/answer"
_FORMATS = (TRANSIENT, PERSISTENT)
_BOOLEANS = {None: False, "true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request that a sign-in begins with; ``once`` names it among all of its service."""

    request: AuthnRequest
    once: str


@dataclass(frozen=True, slots=True)
class Declined:
    """A right request that cannot be met: the service itself is told, at once."""

    provider: ServiceProvider
    asked: Asked
    codes: tuple[StatusCode, StatusCode]
    once: str


def checked(
    message: Message,
    find: FindProvider,
    idp: IdentityProvider,
    assurance: Assurance,
    now: datetime,
) -> Accepted | Declined | NotAccepted:
    """The one way in for AuthnRequests of both bindings."""
    expected = Expected(read_authn_request, idp.sso_url, idp.options.clock_skew)
    incoming = received(message, expected, find, now)
    if isinstance(incoming, NotAccepted):
        return incoming
    parsed, provider = incoming.parsed, incoming.provider
    if provider.must_sign and not incoming.signed:
        return NotAccepted(RequestProblem.UNSIGNED, "unsigned", provider.entity_id)
    if parsed.force_authn not in _BOOLEANS or parsed.is_passive not in _BOOLEANS:
        return NotAccepted(RequestProblem.MALFORMED, "boolean", provider.entity_id)
    consumer = _consumer(parsed, provider)
    if isinstance(consumer, NotAccepted):
        return consumer
    return _asked(incoming, consumer, message.relay_state, assurance)


def request_key(service: ServiceId, id: str) -> str:
    """The store's key for a request: what the service chose is hashed."""
    return f"saml:request:{hashlib.sha256(f'{service} {id}'.encode()).hexdigest()}"


def _asked(
    incoming: Incoming[ParsedAuthnRequest],
    consumer: Consumer,
    relay_state: str | None,
    assurance: Assurance,
) -> Accepted | Declined:
    parsed, provider = incoming.parsed, incoming.provider
    id = parsed.request.id or ""
    once = request_key(provider.entity_id, id)
    format = _name_id_format(parsed, provider)
    asked = Asked(id, consumer.url, format or TRANSIENT, relay_state)
    if parsed.has_subject:
        codes = (StatusCode.REQUESTER, StatusCode.REQUEST_UNSUPPORTED)
        return Declined(provider, asked, codes, once)
    if format is None:
        codes = (StatusCode.REQUESTER, StatusCode.INVALID_NAME_ID_POLICY)
        return Declined(provider, asked, codes, once)
    classes = acceptable(parsed, assurance)
    if classes is None:
        codes = (StatusCode.RESPONDER, StatusCode.NO_AUTHN_CONTEXT)
        return Declined(provider, asked, codes, once)
    request = AuthnRequest(
        service=provider.service,
        page=Page.SIGN_IN,
        resume=RESUME,
        context=asked.context(),
        acr_values=classes,
        force_authn=_BOOLEANS[parsed.force_authn],
        is_passive=_BOOLEANS[parsed.is_passive],
    )
    return Accepted(request, once)


def _consumer(parsed: ParsedAuthnRequest, provider: ServiceProvider) -> Consumer | NotAccepted:
    """By exact address, by index, or the default: never anything that metadata does not list."""
    unknown = NotAccepted(RequestProblem.UNKNOWN_ENDPOINT, "endpoint", provider.entity_id)
    if parsed.protocol_binding not in (None, Binding.POST.value):
        return NotAccepted(RequestProblem.UNSUPPORTED, "binding", provider.entity_id)
    match parsed.consumer_url, parsed.consumer_index:
        case None, None:
            return provider.default_consumer
        case str() as url, None:
            found = (each for each in provider.consumers if each.url == url)
            return next(found, unknown)
        case None, str() as index:
            found = (each for each in provider.consumers if each.index == index)
            return next(found, unknown)
        case _:
            return NotAccepted(RequestProblem.MALFORMED, "address and index", provider.entity_id)


def _name_id_format(parsed: ParsedAuthnRequest, provider: ServiceProvider) -> str | None:
    """What is asked, else what metadata lists first of ours, else transient; None is refused."""
    if parsed.sp_name_qualifier not in (None, "", provider.entity_id):
        return None
    if parsed.name_id_format in _FORMATS:
        return parsed.name_id_format
    if parsed.name_id_format not in (None, UNSPECIFIED_NAME_ID):
        return None
    listed = (format for format in provider.name_id_formats if format in _FORMATS)
    return next(listed, TRANSIENT)


def acceptable(parsed: ParsedAuthnRequest, assurance: Assurance) -> tuple[Acr, ...] | None:
    """The classes of which one must be reached, best first; empty for any, None for none of ours.

    ``exact`` keeps the service's order of preference; the others are spelled out by the order of
    ``levels``, strongest first (SAML core 3.3.2.2.1), and those of certain factors that the service
    does not name come last: it may not know them.
    """
    if parsed.has_declarations:
        return None
    if not parsed.classes:
        return ()
    strongest_first = levels(assurance)
    ours = tuple(level.acr for level in strongest_first)
    special = {level.acr for level in strongest_first if level.one_of} - set(parsed.classes)
    places = [ours.index(Acr(name)) for name in parsed.classes if name in ours]
    if not places:
        return None
    try:
        comparison = Comparison(parsed.comparison or "exact")
    except ValueError:
        return None
    match comparison:
        case Comparison.EXACT:
            return tuple(dict.fromkeys(ours[place] for place in places))
        case Comparison.MINIMUM:
            spelled_out = ours[: max(places) + 1]
        case Comparison.BETTER:
            spelled_out = ours[: min(places)]
        case Comparison.MAXIMUM:
            spelled_out = ours[min(places) :]
    return tuple(sorted(spelled_out, key=special.__contains__)) or None
