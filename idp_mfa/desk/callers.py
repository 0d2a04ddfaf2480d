"""Who calls: a number that a signed-in person reads out, or how it was checked otherwise.

The number is shown to its owner, asked for by the desk, and spent by the first right answer.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from idp_mfa.model import NOT_FACTORS, PASSWORD, Clock, FactorName, Randomness, User, UserId
from idp_mfa.ports import StateStore
from idp_mfa.throttle import Throttle

NUMBER_LIVES = timedelta(minutes=5)
PROOF_LIVES = timedelta(minutes=15)
DIGITS = 6
TRIES = 3
"""Wrong numbers that void it: the desk asks for a new one."""


class Otherwise(Enum):
    """How the staff made sure without a number."""

    CARD = "card"
    CALLED_BACK = "called-back"
    VIDEO = "video"
    COLLEAGUE = "colleague"


@dataclass(frozen=True, slots=True)
class Number:
    """What its owner reads out."""

    digits: str = field(repr=False)
    until: datetime


@dataclass(frozen=True, slots=True)
class Proof:
    """Why the caller is taken to be the person.

    ``shown`` is what the session had shown in which the number stood. ``otherwise`` and ``note``
    are the staff's own word.
    """

    shown: tuple[FactorName, ...] = ()
    otherwise: Otherwise | None = None
    note: str = ""

    @property
    def opens(self) -> bool:
        """Whether it is more than the password, which a thief may have, or what the desk gave."""
        return self.otherwise is not None or not {PASSWORD, *NOT_FACTORS}.issuperset(self.shown)

    @property
    def on_record(self) -> dict[str, str]:
        """For the audit."""
        if self.otherwise is None:
            return {"caller": "number", "caller_shown": " ".join(self.shown)}
        return {"caller": self.otherwise.value, "caller_note": self.note}


class NotProved(Enum):
    """Why a number does not count."""

    NONE_ASKED = "none-asked"
    WRONG = "wrong"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Callers:
    """Numbers and proofs, in the store under marks of the people."""

    store: StateStore
    throttle: Throttle
    clock: Clock
    randomness: Randomness

    def number(self, owner: UserId, shown: tuple[FactorName, ...]) -> Number:
        """A new number for somebody who is signed in; an older one is void."""
        drawn = int.from_bytes(self.randomness(16)) % 10**DIGITS
        digits = f"{drawn:0{DIGITS}}"
        until = self.clock() + NUMBER_LIVES
        kept = {
            "mark": self._mark_of(owner, digits),
            "shown": list(shown),
            "left": TRIES,
            "until": until.isoformat(),
        }
        self.store.put(self._key(owner), json.dumps(kept).encode(), NUMBER_LIVES)
        return Number(digits, until)

    def check(self, staff: User, owner: UserId, typed: str) -> Proof | NotProved:
        """Take a try, then look; of several right answers one counts, once."""
        key = self._key(owner)
        found = self.store.get(key)
        if found is None:
            return NotProved.NONE_ASKED
        kept = json.loads(found)
        life = datetime.fromisoformat(kept["until"]) - self.clock()
        if kept["left"] < 1 or life <= timedelta(0):
            return NotProved.VOID
        tried = json.dumps({**kept, "left": kept["left"] - 1}).encode()
        if not self.store.swap(key, found, tried, life):
            return NotProved.WRONG
        digits = "".join(one for one in typed if one.isascii() and one.isdigit())
        right = hmac.compare_digest(self._mark_of(owner, digits), kept["mark"])
        spent = json.dumps({**kept, "left": 0}).encode()
        if not right or not self.store.swap(key, tried, spent, life):
            return NotProved.WRONG
        proof = Proof(tuple(map(FactorName, kept["shown"])))
        self._keep(staff, owner, proof)
        return proof

    def vouch(self, staff: User, owner: UserId, otherwise: Otherwise, note: str) -> Proof:
        """The staff's own word that identity was checked, and how."""
        proof = Proof((), otherwise, note[:200])
        self._keep(staff, owner, proof)
        return proof

    def proof(self, staff: User, owner: UserId) -> Proof | None:
        """What counts now for this member of the staff and this person."""
        found = self.store.get(self._proof_key(staff, owner))
        return None if found is None else proof_from_json(json.loads(found))

    def _keep(self, staff: User, owner: UserId, proof: Proof) -> None:
        line = json.dumps(proof_to_json(proof)).encode()
        self.store.put(self._proof_key(staff, owner), line, PROOF_LIVES)

    def _key(self, owner: UserId) -> str:
        return f"caller:{self.throttle.mark('user', owner)}"

    def _proof_key(self, staff: User, owner: UserId) -> str:
        return f"caller-proof:{self.throttle.mark('caller', json.dumps([staff.id, owner]))}"

    def _mark_of(self, owner: UserId, digits: str) -> str:
        return self.throttle.mark("caller-number", json.dumps([owner, digits]))


def proof_to_json(proof: Proof) -> dict[str, object]:
    """Plain JSON."""
    return {
        "shown": list(proof.shown),
        "otherwise": None if proof.otherwise is None else proof.otherwise.value,
        "note": proof.note,
    }


def proof_from_json(value: dict[str, object]) -> Proof:
    """And back."""
    shown, otherwise = value["shown"], value["otherwise"]
    return Proof(
        tuple(FactorName(str(one)) for one in shown) if isinstance(shown, list) else (),
        None if otherwise is None else Otherwise(otherwise),
        str(value["note"]),
    )
