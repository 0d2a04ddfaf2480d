"""What pages of our own share: a relying party of our own sign-in, each judged by the policy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from flask import Response, request

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.browser import Browser, Route, csrf_of
from idp_mfa.enrolment import (
    FRESH,
    NotAllowed,
    Onsite,
    has_shown_a_factor,
    may_bind,
    may_replace,
)
from idp_mfa.mailed_codes import Asker
from idp_mfa.model import (
    PASSWORD,
    PORTAL,
    AuthnRequest,
    Because,
    BoundBy,
    Cause,
    Clock,
    FactorName,
    Page,
    Randomness,
    Reference,
    Service,
    TransactionId,
    User,
    UserId,
    Verification,
)
from idp_mfa.policy.model import UNKNOWN, Deny, Policy
from idp_mfa.policy.places import place, places
from idp_mfa.ports import AuditLog, Throttled
from idp_mfa.session import Sessions
from idp_mfa.signin.outcomes import (
    Admitted,
    At,
    Gone,
    OtherBrowser,
    PageDenied,
    SetAside,
    Stale,
)
from idp_mfa.signin.service import SignIn

RESUME = "/portal/answer"
"""Where a sign-in for one of our pages is fetched."""
FIRST = "first"
"""What an address of ours may name: the factor to ask first, if it is offered."""


Shown = Callable[[Collection[Verification], datetime], bool]
"""Whether what was verified, and when, is enough at a moment."""


@dataclass(frozen=True, slots=True)
class Onward:
    """A sign-in that waits in this browser: for whom it is, in the reader's language, and where."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class SetUp:
    """Where a factor is set up, and the step by which an open sign-in leads there."""

    step: str
    path: str


@dataclass(frozen=True, slots=True)
class _Refused:
    """Whom a page is refused to, and where they may go on."""

    reference: Reference
    user: UserId | None
    onward: tuple[Onward, ...] = ()


