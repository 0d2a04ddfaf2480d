"""A policy's own tests, tried by the evaluator of production."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import assert_never

from idp_mfa.model import (
    NOT_FACTORS,
    PASSWORD,
    Acr,
    BoundBy,
    Device,
    FactorKind,
    FactorName,
    Page,
    Refusal,
    ServiceId,
    User,
    UserId,
    Verification,
)
from idp_mfa.policy.assurance import PASSWORD_KINDS
from idp_mfa.policy.decide import decide
from idp_mfa.policy.model import (
    Address,
    Bound,
    Decided,
    Decision,
    Deny,
    Effect,
    EnrolFirst,
    Facts,
    Grace,
    Permit,
    Policy,
    Skip,
    StepUp,
)
from idp_mfa.policy.zones import locate
from idp_mfa.yaml_document import Place, Problem

UNREADABLE = "unreadable"
"""A record that cannot be opened."""
UNUSABLE = "unusable"
"""A record that may not sign in: disabled, suspended, retired."""

_NO_SERVICE = ServiceId("")
_AT = datetime(2026, 4, 1, tzinfo=UTC)
LONG_AGO = (BoundBy.CAMPUS, timedelta(days=365))
"""On what proof a factor was bound, and how long ago, unless a test says so."""


class Standing(Enum):
    """How the credentials stand that are not in ``enrolled``."""

    CLEAR = "clear"
    UNREADABLE = UNREADABLE
    UNUSABLE = UNUSABLE


@dataclass(frozen=True, slots=True)
class Given:
    """A request in a policy's own words.

    ``verified`` says how long ago each was shown, ``bound`` on what proof and how long ago. ``at``
    None is whenever the test is tried.
    """

    address: Address | None
    page: Page = Page.SIGN_IN
    service: ServiceId = _NO_SERVICE
    service_tags: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    country: str | None = None
    device: Device = Device.UNKNOWN
    asked: tuple[Acr, ...] = ()
    enrolled: frozenset[FactorName] = frozenset()
    bound: Mapping[FactorName, tuple[BoundBy, timedelta]] = field(default_factory=dict)
    standing: Standing = Standing.CLEAR
    verified: tuple[tuple[FactorName, timedelta], ...] = ((PASSWORD, timedelta()),)
    at: datetime | None = None


class Outcome(Enum):
    """What a test expects; ``skip`` and ``grace`` are permits by a rule that asks for nothing."""

    SKIP = "skip"
    GRACE = "grace"
    PERMIT = "permit"
    ASK = "ask"
    ENROL = "enrol"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come out; None is not looked at."""

    outcome: Outcome
    factors: frozenset[FactorName] | None = None
    acr: Acr | None = None
    why: Refusal | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One test."""

    name: str
    given: Given
    expected: Expected
    place: Place


@dataclass(frozen=True, slots=True)
class Tried:
    """A test with what came out; ``wrong`` is None if it is what was expected."""

    case: Case
    decided: Decided
    wrong: str | None

    @property
    def problem(self) -> Problem | None:
        """What fails, with its place in the policy."""
        if self.wrong is None:
            return None
        return Problem.at(self.case.place, f"test {self.case.name!r} fails: {self.wrong}")


def facts_given(
    policy: Policy,
    given: Given,
    factors: Mapping[FactorName, frozenset[FactorKind]],
    at: datetime = _AT,
) -> Facts:
    """The facts of a request as a test or ``explain`` puts it; each factor is shown at its best."""
    kinds = {**factors, PASSWORD: PASSWORD_KINDS}
    at = given.at or at
    bound = {name: given.bound.get(name, LONG_AGO) for name in given.enrolled}
    return Facts(
        user=User(UserId("test"), "test", "test"),
        groups=given.groups,
        attributes=given.attributes,
        service=given.service,
        service_tags=given.service_tags,
        page=given.page,
        acr_values=given.asked,
        zone=locate(policy, given.address, at),
        address=None if given.address is None else str(given.address),
        country=given.country,
        device=given.device,
        enrolled={name: kinds[name] for name in given.enrolled},
        bound={name: (Bound(by, at - ago),) for name, (by, ago) in bound.items()},
        has_none=given.enrolled <= NOT_FACTORS and given.standing is Standing.CLEAR,
        unreadable=given.standing is Standing.UNREADABLE,
        verified=tuple(
            Verification(name, kinds[name], (), at - ago) for name, ago in given.verified
        ),
        fresh_after=None,
        at=at,
    )


def try_all(
    policy: Policy,
    cases: Sequence[Case],
    factors: Mapping[FactorName, frozenset[FactorKind]],
) -> tuple[Tried, ...]:
    """Every test of a policy, tried."""
    return tuple(
        _tried(case, decide(policy, facts_given(policy, case.given, factors))) for case in cases
    )


def outcome_of(decided: Decided) -> Outcome:
    """What a decision is called in a test."""
    match decided.decision:
        case Permit():
            last = decided.steps[-1]
            if last.effect is not Effect.DECIDED:
                return Outcome.PERMIT
            match last.rule.then:
                case Skip():
                    return Outcome.SKIP
                case Grace():
                    return Outcome.GRACE
                case _:
                    return Outcome.PERMIT
        case StepUp():
            return Outcome.ASK
        case EnrolFirst():
            return Outcome.ENROL
        case Deny():
            return Outcome.DENY
        case never:
            assert_never(never)


def told(decision: Decision) -> str:
    """A decision in a few words."""
    match decision:
        case Permit(acr):
            return f"permit with {acr}"
        case StepUp(offered):
            return f"ask {', '.join(sorted(offered))}"
        case EnrolFirst(allowed):
            return f"enrol {', '.join(sorted(allowed))}"
        case Deny(why):
            return f"deny ({why.value})"
        case never:
            assert_never(never)


def _tried(case: Case, decided: Decided) -> Tried:
    if _as_expected(case.expected, decided):
        return Tried(case, decided, None)
    because = decided.decision.because
    rule = f"rule {because.rule!r}" if because.rule else "no rule"
    return Tried(case, decided, f"{told(decided.decision)}, by {rule} in zone {because.zone}")


def _as_expected(expected: Expected, decided: Decided) -> bool:
    outcome = outcome_of(decided)
    permits = expected.outcome is Outcome.PERMIT and outcome in (Outcome.SKIP, Outcome.GRACE)
    if outcome is not expected.outcome and not permits:
        return False
    if expected.rule is not None and decided.decision.because.rule != expected.rule:
        return False
    match decided.decision:
        case Permit(acr):
            return expected.acr in (None, acr)
        case StepUp(factors) | EnrolFirst(factors):
            return expected.factors in (None, factors)
        case Deny(why):
            return expected.why in (None, why)
        case never:
            assert_never(never)
