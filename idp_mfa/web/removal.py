"""Removing a factor in the portal: any but the last one with which its owner can sign in."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response, request

from idp_mfa.browser import Route, road
from idp_mfa.model import Credential, FactorName, Page
from idp_mfa.ports import ChangeAnswer
from idp_mfa.set_ups import REMOVAL, SetUps
from idp_mfa.signin.outcomes import Admitted


class RemovalPages:
    """``elsewhere`` are factors with pages of their own that remove them."""

    def __init__(self, set_ups: SetUps, elsewhere: Mapping[FactorName, str]) -> None:
        self._set_ups = set_ups
        self._pages = set_ups.pages.at(REMOVAL)
        self._browser = set_ups.pages.browser
        self._standing = set_ups.standing
        self._elsewhere = elsewhere

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        return road(REMOVAL, "portal.remove", self.page, {"factor": self.remove})

    def page(self) -> Response:
        """What is set up, and what may go."""
        admitted = self._admitted()
        if isinstance(admitted, Response):
            return admitted
        account = admitted.account
        return self._browser.page(
            "portal/remove.html",
            user=account.user,
            held=[
                {
                    "credential": one,
                    "elsewhere": self._elsewhere.get(one.factor),
                    "may_go": self._standing.may_remove(account, one),
                }
                for one in account.credentials.active
            ],
            action=f"{REMOVAL}/factor",
            csrf=self._pages.csrf(),
        )

    def _admitted(self) -> Admitted | Response:
        here = Page.PORTAL_REMOVE_FACTOR
        return self._pages.seen_to(here, self._pages.admitted(here))

    def remove(self) -> Response:
        """Take one away; a page that is out of date, or somebody who was faster, leads back."""
        admitted = self._admitted()
        if isinstance(admitted, Response):
            return admitted
        found = self._named(admitted)
        right = self._browser.csrf_right(self._browser.session_cookie())
        if not right or found is None or not self._standing.may_remove(admitted.account, found):
            return self._browser.see_other(REMOVAL)
        if self._set_ups.remove(admitted, found) is not ChangeAnswer.DONE:
            return self._browser.see_other(REMOVAL)
        return self._browser.page(
            "portal/removed.html",
            user=admitted.account.user,
            removed=found,
            csrf=self._pages.csrf(),
        )

    def _named(self, admitted: Admitted) -> Credential | None:
        wanted = request.form.get("credential", "")
        return next(
            (
                one
                for one in admitted.account.credentials.active
                if one.id == wanted and one.factor not in self._elsewhere
            ),
            None,
        )