class OwnPages:
    """Opens a page to whom the policy admits, and leads everybody else to what is missing."""

    def __init__(
        self,
        *,
        signin: SignIn,
        sessions: Sessions,
        browser: Browser,
        policy: Callable[[], Policy],
        audit: AuditLog,
        clock: Clock,
        randomness: Randomness,
        service: Service,
        alone: frozenset[FactorName] = frozenset(),
    ) -> None:
        self.browser = browser
        self.clock = clock
        self._signin = signin
        self._sessions = sessions
        self._policy = policy
        self._audit = audit
        self._randomness = randomness
        self._service = service
        self._alone = alone
        self._path = ""

    def at(self, path: str) -> OwnPages:
        """The same for one page: whoever has to show more for it comes back to that address."""
        there = copy(self)
        there._path = path
        return there

    def look(self, page: Page) -> Admitted | Deny | None:
        """Whether the page may be opened; None: somebody has to sign in or show more first."""
        browser = self.browser
        return self._signin.admit(self.request(page), browser.session_cookie(), browser.seen())

    def admitted(self, page: Page) -> Admitted | Response:
        """Whoever may open the page, or the way there."""
        found = self.look(page)
        match found:
            case Admitted():
                return found
            case Deny(_, because, message):
                return self.refused(page, because, message.get(self.browser.language()))
            case None:
                return self.begin(page)
            case never:
                assert_never(never)

    def seen_to(
        self, page: Page, admitted: Admitted | Response, enough: Shown = has_shown_a_factor
    ) -> Admitted | Response:
        """Whoever may open the page and showed enough just now, whatever a policy says (rule 2).

        A policy may count what was shown longer ago: then it is asked for anew. Where the policy
        is content with less than the page, asking again would go round in circles.
        """
        if isinstance(admitted, Response):
            return admitted
        verified, now = admitted.session.verified, self.clock()
        if enough(verified, now):
            return admitted
        if any(done.factor != PASSWORD and now - done.at <= FRESH for done in verified):
            return self.refused(page, replace(admitted.because, cause=Cause.RULE), None)
        return self._begin(replace(self.request(page), max_age=FRESH))

    def acting(self, page: Page, back: str) -> Admitted | Response:
        """The same for a form: one that our page did not send leads back to it."""
        admitted = self.admitted(page)
        if isinstance(admitted, Admitted) and not self.browser.csrf_right(
            self.browser.session_cookie()
        ):
            return self.browser.see_other(back)
        return admitted

    def begin(self, page: Page) -> Response:
        """Sign in, or show more, for a page."""
        return self._begin(self.request(page))

    def _begin(self, request: AuthnRequest) -> Response:
        begun = self._signin.begin(request, self.browser.seen())
        if isinstance(begun, Throttled):
            return self.browser.too_many(begun.until - self.clock())
        return self.browser.begun(begun)

    def way_in(self, step: str, page: Page, path: str) -> tuple[Route, ...]:
        """The address at which ``enter`` is asked for, and what a reload of it shows."""
        here, browser = f"/signin/<id>/{step}", self.browser

        def enter(id: str) -> Response:
            return self.enter(TransactionId(id), page, path)

        return (
            Route(here, f"signin.{step}", enter, ("POST",)),
            Route(here, f"signin.{step}.back", lambda id: browser.see_other(f"/signin/{id}")),
        )

    def enter(self, id: TransactionId, page: Page, path: str) -> Response:
        """From an open sign-in of this browser to a page that helps; nothing is typed again."""
        browser, there = self.browser, f"/signin/{id}"
        binding = browser.binding(id)
        if not browser.csrf_right(binding):
            return browser.see_other(there)
        found = self._signin.set_aside(
            id, binding, self.request(page), browser.cookies(), browser.seen()
        )
        match found:
            case SetAside(_, cookies):
                return browser.remember(browser.see_other(path), cookies)
            case PageDenied(transaction, deny):
                user = transaction.user
                whom = _Refused(
                    transaction.reference,
                    None if user is None else user.id,
                    (self._onward(transaction.request.service, id),),
                )
                message = deny.message.get(browser.language())
                return self._refused(page, deny.because, message, whom)
            case At() | Stale() | OtherBrowser() | Gone():
                # Its own page says what there is to say.
                return browser.see_other(there)
            case never:
                assert_never(never)

    def onward(self, user: User) -> tuple[Onward, ...]:
        """The sign-ins to which somebody can go on in this browser, the likeliest first."""
        return tuple(
            self._onward(one.request.service, one.id)
            for one in self._signin.waiting(user, self.browser.bindings())
        )

    def _onward(self, service: Service, id: TransactionId) -> Onward:
        return Onward(service.name(self.browser.language()), f"/signin/{id}")

    def refused(self, page: Page, because: Because, message: str | None) -> Response:
        """Say why and how to reach a place from which it works; on record under its reference."""
        session = self._sessions.open(self.browser.session_cookie())
        user = None if session is None else session.user
        return self._refused(
            page,
            because,
            message,
            _Refused(self.reference(), None)
            if user is None
            else _Refused(self.reference(), user.id, self.onward(user)),
        )

    def _refused(
        self,
        page: Page,
        because: Because,
        message: str | None,
        whom: _Refused,
    ) -> Response:
        language, policy = self.browser.language(), self._policy()
        self._audit.record(
            AuditRecord(
                self.clock(),
                AuditEvent.PAGE_REFUSED,
                whom.reference,
                whom.user,
                self._service.id,
                self.browser.seen(),
                detail={
                    "page": page.value,
                    "rule": because.rule,
                    "zone": because.zone,
                    "cause": because.cause.value,
                },
            )
        )
        return self.browser.page(
            "portal/refused.html",
            403,
            message=message,
            because=because,
            place=place(policy, because.zone, language, because.address),
            elsewhere=places(policy, because.ways.elsewhere or because.ways.set_up, language),
            onward=whom.onward,
            reference=whom.reference,
        )

    def record(
        self,
        event: AuditEvent,
        admitted: Admitted,
        reference: Reference,
        **detail: str | int | bool | tuple[str, ...] | None,
    ) -> None:
        """One line about what somebody did on a page."""
        self._audit.record(
            AuditRecord(
                self.clock(),
                event,
                reference,
                admitted.account.user.id,
                self._service.id,
                self.browser.seen(),
                detail=detail,
            )
        )

    def asker(self, admitted: Admitted) -> Asker:
        """The browser, as what is mailed is bound to it: by its session, which ends at log-out."""
        return Asker(
            admitted.session.handle,
            self.browser.seen(),
            self.browser.language(),
            self.reference(),
        )

    def reference(self) -> Reference:
        """One to be read out."""
        return new_reference(self._randomness)

    def csrf(self) -> str:
        """The token of this browser's session, for a form."""
        cookie = self.browser.session_cookie()
        return csrf_of(cookie) if cookie else ""

    def request(self, page: Page) -> AuthnRequest:
        """What a page of ours asks of the sign-in; its address may say what to ask first."""
        context = {"path": self._path} if self._path else {}
        first = request.args.get(FIRST)
        return AuthnRequest(
            self._service,
            page,
            resume=RESUME,
            context=context,
            first=None if first is None else FactorName(first[:64]),
        )

    def replacing(self, factor: FactorName, onsite: Onsite) -> Admitted | None:
        """Whoever may put a new key in the old one's place here and now, by the password alone."""
        if onsite is Onsite.NEVER:
            return None
        found = self.look(Page.PORTAL_REPLACE)
        if not isinstance(found, Admitted) or not may_replace(found.account, factor, found.zone):
            return None
        return found

    def may_bind(self, admitted: Admitted) -> BoundBy | Response:
        """The proof on which a factor may be bound now, whatever a policy says (P6, rule 2)."""
        answer = may_bind(
            admitted.account,
            admitted.zone,
            admitted.session.verified,
            self.clock(),
            self._alone,
        )
        match answer:
            case BoundBy():
                return answer
            case NotAllowed.ZONE:
                # The policy would let them; the code says that a password alone binds none here.
                known = admitted.because.zone != UNKNOWN
                cause = Cause.NETWORK if known else Cause.NETWORK_UNKNOWN
                because = replace(admitted.because, cause=cause)
                return self.refused(Page.PORTAL_ADD_FACTOR, because, None)
            case NotAllowed.FRESH_FACTOR:
                return self.begin(Page.PORTAL_ADD_FACTOR)
            case never:
                assert_never(never)


def portal_service(host: str, names: Mapping[str, str]) -> Service:
    """The portal as a relying party: policy rules name its pages, not this id."""
    return Service(PORTAL, names, host)
