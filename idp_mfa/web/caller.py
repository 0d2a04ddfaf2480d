"""A number that its owner reads to the help desk: that the caller is who is signed in here."""

from __future__ import annotations

from flask import Response

from idp_mfa.browser import Route, road
from idp_mfa.desk.callers import Callers, Number
from idp_mfa.model import Page
from idp_mfa.own_pages import OwnPages
from idp_mfa.signin.outcomes import Admitted

PAGE = "/portal/caller"


class CallerPage:
    """The number is drawn by a click, never by looking."""

    def __init__(self, pages: OwnPages, callers: Callers) -> None:
        self._pages = pages.at(PAGE)
        self._callers = callers

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        return road(PAGE, "portal.caller", self.page, {"show": self.show})

    def page(self) -> Response:
        """What it is for, and a button."""
        admitted = self._pages.admitted(Page.PORTAL_HOME)
        return admitted if isinstance(admitted, Response) else self._draw(admitted, None)

    def show(self) -> Response:
        """A new number; the one before is void."""
        admitted = self._pages.acting(Page.PORTAL_HOME, PAGE)
        if isinstance(admitted, Response):
            return admitted
        shown = dict.fromkeys(done.factor for done in admitted.session.verified)
        return self._draw(admitted, self._callers.number(admitted.account.user.id, tuple(shown)))

    def _draw(self, admitted: Admitted, number: Number | None) -> Response:
        return self._pages.browser.page(
            "portal/caller.html",
            user=admitted.account.user,
            digits=None if number is None else number.digits,
            until=None if number is None else self._pages.browser.moment(number.until),
            action=f"{PAGE}/show",
            csrf=self._pages.csrf(),
        )
