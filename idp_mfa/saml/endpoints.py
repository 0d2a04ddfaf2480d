"""The addresses under /saml: HTTP in, HTTP out; what is right is decided elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from flask import Response, make_response, redirect, request

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.browser import Browser, Route, content_security_policy
from idp_mfa.keys import KeyFolder
from idp_mfa.model import AuthnResult, Clock, Randomness, TransactionId
from idp_mfa.policy.model import Policy
from idp_mfa.ports import AuditLog, StateStore, Unavailable
from idp_mfa.saml import bindings, logout, requests, responses
from idp_mfa.saml.attributes import Release
from idp_mfa.saml.bindings import Message, Undecodable
from idp_mfa.saml.incoming import NotAccepted, RequestProblem, undecodable
from idp_mfa.saml.metadata import metadata
from idp_mfa.saml.names import Binding, StatusCode
from idp_mfa.saml.options import IdentityProvider
from idp_mfa.saml.provider import Logout, ServiceProvider
from idp_mfa.saml.providers import ServiceProviders
from idp_mfa.saml.responses import Answer, Asked, Issuer, NotEncryptable
from idp_mfa.saml.writing import Canonical
from idp_mfa.session import Session
from idp_mfa.signin.flow import Refused
from idp_mfa.signin.outcomes import Finished, Gone, OtherBrowser, Unfinished
from idp_mfa.signin.service import SignIn
from idp_mfa.signin.transaction import Transaction

_REMEMBERED = timedelta(minutes=30)
"""Longer than any request counts, and than a sign-in that it began may take."""


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


class SamlEndpoints:
    """The SAML face."""

    def __init__(self, parts: SamlParts) -> None:
        self._parts = parts

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        return (
            Route("/saml/sso", "saml.sso", self.sso, ("GET", "POST")),
            Route("/saml/again/<id>", "saml.again", self.again),
            Route(f"{requests.RESUME}/<id>", "saml.answer", self.answer),
            Route("/saml/slo", "saml.slo", self.slo, ("GET", "POST")),
            Route("/saml/metadata", "saml.metadata", self.metadata),
        )

    # -- sign-in -----------------------------------------------------------------------------

    def sso(self) -> Response:
        """An AuthnRequest; it reads no cookie, so that a POST across sites works as a GET does."""
        parts = self._parts
        message = _message()
        if isinstance(message, Undecodable):
            return self._refuse(undecodable(message))
        assurance = parts.policy().assurance
        checked = requests.checked(
            message, parts.providers.find, parts.idp, assurance, parts.clock()
        )
        match checked:
            case NotAccepted():
                return self._refuse(checked)
            case requests.Declined():
                return self._decline(checked)
            case requests.Accepted():
                return self._begin(checked)
            case never:
                assert_never(never)

    def again(self, id: str) -> Response:
        """A request that came once more: its page while it is open, else where to start again."""
        browser, key = self._parts.browser, TransactionId(id)
        found = self._parts.signin.look(key, browser.binding(key))
        if not isinstance(found, Transaction) or not found.finished:
            return browser.see_other(f"/signin/{id}")
        service = found.request.service
        return browser.page(
            "signin/moved.html",
            409,
            kind="answered",
            service=_Shown(service.name(browser.language()), service.host, service.logo),
            restart_action=None,
            start_url=service.start_url,
            reference=found.reference,
        )

    def answer(self, id: str) -> Response:
        """The finished sign-in, as a Response that the browser posts to the service."""
        browser, key = self._parts.browser, TransactionId(id)
        found = self._parts.signin.look(key, browser.binding(key))
        if not isinstance(found, Transaction) or found.request.resume != requests.RESUME:
            return browser.see_other(f"/signin/{id}")
        finished = self._parts.signin.finish(
            key, browser.binding(key), browser.session_cookie(), browser.seen()
        )
        match finished:
            case Unfinished() | OtherBrowser() | Gone():
                return browser.see_other(f"/signin/{id}")
            case Finished():
                return self._finished(finished)
            case never:
                assert_never(never)

    def _begin(self, accepted: requests.Accepted) -> Response:
        parts, begun_key = self._parts, f"{accepted.once}:begun"
        if not parts.store.once(accepted.once, _REMEMBERED):
            begun = parts.store.get(begun_key)
            if begun is None:
                service = accepted.request.service.id
                return self._refuse(NotAccepted(RequestProblem.REPLAYED, "replayed", service))
            return parts.browser.see_other(f"/saml/again/{begun.decode()}")
        try:
            new = parts.signin.begin(accepted.request, parts.browser.seen())
            parts.store.put(begun_key, new.transaction.id.encode(), _REMEMBERED)
        except Unavailable:
            # The user goes on from the 503 page with this very request.
            parts.store.take(accepted.once)
            raise
        return parts.browser.begun(new)

    def _decline(self, declined: requests.Declined) -> Response:
        parts = self._parts
        reference = new_reference(parts.randomness)
        answer = Answer(
            declined.asked, declined.provider, TransactionId(declined.once), parts.clock()
        )
        parts.audit.record(
            AuditRecord(
                answer.at,
                AuditEvent.REQUEST_REFUSED,
                reference,
                service=declined.provider.entity_id,
                seen=parts.browser.seen(),
                detail={"why": declined.codes[1].name.lower()},
            )
        )
        response = responses.failure(answer, declined.codes, reference, self._issuer())
        return self._posted(declined.provider, declined.asked, response)

    def _finished(self, finished: Finished) -> Response:
        transaction = finished.transaction
        service, asked = transaction.request.service, Asked.of(transaction.request.context)
        provider = self._parts.providers.find(service.id)
        if provider is None:
            return self._refuse(
                NotAccepted(RequestProblem.UNKNOWN_SERVICE, "removed since", service.id)
            )
        if asked.consumer_url not in {each.url for each in provider.consumers}:
            return self._refuse(
                NotAccepted(RequestProblem.UNKNOWN_ENDPOINT, "removed since", service.id)
            )
        answer = Answer(asked, provider, transaction.id, self._parts.clock())
        response = self._response(finished.outcome, answer, transaction)
        if isinstance(response, NotEncryptable):
            return self._refuse(
                NotAccepted(RequestProblem.UNSUPPORTED, "no encryption key", service.id)
            )
        posted = self._posted(provider, asked, response)
        if finished.session_cookie is not None:
            self._parts.browser.set_session(posted, finished.session_cookie)
        return posted

    def _response(
        self, outcome: AuthnResult | Refused, answer: Answer, transaction: Transaction
    ) -> Canonical | NotEncryptable:
        match outcome:
            case AuthnResult() as result:
                attributes = self._parts.release.released(
                    answer.provider, result.account, self._parts.idp.salt
                )
                return responses.success(answer, result, attributes, self._issuer())
            case Refused(why):
                codes = responses.codes_of(why)
                return responses.failure(answer, codes, transaction.reference, self._issuer())
            case never:
                assert_never(never)

    # -- sign-out ----------------------------------------------------------------------------

    def slo(self) -> Response:
        """A LogoutRequest: the session that it names ends here, on every node at once.

        A request that comes twice finds nothing left to end, so none has to be remembered.
        """
        parts = self._parts
        message = _message()
        if isinstance(message, Undecodable):
            return self._refuse(undecodable(message))
        asked = logout.checked(message, parts.providers.find, parts.idp, parts.clock())
        if isinstance(asked, NotAccepted):
            return self._refuse(asked)
        service, seen = asked.provider.entity_id, parts.browser.seen()
        ended = [
            parts.signin.log_out_by_index(index, service, seen) for index in asked.session_indexes
        ]
        if asked.session_indexes:
            codes: tuple[StatusCode, ...] = (StatusCode.SUCCESS,)
        else:
            codes = (StatusCode.REQUESTER, StatusCode.UNKNOWN_PRINCIPAL)
        if asked.reply_to is not None:
            return self._cleared(self._logged_out(asked, asked.reply_to, codes), ended)
        if not asked.session_indexes:
            return self._refuse(NotAccepted(RequestProblem.UNSUPPORTED, "no such session", service))
        shown = asked.provider.service
        page = parts.browser.page(
            "signin/signed_out.html",
            service=_Shown(shown.name(parts.browser.language()), shown.host, shown.logo),
            continue_url=shown.start_url,
        )
        return self._cleared(page, ended)

    def _logged_out(
        self, asked: logout.LogoutAsked, reply_to: Logout, codes: tuple[StatusCode, ...]
    ) -> Response:
        issuer = self._issuer()
        xml = logout.response(asked, reply_to, codes, issuer, self._parts.clock())
        match reply_to.binding:
            case Binding.REDIRECT:
                query = bindings.signed_query("SAMLResponse", xml, asked.relay_state, issuer.key)
                joint = "&" if "?" in reply_to.url else "?"
                return make_response(redirect(f"{reply_to.url}{joint}{query}", 303))
            case Binding.POST:
                fields = bindings.form_fields("SAMLResponse", xml, asked.relay_state)
                return self._post_page(asked.provider, reply_to.url, fields)

    def _cleared(self, response: Response, ended: list[Session | None]) -> Response:
        handle = (self._parts.browser.session_cookie() or "").partition(".")[0]
        if any(session is not None and session.handle == handle for session in ended):
            return self._parts.browser.clear_session(response)
        return response

    # -- the rest ----------------------------------------------------------------------------

    def metadata(self) -> Response:
        """Our own metadata."""
        published = self._parts.keys.keys().published
        response = make_response(metadata(self._parts.idp, published))
        response.headers["Content-Type"] = "application/samlmetadata+xml"
        return response

    def _issuer(self) -> Issuer:
        return Issuer(self._parts.idp, self._parts.keys.keys().active, self._parts.randomness)

    def _posted(self, provider: ServiceProvider, asked: Asked, response: Canonical) -> Response:
        fields = bindings.form_fields("SAMLResponse", response, asked.relay_state)
        return self._post_page(provider, asked.consumer_url, fields)

    def _post_page(
        self, provider: ServiceProvider, action: str, fields: dict[str, str]
    ) -> Response:
        browser = self._parts.browser
        nonce = browser.nonce()
        page = browser.page(
            "saml/post.html",
            action=action,
            fields=fields,
            service_name=provider.service.name(browser.language()),
            nonce=nonce,
        )
        page.headers["Content-Security-Policy"] = content_security_policy(nonce)
        return page

    def _refuse(self, refused: NotAccepted) -> Response:
        parts = self._parts
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


@dataclass(frozen=True, slots=True)
class _Shown:
    """A service in the reader's language."""

    name: str
    host: str
    logo: str | None


def _message() -> Message | Undecodable:
    if request.method == "POST":
        return bindings.from_form(request.form.to_dict(flat=False), request.args)
    return bindings.from_query(request.query_string)
