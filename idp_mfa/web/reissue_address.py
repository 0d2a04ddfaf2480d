"""The re-issue address: asked for at the first set-up (P6), and changed later (P13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import assert_never

from flask import Response, request

from idp_mfa.audit import AuditEvent
from idp_mfa.browser import Route, road
from idp_mfa.enrolment import has_shown_possession, may_bind
from idp_mfa.letters import CodePurpose, masked
from idp_mfa.mailed_codes import CodeProblem, NotMatched, Sent
from idp_mfa.model import BoundBy, Page
from idp_mfa.own_pages import OwnPages
from idp_mfa.ports import ChangeAnswer, Throttled
from idp_mfa.reissue_address import AddressProblem, ConfirmedAddress, ReissueAddresses
from idp_mfa.signin.outcomes import Admitted

_DOUBLE_CLICK = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Road:
    """Where an address is asked for, under which rule, and what comes after it."""

    name: str
    path: str
    page: Page
    after: str


_FIRST = _Road("first", "/portal/totp/address", Page.PORTAL_ADD_FACTOR, "/portal/totp")
_CHANGE = _Road("change", "/portal/mail", Page.PORTAL_MAIL, "/portal/mail")


_NAMES = {
    AddressProblem.MALFORMED: "no-address",
    AddressProblem.SAME_PASSWORD: "same-password",
    AddressProblem.UNCHANGED: "unchanged",
}
"""By which the page knows an address that is wrong from a code that is."""


class AddressPages:
    """The same three steps on both roads: the address, the code, done."""

    def __init__(self, pages: OwnPages, addresses: ReissueAddresses) -> None:
        self._pages = pages
        self._browser = pages.browser
        self._addresses = addresses

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        return tuple(
            route
            for along in (_FIRST, _CHANGE)
            for route in road(
                along.path,
                f"portal.address.{along.name}",
                partial(self._page, along),
                {
                    "send": partial(self._send, along),
                    "code": partial(self._code, along),
                    "again": partial(self._again, along),
                },
            )
        )

    def _page(self, road: _Road) -> Response:
        admitted = self._allowed(road, self._pages.admitted(road.page))
        return admitted if isinstance(admitted, Response) else self._draw(road, admitted, None)

    def _send(self, road: _Road) -> Response:
        admitted = self._allowed(road, self._pages.acting(road.page, road.path))
        if isinstance(admitted, Response):
            return admitted
        asker = self._pages.asker(admitted)
        sent = self._addresses.send(admitted.account, asker, request.form.get("address", ""))
        match sent:
            case Sent():
                self._pages.record(
                    AuditEvent.ADDRESS_ASKED, admitted, asker.reference, to=masked(sent.to)
                )
                return self._back(road)
            case AddressProblem():
                return self._draw(road, admitted, sent)
            case Throttled():
                return self._browser.too_many(sent.until - self._pages.clock())
            case never:
                assert_never(never)

    def _code(self, road: _Road) -> Response:
        admitted = self._allowed(road, self._pages.acting(road.page, road.path))
        if isinstance(admitted, Response):
            return admitted
        asker = self._pages.asker(admitted)
        answer = self._addresses.confirm(admitted.account, asker, request.form.get("code", ""))
        if isinstance(answer, NotMatched) and answer.why is CodeProblem.NONE_SENT:
            again = self._pressed_again(road, admitted)
            if again is not None:
                return again
        if isinstance(answer, NotMatched):
            self._pages.record(
                AuditEvent.ADDRESS_REJECTED, admitted, asker.reference, why=answer.why.value
            )
            return self._draw(road, admitted, answer)
        if road is _FIRST:
            return self._browser.see_other(road.after)
        written = self._addresses.write(admitted.account, asker, BoundBy.FRESH_FACTOR)
        match written:
            case ConfirmedAddress(address):
                self._pages.record(
                    AuditEvent.ADDRESS_CHANGED, admitted, asker.reference, to=masked(address)
                )
                paused = admitted.account.credentials.reissue_address is not None
                return self._draw_done(admitted, masked(address), paused)
            case ChangeAnswer() | None:
                return self._back(road)
            case never:
                assert_never(never)

    def _pressed_again(self, road: _Road, admitted: Admitted) -> Response | None:
        """Where a double click's first press has led: the code is spent, and all is well."""
        account = admitted.account
        if road is _FIRST:
            asker = self._pages.asker(admitted)
            confirmed = self._addresses.confirmed(account, asker)
            return None if confirmed is None else self._browser.see_other(road.after)
        record = account.credentials.reissue_address
        if record is None or self._pages.clock() - record.bound_at > _DOUBLE_CLICK:
            return None
        secret = record.secret
        return self._draw_done(admitted, masked(secret["address"]), "paused_until" in secret)

    def _draw_done(self, admitted: Admitted, to: str, paused: object) -> Response:
        return self._browser.page(
            "portal/address_done.html",
            user=admitted.account.user,
            to=to,
            paused=bool(paused),
            onward=self._pages.onward(admitted.account.user),
            csrf=self._pages.csrf(),
        )

    def _again(self, road: _Road) -> Response:
        """Another address: the code that was sent is left to die."""
        admitted = self._allowed(road, self._pages.acting(road.page, road.path))
        if isinstance(admitted, Response):
            return admitted
        self._addresses.start_again(admitted.account, self._pages.asker(admitted))
        return self._back(road)

    def _back(self, road: _Road) -> Response:
        return self._browser.see_other(road.path)

    def _allowed(self, road: _Road, admitted: Admitted | Response) -> Admitted | Response:
        """What code keeps, whatever a policy says (P6, rule 2)."""
        if isinstance(admitted, Response):
            return admitted
        now, verified = self._pages.clock(), admitted.session.verified
        if road is _FIRST:
            free = isinstance(may_bind(admitted.account, admitted.zone, verified, now), BoundBy)
            first = free and admitted.account.credentials.has_none
            return admitted if first else self._browser.see_other(road.after)
        return self._pages.seen_to(road.page, admitted, has_shown_possession)

    # -- drawing -----------------------------------------------------------------------------

    def _draw(
        self, road: _Road, admitted: Admitted, problem: AddressProblem | NotMatched | None
    ) -> Response:
        account, asker = admitted.account, self._pages.asker(admitted)
        sent = self._addresses.codes.sent(
            CodePurpose.CONFIRM_ADDRESS, account.user.id, asker.secret
        )
        record = account.credentials.reissue_address
        return self._browser.page(
            "portal/address.html",
            200 if problem is None else 422,
            user=account.user,
            road=road.name,
            now=None if record is None else masked(record.secret["address"]),
            to=None if sent is None else sent.to,
            until=None if sent is None else self._browser.moment(sent.until),
            again=sent is not None and self._pages.clock() >= sent.again_at,
            typed=request.form.get("address", "")[:320],
            error=None if problem is None else self._error(problem),
            send_action=f"{road.path}/send",
            code_action=f"{road.path}/code",
            again_action=f"{road.path}/again",
            later_action="/portal/totp/begin" if road is _FIRST else None,
            onward=self._pages.onward(account.user),
            csrf=self._pages.csrf(),
        )

    def _error(self, problem: AddressProblem | NotMatched) -> Mapping[str, object]:
        if isinstance(problem, AddressProblem):
            return {"kind": _NAMES[problem], "left": None, "newest_at": None}
        newest = problem.newest_at
        return {
            "kind": problem.why.value,
            "left": problem.left,
            "newest_at": None if newest is None else self._browser.moment(newest),
        }
