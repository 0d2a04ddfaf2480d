"""Re-issuing the set-up key in four steps (P3); the first of them is the sign-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from flask import Response, request

from idp_mfa import factor as contract
from idp_mfa.audit import AuditEvent
from idp_mfa.browser import Route, road
from idp_mfa.code_errors import CodeErrors
from idp_mfa.enrolment import Onsite
from idp_mfa.factor import Rejected
from idp_mfa.key_card import key_card
from idp_mfa.letters import masked
from idp_mfa.mailed_codes import Asker, NotMatched, Sent
from idp_mfa.model import Credential, Page, Verification
from idp_mfa.own_pages import OwnPages
from idp_mfa.ports import ChangeAnswer, Throttled
from idp_mfa.recovery import (
    TOTP,
    Confirmed,
    NotBegun,
    NotRecoverable,
    Recoveries,
    Reissued,
    address_of,
)
from idp_mfa.session import Sessions
from idp_mfa.signin.outcomes import Admitted

PAGE = "/portal/reissue"
SET_UP = "/portal/totp"


class ReissuePages:
    """One address for all steps: the page shows where this browser stands."""

    def __init__(
        self,
        *,
        pages: OwnPages,
        sessions: Sessions,
        recoveries: Recoveries,
        errors: CodeErrors,
        issuer: str,
        onsite: Onsite,
    ) -> None:
        self._pages = pages
        self._browser = pages.browser
        self._sessions = sessions
        self._recoveries = recoveries
        self._errors = errors
        self._issuer = issuer
        self._onsite = onsite

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        steps = {"send": self.send, "code": self.code, "key": self.key, "proof": self.proof}
        return (
            *road(PAGE, "portal.reissue", self.page, steps),
            *self._pages.way_in("reissue", Page.PORTAL_REISSUE, PAGE),
        )

    def page(self) -> Response:
        """The step at which this browser stands; looking changes nothing."""
        admitted = self._pages.admitted(Page.PORTAL_REISSUE)
        if isinstance(admitted, Response):
            return admitted
        return self._draw(admitted, None)

    def send(self) -> Response:
        """Mail a code, or another one."""
        admitted = self._pages.acting(Page.PORTAL_REISSUE, PAGE)
        if isinstance(admitted, Response):
            return admitted
        asker = self._pages.asker(admitted)
        sent = self._recoveries.send(admitted.account, asker)
        match sent:
            case Sent():
                self._pages.record(
                    AuditEvent.REISSUE_BEGAN, admitted, asker.reference, to=masked(sent.to)
                )
                return self.back()
            case NotRecoverable():
                return self._draw_closed(admitted, sent)
            case Throttled():
                return self._browser.too_many(sent.until - self._pages.clock())
            case never:
                assert_never(never)

    def code(self) -> Response:
        """The code of the mail."""
        admitted = self._pages.acting(Page.PORTAL_REISSUE, PAGE)
        if isinstance(admitted, Response):
            return admitted
        asker = self._pages.asker(admitted)
        answer = self._recoveries.confirm(admitted.account, asker, request.form.get("code", ""))
        match answer:
            case Confirmed():
                self._pages.record(AuditEvent.REISSUE_CONFIRMED, admitted, asker.reference)
                return self.back()
            case NotMatched():
                self._pages.record(
                    AuditEvent.REISSUE_REJECTED, admitted, asker.reference, why=answer.why.value
                )
                return self._draw(admitted, self._error(answer))
            case NotRecoverable():
                return self._draw_closed(admitted, answer)
            case never:
                assert_never(never)

    def key(self) -> Response:
        """The last click: the new key is in force, the old one dead."""
        admitted = self._pages.acting(Page.PORTAL_REISSUE, PAGE)
        if isinstance(admitted, Response):
            return admitted
        asker = self._pages.asker(admitted)
        # Dated, so that the dead entry is recognised in the app.
        label = f"{self._issuer}({self._pages.clock():%Y-%m})"
        done = self._recoveries.reissue(admitted.account, asker, label)
        match done:
            case Reissued(enrolment, _):
                self._record_bound(admitted, asker, enrolment.credential)
                return self.back()
            case NotRecoverable():
                return self._draw_closed(admitted, done)
            case NotBegun() | ChangeAnswer():
                return self.back()
            case never:
                assert_never(never)

    def _record_bound(self, admitted: Admitted, asker: Asker, key: Credential) -> None:
        # Pressed again, it shows the key of the first press, which is on record.
        if any(one.id == key.id for one in admitted.account.credentials.factors):
            return
        self._pages.record(
            AuditEvent.FACTOR_BOUND,
            admitted,
            asker.reference,
            factor=TOTP,
            credential=key.id,
            bound_by=key.bound_by.value,
            replaced=tuple(one.id for one in admitted.account.credentials.of(TOTP)),
        )

    def proof(self) -> Response:
        """A code of the new key: the device has it, and a sign-in that waits can go on with it."""
        admitted = self._pages.acting(Page.PORTAL_REISSUE, PAGE)
        if isinstance(admitted, Response):
            return admitted
        account, asker = admitted.account, self._pages.asker(admitted)
        typed = contract.Response(dict(request.form.items()))
        answer = self._recoveries.prove(account, asker, typed)
        match answer:
            case Verification():
                self._pages.record(
                    AuditEvent.FACTOR_ACCEPTED,
                    admitted,
                    asker.reference,
                    factor=TOTP,
                    credential=answer.credential_id,
                )
                _, cookie = self._sessions.establish(
                    self._browser.session_cookie(),
                    account.user,
                    (answer,),
                    shared_computer=admitted.session.shared_computer,
                )
                return self._browser.set_session(self.back(), cookie)
            case Rejected() if self._proven(admitted):
                # The second press of a double click.
                return self.back()
            case Rejected():
                self._pages.record(
                    AuditEvent.FACTOR_REJECTED,
                    admitted,
                    asker.reference,
                    factor=TOTP,
                    why=answer.why.value,
                )
                error = self._errors.of(answer, typed, account.credentials.factors)
                return self._draw(admitted, error)
            case Throttled():
                return self._browser.too_many(answer.until - self._pages.clock())
            case NotBegun():
                return self.back()
            case never:
                assert_never(never)

    def back(self) -> Response:
        """The page is where the step is."""
        return self._browser.see_other(PAGE)

    # -- drawing -----------------------------------------------------------------------------

    def _draw(self, admitted: Admitted, error: Mapping[str, object] | None) -> Response:
        account = admitted.account
        stage = self._recoveries.stage(account, self._pages.asker(admitted))
        match stage:
            case Reissued(enrolment, _):
                return self._browser.page(
                    "portal/reissue_4.html",
                    200 if error is None else 422,
                    user=account.user,
                    action=f"{PAGE}/proof",
                    proven=self._proven(admitted),
                    error=error,
                    **key_card(enrolment).for_page(),
                    onward=self._pages.onward(account.user),
                    csrf=self._pages.csrf(),
                )
            case Confirmed():
                return self._browser.page(
                    "portal/reissue_3.html",
                    user=account.user,
                    action=f"{PAGE}/key",
                    onward=self._pages.onward(account.user),
                    csrf=self._pages.csrf(),
                )
            case Sent() | NotBegun():
                to = address_of(account, self._pages.clock())
                if isinstance(to, NotRecoverable):
                    return self._draw_closed(admitted, to)
                return self._browser.page(
                    "portal/reissue_2.html",
                    200 if error is None else 422,
                    user=account.user,
                    to=masked(to),
                    **self._mail(stage),
                    error=error,
                    replace_url=self._replace_url(),
                    onward=self._pages.onward(account.user),
                    csrf=self._pages.csrf(),
                )
            case never:
                assert_never(never)

    def _proven(self, admitted: Admitted) -> bool:
        """Whether a code of a key in force was typed in this browser, on this page or another."""
        keys = {one.id for one in admitted.account.credentials.of(TOTP)}
        return any(done.credential_id in keys for done in admitted.session.verified)

    def _replace_url(self) -> str | None:
        """Where a new device can be set up at once, without a mail, if a site lets that be."""
        here = self._pages.replacing(TOTP, self._onsite)
        return None if here is None else SET_UP

    def _mail(self, stage: Sent | NotBegun) -> Mapping[str, object]:
        actions = {"send_action": f"{PAGE}/send", "code_action": f"{PAGE}/code"}
        if isinstance(stage, NotBegun):
            return {**actions, "sent": False, "until": None, "again": True}
        return {
            **actions,
            "sent": True,
            "until": self._browser.moment(stage.until),
            "again": self._pages.clock() >= stage.again_at,
        }

    def _error(self, problem: NotMatched) -> Mapping[str, object]:
        newest = problem.newest_at
        return {
            "kind": problem.why.value,
            "left": problem.left,
            "newest_at": None if newest is None else self._browser.moment(newest),
        }

    def _draw_closed(self, admitted: Admitted, why: NotRecoverable) -> Response:
        return self._browser.page(
            "portal/reissue_closed.html",
            403,
            user=admitted.account.user,
            why=why.value,
            replace_url=self._replace_url(),
            onward=self._pages.onward(admitted.account.user),
            csrf=self._pages.csrf(),
            reference=self._pages.reference(),
        )
