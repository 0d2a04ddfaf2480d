"""What the desk's pages show of people and of orders that wait (pure): never a secret."""

from __future__ import annotations

from collections.abc import Mapping

from idp_mfa.desk.callers import Proof
from idp_mfa.desk.mending import suspended
from idp_mfa.desk.orders import Proposal
from idp_mfa.desk.roles import Case
from idp_mfa.letters import masked
from idp_mfa.model import NOT_FACTORS, Credential, CredentialState, FactorName, User

_RESETTABLE = (CredentialState.ACTIVE, CredentialState.DISABLED, CredentialState.UNFINISHED)


def person_card(case: Case) -> Mapping[str, object]:
    """One person, how they stand, and what may be done."""
    person, credentials = case.person, case.person.credentials
    address = credentials.reissue_address
    return {
        "person": person.user,
        "standing": person.standing.state.value,
        "groups": sorted(person.groups),
        "factors": [factor_row(one) for one in credentials.factors if one.ended_at is None],
        "unreadable": credentials.unreadable,
        "address": None if address is None else masked(address.secret["address"]),
        "generation": credentials.generation,
        "acts": [act.value for act in case.warrants],
        "two": [act.value for act, one in case.warrants.items() if one.takes_two],
        "resettable": _resettable(credentials.factors),
        "suspended": suspended(person),
    }


def factor_row(one: Credential) -> Mapping[str, object]:
    """One factor of somebody's."""
    return {
        "id": one.id,
        "factor": one.factor,
        "state": one.state.value,
        "label": one.label,
        "since": one.bound_at,
        "bound_by": one.bound_by.value,
    }


def waiting_row(proposal: Proposal, reader: User) -> Mapping[str, object]:
    """One order that waits for a second of the staff, as one of them sees it."""
    second, proof = proposal.approved_by, proposal.proof
    return {
        "act": proposal.order.act.value,
        "reason": proposal.order.reason,
        "person": proposal.person,
        "by": proposal.by.login,
        "mine": proposal.by.id == reader.id,
        "address": proposal.order.address,
        "serial": proposal.order.serial,
        "caller": None if proof is None else proof_row(proof),
        "approved_by": None if second is None else second.login,
    }


def proof_row(proof: Proof) -> Mapping[str, object]:
    """Why the caller is taken to be the person."""
    return {
        "otherwise": None if proof.otherwise is None else proof.otherwise.value,
        "note": proof.note,
        "shown": proof.shown,
        "opens": proof.opens,
    }


def _resettable(factors: tuple[Credential, ...]) -> list[FactorName]:
    found = (
        one.factor
        for one in factors
        if one.state in _RESETTABLE and one.ended_at is None and one.factor not in NOT_FACTORS
    )
    return list(dict.fromkeys(found))
