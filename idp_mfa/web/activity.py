"""One's own sign-ins and what was done with one's account (P14): see them, end one or all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Response, request

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.browser import Browser, Route
from idp_mfa.model import PORTAL, Page, ServiceId, UserId
from idp_mfa.own_pages import OwnPages
from idp_mfa.ports import History, Unavailable
from idp_mfa.session import Session, Sessions, name_of
from idp_mfa.signin.outcomes import Admitted

PAGE = "/portal/activity"


class ActivityPages:
    """What is shown is what the store holds; the record itself stays with the site."""

    def __init__(
        self,
        pages: OwnPages,
        sessions: Sessions,
        history: History,
        service_name: Callable[[ServiceId, str], str],
    ) -> None:
        self._pages = pages.at(PAGE)
        self._sessions = sessions
        self._history = history
        self._service_name = service_name

    @property
    def _browser(self) -> Browser:
        return self._pages.browser

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        return (
            Route(PAGE, "portal.activity", self.page),
            Route(f"{PAGE}/end", "portal.activity.end", self.end, ("POST",)),
            Route(f"{PAGE}/end", "portal.activity.end.back", self.back),
        )

    def page(self) -> Response:
        """Where one is signed in, and what happened lately."""
        admitted = self._pages.admitted(Page.PORTAL_ACTIVITY)
        if isinstance(admitted, Response):
            return admitted
        user = admitted.account.user
        return self._browser.page(
            "portal/activity.html",
            user=user,
            sessions=[self._row(one, admitted) for one in self._sessions.of(user.id)],
            events=self._events(user.id),
            end_action=f"{PAGE}/end",
            csrf=self._pages.csrf(),
        )

    def end(self) -> Response:
        """End the session that was chosen, or all but this one."""
        admitted = self._pages.acting(Page.PORTAL_ACTIVITY, PAGE)
        if isinstance(admitted, Response):
            return admitted
        chosen, user_id = request.form.get("session", ""), admitted.account.user.id
        for one in self._sessions.of(user_id):
            others = chosen == "others" and one.handle != admitted.session.handle
            if others or name_of(one) == chosen:
                self._sessions.end_one(one)
                self._pages.record(AuditEvent.SESSION_ENDED, admitted, self._pages.reference())
        return self.back()

    def back(self) -> Response:
        """The page is where the list is."""
        return self._browser.see_other(PAGE)

    def _row(self, session: Session, admitted: Admitted) -> Mapping[str, object]:
        return {
            "name": name_of(session),
            "here": session.handle == admitted.session.handle,
            "began": self._browser.moment(session.began_at),
            "seen": self._browser.moment(session.seen_at),
            "factors": list(dict.fromkeys(done.factor for done in session.verified)),
            "shared": session.shared_computer,
        }

    def _events(self, user_id: UserId) -> list[Mapping[str, object]] | None:
        try:
            return [self._event(one) for one in self._history.of(user_id)]
        except Unavailable:
            return None

    def _event(self, record: AuditRecord) -> Mapping[str, object]:
        seen, service = record.seen, record.service
        is_signed_in = record.event is AuditEvent.ASSERTION_ISSUED
        other = service if is_signed_in and service != PORTAL else None
        return {
            "kind": record.event.value,
            "at": self._browser.moment(record.at),
            "address": None if seen is None or seen.address is None else str(seen.address),
            "service": None if other is None else self._name(other),
            "desk": record.actor is not None,
            "reference": record.reference,
        }

    def _name(self, service: ServiceId) -> str:
        return self._service_name(service, self._browser.language())
