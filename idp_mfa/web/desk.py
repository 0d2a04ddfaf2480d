"""The help desk's pages: find a person, make sure who calls, and mend what is broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import assert_never
from urllib.parse import quote

from flask import Response, request

from idp_mfa.browser import Route
from idp_mfa.desk.acts import Desk, Outcome, Proposed
from idp_mfa.desk.callers import NotProved, Otherwise, Proof
from idp_mfa.desk.orders import Order, Proposal
from idp_mfa.desk.outcome import Done, NotDone
from idp_mfa.desk.roles import Act, Case, Warrant
from idp_mfa.desk_door import PAGE, DeskDoor, Inside
from idp_mfa.desk_views import factor_row, person_card, proof_row, waiting_row
from idp_mfa.helpdesk import WrongCodes
from idp_mfa.model import CredentialId, FactorName, UserId
from idp_mfa.policy.model import Policy
from idp_mfa.ports import Directory, Unavailable

MOST_FOUND = 20
HOURS = (1, 4, 8, 24, 72)
_LONGEST = 200
_STAND = ("reason", "serial", "address")


class DeskPages:
    """Every act is asked for at one address; what is done is what the case holds a warrant for."""

    def __init__(
        self,
        door: DeskDoor,
        desk: Desk,
        directory: Directory,
        policy: Callable[[], Policy],
    ) -> None:
        self._door = door
        self._browser = door.browser
        self._desk = desk
        self._directory = directory
        self._policy = policy

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        person, proposal = f"{PAGE}/person/<id>", f"{PAGE}/proposal/<id>"
        steps = {"approve": self.approve, "decline": self.decline, "carry-out": self.carry_out}
        return (
            Route(PAGE, "desk", self.home),
            Route(f"{PAGE}/find", "desk.find", self.find, ("POST",)),
            Route(f"{PAGE}/find", "desk.find.back", self._home),
            Route(person, "desk.person", self.person),
            *(
                Route(f"{person}/{step}", f"desk.{step}", act, ("POST",))
                for step, act in {"caller": self.caller, "act": self.act}.items()
            ),
            *(
                Route(f"{person}/{step}", f"desk.{step}.back", self._person_page)
                for step in ("caller", "act")
            ),
            *(
                Route(f"{proposal}/{step}", f"desk.{step}", act, ("POST",))
                for step, act in steps.items()
            ),
            *(Route(f"{proposal}/{step}", f"desk.{step}.back", self._list) for step in steps),
        )

    # -- finding -----------------------------------------------------------------------------

    def home(self) -> Response:
        """One field, and what waits for a second of the staff."""
        inside = self._door.enter(PAGE)
        return inside if isinstance(inside, Response) else self._draw_home(inside)

    def find(self) -> Response:
        """By ID, name or mail; sent as a form, so that no name stands in an address."""
        inside = self._door.acting(PAGE)
        if isinstance(inside, Response):
            return inside
        typed = request.form.get("q", "").strip()[:_LONGEST]
        found = []
        for user in self._directory.search(typed, MOST_FOUND) if typed else ():
            account = self._directory.read(user.id)
            if account is not None and inside.member.case(account) is not None:
                found.append(user)
        return self._draw_home(inside, typed=typed, found=found)

    def _draw_home(self, inside: Inside, **context: object) -> Response:
        shown = {"typed": "", "found": None, "error": None, **context}
        return self._browser.page(
            "admin/home.html",
            200 if shown["error"] is None else 422,
            user=inside.admitted.account.user,
            roles=[role.value for role in inside.member.roles],
            find_action=f"{PAGE}/find",
            story_action=f"{PAGE}/story",
            now_url=f"{PAGE}/now",
            lists_url=f"{PAGE}/lists",
            most=MOST_FOUND,
            person_url=_person_url,
            waiting=[row for row in self._waiting(inside) if row is not None],
            csrf=self._door.csrf(),
            **shown,
        )

    def _waiting(self, inside: Inside) -> list[Mapping[str, object] | None]:
        return [self._waits(inside, one) for one in self._desk.proposals.waiting()]

    def _waits(self, inside: Inside, proposal: Proposal) -> Mapping[str, object] | None:
        if self._warrant_of(inside, proposal) is None:
            return None
        return {
            **waiting_row(proposal, inside.member.user),
            "url": f"{PAGE}/proposal/{proposal.id}",
            "at": self._browser.moment(proposal.at),
        }

    # -- one person --------------------------------------------------------------------------

    def person(self, id: str) -> Response:
        """How they stand, and what may be done."""
        inside = self._door.enter(_person_url(id))
        if isinstance(inside, Response):
            return inside
        case = self._case(inside, id)
        if case is None:
            return self._browser.error("not-found", 404)
        self._door.looked(inside, case.person, "person")
        return self._draw(inside, case)

    def caller(self, id: str) -> Response:
        """Make sure who calls: by the number that they read out, or otherwise."""
        inside = self._door.acting(_person_url(id))
        if isinstance(inside, Response):
            return inside
        case = self._case(inside, id)
        if case is None or not case.warrants:
            return self._browser.error("not-found", 404)
        staff, person = inside.member.user, case.person
        how = next((one for one in Otherwise if one.value == request.form.get("how")), None)
        if how is not None:
            note = request.form.get("note", "").strip()
            proof: Proof | NotProved = self._desk.vouch(staff, person, how, note)
        else:
            proof = self._desk.hear(staff, person, request.form.get("number", "")[:_LONGEST])
        if isinstance(proof, NotProved):
            return self._draw(inside, case, error=f"caller-{proof.value}")
        return self._browser.see_other(_person_url(id))

    def act(self, id: str) -> Response:
        """One act for one person; without a warrant there is no such thing."""
        inside = self._door.acting(_person_url(id))
        if isinstance(inside, Response):
            return inside
        case = self._case(inside, id)
        asked = next((one for one in Act if one.value == request.form.get("act")), None)
        warrant = None if case is None or asked is None else case.warrants.get(asked)
        if case is None or warrant is None:
            return self._browser.error("not-found", 404)
        return self._tell(inside, warrant, self._desk.order(warrant, self._order(warrant)))

    # -- two of the staff --------------------------------------------------------------------

    def approve(self, id: str) -> Response:
        """Agree to what a colleague asked for."""
        return self._on_proposal(id, self._desk.approve)

    def decline(self, id: str) -> Response:
        """Take it off the list."""
        return self._on_proposal(id, self._desk.decline)

    def carry_out(self, id: str) -> Response:
        """Do what a colleague agreed to."""
        found = self._proposal(id)
        if isinstance(found, Response):
            return found
        inside, warrant, proposal = found
        outcome = self._desk.carry_out(warrant, proposal, _codes())
        if isinstance(outcome, NotDone) and self._desk.proposals.find(proposal.id) is not None:
            return self._draw_home(inside, error=outcome.value)
        return self._tell(inside, warrant, outcome)

    def _on_proposal(
        self, id: str, step: Callable[[Warrant, Proposal], NotDone | None]
    ) -> Response:
        found = self._proposal(id)
        if isinstance(found, Response):
            return found
        inside, warrant, proposal = found
        refused = step(warrant, proposal)
        if refused is not None:
            return self._draw_home(inside, error=refused.value)
        return self._home()

    def _proposal(self, id: str) -> tuple[Inside, Warrant, Proposal] | Response:
        inside = self._door.acting(PAGE)
        if isinstance(inside, Response):
            return inside
        proposal = self._desk.proposals.find(id)
        warrant = None if proposal is None else self._warrant_of(inside, proposal)
        if proposal is None or warrant is None:
            return self._draw_home(inside, error=NotDone.GONE.value)
        return inside, warrant, proposal

    def _warrant_of(self, inside: Inside, proposal: Proposal) -> Warrant | None:
        case = self._case(inside, proposal.person.id)
        return None if case is None else case.warrants.get(proposal.order.act)

    # -- inside ------------------------------------------------------------------------------

    def _case(self, inside: Inside, id: str) -> Case | None:
        account = self._directory.read(UserId(id))
        return None if account is None else inside.member.case(account)

    def _order(self, warrant: Warrant) -> Order:
        sent = request.form.get
        hours, zone = sent("hours", ""), sent("zone", "")
        generation = sent("generation", "")
        return Order(
            act=warrant.act,
            reason=sent("reason", "")[:_LONGEST],
            generation=int(generation) if generation.isascii() and generation.isdigit() else -1,
            credential=CredentialId(sent("credential", "")) or None,
            factor=FactorName(sent("factor", "")) or None,
            life=timedelta(hours=int(hours)) if hours in map(str, HOURS) else None,
            zone=zone if zone in self._policy().zones else None,
            address=sent("address"),
            serial=sent("serial", "")[:_LONGEST],
            codes=_codes(),
        )

    def _tell(self, inside: Inside, warrant: Warrant, outcome: Outcome) -> Response:
        match outcome:
            case Done(reference, passcode):
                return self._browser.page(
                    "admin/done.html",
                    user=inside.admitted.account.user,
                    person=warrant.person.user,
                    act=warrant.act.value,
                    code=None if passcode is None else passcode.code,
                    until=None if passcode is None else self._browser.moment(passcode.until),
                    person_url=_person_url(warrant.person.user.id),
                    home_url=PAGE,
                    csrf=self._door.csrf(),
                    reference=reference,
                )
            case Proposed():
                return self._home()
            case NotDone():
                now = self._case(inside, warrant.person.user.id)
                if now is None:
                    return self._browser.error("not-found", 404)
                return self._draw(inside, now, error=outcome.value, opened=warrant.act)
            case never:
                assert_never(never)

    def _draw(
        self, inside: Inside, case: Case, error: str | None = None, opened: Act | None = None
    ) -> Response:
        """``opened`` is what was asked for and not done: its form stands there as it was sent."""
        person = case.person
        proof = self._desk.callers.proof(inside.member.user, person.user.id)
        tokens = self._desk.mending.tokens
        return self._browser.page(
            "admin/person.html",
            200 if error is None else 422,
            user=inside.admitted.account.user,
            **person_card(case),
            protected=inside.member.options.is_protected(person),
            wrong_codes=self._wrong_codes(case),
            sessions=len(self._desk.mending.sessions.of(person.user.id)),
            tokens=[factor_row(one) for one in tokens.tokens.of(person)],
            stock=tokens.stock is not None,
            proof=None if proof is None else proof_row(proof),
            zones=sorted(self._policy().zones),
            hours=HOURS,
            otherwise=[one.value for one in Otherwise],
            error=error,
            opened=None if opened is None else opened.value,
            sent={one: request.form.get(one, "")[:_LONGEST] for one in _STAND if opened},
            caller_action=f"{_person_url(person.user.id)}/caller",
            act_action=f"{_person_url(person.user.id)}/act",
            home_url=PAGE,
            csrf=self._door.csrf(),
        )

    def _wrong_codes(self, case: Case) -> WrongCodes | None:
        try:
            return self._desk.helpdesk.wrong_codes(case.person)
        except Unavailable:
            return None

    def _home(self) -> Response:
        return self._browser.see_other(PAGE)

    def _list(self, id: str) -> Response:
        del id
        return self._home()

    def _person_page(self, id: str) -> Response:
        return self._browser.see_other(_person_url(id))


def _codes() -> tuple[str, str]:
    return request.form.get("first", "")[:_LONGEST], request.form.get("second", "")[:_LONGEST]


def _person_url(id: str) -> str:
    return f"{PAGE}/person/{quote(id, safe='')}"
