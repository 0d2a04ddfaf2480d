"""The desk's acts on hardware tokens: hand one out, set its clock right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from idp_mfa.desk.orders import Order
from idp_mfa.desk.outcome import Done, NotDone
from idp_mfa.hardware_tokens import HardwareTokens, NotResynchronised, Resynchronised
from idp_mfa.helpdesk import Actor
from idp_mfa.model import Account
from idp_mfa.ports import Throttled
from idp_mfa.token_stock import Assigned, NotAssigned, TokenStock


@dataclass(frozen=True, slots=True)
class TokenActs:
    """``stock`` is None where a site keeps none."""

    stock: TokenStock | None
    tokens: HardwareTokens

    def assign(self, person: Account, order: Order, by: Actor) -> Done | NotDone:
        """The token of a serial number, in place of every key that the person has."""
        if self.stock is None:
            return NotDone.NOTHING
        done = self.stock.assign(person, order.serial or "", by)
        return Done(done.reference) if isinstance(done, Assigned) else _not_assigned(done)

    def unassignable(self, person: Account, order: Order) -> NotDone | None:
        """Why the token could not be handed out as things stand; nothing is changed."""
        if self.stock is None:
            return NotDone.NOTHING
        problem = self.stock.problem(person, order.serial or "")
        return None if problem is None else _not_assigned(problem)

    def resynchronise(self, person: Account, order: Order, by: Actor) -> Done | NotDone:
        """By two codes that the token shows one after the other."""
        theirs = (one for one in self.tokens.of(person) if one.id == order.credential)
        token = next(theirs, None)
        if token is None:
            return NotDone.NOTHING
        match self.tokens.resynchronise(person, token, order.codes, by):
            case Resynchronised(reference=reference):
                return Done(reference)
            case NotResynchronised.NO_TOKEN:
                return NotDone.NOTHING
            case NotResynchronised.WRONG_CODES:
                return NotDone.WRONG_CODES
            case NotResynchronised.ALREADY_USED:
                return NotDone.CODES_USED
            case NotResynchronised.CHANGED_ELSEWHERE:
                return NotDone.CHANGED
            case Throttled():
                return NotDone.TOO_MANY_TRIES
            case never:
                assert_never(never)


def _not_assigned(why: NotAssigned) -> NotDone:
    match why:
        case NotAssigned.NO_SUCH_TOKEN:
            return NotDone.NO_SUCH_TOKEN
        case NotAssigned.HELD:
            return NotDone.TOKEN_HELD
        case NotAssigned.THEIRS_ALREADY:
            return NotDone.THEIRS_ALREADY
        case NotAssigned.UNREADABLE:
            return NotDone.UNREADABLE
        case NotAssigned.CHANGED_ELSEWHERE:
            return NotDone.CHANGED
        case never:
            assert_never(never)
