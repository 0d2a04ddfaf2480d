"""What is asked to be done for a person, and those orders that wait for a second of the staff."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from idp_mfa.desk.callers import Proof, proof_from_json, proof_to_json
from idp_mfa.desk.roles import Act
from idp_mfa.model import Clock, CredentialId, FactorName, Randomness, User
from idp_mfa.ports import StateStore
from idp_mfa.stored import user_from_json, user_to_json

WAITS = timedelta(hours=24)
_LIST = "desk:waiting"
_MOST = 100
_SWAPS = 20


@dataclass(frozen=True, slots=True)
class Order:
    """One act with all that it takes; ``generation`` is that of the records that were looked at.

    An order made from a page that somebody else's act has overtaken is not carried out. ``codes``
    are a token's, shown one after the other: they are never kept, and come with the carrying out.
    """

    act: Act
    reason: str
    generation: int
    credential: CredentialId | None = None
    factor: FactorName | None = None
    life: timedelta | None = None
    zone: str | None = None
    address: str | None = None
    serial: str | None = None
    codes: tuple[str, str] = field(default=("", ""), repr=False)


@dataclass(frozen=True, slots=True)
class Proposal:
    """An order that waits for somebody else of the staff, or for its author once they agreed."""

    id: str
    order: Order
    person: User
    by: User
    at: datetime
    proof: Proof | None
    approved_by: User | None = None


@dataclass(frozen=True, slots=True)
class Proposals:
    """Kept in the store for a day: what is lost is asked for again."""

    store: StateStore
    clock: Clock
    randomness: Randomness

    def propose(self, order: Order, person: User, by: User, proof: Proof | None) -> Proposal:
        """Have it wait."""
        id = base64.b32encode(self.randomness(15)).decode().lower()
        made = Proposal(id, order, person, by, self.clock(), proof)
        self.store.put(_key(id), _encode(made), WAITS)
        for _ in range(_SWAPS):
            kept = self.store.get(_LIST)
            if kept is None:
                self.store.put(_LIST, json.dumps([id]).encode(), WAITS)
                break
            after = json.dumps([id, *json.loads(kept)][:_MOST]).encode()
            if self.store.swap(_LIST, kept, after, WAITS):
                break
        return made

    def waiting(self) -> tuple[Proposal, ...]:
        """All of them, the newest first."""
        kept = self.store.get(_LIST)
        found = [] if kept is None else [self.find(id) for id in json.loads(kept)]
        return tuple(one for one in found if one is not None)

    def find(self, id: str) -> Proposal | None:
        """One that waits still."""
        kept = self.store.get(_key(id)) if id.isascii() and id.isalnum() else None
        return None if kept is None else _decode(kept)

    def approve(self, proposal: Proposal, by: User) -> bool:
        """Agree; of two who do, and of one who declines meanwhile, one is told true."""
        agreed = replace(proposal, approved_by=by)
        return self.store.swap(
            _key(proposal.id), _encode(proposal), _encode(agreed), self._left(proposal)
        )

    def drop(self, proposal: Proposal) -> bool:
        """Decline it, or take it to be carried out: true for the first caller only."""
        return self.store.take(_key(proposal.id)) is not None

    def put_back(self, proposal: Proposal) -> None:
        """What was taken, and could not be carried out because of what was typed, waits again."""
        self.store.put(_key(proposal.id), _encode(proposal), self._left(proposal))

    def _left(self, proposal: Proposal) -> timedelta:
        return max(proposal.at + WAITS - self.clock(), timedelta(seconds=1))


def _key(id: str) -> str:
    return f"desk:proposal:{id}"


def _encode(proposal: Proposal) -> bytes:
    order = proposal.order
    return json.dumps(
        {
            "id": proposal.id,
            "person": user_to_json(proposal.person),
            "by": user_to_json(proposal.by),
            "at": proposal.at.isoformat(),
            "proof": None if proposal.proof is None else proof_to_json(proposal.proof),
            "approved_by": (
                None if proposal.approved_by is None else user_to_json(proposal.approved_by)
            ),
            "act": order.act.value,
            "reason": order.reason,
            "generation": order.generation,
            "credential": order.credential,
            "factor": order.factor,
            "hours": None if order.life is None else order.life.total_seconds() / 3600,
            "zone": order.zone,
            "address": order.address,
            "serial": order.serial,
        }
    ).encode()


def _decode(kept: bytes) -> Proposal:
    value: Mapping[str, Any] = json.loads(kept)
    hours = value["hours"]
    order = Order(
        Act(value["act"]),
        value["reason"],
        value["generation"],
        value["credential"],
        value["factor"],
        None if hours is None else timedelta(hours=hours),
        value["zone"],
        value["address"],
        value["serial"],
    )
    return Proposal(
        value["id"],
        order,
        user_from_json(value["person"]),
        user_from_json(value["by"]),
        datetime.fromisoformat(value["at"]),
        None if value["proof"] is None else proof_from_json(value["proof"]),
        None if value["approved_by"] is None else user_from_json(value["approved_by"]),
    )
