"""The self-service portal's door: its menu, its sign-ins, and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

from flask import Response, request

from idp_mfa.auto_fill import AutoFill, auto_fill
from idp_mfa.browser import Browser, Route, csrf_of
from idp_mfa.factor import Factor, Finite, Wears
from idp_mfa.model import Account, FactorName, Page, TransactionId
from idp_mfa.own_pages import RESUME, OwnPages, SetUp
from idp_mfa.session import Sessions
from idp_mfa.signin.flow import Refused
from idp_mfa.signin.outcomes import Admitted, At, Finished, Gone, OtherBrowser, Unfinished
from idp_mfa.signin.service import SignIn
from idp_mfa.signin.transaction import Transaction

PATHS = {
    Page.PORTAL_HOME: "/",
    Page.PORTAL_ADD_FACTOR: "/portal/totp",
    Page.PORTAL_SHOW: "/portal/totp/show",
    Page.PORTAL_REISSUE: "/portal/reissue",
    Page.PORTAL_MAIL: "/portal/mail",
    Page.PORTAL_ACTIVITY: "/portal/activity",
}
"""Where each page of the portal is; the only places that a sign-in may come back to."""

_TILES = (
    ("totp.setup", Page.PORTAL_ADD_FACTOR),
    ("totp.show", Page.PORTAL_SHOW),
    ("reissue", Page.PORTAL_REISSUE),
    ("mail", Page.PORTAL_MAIL),
    ("activity", Page.PORTAL_ACTIVITY),
)


class PortalPages:
    """Home, coming in, and signing out; ``offered`` are the pages that this site has.

    ``more`` are the addresses of its other tiles, by key; ``set_ups`` is where a sign-in leads that
    waits for a factor.
    """

    def __init__(
        self,
        *,
        pages: OwnPages,
        signin: SignIn,
        sessions: Sessions,
        offered: Sequence[Page],
        more: Mapping[str, str],
        factors: Mapping[FactorName, Factor],
        set_ups: Iterable[SetUp],
    ) -> None:
        self._pages = pages
        self._signin = signin
        self._sessions = sessions
        self._offered = frozenset(offered)
        self._more = more
        self._factors = factors
        self._set_ups = tuple(set_ups)

    @property
    def _browser(self) -> Browser:
        return self._pages.browser

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        return (
            Route("/", "portal.home", self.home),
            Route("/portal/signin", "portal.signin", self.sign_in, ("POST",)),
            Route(f"{RESUME}/<id>", "portal.answer", self.answer),
            Route("/sign-out", "portal.sign-out", self.sign_out_page),
            Route("/sign-out", "portal.signed-out", self.sign_out, ("POST",)),
            *(
                route
                for one in self._set_ups
                for route in self._pages.way_in(one.step, Page.PORTAL_ADD_FACTOR, one.path)
            ),
        )

    def home(self) -> Response:
        """The menu, for everyone; what is set up, for its owner."""
        cookie = self._browser.session_cookie()
        admitted = self._pages.look(Page.PORTAL_HOME)
        account = admitted.account if isinstance(admitted, Admitted) else None
        return self._browser.page(
            "portal/home.html",
            user=None if account is None else account.user,
            tiles=[
                {"key": key, "url": PATHS[page], "available": page in self._offered}
                for key, page in _TILES
            ]
            + [{"key": key, "url": url, "available": True} for key, url in self._more.items()],
            apple=auto_fill(request.headers.get("User-Agent", "")) is AutoFill.POSSIBLE,
            factors=() if account is None else self._shown(account),
            sign_in_action=None if account is not None else "/portal/signin",
            sign_out_action=None if account is None else "/sign-out",
            csrf=csrf_of(cookie) if account is not None and cookie else "",
        )

    def _shown(self, account: Account) -> list[dict[str, object]]:
        """What somebody has set up, how much is left of it, and what should be drawn anew."""
        now = self._pages.clock()
        rows: list[dict[str, object]] = []
        for one in account.credentials.active:
            factor: object = self._factors.get(one.factor)
            rows.append(
                {
                    "credential": one,
                    "left": factor.left(one) if isinstance(factor, Finite) else None,
                    "due": isinstance(factor, Wears) and factor.is_due(one, now),
                }
            )
        return rows

    def sign_in(self) -> Response:
        """Sign in to the portal; it opens an empty sign-in and changes nothing else."""
        return self._pages.begin(Page.PORTAL_HOME)

    def answer(self, id: str) -> Response:
        """Where the sign-in for one of our pages is fetched."""
        browser, key = self._browser, TransactionId(id)
        asked = self._signin.look(key, browser.binding(key))
        if not isinstance(asked, Transaction) or asked.request.resume != RESUME:
            return browser.see_other(f"/signin/{id}")
        found = self._signin.finish(At(asked), browser.cookies(), browser.seen())
        match found:
            case Finished(Refused(), _, _):
                return browser.see_other("/")
            case Finished(_, transaction, cookies):
                ended = transaction.request
                path = ended.context.get("path") or PATHS.get(ended.page, "/")
                response = browser.see_other(path)
                return browser.remember(response, cookies)
            case Unfinished(transaction):
                return browser.see_other(f"/signin/{transaction.id}")
            case OtherBrowser() | Gone():
                return browser.see_other(f"/signin/{id}")
            case never:
                assert_never(never)

    # -- leaving -----------------------------------------------------------------------------

    def sign_out_page(self) -> Response:
        """Ask before ending the session."""
        session = self._sessions.open(self._browser.session_cookie())
        return self._browser.page(
            "signin/sign_out.html",
            user=None if session is None else session.user,
            action="/sign-out",
            csrf=self._pages.csrf(),
        )

    def sign_out(self) -> Response:
        """End the session on the server, then in the browser, whatever its settings.

        Who wants to switch to another ID of theirs is asked for it at once (OMU FAQ 2).
        """
        cookie = self._browser.session_cookie()
        if cookie and not self._browser.csrf_right(cookie):
            return self._browser.see_other("/sign-out")
        self._signin.log_out(cookie, self._browser.seen())
        if request.form.get("switch") == "1":
            return self._browser.clear_session(self._pages.begin(Page.PORTAL_HOME))
        response = self._browser.page("signin/signed_out.html", service=None, continue_url="/")
        return self._browser.clear_session(response)
