"""A decision as the record holds it: the facts that it was made from, and what it said.

Of groups and attributes only those are kept that the policy names; which ones those were is kept
too, so that a later policy is not judged by what nobody looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from idp_mfa.audit import AuditRecord
from idp_mfa.model import (
    Acr,
    BoundBy,
    Device,
    FactorKind,
    FactorName,
    Page,
    Refusal,
    Seen,
    ServiceId,
    User,
    UserId,
)
from idp_mfa.policy.cases import Outcome, outcome_of
from idp_mfa.policy.model import (
    Bound,
    Decided,
    Deny,
    EnrolFirst,
    Facts,
    Permit,
    Policy,
    StepUp,
    ZoneName,
)
from idp_mfa.stored import verifications_from_json, verifications_to_json

VERSION_LETTERS = 12
"""How much of a policy's digest names it on record."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a decision says: ``factors`` are those asked or to be set up."""

    outcome: Outcome
    rule: str
    factors: frozenset[FactorName] = frozenset()
    acr: Acr | None = None
    why: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A decision read from the record.

    ``groups`` and ``attributes`` are the names that were looked at; ``facts`` hold what was found
    of them. ``seen`` None: where it came from cannot be opened; ``facts`` then have no address,
    and the zone that was told at the time.
    """

    record: AuditRecord
    policy: str
    facts: Facts
    groups: frozenset[str]
    attributes: frozenset[str]
    seen: Seen | None
    verdict: Verdict


def verdict_of(decided: Decided) -> Verdict:
    """A decision without its reasons."""
    decision = decided.decision
    outcome, rule = outcome_of(decided), decision.because.rule
    match decision:
        case Permit(acr):
            return Verdict(outcome, rule, acr=acr)
        case StepUp(factors) | EnrolFirst(factors):
            return Verdict(outcome, rule, factors=factors)
        case Deny(why):
            return Verdict(outcome, rule, why=why)
        case never:
            assert_never(never)


def to_record(policy: Policy, facts: Facts, decided: Decided) -> dict[str, Any]:
    """Plain JSON, beside what every line of a sign-in holds: who, for which service, from where.

    What is empty is left out.
    """
    verdict = verdict_of(decided)
    told: dict[str, Any] = {
        "policy": policy.version[:VERSION_LETTERS],
        "outcome": verdict.outcome.value,
        "rule": verdict.rule,
        "factors": sorted(verdict.factors),
        "acr": verdict.acr,
        "why": None if verdict.why is None else verdict.why.value,
        "at": facts.at.isoformat(),
        "page": facts.page.value,
        "tags": sorted(facts.service_tags),
        "asked": list(facts.acr_values),
        "zone": facts.zone,
        "country": facts.country,
        "device": facts.device.value,
        "groups": {group: group in facts.groups for group in sorted(policy.groups)},
        "attributes": {
            name: None if (values := facts.attributes.get(name)) is None else list(values)
            for name in sorted(policy.attributes)
        },
        "enrolled": {
            factor: sorted(kind.value for kind in kinds) for factor, kinds in facts.enrolled.items()
        },
        "bound": {
            factor: [[one.by.value, one.at.isoformat()] for one in each]
            for factor, each in facts.bound.items()
        },
        "has_none": facts.has_none,
        "alone": facts.alone,
        "unreadable": facts.unreadable,
        "verified": verifications_to_json(facts.verified),
        "fresh_after": None if facts.fresh_after is None else facts.fresh_after.isoformat(),
    }
    return {name: value for name, value in told.items() if value}


def from_record(record: AuditRecord) -> Recorded | None:
    """The decision of a line; None if it has none, or one of another make."""
    value = record.decision
    if value is None:
        return None
    try:
        return _recorded(record, value)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _recorded(record: AuditRecord, value: Mapping[str, Any]) -> Recorded:
    seen = record.seen
    if seen is None and record.veiled is not None and record.veiled.address is None:
        seen = Seen(None, ())
    groups: Mapping[str, bool] = value.get("groups", {})
    attributes: Mapping[str, list[str] | None] = value.get("attributes", {})
    fresh_after = value.get("fresh_after")
    facts = Facts(
        user=User(record.user or UserId(""), "", ""),
        groups=frozenset(group for group, is_member in groups.items() if is_member),
        attributes={
            name: tuple(values) for name, values in attributes.items() if values is not None
        },
        service=record.service or ServiceId(""),
        service_tags=frozenset(value.get("tags", ())),
        page=Page(value["page"]),
        acr_values=tuple(map(Acr, value.get("asked", ()))),
        zone=ZoneName(value["zone"]),
        address=None if seen is None or seen.address is None else str(seen.address),
        country=value.get("country"),
        device=Device(value["device"]),
        enrolled={
            FactorName(factor): frozenset(map(FactorKind, kinds))
            for factor, kinds in value.get("enrolled", {}).items()
        },
        bound={
            FactorName(factor): tuple(
                Bound(BoundBy(by), datetime.fromisoformat(at)) for by, at in each
            )
            for factor, each in value.get("bound", {}).items()
        },
        has_none=value.get("has_none", False),
        unreadable=value.get("unreadable", False),
        verified=verifications_from_json(value.get("verified", [])),
        fresh_after=None if fresh_after is None else datetime.fromisoformat(fresh_after),
        at=datetime.fromisoformat(value["at"]),
        alone=value.get("alone", False),
    )
    return Recorded(
        record,
        value["policy"],
        facts,
        frozenset(groups),
        frozenset(attributes),
        seen,
        _verdict(value),
    )


def _verdict(value: Mapping[str, Any]) -> Verdict:
    why = value.get("why")
    return Verdict(
        Outcome(value["outcome"]),
        value.get("rule", ""),
        frozenset(map(FactorName, value.get("factors", ()))),
        value.get("acr"),
        None if why is None else Refusal(why),
    )
