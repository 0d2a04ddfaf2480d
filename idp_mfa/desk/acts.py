"""What a warrant can be used for: order an act, agree to somebody else's, carry it out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from idp_mfa.audit import AuditEvent
from idp_mfa.desk.callers import Callers, NotProved, Otherwise, Proof
from idp_mfa.desk.mending import Mending
from idp_mfa.desk.orders import Order, Proposal, Proposals
from idp_mfa.desk.outcome import Done, NotDone
from idp_mfa.desk.roles import Warrant
from idp_mfa.helpdesk import Actor, HelpDesk
from idp_mfa.model import Account, User


@dataclass(frozen=True, slots=True)
class Proposed:
    """It waits for a second of the staff."""

    proposal: Proposal


Outcome = Done | Proposed | NotDone


@dataclass(frozen=True, slots=True)
class Desk:
    """How acts are ordered: with a reason, knowing who calls, by two of the staff if need be."""

    helpdesk: HelpDesk
    mending: Mending
    callers: Callers
    proposals: Proposals

    def hear(self, staff: User, person: Account, typed: str) -> Proof | NotProved:
        """Hold the number that a caller reads out against the one on the person's page."""
        found = self.callers.check(staff, person.user.id, typed)
        by = Actor(staff.login, "")
        if isinstance(found, NotProved):
            self.helpdesk.record(AuditEvent.CALLER_NOT_PROVED, person, by, why=found.value)
        else:
            by = replace(by, evidence=found.on_record)
            self.helpdesk.record(AuditEvent.CALLER_PROVED, person, by)
        return found

    def vouch(self, staff: User, person: Account, how: Otherwise, note: str) -> Proof:
        """Take the staff's own word, and put it on record."""
        proof = self.callers.vouch(staff, person.user.id, how, note)
        by = Actor(staff.login, "", proof.on_record)
        self.helpdesk.record(AuditEvent.CALLER_PROVED, person, by)
        return proof

    def order(self, warrant: Warrant, order: Order) -> Outcome:
        """Do it, or have it wait for a second of the staff."""
        if warrant.act is not order.act:
            raise TypeError("a warrant is for one act")
        if not order.reason.strip():
            return NotDone.NO_REASON
        person = warrant.person
        proof = self.callers.proof(warrant.staff, person.user.id)
        if order.act.opens and (proof is None or not proof.opens):
            return NotDone.NO_PROOF
        if not warrant.takes_two:
            return self.mending.do(person, order, self._actor(warrant.staff, order, proof))
        problem = self.mending.problem(person, order)
        if problem is not None:
            return problem
        by = self._actor(warrant.staff, order, proof)
        self.helpdesk.record(AuditEvent.DESK_PROPOSED, person, by, act=order.act.value)
        return Proposed(self.proposals.propose(order, person.user, warrant.staff, proof))

    def approve(self, warrant: Warrant, proposal: Proposal) -> NotDone | None:
        """Agree to somebody else's order; None when it may be carried out."""
        refused = _not_the_second(warrant, proposal)
        if refused is not None:
            return refused
        by = Actor(warrant.staff.login, proposal.order.reason)
        self.helpdesk.record(
            AuditEvent.DESK_APPROVED,
            warrant.person,
            by,
            act=proposal.order.act.value,
            proposed_by=proposal.by.login,
        )
        return None if self.proposals.approve(proposal, warrant.staff) else NotDone.GONE

    def decline(self, warrant: Warrant, proposal: Proposal) -> NotDone | None:
        """Take it off the list, as its author or as the second; None when it is off."""
        if not self.proposals.drop(proposal):
            return NotDone.GONE
        by = Actor(warrant.staff.login, proposal.order.reason)
        self.helpdesk.record(
            AuditEvent.DESK_DECLINED,
            warrant.person,
            by,
            act=proposal.order.act.value,
            proposed_by=proposal.by.login,
        )
        return None

    def carry_out(
        self, warrant: Warrant, proposal: Proposal, codes: tuple[str, str] = ("", "")
    ) -> Outcome:
        """What a second agreed to, by its author and once: only the author sees a passcode.

        ``codes`` are those of a token, which are typed now; mistyped ones cost no second agreement.
        """
        second = proposal.approved_by
        if second is None or warrant.staff.id != proposal.by.id:
            return NotDone.NOT_APPROVED
        if warrant.act is not proposal.order.act or warrant.person.user.id != proposal.person.id:
            raise TypeError("a warrant is for one act for one person")
        if not self.proposals.drop(proposal):
            return NotDone.GONE
        by = self._actor(warrant.staff, proposal.order, proposal.proof, second)
        done = self.mending.do(warrant.person, replace(proposal.order, codes=codes), by)
        if done in _TYPED_WRONG:
            self.proposals.put_back(proposal)
        return done

    def _actor(
        self, staff: User, order: Order, proof: Proof | None, second: User | None = None
    ) -> Actor:
        return Actor(
            staff.login,
            order.reason.strip(),
            {
                **({} if proof is None else proof.on_record),
                **({} if second is None else {"approved_by": second.login}),
            },
        )


_TYPED_WRONG = (NotDone.WRONG_CODES, NotDone.CODES_USED, NotDone.TOO_MANY_TRIES)


def _not_the_second(warrant: Warrant, proposal: Proposal) -> NotDone | None:
    if warrant.act is not proposal.order.act or warrant.person.user.id != proposal.person.id:
        raise TypeError("a warrant is for one act for one person")
    if warrant.staff.id == proposal.by.id:
        return NotDone.OWN_PROPOSAL
    return NotDone.GONE if proposal.approved_by is not None else None
