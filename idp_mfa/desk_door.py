"""The door to the help desk's pages: our own sign-in, the policy's word, and a role."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response

from idp_mfa.audit import AuditEvent
from idp_mfa.desk.roles import DeskOptions, Member, member
from idp_mfa.model import Account, Page
from idp_mfa.own_pages import OwnPages
from idp_mfa.signin.outcomes import Admitted

PAGE = "/admin"


@dataclass(frozen=True, slots=True)
class Inside:
    """One of the staff in a page of the desk."""

    admitted: Admitted
    member: Member


class DeskDoor:
    """Lets in whoever the policy admits to ``desk`` and a group gives a role to."""

    def __init__(self, pages: OwnPages, options: DeskOptions) -> None:
        self._pages = pages
        self._options = options
        self.browser = pages.browser

    def enter(self, path: str) -> Inside | Response:
        """For looking; who has to sign in comes back to this path."""
        there = self._pages.at(path)
        return self._let_in(there.admitted(Page.DESK))

    def acting(self, back: str) -> Inside | Response:
        """For a form; one that our page did not send leads back to it."""
        return self._let_in(self._pages.at(back).acting(Page.DESK, back))

    def csrf(self) -> str:
        """The token of this browser's session, for a form."""
        return self._pages.csrf()

    def looked(self, inside: Inside, person: Account, at: str) -> None:
        """Put on record that one of the staff looked at somebody."""
        self._pages.record(
            AuditEvent.DESK_LOOKED,
            inside.admitted,
            self._pages.reference(),
            person=person.user.id,
            at=at,
        )

    def listed(self, inside: Inside, roster: str, people: int) -> None:
        """Put on record that one of the staff looked at a list."""
        self._pages.record(
            AuditEvent.DESK_LOOKED,
            inside.admitted,
            self._pages.reference(),
            at="list",
            list=roster,
            people=people,
        )

    def _let_in(self, admitted: Admitted | Response) -> Inside | Response:
        if isinstance(admitted, Response):
            return admitted
        found = member(admitted.account, self._options)
        if found is not None:
            return Inside(admitted, found)
        reference = self._pages.reference()
        self._pages.record(
            AuditEvent.PAGE_REFUSED, admitted, reference, page=Page.DESK.value, cause="no-role"
        )
        return self.browser.page(
            "admin/refused.html",
            403,
            user=admitted.account.user,
            csrf=self.csrf(),
            reference=reference,
        )
