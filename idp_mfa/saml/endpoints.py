"""The addresses under /saml: HTTP in, HTTP out; what is right is decided elsewhere."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from flask import Response, make_response

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.browser import Route
from idp_mfa.model import AuthnResult, TransactionId
from idp_mfa.ports import Throttled, Unavailable
from idp_mfa.saml import bindings, requests, responses
from idp_mfa.saml.bindings import Undecodable
from idp_mfa.saml.face import SamlFace, SamlParts
from idp_mfa.saml.incoming import NotAccepted, RequestProblem, undecodable
from idp_mfa.saml.metadata import metadata
from idp_mfa.saml.provider import ServiceProvider
from idp_mfa.saml.responses import Answer, Asked, NotEncryptable
from idp_mfa.saml.sign_out import SingleLogout
from idp_mfa.saml.writing import Canonical
from idp_mfa.signin.flow import Refused
from idp_mfa.signin.outcomes import At, Finished, Gone, OtherBrowser, Unfinished
from idp_mfa.signin.transaction import Transaction

_REMEMBERED = timedelta(minutes=30)
"""Longer than any request counts, and than a sign-in that it began may take."""

_CLAIMED = timedelta(milliseconds=250)
"""Of two that come with one request at the same moment, the second is asked to wait that long."""


class SamlEndpoints:
    """The SAML face."""

    def __init__(self, parts: SamlParts) -> None:
        self._parts = parts
        self._face = SamlFace(parts)
        self._logout = SingleLogout(self._face)

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        return (
            Route("/saml/sso", "saml.sso", self.sso, ("GET", "POST")),
            Route("/saml/again/<id>", "saml.again", self.again),
            Route(f"{requests.RESUME}/<id>", "saml.answer", self.answer),
            Route("/saml/slo", "saml.slo", self._logout.slo, ("GET", "POST")),
            Route("/saml/metadata", "saml.metadata", self.metadata),
        )

    # -- sign-in -----------------------------------------------------------------------------

    def sso(self) -> Response:
        """An AuthnRequest; it reads no cookie, so that a POST across sites works as a GET does."""
        parts = self._parts
        message = self._face.message()
        if isinstance(message, Undecodable):
            return self._face.refuse(undecodable(message))
        assurance = parts.policy().assurance
        checked = requests.checked(
            message, parts.providers.find, parts.idp, assurance, parts.clock()
        )
        match checked:
            case NotAccepted():
                return self._face.refuse(checked)
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
            service=self._face.shown(service),
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
        return self.answered(At(found))

    def answered(self, at: At) -> Response:
        """The same, in the request that finished the sign-in or in the next."""
        browser = self._parts.browser
        # Before the sign-in is put on record as answered: a service can go or change meanwhile.
        provider = self._answerable(at.transaction)
        if isinstance(provider, NotAccepted):
            return self._face.refuse(provider)
        finished = self._parts.signin.finish(at, browser.cookies(), browser.seen())
        match finished:
            case Unfinished() | OtherBrowser() | Gone():
                return browser.see_other(f"/signin/{at.transaction.id}")
            case Finished():
                return self._finished(finished, provider)
            case never:
                assert_never(never)

    def _begin(self, accepted: requests.Accepted) -> Response:
        parts, begun_key = self._parts, f"{accepted.once}:begun"
        # Looked at first: a store that hangs may still carry out later what it was asked in vain,
        # and what it is asked first must not be what spends the request.
        begun = parts.store.get(begun_key)
        if begun is not None:
            return parts.browser.see_other(f"/saml/again/{begun.decode()}")
        # A claim for a moment, not for good: whoever dies here leaves the request to be used.
        if not parts.store.once(accepted.once, _CLAIMED):
            raise Unavailable("store", "the same request is being begun")
        try:
            new = parts.signin.begin(accepted.request, parts.browser.seen())
            if isinstance(new, Throttled):
                parts.store.take(accepted.once)
                return parts.browser.too_many(new.until - parts.clock())
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
        response = responses.failure(answer, declined.codes, reference, self._face.issuer())
        return self._posted(declined.provider, declined.asked, response)

    def _answerable(self, transaction: Transaction) -> ServiceProvider | NotAccepted:
        id = transaction.request.service.id
        provider = self._parts.providers.find(id)
        if provider is None:
            return NotAccepted(RequestProblem.UNKNOWN_SERVICE, "removed since", id)
        wanted = Asked.of(transaction.request.context).consumer_url
        if wanted not in {each.url for each in provider.consumers}:
            return NotAccepted(RequestProblem.UNKNOWN_ENDPOINT, "removed since", id)
        return provider

    def _finished(self, finished: Finished, provider: ServiceProvider) -> Response:
        transaction = finished.transaction
        asked = Asked.of(transaction.request.context)
        answer = Answer(asked, provider, transaction.id, self._parts.clock())
        response = self._response(finished.outcome, answer, transaction)
        if isinstance(response, NotEncryptable):
            problem = RequestProblem.UNSUPPORTED
            return self._face.refuse(NotAccepted(problem, "no encryption key", provider.entity_id))
        posted = self._posted(provider, asked, response)
        return self._parts.browser.remember(posted, finished.cookies)

    def _response(
        self, outcome: AuthnResult | Refused, answer: Answer, transaction: Transaction
    ) -> Canonical | NotEncryptable:
        match outcome:
            case AuthnResult() as result:
                attributes = self._parts.release.released(
                    answer.provider, result.account, self._parts.idp.salt
                )
                return responses.success(answer, result, attributes, self._face.issuer())
            case Refused(why):
                codes = responses.codes_of(why)
                return responses.failure(answer, codes, transaction.reference, self._face.issuer())
            case never:
                assert_never(never)

    def metadata(self) -> Response:
        """Our own metadata."""
        published = self._parts.keys.keys().published
        response = make_response(metadata(self._parts.idp, published))
        response.headers["Content-Type"] = "application/samlmetadata+xml"
        return response

    def _posted(self, provider: ServiceProvider, asked: Asked, response: Canonical) -> Response:
        fields = bindings.form_fields("SAMLResponse", response, asked.relay_state)
        return self._face.post_page(provider.service, asked.consumer_url, fields)
