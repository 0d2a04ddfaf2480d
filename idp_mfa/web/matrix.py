"""The image matrix in the portal: drawn, practised, seen and changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, assert_never

from flask import Response, request

from idp_mfa.browser import Route, road
from idp_mfa.enrolment import Bound, NotBound, has_shown_a_kind
from idp_mfa.factor import Factor, Rejected, Rejection
from idp_mfa.model import BoundBy, Credential, Page
from idp_mfa.ports import Throttled
from idp_mfa.set_ups import REMOVAL, SetUps
from idp_mfa.signin.outcomes import Admitted

PAGE = "/portal/matrix"
_PATTERN = f"{PAGE}/pattern"


class Matrix(Factor, Protocol):
    """What its pages want of the factor besides the contract."""

    def pattern(self, credential: Credential) -> tuple[str, ...]:
        """The pictures to remember, in their order."""
        ...

    def practice(self, credential: Credential, name: str) -> Mapping[str, str]:
        """A question for practice."""
        ...

    def practised(self, credential: Credential, name: str, typed: str) -> bool:
        """Whether that is the answer to it."""
        ...

    def first_question(self, credential: Credential, number: int) -> Mapping[str, str]:
        """One of the questions of a set-up's proof."""
        ...

    def answers_first(self, credential: Credential, typed: str) -> bool:
        """Whether that is the answer to the first of them."""
        ...

    def is_due(self, credential: Credential, at: datetime) -> bool:
        """Whether new pictures should be drawn."""
        ...


