"""The sign-in as one pure function: no input, no output, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from idp_mfa.factor import Challenge
from idp_mfa.model import Acr, Because, FactorName, Refusal, User, Verification
from idp_mfa.policy.model import Decision, Deny, EnrolFirst, Permit, StepUp


@dataclass(frozen=True, slots=True)
class AwaitIdentity:
    """Nobody is known yet: the password page."""


@dataclass(frozen=True, slots=True)
class AwaitChoice:
    """A factor is due; which one is open."""

    user: User
    verified: tuple[Verification, ...]
    offered: frozenset[FactorName]
    because: Because


@dataclass(frozen=True, slots=True)
class AwaitResponse:
    """A factor was asked; "another way" is one step back, to ``choice``."""

    choice: AwaitChoice
    challenge: Challenge


@dataclass(frozen=True, slots=True)
class AwaitEnrolment:
    """A factor has to be bound before the sign-in goes on."""

    user: User
    verified: tuple[Verification, ...]
    allowed: frozenset[FactorName]
    because: Because


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Done; ``acr`` is what ``verified`` really reached."""

    user: User
    verified: tuple[Verification, ...]
    acr: Acr
    because: Because


@dataclass(frozen=True, slots=True)
class Refused:
    """Ended without an assertion; ``message`` is the deciding rule's own, keyed by language."""

    why: Refusal
    because: Because | None = None
    message: Mapping[str, str] = field(default_factory=dict)


State = AwaitIdentity | AwaitChoice | AwaitResponse | AwaitEnrolment | Authenticated | Refused


@dataclass(frozen=True, slots=True)
class Identified:
    """The directory, or a live session, says who this is and what was shown already."""

    user: User
    verified: tuple[Verification, ...]


@dataclass(frozen=True, slots=True)
class FactorChosen:
    """One of the offered factors is asked."""

    challenge: Challenge


@dataclass(frozen=True, slots=True)
class FactorVerified:
    """The asked factor was shown and its answer is spent."""

    verification: Verification


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A factor was bound and shown."""

    verification: Verification


@dataclass(frozen=True, slots=True)
class Rejudged:
    """The answer leaves, or somebody is back from a set-up: judge by the facts of this request."""


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The user, a limit or a passive request ends it."""

    why: Refusal


Event = Identified | FactorChosen | FactorVerified | Enrolled | Rejudged | Abandoned


@dataclass(frozen=True, slots=True)
class OutOfTurn:
    """A stale tab, a replay or a forged step: nothing moved."""

    state: State
    event: Event


Judge = Callable[[User, tuple[Verification, ...]], Decision]


def advance(state: State, event: Event, judge: Judge) -> State | OutOfTurn:
    """The next state, or OutOfTurn: the whole sign-in stands here."""
    match state, event:
        case AwaitIdentity(), Identified(user, verified):
            return judged(user, verified, judge)
        case (AwaitChoice() as choice, FactorChosen(challenge)) | (
            AwaitResponse(choice, _),
            FactorChosen(challenge),
        ) if challenge.factor in choice.offered:
            return AwaitResponse(choice, challenge)
        case AwaitResponse(choice, asked), FactorVerified(done) if done.factor == asked.factor:
            return judged(choice.user, (*choice.verified, done), judge)
        case AwaitEnrolment(user, verified, allowed), Enrolled(done) if done.factor in allowed:
            return judged(user, (*verified, done), judge)
        case ((Authenticated(user, verified) | AwaitEnrolment(user, verified)), Rejudged()):
            return judged(user, verified, judge)
        case (
            AwaitIdentity() | AwaitChoice() | AwaitResponse() | AwaitEnrolment(),
            Abandoned(why),
        ):
            return Refused(why)
        case _:
            return OutOfTurn(state, event)


def judged(user: User, verified: tuple[Verification, ...], judge: Judge) -> State:
    """Where a decision leads; a fifth kind of decision fails type checking here."""
    match judge(user, verified):
        case Permit(acr, because):
            return Authenticated(user, verified, acr, because)
        case StepUp(offered, because):
            return AwaitChoice(user, verified, offered, because)
        case EnrolFirst(allowed, because):
            return AwaitEnrolment(user, verified, allowed, because)
        case Deny(Refusal.NO_FACTOR_ENROLLED, because) if because.zone in because.ways.set_up:
            # What is missing can be set up here and now: the sign-in goes on after that.
            return AwaitEnrolment(user, verified, frozenset(because.ways.factors), because)
        case Deny(why, because, message):
            return Refused(why, because, message)
        case never:
            assert_never(never)
