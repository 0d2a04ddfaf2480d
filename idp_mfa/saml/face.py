"""What the sign-in and the sign-out share: their parts, and the few ways in which they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Response, request

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.browser import Browser
from idp_mfa.key_folder import KeyFolder
from idp_mfa.model import Clock, Randomness, Service
from idp_mfa.policy.model import Policy
from idp_mfa.ports import AuditLog, StateStore
from idp_mfa.saml import bindings
from idp_mfa.saml.attributes import Release
from idp_mfa.saml.bindings import Message, Undecodable
from idp_mfa.saml.incoming import NotAccepted
from idp_mfa.saml.options import IdentityProvider
from idp_mfa.saml.providers import ServiceProviders
from idp_mfa.saml.responses import Issuer
from idp_mfa.security_headers import content_security_policy
from idp_mfa.signin.service import SignIn


@dataclass(frozen=True, slots=True)
class SamlParts:
    """What the endpoints work with."""

    idp: IdentityProvider
    providers: ServiceProviders
    release: Release
    keys: KeyFolder
    signin: SignIn
    policy: Callable[[], Policy]
    store: StateStore
    audit: AuditLog
    browser: Browser
    clock: Clock
    randomness: Randomness


@dataclass(frozen=True, slots=True)
class ServiceShown:
    """A service in the reader's language."""

    name: str
    host: str
    logo: str | None


@dataclass(frozen=True, slots=True)
class SamlFace:
    """Messages in, pages out."""

    parts: SamlParts

    def message(self) -> Message | Undecodable:
        """What this request carries."""
        if request.method == "POST":
            return bindings.from_form(request.form.to_dict(flat=False), request.args)
        return bindings.from_query(request.query_string)

    def issuer(self) -> Issuer:
        """With what an answer is made at this moment."""
        parts = self.parts
        return Issuer(parts.idp, parts.keys.keys().active, parts.randomness)

    def shown(self, service: Service) -> ServiceShown:
        """A service as pages draw it."""
        name = service.name(self.parts.browser.language())
        return ServiceShown(name, service.host, service.logo)

    def post_page(self, service: Service, action: str, fields: Mapping[str, str]) -> Response:
        """A page that posts a message on to a service, by itself or by its button."""
        browser = self.parts.browser
        nonce = browser.nonce()
        page = browser.page(
            "saml/post.html",
            action=action,
            fields=fields,
            service_name=service.name(browser.language()),
            nonce=nonce,
        )
        page.headers["Content-Security-Policy"] = content_security_policy(nonce)
        return page

    def refuse(self, refused: NotAccepted) -> Response:
        """A page of ours: nothing is sent to anybody, and it is on record."""
        parts = self.parts
        reference = new_reference(parts.randomness)
        parts.audit.record(
            AuditRecord(
                parts.clock(),
                AuditEvent.REQUEST_REFUSED,
                reference,
                service=refused.service,
                seen=parts.browser.seen(),
                detail={"why": refused.problem.value, "detail": refused.detail},
            )
        )
        return parts.browser.error(
            "request", 400, request_problem=refused.problem.value, reference=reference
        )
