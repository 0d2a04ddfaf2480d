"""What the set-up pages of factors do alike: begin, the proof, the last page, and removing."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, render_template, request

from idp_mfa import factor as contract
from idp_mfa.audit import AuditEvent
from idp_mfa.enrolment import Bound, Enrolments, NotBound
from idp_mfa.factor import Enrolment, Rejected
from idp_mfa.letters import Notice, NoticeKind
from idp_mfa.model import BoundBy, Credential, FactorName, Reference
from idp_mfa.own_pages import OwnPages
from idp_mfa.ports import ChangeAnswer, Throttled
from idp_mfa.session import Sessions
from idp_mfa.signin.outcomes import Admitted
from idp_mfa.standing_alone import StandingAlone

REMOVAL = "/portal/remove"
"""Where what was set up is removed."""


@dataclass(frozen=True, slots=True)
class SetUps:
    """Each act is on record, and told to its owner if it changed something."""

    pages: OwnPages
    sessions: Sessions
    enrolments: Enrolments
    standing: StandingAlone

    def begin(
        self, admitted: Admitted, factor: FactorName, bound_by: BoundBy
    ) -> Enrolment | NotBound:
        """A new secret, unfinished; its label is dated, so that an older one is told from it."""
        self.pages.record(
            AuditEvent.ENROLMENT_BEGAN, admitted, self.pages.reference(), factor=factor
        )
        title = render_template("portal/label.txt", factor=factor).strip()
        label = f"{title} ({self.pages.clock():%Y-%m-%d})"
        return self.enrolments.begin(admitted.account, factor, bound_by, label)

    def complete(
        self, admitted: Admitted, begun: Enrolment, bound_by: BoundBy
    ) -> Bound | Rejected | Throttled | NotBound:
        """What the form proves."""
        reference, factor = self.pages.reference(), begun.credential.factor
        done = self.enrolments.complete(
            admitted.account,
            factor,
            bound_by,
            contract.Response(dict(request.form.items())),
            notice=self._notice(
                NoticeKind.FACTOR_ADDED, admitted, reference, begun.credential.label
            ),
        )
        if isinstance(done, Bound):
            self.pages.record(
                AuditEvent.FACTOR_BOUND,
                admitted,
                reference,
                factor=factor,
                credential=done.credential.id,
                bound_by=done.credential.bound_by.value,
                replaced=tuple(old.id for old in done.replaced),
            )
        elif isinstance(done, Rejected):
            self.pages.record(
                AuditEvent.ENROLMENT_REJECTED,
                admitted,
                reference,
                factor=factor,
                why=done.why.value,
            )
        return done

    def done(self, admitted: Admitted, bound: Bound, name: str) -> Response:
        """The last page; who has just shown it is signed in with it."""
        pages, user = self.pages, admitted.account.user
        response = pages.browser.page(
            "portal/set_up_done.html",
            name=name,
            set_up=bound.credential.factor,
            user=user,
            replaced=bool(bound.replaced),
            only_one=not self.standing.enough(admitted.account, but=bound.credential.factor),
            onward=pages.onward(user),
            csrf=pages.csrf(),
        )
        # What shows no kind says nothing of who somebody is: it was copied from the page before.
        if not bound.verification.kinds:
            return response
        _, cookie = self.sessions.establish(
            pages.browser.session_cookie(),
            user,
            (bound.verification,),
            shared_computer=admitted.session.shared_computer,
        )
        return pages.browser.set_session(response, cookie)

    def remove(self, admitted: Admitted, credential: Credential) -> ChangeAnswer:
        """Take one away."""
        reference = self.pages.reference()
        notice = self._notice(NoticeKind.FACTOR_REMOVED, admitted, reference, credential.label)
        self.pages.record(
            AuditEvent.FACTOR_REMOVED,
            admitted,
            reference,
            factor=credential.factor,
            credential=credential.id,
        )
        return self.enrolments.remove(admitted.account, credential, notice)

    def _notice(
        self, kind: NoticeKind, admitted: Admitted, reference: Reference, about: str
    ) -> Notice:
        return Notice(
            kind,
            admitted.account.user.id,
            self.pages.clock(),
            self.pages.browser.seen(),
            reference,
            self.pages.browser.language(),
            about,
        )
