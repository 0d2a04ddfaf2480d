"""Setting up any factor that needs no page of its own: a button, what to keep, and the proof."""

from __future__ import annotations

from typing import assert_never

from flask import Response, render_template, request

from idp_mfa import factor as contract
from idp_mfa.audit import AuditEvent
from idp_mfa.browser import Route, road
from idp_mfa.enrolment import Bound, Enrolments, NotBound
from idp_mfa.factor import Enrolment, Factor, Finite, Rejected
from idp_mfa.letters import Notice, NoticeKind
from idp_mfa.model import BoundBy, Page, Reference
from idp_mfa.own_pages import OwnPages
from idp_mfa.ports import Throttled
from idp_mfa.session import Sessions
from idp_mfa.signin.outcomes import Admitted
from idp_mfa.standing_alone import StandingAlone


class SetUpPages:
    """One factor's set-up, at one address."""

    def __init__(
        self,
        *,
        pages: OwnPages,
        sessions: Sessions,
        enrolments: Enrolments,
        factor: Factor,
        standing: StandingAlone,
        path: str,
        name: str,
    ) -> None:
        self._pages = pages.at(path)
        self._browser = pages.browser
        self._sessions = sessions
        self._enrolments = enrolments
        self._factor = factor
        self._standing = standing
        self._path = path
        self._name = name

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        steps = {"begin": self.begin, "complete": self.complete}
        return road(self._path, self._name, self.page, steps)

    def page(self) -> Response:
        """What there is, and a button that begins; or the set-up under way, if it can be shown."""
        admitted = self._pages.admitted(Page.PORTAL_ADD_FACTOR)
        if isinstance(admitted, Response):
            return admitted
        begun = self._enrolments.under_way(admitted.account, self._factor.name)
        if begun is not None and begun.shown:
            return self._draw(admitted, begun, None)
        return self._draw_begin(admitted)

    def begin(self) -> Response:
        """Make a new secret, unfinished; what is active stays as it is until the proof."""
        allowed = self._allowed()
        if isinstance(allowed, Response):
            return allowed
        admitted, bound_by = allowed
        name = self._factor.name
        self._pages.record(
            AuditEvent.ENROLMENT_BEGAN, admitted, self._pages.reference(), factor=name
        )
        begun = self._enrolments.begin(admitted.account, name, bound_by, self._label())
        if isinstance(begun, NotBound):
            return self._browser.see_other(self._path)
        return self._draw(admitted, begun, None)

    def complete(self) -> Response:
        """The proof: from here on it counts, and what it replaces does not."""
        allowed = self._allowed()
        if isinstance(allowed, Response):
            return allowed
        admitted, bound_by = allowed
        account, reference, name = admitted.account, self._pages.reference(), self._factor.name
        begun = self._enrolments.under_way(account, name)
        done = self._enrolments.complete(
            account,
            name,
            bound_by,
            contract.Response(dict(request.form.items())),
            notice=Notice(
                NoticeKind.FACTOR_ADDED,
                account.user.id,
                self._pages.clock(),
                self._browser.seen(),
                reference,
                self._browser.language(),
                "" if begun is None else begun.credential.label,
            ),
        )
        match done:
            case Bound():
                return self._bound(admitted, done, reference)
            case Rejected(why) if begun is not None:
                self._pages.record(
                    AuditEvent.ENROLMENT_REJECTED, admitted, reference, factor=name, why=why.value
                )
                return self._draw(admitted, begun, done)
            case Throttled():
                return self._browser.too_many(done.until - self._pages.clock())
            case Rejected() | NotBound():
                return self._browser.see_other(self._path)
            case never:
                assert_never(never)

    # -- inside ------------------------------------------------------------------------------

    def _allowed(self) -> tuple[Admitted, BoundBy] | Response:
        admitted = self._pages.acting(Page.PORTAL_ADD_FACTOR, self._path)
        if isinstance(admitted, Response):
            return admitted
        if not self._standing.may_begin(admitted.account, self._factor.name):
            return self._browser.see_other(self._path)
        bound_by = self._pages.may_bind(admitted)
        return bound_by if isinstance(bound_by, Response) else (admitted, bound_by)

    def _bound(self, admitted: Admitted, done: Bound, reference: Reference) -> Response:
        self._pages.record(
            AuditEvent.FACTOR_BOUND,
            admitted,
            reference,
            factor=done.credential.factor,
            credential=done.credential.id,
            bound_by=done.credential.bound_by.value,
            replaced=tuple(old.id for old in done.replaced),
        )
        response = self._browser.page(
            "portal/set_up_done.html",
            name=self._name,
            set_up=self._factor.name,
            user=admitted.account.user,
            replaced=bool(done.replaced),
            onward=self._pages.onward(admitted.account.user),
            csrf=self._pages.csrf(),
        )
        # What shows no kind says nothing of who somebody is: it was copied from the page before.
        if not done.verification.kinds:
            return response
        _, cookie = self._sessions.establish(
            self._browser.session_cookie(),
            admitted.account.user,
            (done.verification,),
            shared_computer=admitted.session.shared_computer,
        )
        return self._browser.set_session(response, cookie)

    def _draw_begin(self, admitted: Admitted) -> Response:
        held = admitted.account.credentials.of(self._factor.name)
        finite: object = self._factor
        return self._browser.page(
            "portal/set_up_begin.html",
            name=self._name,
            set_up=self._factor.name,
            user=admitted.account.user,
            held=[
                {
                    "since": one.bound_at,
                    "left": finite.left(one) if isinstance(finite, Finite) else None,
                }
                for one in held
            ],
            another_first=not self._standing.may_begin(admitted.account, self._factor.name),
            action=f"{self._path}/begin",
            csrf=self._pages.csrf(),
        )

    def _draw(self, admitted: Admitted, begun: Enrolment, rejected: Rejected | None) -> Response:
        return self._browser.page(
            "portal/set_up.html",
            200 if rejected is None else 422,
            name=self._name,
            set_up=self._factor.name,
            user=admitted.account.user,
            shown=begun.shown,
            fields=self._factor.fields,
            error=None if rejected is None else {"kind": rejected.why.value, "left": None},
            replaces=bool(admitted.account.credentials.of(self._factor.name)),
            action=f"{self._path}/complete",
            again=self._path,
            csrf=self._pages.csrf(),
        )

    def _label(self) -> str:
        title = render_template("portal/label.txt", factor=self._factor.name).strip()
        return f"{title} ({self._pages.clock():%Y-%m-%d})"