class MatrixPages:
    """Seeing and changing it takes any factor of the last minutes, the matrix too (SUMS 8)."""

    def __init__(self, set_ups: SetUps, matrix: Matrix) -> None:
        self._set_ups = set_ups
        self._pages = set_ups.pages.at(PAGE)
        self._browser = set_ups.pages.browser
        self._enrolments = set_ups.enrolments
        self._standing = set_ups.standing
        self._matrix = matrix

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        steps = {
            "begin": self.begin,
            "first": self.first,
            "complete": self.complete,
            "practise": self.practise,
        }
        return (
            *road(PAGE, "portal.matrix", self.page, steps),
            Route(_PATTERN, "portal.matrix.pattern", self.pattern),
            Route(f"{PAGE}/practice", "portal.matrix.practice", self.practice),
        )

    # -- seeing ------------------------------------------------------------------------------

    def page(self) -> Response:
        """The present pictures to their owner; to others what it is, and a button."""
        admitted = self._pages.admitted(Page.PORTAL_HOME)
        if isinstance(admitted, Response):
            return admitted
        if not self._held(admitted):
            return self._draw_begin(admitted)
        allowed = self._seen_to()
        if isinstance(allowed, Response):
            return allowed
        (credential, *_) = self._held(allowed)
        return self._browser.page(
            "portal/matrix.html",
            user=allowed.account.user,
            pattern=self._matrix.pattern(credential),
            since=credential.bound_at,
            due=self._matrix.is_due(credential, self._pages.clock()),
            begin_action=f"{PAGE}/begin",
            remove_url=REMOVAL,
            practice_url=f"{PAGE}/practice",
            csrf=self._pages.csrf(),
        )

    def practice(self) -> Response:
        """A question that counts nothing, as often as one likes."""
        allowed = self._seen_to()
        if isinstance(allowed, Response) or not self._held(allowed):
            return allowed if isinstance(allowed, Response) else self._back()
        return self._draw_practice(allowed, self._pages.reference(), None)

    def practise(self) -> Response:
        """Its answer."""
        allowed = self._seen_to()
        if isinstance(allowed, Response):
            return allowed
        name = request.form.get("question", "")[:16]
        if not self._held(allowed) or not self._sent_by_us():
            return self._back()
        (credential, *_) = self._held(allowed)
        right = self._matrix.practised(credential, name, request.form.get("code", ""))
        if right:
            return self._browser.page(
                "portal/matrix_practised.html",
                user=allowed.account.user,
                practice_url=f"{PAGE}/practice",
                csrf=self._pages.csrf(),
            )
        return self._draw_practice(allowed, name, Rejected(Rejection.WRONG))

    # -- setting up --------------------------------------------------------------------------

    def begin(self) -> Response:
        """Draw six pictures; those of a set-up under way stay, because no choice is given."""
        allowed = self._allowed()
        if isinstance(allowed, Response):
            return allowed
        admitted, bound_by = allowed
        if self._enrolments.under_way(admitted.account, self._matrix.name) is None:
            self._set_ups.begin(admitted, self._matrix.name, bound_by)
        return self._browser.see_other(_PATTERN)

    def pattern(self) -> Response:
        """The pictures of the set-up under way, to be remembered."""
        allowed = self._allowed_to_look()
        if isinstance(allowed, Response):
            return allowed
        admitted, _ = allowed
        begun = self._enrolments.under_way(admitted.account, self._matrix.name)
        if begun is None:
            return self._back()
        return self._browser.page(
            "portal/matrix_pattern.html",
            user=admitted.account.user,
            pattern=begun.shown["pattern"].split(),
            replaces=bool(self._held(admitted)),
            action=f"{PAGE}/first",
            csrf=self._pages.csrf(),
        )

    def first(self) -> Response:
        """The first of the two questions, and with its right answer the second one."""
        allowed = self._allowed()
        if isinstance(allowed, Response):
            return allowed
        admitted, _ = allowed
        begun = self._enrolments.under_way(admitted.account, self._matrix.name)
        if begun is None:
            return self._back()
        typed = request.form.get("code")
        if typed is None:
            return self._draw_question(admitted, begun.credential, "", None)
        if not self._matrix.answers_first(begun.credential, typed):
            return self._draw_question(admitted, begun.credential, "", Rejected(Rejection.WRONG))
        return self._draw_question(admitted, begun.credential, typed, None)

    def complete(self) -> Response:
        """Both answers: from here on it counts, and the pictures before it do not."""
        allowed = self._allowed()
        if isinstance(allowed, Response):
            return allowed
        admitted, bound_by = allowed
        begun = self._enrolments.under_way(admitted.account, self._matrix.name)
        if begun is None:
            return self._back()
        done = self._set_ups.complete(admitted, begun, bound_by)
        match done:
            case Bound():
                return self._set_ups.done(admitted, done, "portal.matrix")
            case Rejected():
                before = request.form.get("practice", "")
                return self._draw_question(admitted, begun.credential, before, done)
            case Throttled():
                return self._browser.too_many(done.until - self._pages.clock())
            case NotBound():
                return self._back()
            case never:
                assert_never(never)

    # -- inside ------------------------------------------------------------------------------

    def _held(self, admitted: Admitted) -> tuple[Credential, ...]:
        return admitted.account.credentials.of(self._matrix.name)

    def _seen_to(self) -> Admitted | Response:
        """Whoever showed a factor of a kind just now, whatever a policy says."""
        here = Page.PORTAL_REMOVE_FACTOR
        return self._pages.seen_to(here, self._pages.admitted(here), has_shown_a_kind)

    def _allowed_to_look(self) -> tuple[Admitted, BoundBy] | Response:
        """Who may set it up: by any factor if they have it, else as any factor is bound."""
        home = self._pages.admitted(Page.PORTAL_HOME)
        if isinstance(home, Response):
            return home
        if self._held(home):
            changing = self._seen_to()
            return changing if isinstance(changing, Response) else (changing, BoundBy.FRESH_FACTOR)
        adding = self._pages.admitted(Page.PORTAL_ADD_FACTOR)
        if isinstance(adding, Response):
            return adding
        if not self._standing.may_begin(adding.account, self._matrix.name):
            return self._back()
        bound_by = self._pages.may_bind(adding)
        return bound_by if isinstance(bound_by, Response) else (adding, bound_by)

    def _allowed(self) -> tuple[Admitted, BoundBy] | Response:
        allowed = self._allowed_to_look()
        if isinstance(allowed, Response) or self._sent_by_us():
            return allowed
        return self._back()

    def _sent_by_us(self) -> bool:
        return self._browser.csrf_right(self._browser.session_cookie())

    def _draw_begin(self, admitted: Admitted) -> Response:
        return self._browser.page(
            "portal/matrix_begin.html",
            user=admitted.account.user,
            another_first=not self._standing.may_begin(admitted.account, self._matrix.name),
            action=f"{PAGE}/begin",
            csrf=self._pages.csrf(),
        )

    def _draw_question(
        self, admitted: Admitted, credential: Credential, before: str, rejected: Rejected | None
    ) -> Response:
        """``before`` is the answer to the first question, once that was right."""
        number = 1 if before else 0
        return self._browser.page(
            "portal/matrix_question.html",
            200 if rejected is None else 422,
            user=admitted.account.user,
            shown=self._matrix.first_question(credential, number),
            number=number + 1,
            before=before,
            question="",
            error=_error(rejected),
            action=f"{PAGE}/complete" if before else f"{PAGE}/first",
            look_url=_PATTERN,
            csrf=self._pages.csrf(),
        )

    def _draw_practice(self, admitted: Admitted, name: str, rejected: Rejected | None) -> Response:
        (credential, *_) = self._held(admitted)
        return self._browser.page(
            "portal/matrix_question.html",
            200 if rejected is None else 422,
            user=admitted.account.user,
            shown=self._matrix.practice(credential, name),
            number=0,
            before="",
            question=name,
            error=_error(rejected),
            action=f"{PAGE}/practise",
            look_url=PAGE,
            csrf=self._pages.csrf(),
        )

    def _back(self) -> Response:
        return self._browser.see_other(PAGE)


def _error(rejected: Rejected | None) -> Mapping[str, object] | None:
    return None if rejected is None else {"kind": rejected.why.value, "left": None}
