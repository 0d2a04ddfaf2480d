"""The flow: every state with every event, and the promise that nobody gets in without a Permit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from idp_mfa.factor import Challenge
from idp_mfa.model import (
    PASSWORD,
    Acr,
    Amr,
    Because,
    Cause,
    FactorKind,
    FactorName,
    Refusal,
    User,
    UserId,
    Verification,
    WaysOn,
)
from idp_mfa.policy.model import Decision, Deny, EnrolFirst, Permit, StepUp
from idp_mfa.signin.flow import (
    Abandoned,
    Authenticated,
    AwaitChoice,
    AwaitEnrolment,
    AwaitIdentity,
    AwaitResponse,
    Enrolled,
    Event,
    FactorChosen,
    FactorVerified,
    Identified,
    Judge,
    OutOfTurn,
    Refused,
    Rejudged,
    State,
    advance,
)

NOW = datetime(2026, 4, 1, tzinfo=UTC)
ALICE = User(UserId("id-alice"), "alice", "Alice")
TOTP, KEY, MATRIX = FactorName("totp"), FactorName("fido2"), FactorName("image_matrix")
BECAUSE = Because("a rule", "outside", "203.0.113.10", Cause.NETWORK)
HERE = replace(BECAUSE, ways=WaysOn(set_up=("campus", "outside"), factors=(TOTP, MATRIX)))
THERE = replace(BECAUSE, ways=WaysOn(set_up=("campus",), factors=(TOTP,)))
ACR = Acr("class")


def verification(factor: FactorName) -> Verification:
    return Verification(factor, frozenset({FactorKind.POSSESSION}), (Amr("otp"),), NOW)


PASSED = (verification(PASSWORD),)
CHOICE = AwaitChoice(ALICE, PASSED, frozenset({TOTP, KEY}), BECAUSE)
STATES: dict[str, State] = {
    "identity": AwaitIdentity(),
    "choice": CHOICE,
    "response": AwaitResponse(CHOICE, Challenge(TOTP)),
    "enrolment": AwaitEnrolment(ALICE, PASSED, frozenset({TOTP}), BECAUSE),
    "authenticated": Authenticated(ALICE, PASSED, ACR, BECAUSE),
    "refused": Refused(Refusal.POLICY, BECAUSE),
}
EVENTS: dict[str, Event] = {
    "identified": Identified(ALICE, PASSED),
    "chosen": FactorChosen(Challenge(KEY)),
    "chosen-not-offered": FactorChosen(Challenge(MATRIX)),
    "verified": FactorVerified(verification(TOTP)),
    "verified-other": FactorVerified(verification(KEY)),
    "enrolled": Enrolled(verification(TOTP)),
    "enrolled-not-allowed": Enrolled(verification(KEY)),
    "rejudged": Rejudged(),
    "abandoned": Abandoned(Refusal.CANCELLED),
}
MOVES = {
    ("identity", "identified"): Authenticated,
    ("identity", "abandoned"): Refused,
    ("choice", "chosen"): AwaitResponse,
    ("choice", "abandoned"): Refused,
    ("response", "chosen"): AwaitResponse,
    ("response", "verified"): Authenticated,
    ("response", "abandoned"): Refused,
    ("enrolment", "enrolled"): Authenticated,
    ("enrolment", "rejudged"): Authenticated,
    ("enrolment", "abandoned"): Refused,
    ("authenticated", "rejudged"): Authenticated,
}


def permit(user: User, verified: tuple[Verification, ...]) -> Decision:
    return Permit(ACR, BECAUSE)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES)
def test_every_state_with_every_event(state: str, event: str) -> None:
    after = advance(STATES[state], EVENTS[event], permit)
    assert type(after) is MOVES.get((state, event), OutOfTurn)
    if isinstance(after, OutOfTurn):
        assert after == OutOfTurn(STATES[state], EVENTS[event]), "what came out of turn is told"


MESSAGE = {"en": "Ask the desk.", "ja": "窓口へ。"}
VERIFIED = {
    "identified": PASSED,
    "verified": (*PASSED, verification(TOTP)),
    "enrolled": (*PASSED, verification(TOTP)),
    "rejudged": PASSED,
}


@pytest.mark.parametrize(
    ("state", "event"), [key for key, after in MOVES.items() if after is Authenticated]
)
def test_every_judgement_leads_where_it_says(state: str, event: str) -> None:
    """With the same person, what was verified, and the reason that pages and the record give."""
    verified = VERIFIED[event]
    offered = frozenset({TOTP, MATRIX})
    leads: list[tuple[Decision, State]] = [
        (Permit(ACR, BECAUSE), Authenticated(ALICE, verified, ACR, BECAUSE)),
        (StepUp(offered, BECAUSE), AwaitChoice(ALICE, verified, offered, BECAUSE)),
        (EnrolFirst(offered, BECAUSE), AwaitEnrolment(ALICE, verified, offered, BECAUSE)),
        (
            Deny(Refusal.ACR_UNMET, BECAUSE, MESSAGE),
            Refused(Refusal.ACR_UNMET, BECAUSE, MESSAGE),
        ),
        (Deny(Refusal.NO_FACTOR_ENROLLED, HERE), AwaitEnrolment(ALICE, verified, offered, HERE)),
        (Deny(Refusal.NO_FACTOR_ENROLLED, THERE), Refused(Refusal.NO_FACTOR_ENROLLED, THERE)),
        (Deny(Refusal.POLICY, HERE), Refused(Refusal.POLICY, HERE)),
    ]
    for decision, expected in leads:
        asked: list[tuple[User, tuple[Verification, ...]]] = []
        after = advance(STATES[state], EVENTS[event], told(decision, asked))
        assert after == expected
        assert asked == [(ALICE, verified)]


def told(decision: Decision, asked: list[tuple[User, tuple[Verification, ...]]]) -> Judge:
    """A judge who always says the same, and notes about whom."""

    def judge(user: User, verified: tuple[Verification, ...]) -> Decision:
        asked.append((user, verified))
        return decision

    return judge


@pytest.mark.parametrize("state", [key for key, event in MOVES if event == "abandoned"])
@pytest.mark.parametrize("why", Refusal)
def test_what_ends_a_sign_in_is_what_the_service_is_told(state: str, why: Refusal) -> None:
    assert advance(STATES[state], Abandoned(why), permit) == Refused(why)


def test_a_judge_who_says_anything_else_lets_nobody_in() -> None:
    for word in (None, True, "permit", STATES["authenticated"]):
        with pytest.raises(AssertionError):
            advance(STATES["identity"], EVENTS["identified"], lambda *_, said=word: said)  # type: ignore[misc]


def test_what_was_verified_is_kept_and_never_invented() -> None:
    judged: list[tuple[Verification, ...]] = []

    def judge(user: User, verified: tuple[Verification, ...]) -> Decision:
        judged.append(verified)
        return Permit(ACR, BECAUSE)

    after = advance(STATES["response"], EVENTS["verified"], judge)
    assert judged == [(*PASSED, verification(TOTP))]
    assert isinstance(after, Authenticated)
    assert after.verified == judged[0]


def test_another_method_forgets_the_first_question() -> None:
    after = advance(STATES["response"], FactorChosen(Challenge(KEY)), permit)
    assert after == AwaitResponse(CHOICE, Challenge(KEY))
    assert isinstance(
        advance(after, FactorVerified(verification(TOTP)), permit),  # type: ignore[arg-type]
        OutOfTurn,
    )


class AnyVisitor(RuleBasedStateMachine):
    """Whoever sends whatever in any order, under a judge of any mood."""

    @initialize()
    def begin(self) -> None:
        self.state: State = AwaitIdentity()
        self.permitted: list[tuple[User, tuple[Verification, ...]]] = []
        self.shown: set[Verification] = set()

    @rule(
        event=st.sampled_from(sorted(EVENTS)),
        mood=st.sampled_from(["permit", "step-up", "enrol", "deny"]),
    )
    def visit(self, event: str, mood: str) -> None:
        sent = EVENTS[event]

        def judge(user: User, verified: tuple[Verification, ...]) -> Decision:
            if mood == "permit":
                self.permitted.append((user, verified))
                return Permit(ACR, BECAUSE)
            if mood == "step-up":
                return StepUp(frozenset({TOTP, KEY}), BECAUSE)
            if mood == "enrol":
                return EnrolFirst(frozenset({TOTP}), BECAUSE)
            return Deny(Refusal.POLICY, BECAUSE)

        match sent:
            case Identified(_, verified):
                self.shown.update(verified)
            case FactorVerified(done) | Enrolled(done):
                self.shown.add(done)
            case _:
                pass
        after = advance(self.state, sent, judge)
        if not isinstance(after, OutOfTurn):
            self.state = after

    @invariant()
    def nobody_is_in_without_a_permit(self) -> None:
        if isinstance(self.state, Authenticated):
            assert (self.state.user, self.state.verified) in self.permitted
            assert set(self.state.verified) <= self.shown

    @invariant()
    def an_end_is_an_end(self) -> None:
        if isinstance(self.state, Refused):
            for event in EVENTS.values():
                assert isinstance(advance(self.state, event, permit), OutOfTurn)


TestAnyVisitor = AnyVisitor.TestCase
TestAnyVisitor.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
