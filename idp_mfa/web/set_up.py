"""Setting up any factor that needs no page of its own: a button, what to keep, and the proof."""

from __future__ import annotations

from typing import assert_never

from flask import Response

from idp_mfa.browser import Route, road
from idp_mfa.enrolment import Bound, NotBound
from idp_mfa.factor import Enrolment, Factor, Finite, Rejected
from idp_mfa.model import BoundBy, Page
from idp_mfa.ports import Throttled
from idp_mfa.set_ups import REMOVAL, SetUps
from idp_mfa.signin.outcomes import Admitted


class SetUpPages:
    """One factor's set-up, at one address."""

    def __init__(self, set_ups: SetUps, factor: Factor, path: str, name: str) -> None:
        self._set_ups = set_ups
        self._pages = set_ups.pages.at(path)
        self._browser = set_ups.pages.browser
        self._enrolments = set_ups.enrolments
        self._standing = set_ups.standing
        self._factor = factor
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
        begun = self._set_ups.begin(admitted, self._factor.name, bound_by)
        if isinstance(begun, NotBound):
            return self._browser.see_other(self._path)
        return self._draw(admitted, begun, None)

    def complete(self) -> Response:
        """The proof: from here on it counts, and what it replaces does not."""
        allowed = self._allowed()
        if isinstance(allowed, Response):
            return allowed
        admitted, bound_by = allowed
        begun = self._enrolments.under_way(admitted.account, self._factor.name)
        if begun is None:
            return self._browser.see_other(self._path)
        done = self._set_ups.complete(admitted, begun, bound_by)
        match done:
            case Bound():
                return self._set_ups.done(admitted, done, self._name)
            case Rejected():
                return self._draw(admitted, begun, done)
            case Throttled():
                return self._browser.too_many(done.until - self._pages.clock())
            case NotBound():
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
            remove_url=REMOVAL if held else None,
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
