"""Single logout for the asking service (SAML core 3.7, SDP-IDP21 to 31).

A request must be signed, whatever the metadata says, and name a session by a SessionIndex of ours
together with the NameID that went with it: nobody else can end it (advisory 40).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from idp_mfa.saml import instant
from idp_mfa.saml.bindings import Message
from idp_mfa.saml.incoming import Expected, FindProvider, NotAccepted, RequestProblem, received
from idp_mfa.saml.names import Binding, StatusCode
from idp_mfa.saml.options import IdentityProvider
from idp_mfa.saml.peer import read_logout_request
from idp_mfa.saml.provider import Logout, ServiceProvider
from idp_mfa.saml.requests import request_key
from idp_mfa.saml.responses import Issuer, status
from idp_mfa.saml.signature import enveloped
from idp_mfa.saml.stated import ParsedLogoutRequest
from idp_mfa.saml.subject import NameId, opened_index
from idp_mfa.saml.writing import Canonical, Element, written


@dataclass(frozen=True, slots=True)
class LogoutAsked:
    """A right request: the sessions that it names, and where the answer goes.

    ``session_indexes`` is empty if it names none of ours. ``reply_to`` is None where no answer is
    wanted (asynchronous) or no address is published.
    """

    provider: ServiceProvider
    id: str
    session_indexes: tuple[str, ...]
    reply_to: Logout | None
    relay_state: str | None
    once: str


def checked(
    message: Message, find: FindProvider, idp: IdentityProvider, now: datetime
) -> LogoutAsked | NotAccepted:
    """The one way in for LogoutRequests of both bindings."""
    expected = Expected(read_logout_request, idp.slo_url, idp.options.clock_skew)
    incoming = received(message, expected, find, now)
    if isinstance(incoming, NotAccepted):
        return incoming
    parsed, provider = incoming.parsed, incoming.provider
    if not incoming.signed:
        return NotAccepted(RequestProblem.UNSIGNED, "unsigned", provider.entity_id)
    if parsed.not_on_or_after is not None:
        ends = instant.read(parsed.not_on_or_after)
        if ends is None or now - idp.options.clock_skew >= ends:
            return NotAccepted(RequestProblem.EXPIRED, "not on or after", provider.entity_id)
    id = parsed.request.id or ""
    return LogoutAsked(
        provider=provider,
        id=id,
        session_indexes=_session_indexes(parsed, provider, idp),
        reply_to=None if parsed.asynchronous else _reply_to(provider, message.binding),
        relay_state=message.relay_state,
        once=request_key(provider.entity_id, id),
    )


def _session_indexes(
    parsed: ParsedLogoutRequest, provider: ServiceProvider, idp: IdentityProvider
) -> tuple[str, ...]:
    stated = parsed.name_id
    if stated is None or stated.format is None:
        return ()
    if stated.name_qualifier not in (None, idp.entity_id):
        return ()
    if stated.sp_name_qualifier not in (None, provider.entity_id):
        return ()
    name = NameId(stated.format, stated.value)
    opened = (
        opened_index(idp.salt, sealed, provider.entity_id, name)
        for sealed in parsed.session_indexes
    )
    return tuple(index for index in opened if index is not None)


def _reply_to(provider: ServiceProvider, asked_by: Binding) -> Logout | None:
    """The same binding if it is published, else what is."""
    same = (each for each in provider.logouts if each.binding is asked_by)
    return next(same, next(iter(provider.logouts), None))


def response(
    asked: LogoutAsked,
    reply_to: Logout,
    codes: tuple[StatusCode, ...],
    issuer: Issuer,
    now: datetime,
) -> Canonical:
    """A LogoutResponse; the redirect binding signs the query instead of the element."""
    named = f"logout\0{asked.provider.entity_id}\0{asked.id}".encode()
    element = Element(
        "samlp:LogoutResponse",
        {
            "Destination": reply_to.url,
            "ID": "_" + hmac.new(issuer.idp.salt, named, hashlib.sha256).hexdigest()[:40],
            "InResponseTo": asked.id,
            "IssueInstant": instant.write(now),
            "Version": "2.0",
        },
        (
            Element("saml:Issuer", children=(issuer.idp.entity_id,)),
            status(*codes),
        ),
    )
    match reply_to.binding:
        case Binding.POST:
            return enveloped(element, issuer.key)
        case Binding.REDIRECT:
            return written(element)
