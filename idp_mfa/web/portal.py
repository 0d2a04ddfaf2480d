"""The self-service portal: a relying party of our own sign-in, each page judged by the policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import assert_never

from flask import Response, request

from idp_mfa import factor as contract
from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.browser import Browser, Route, csrf_of
from idp_mfa.enrolment import Bound, Enrolments, NotAllowed, NotBound, may_bind
from idp_mfa.factor import Enrolment, Rejected
from idp_mfa.key_card import key_card
from idp_mfa.model import (
    PORTAL,
    AuthnRequest,
    Because,
    BoundBy,
    Cause,
    Clock,
    FactorName,
    Page,
    Randomness,
    Service,
    TransactionId,
)
from idp_mfa.policy.model import UNKNOWN, Deny, Policy
from idp_mfa.policy.places import place, places
from idp_mfa.ports import AuditLog, Throttled
from idp_mfa.session import Sessions
from idp_mfa.signin.flow import Refused
from idp_mfa.signin.outcomes import Admitted, Finished, Gone, OtherBrowser, Unfinished
from idp_mfa.signin.service import SignIn
from idp_mfa.signin.transaction import Transaction

TOTP = FactorName("totp")
_RESUME = "/portal/answer"
_PATHS = {Page.PORTAL_HOME: "/", Page.PORTAL_ADD_FACTOR: "/portal/totp"}
"""Where each page of the portal is; the only places that a sign-in may come back to."""


class PortalPages:
    """Home, first set-up of one-time codes, and signing out."""

    def __init__(
        self,
        *,
        signin: SignIn,
        sessions: Sessions,
        enrolments: Enrolments,
        browser: Browser,
        policy: Callable[[], Policy],
        audit: AuditLog,
        clock: Clock,
        randomness: Randomness,
        issuer: str,
        service: Service,
    ) -> None:
        self._signin = signin
        self._sessions = sessions
        self._enrolments = enrolments
        self._browser = browser
        self._policy = policy
        self._audit = audit
        self._clock = clock
        self._randomness = randomness
        self._issuer = issuer
        self._service = service

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        return (
            Route("/", "portal.home", self.home),
            Route("/portal/signin", "portal.signin", self.sign_in, ("POST",)),
            Route(f"{_RESUME}/<id>", "portal.answer", self.answer),
            Route("/portal/totp", "portal.totp", self.totp),
            Route("/portal/totp/begin", "portal.totp.begin", self.totp_begin, ("POST",)),
            Route("/portal/totp/complete", "portal.totp.complete", self.totp_complete, ("POST",)),
            Route("/portal/totp/begin", "portal.totp.begin.back", self.totp_back),
            Route("/portal/totp/complete", "portal.totp.complete.back", self.totp_back),
            Route("/sign-out", "portal.sign-out", self.sign_out_page),
            Route("/sign-out", "portal.signed-out", self.sign_out, ("POST",)),
        )

    # -- coming in ---------------------------------------------------------------------------

    def home(self) -> Response:
        """The menu, for everyone; what is set up, for its owner."""
        cookie = self._browser.session_cookie()
        admitted = self._signin.admit(self._request(Page.PORTAL_HOME), cookie, self._browser.seen())
        account = admitted.account if isinstance(admitted, Admitted) else None
        return self._browser.page(
            "portal/home.html",
            user=None if account is None else account.user,
            tiles=[{"key": "totp.setup", "url": "/portal/totp", "available": True}],
            factors=() if account is None else account.credentials.active,
            sign_in_action=None if account is not None else "/portal/signin",
            sign_out_action=None if account is None else "/sign-out",
            csrf=csrf_of(cookie) if account is not None and cookie else "",
        )

    def sign_in(self) -> Response:
        """Sign in to the portal; it opens an empty sign-in and changes nothing else."""
        return self._begin(Page.PORTAL_HOME)

    def answer(self, id: str) -> Response:
        """Where the sign-in for one of our pages is fetched."""
        browser, key = self._browser, TransactionId(id)
        asked = self._signin.look(key, browser.binding(key))
        if not isinstance(asked, Transaction) or asked.request.resume != _RESUME:
            return browser.see_other(f"/signin/{id}")
        found = self._signin.finish(key, browser.binding(key), browser.cookies(), browser.seen())
        match found:
            case Finished(Refused(), _, _):
                return browser.see_other("/")
            case Finished(_, transaction, cookies):
                response = browser.see_other(_PATHS.get(transaction.request.page, "/"))
                return browser.remember(response, cookies)
            case Unfinished(transaction):
                return browser.see_other(f"/signin/{transaction.id}")
            case OtherBrowser() | Gone():
                return browser.see_other(f"/signin/{id}")
            case never:
                assert_never(never)

    # -- one-time codes ----------------------------------------------------------------------

    def totp(self) -> Response:
        """The set-up page: a button that begins, then the key card and the field."""
        admitted = self._admitted(Page.PORTAL_ADD_FACTOR)
        if isinstance(admitted, Response):
            return admitted
        begun = self._enrolments.under_way(admitted.account, TOTP)
        if begun is None:
            return self._browser.page(
                "portal/totp_begin.html",
                user=admitted.account.user,
                action="/portal/totp/begin",
                replaces=bool(admitted.account.credentials.of(TOTP)),
                csrf=self._csrf(),
            )
        return self._draw_setup(admitted, begun, None)

    def totp_begin(self) -> Response:
        """Make a new key, sealed and unfinished; nothing else changes."""
        admitted = self._admitted(Page.PORTAL_ADD_FACTOR)
        if isinstance(admitted, Response):
            return admitted
        if not self._browser.csrf_right(self._browser.session_cookie()):
            return self.totp_back()
        bound_by = self._may_bind(admitted)
        if isinstance(bound_by, Response):
            return bound_by
        self._record(AuditEvent.ENROLMENT_BEGAN, admitted, factor=TOTP)
        self._enrolments.begin(admitted.account, TOTP, bound_by, self._label())
        return self.totp_back()

    def totp_complete(self) -> Response:
        """The code that the device shows: from here on the key signs in."""
        admitted = self._admitted(Page.PORTAL_ADD_FACTOR)
        if isinstance(admitted, Response):
            return admitted
        if not self._browser.csrf_right(self._browser.session_cookie()):
            return self.totp_back()
        bound_by = self._may_bind(admitted)
        if isinstance(bound_by, Response):
            return bound_by
        account = admitted.account
        begun = self._enrolments.under_way(account, TOTP)
        done = self._enrolments.complete(
            account, TOTP, bound_by, contract.Response(dict(request.form.items()))
        )
        match done:
            case Bound(credential, verification, replaced):
                self._record(
                    AuditEvent.FACTOR_BOUND,
                    admitted,
                    factor=TOTP,
                    credential=credential.id,
                    bound_by=bound_by.value,
                    replaced=tuple(old.id for old in replaced),
                )
                _, cookie = self._sessions.establish(
                    self._browser.session_cookie(),
                    account.user,
                    (verification,),
                    shared_computer=admitted.session.shared_computer,
                )
                response = self._browser.page(
                    "portal/totp_done.html",
                    label=credential.label,
                    replaced=bool(replaced),
                    continue_url="/",
                )
                return self._browser.set_session(response, cookie)
            case Rejected() if begun is not None:
                self._record(
                    AuditEvent.ENROLMENT_REJECTED, admitted, factor=TOTP, why=done.why.value
                )
                return self._draw_setup(admitted, begun, done)
            case Throttled():
                return self._browser.too_many(done.until - self._clock())
            case Rejected() | NotBound():
                return self.totp_back()
            case never:
                assert_never(never)

    def totp_back(self) -> Response:
        """The page is where the set-up is."""
        return self._browser.see_other("/portal/totp")

    # -- leaving -----------------------------------------------------------------------------

    def sign_out_page(self) -> Response:
        """Ask before ending the session."""
        session = self._sessions.open(self._browser.session_cookie())
        return self._browser.page(
            "signin/sign_out.html",
            user=None if session is None else session.user,
            action="/sign-out",
            csrf=self._csrf(),
        )

    def sign_out(self) -> Response:
        """End the session on the server, then in the browser, whatever its settings."""
        cookie = self._browser.session_cookie()
        if cookie and not self._browser.csrf_right(cookie):
            return self._browser.see_other("/sign-out")
        self._signin.log_out(cookie, self._browser.seen())
        response = self._browser.page("signin/signed_out.html", service=None, continue_url="/")
        return self._browser.clear_session(response)

    # -- inside ------------------------------------------------------------------------------

    def _admitted(self, page: Page) -> Admitted | Response:
        browser = self._browser
        found = self._signin.admit(self._request(page), browser.session_cookie(), browser.seen())
        match found:
            case Admitted():
                return found
            case Deny(_, because, message):
                return self._refused(because, message.get(browser.language()))
            case None:
                return self._begin(page)
            case never:
                assert_never(never)

    def _may_bind(self, admitted: Admitted) -> BoundBy | Response:
        answer = may_bind(admitted.account, admitted.zone, admitted.session.verified, self._clock())
        match answer:
            case BoundBy():
                return answer
            case NotAllowed.ZONE:
                # The policy would let them; the code says that a password alone binds none here.
                known = admitted.because.zone != UNKNOWN
                cause = Cause.NETWORK if known else Cause.NETWORK_UNKNOWN
                return self._refused(replace(admitted.because, cause=cause), None)
            case NotAllowed.FRESH_FACTOR:
                return self._begin(Page.PORTAL_ADD_FACTOR)
            case never:
                assert_never(never)

    def _refused(self, because: Because, message: str | None) -> Response:
        """Say why and how to reach a place from which it works; on record under its reference."""
        language, policy = self._browser.language(), self._policy()
        reference = new_reference(self._randomness)
        session = self._sessions.open(self._browser.session_cookie())
        self._audit.record(
            AuditRecord(
                self._clock(),
                AuditEvent.PAGE_REFUSED,
                reference,
                None if session is None else session.user.id,
                self._service.id,
                self._browser.seen(),
                detail={"rule": because.rule, "zone": because.zone, "cause": because.cause.value},
            )
        )
        return self._browser.page(
            "portal/refused.html",
            403,
            message=message,
            because=because,
            place=place(policy, because.zone, language, because.address),
            elsewhere=places(policy, because.ways.elsewhere or because.ways.set_up, language),
            reference=reference,
        )

    def _draw_setup(
        self, admitted: Admitted, begun: Enrolment, rejected: Rejected | None
    ) -> Response:
        card = key_card(begun)
        error = None
        if rejected is not None:
            wait = rejected.retry_in
            error = {
                "kind": rejected.why.value,
                "left": None,
                "seconds": None if wait is None else int(wait.total_seconds()) + 1,
                "issuer": card.issuer,
                "minutes": None,
            }
        return self._browser.page(
            "portal/totp_setup.html",
            200 if rejected is None else 422,
            user=admitted.account.user,
            key=card.key,
            key_groups=card.key_groups,
            uri=card.uri,
            qr_png=card.qr_png,
            label=card.label,
            account=card.account,
            issuer=card.issuer,
            error=error,
            replaces=bool(admitted.account.credentials.of(TOTP)),
            action="/portal/totp/complete",
            csrf=self._csrf(),
        )

    def _begin(self, page: Page) -> Response:
        browser = self._browser
        begun = self._signin.begin(self._request(page), browser.seen())
        if isinstance(begun, Throttled):
            return browser.too_many(begun.until - self._clock())
        return browser.begun(begun)

    def _request(self, page: Page) -> AuthnRequest:
        return AuthnRequest(self._service, page, resume=_RESUME, context={})

    def _label(self) -> str:
        # Dated, so that the dead entry is recognised in the app after a replacement.
        return f"{self._issuer}({self._clock():%Y-%m})"

    def _csrf(self) -> str:
        cookie = self._browser.session_cookie()
        return csrf_of(cookie) if cookie else ""

    def _record(
        self,
        event: AuditEvent,
        admitted: Admitted,
        **detail: str | int | bool | tuple[str, ...] | None,
    ) -> None:
        self._audit.record(
            AuditRecord(
                self._clock(),
                event,
                new_reference(self._randomness),
                admitted.account.user.id,
                self._service.id,
                self._browser.seen(),
                detail=detail,
            )
        )


def portal_service(host: str, names: Mapping[str, str]) -> Service:
    """The portal as a relying party: policy rules name its pages, not this id."""
    return Service(PORTAL, names, host)
