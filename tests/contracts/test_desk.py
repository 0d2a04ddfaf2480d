"""The desk's acts on a real directory: bounded, on record, mailed, undone; one desk wins."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from idp_mfa.desk.acts import Proposed
from idp_mfa.desk.callers import NUMBER_LIVES, PROOF_LIVES, NotProved, Proof
from idp_mfa.desk.orders import Order
from idp_mfa.desk.outcome import Done, NotDone
from idp_mfa.desk.roles import Act
from idp_mfa.enrolment import Bound, Enrolments
from idp_mfa.factor import Accepted, Response
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.letters import Notice, NoticeKind
from idp_mfa.model import (
    ENROLMENT_PASSCODE,
    PASSCODE,
    PASSWORD,
    BoundBy,
    Credential,
    CredentialId,
    CredentialState,
    FactorName,
)
from idp_mfa.ports import Reservation, Throttled
from tests.contracts.desk_world import ADDRESS, START, World, key
from tests.contracts.store_acts import race
from tests.simulators.phone import Phone

OPENING = sorted((act for act in Act if act.opens), key=lambda act: act.value)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.holds(key(), ADDRESS)
    return made


# -- each act --------------------------------------------------------------------------------


def test_a_reset_suspends_hands_a_passcode_out_and_says_so(world: World) -> None:
    world.vouch()
    done = world.ask(Act.RESET, zone="campus", life=timedelta(hours=4))
    assert isinstance(done, Done)
    assert done.passcode is not None
    assert done.passcode.until == START + timedelta(hours=4)
    assert world.states() == [CredentialState.SUSPENDED]
    assert not world.account().credentials.has_none, "who was reset had one"
    (handed,) = world.account().credentials.of(ENROLMENT_PASSCODE)
    assert handed.secret["zone"] == "campus"
    assert world.told() == [NoticeKind.FACTOR_SUSPENDED]
    (line,) = [one for one in world.recorded() if one.event.value == "factor.suspended"]
    assert line.actor == "helen"
    assert line.detail["reason"] == "lost phone"
    assert line.detail["caller"] == "card"
    code = done.passcode.code
    text = (world.place / "audit.jsonl").read_text()
    assert code not in text
    assert code.replace("-", "") not in text
    assert code not in repr(done)


def test_the_passcode_sets_up_a_new_key_and_the_old_one_is_replaced(world: World) -> None:
    world.vouch()
    done = world.ask(Act.RESET)
    assert isinstance(done, Done)
    assert done.passcode is not None
    handed = world.account().credentials.of(ENROLMENT_PASSCODE)
    factor = world.factors[ENROLMENT_PASSCODE]
    answer = Response({"code": done.passcode.code})
    asked = factor.challenge(handed, os.urandom)
    assert isinstance(factor.verify(asked, answer, handed, world.now), Accepted)
    enrolments = Enrolments(
        credentials=world.site.directory,
        store=world.store,
        factors=world.factors,
        throttle=world.throttle,
        outbox=world.outbox,
        clock=world.clock,
        randomness=os.urandom,
    )
    begun = enrolments.begin(world.account(), TOTP, BoundBy.PASSCODE, "new")
    phone = Phone(begun.shown["key"])  # type: ignore[union-attr]
    code = Response({"code": phone.at(int(world.now.timestamp()) // 30)})
    bound = enrolments.complete(world.account(), TOTP, BoundBy.PASSCODE, code)
    assert isinstance(bound, Bound)
    assert sorted(state.value for state in world.states()) == ["active", "retired"]
    assert world.ask(Act.UNDO_RESET) is NotDone.NOTHING


def test_an_undone_reset_is_as_if_it_had_not_been(world: World) -> None:
    world.vouch()
    assert isinstance(world.ask(Act.RESET), Done)
    assert isinstance(world.ask(Act.UNDO_RESET), Done)
    assert world.states() == [CredentialState.ACTIVE]
    assert world.states(ENROLMENT_PASSCODE) == []
    assert world.told() == [NoticeKind.FACTOR_SUSPENDED, NoticeKind.RESET_UNDONE]


def test_a_reset_is_not_undone_beside_a_new_key(world: World) -> None:
    world.vouch()
    world.ask(Act.RESET)
    new = Credential(
        CredentialId("new"), TOTP, CredentialState.ACTIVE, "n", START, BoundBy.IMPORT, 1, {}
    )
    world.holds(new)
    assert world.ask(Act.UNDO_RESET) is NotDone.REPLACED
    assert CredentialState.SUSPENDED in world.states()


def test_disabled_and_enabled_again(world: World) -> None:
    assert isinstance(world.ask(Act.DISABLE, credential=CredentialId("key")), Done)
    assert world.states() == [CredentialState.DISABLED]
    assert world.ask(Act.DISABLE, credential=CredentialId("key")) is NotDone.NOTHING
    assert world.ask(Act.ENABLE, credential=CredentialId("key")) is NotDone.NO_PROOF
    world.vouch()
    assert isinstance(world.ask(Act.ENABLE, credential=CredentialId("key")), Done)
    assert world.states() == [CredentialState.ACTIVE]
    assert world.told() == [NoticeKind.FACTOR_DISABLED, NoticeKind.FACTOR_ENABLED]


def test_unlocking_gives_tries_back_and_sign_ins_end(world: World) -> None:
    who = world.account().user
    budgets = world.throttle.of_factors(who.id)
    while isinstance(world.store.reserve(budgets), Reservation):
        pass
    assert isinstance(world.ask(Act.UNLOCK), Done)
    assert not isinstance(world.store.reserve(budgets), Throttled)
    _, cookie = world.sessions.establish(None, who, (), shared_computer=False)
    assert isinstance(world.ask(Act.END_SESSIONS), Done)
    assert world.sessions.open(cookie) is None
    assert world.told() == [NoticeKind.ACCOUNT_UNLOCKED, NoticeKind.SIGN_INS_ENDED]


@pytest.mark.parametrize(
    ("act", "factor"), [(Act.PASSCODE, PASSCODE), (Act.ENROL, ENROLMENT_PASSCODE)]
)
def test_passcodes_are_for_what_they_were_asked_for(
    world: World, act: Act, factor: FactorName
) -> None:
    world.vouch()
    done = world.ask(act)
    assert isinstance(done, Done)
    assert done.passcode is not None
    assert done.passcode.until == START + timedelta(hours=8)
    assert world.states(factor) == [CredentialState.ACTIVE]
    assert world.states() == [CredentialState.ACTIVE]
    assert world.told() == [NoticeKind.PASSCODE_ISSUED]


# -- who calls, and why ----------------------------------------------------------------------


@pytest.mark.parametrize("act", OPENING)
def test_nothing_is_opened_for_a_caller_whom_nobody_knows(world: World, act: Act) -> None:
    before = world.account().credentials
    world.vouch("ivan")
    assert world.ask(act, address="new@home.example") is NotDone.NO_PROOF, "another's proof"
    world.vouch()
    world.now += PROOF_LIVES
    assert world.ask(act, address="new@home.example") is NotDone.NO_PROOF, "an old one"
    assert world.account().credentials == before


@pytest.mark.parametrize("act", list(Act))
def test_nothing_is_done_without_a_reason(world: World, act: Act) -> None:
    world.vouch()
    before = world.events()
    for reason in ("", "  "):
        assert world.ask(act, reason=reason) is NotDone.NO_REASON
    assert world.events() == before


def test_a_number_counts_once_for_who_typed_it(world: World) -> None:
    staff, who = world.account("helen").user, world.account()
    assert world.desk.hear(staff, who, "000000") is NotProved.NONE_ASKED
    number = world.callers.number(who.user.id, (PASSWORD, TOTP))
    assert number.digits not in repr(number)
    proof = world.desk.hear(staff, who, f" {number.digits[:3]} {number.digits[3:]}")
    assert proof == Proof((PASSWORD, TOTP))
    assert world.desk.hear(world.account("ivan").user, who, number.digits) is NotProved.VOID
    assert world.callers.proof(world.account("ivan").user, who.user.id) is None
    done = world.ask(Act.PASSCODE)
    assert isinstance(done, Done)
    (line,) = [one for one in world.recorded() if one.event.value == "passcode.issued"]
    assert (line.detail["caller"], line.detail["caller_shown"]) == ("number", "password totp")


@pytest.mark.parametrize("act", OPENING)
def test_a_number_behind_the_password_alone_opens_nothing(world: World, act: Act) -> None:
    staff, who = world.account("helen").user, world.account()
    number = world.callers.number(who.user.id, (PASSWORD,))
    assert world.desk.hear(staff, who, number.digits) == Proof((PASSWORD,))
    assert world.ask(act) is NotDone.NO_PROOF


def test_three_wrong_numbers_void_the_right_one(world: World) -> None:
    staff, who = world.account("helen").user, world.account()
    number = world.callers.number(who.user.id, (PASSWORD,))
    wrong = f"{(int(number.digits) + 1) % 10**6:06}"
    answers = [world.desk.hear(staff, who, wrong) for _ in range(3)]
    assert answers == [NotProved.WRONG] * 3
    assert world.desk.hear(staff, who, number.digits) is NotProved.VOID
    assert world.events().count("caller.not-proved") == 4


def test_a_number_is_void_after_its_time_and_after_a_newer_one(world: World) -> None:
    staff, who = world.account("helen").user, world.account()
    older = world.callers.number(who.user.id, (PASSWORD,))
    newer = world.callers.number(who.user.id, (PASSWORD,))
    if older.digits != newer.digits:
        assert world.desk.hear(staff, who, older.digits) is NotProved.WRONG
    world.now += NUMBER_LIVES
    assert isinstance(world.desk.hear(staff, who, newer.digits), NotProved)
    assert world.callers.proof(staff, who.user.id) is None


def test_of_64_desks_that_type_the_number_one_has_proof(world: World) -> None:
    staff, who = world.account("helen").user, world.account()
    number = world.callers.number(who.user.id, (PASSWORD,))
    answers = race(lambda _: world.callers.check(staff, who.user.id, number.digits))
    assert sum(isinstance(answer, Proof) for answer in answers) <= 1


# -- two of the staff ------------------------------------------------------------------------


def proposed(answer: object) -> Proposed:
    assert isinstance(answer, Proposed), answer
    return answer


@pytest.mark.parametrize("act", list(Act))
def test_for_protected_people_nothing_is_done_by_one(world: World, act: Act) -> None:
    world.vouch()
    world.fill("T-0001")
    before = world.account().credentials
    asked = {"address": "new@home.example", "credential": CredentialId("key"), "serial": "T-0001"}
    answer = world.ask(act, "finance", **asked)
    waiting = proposed(answer).proposal
    assert world.account().credentials == before
    warrant = world.warrant(act, "helen", "finance")
    assert world.desk.approve(warrant, waiting) is NotDone.OWN_PROPOSAL
    assert world.desk.carry_out(warrant, waiting) is NotDone.NOT_APPROVED
    assert world.account().credentials == before
    assert world.told() == []


def test_what_a_second_agreed_to_is_done_once_by_who_asked(world: World) -> None:
    world.vouch()
    waiting = proposed(world.ask(Act.RESET, "finance")).proposal
    assert world.desk.approve(world.warrant(Act.RESET, "ivan", "finance"), waiting) is None
    (agreed,) = world.desk.proposals.waiting()
    theirs = world.warrant(Act.RESET, "ivan", "finance")
    assert world.desk.carry_out(theirs, agreed) is NotDone.NOT_APPROVED, "the code is not theirs"
    mine = world.warrant(Act.RESET, "helen", "finance")
    answers = race(lambda _: world.desk.carry_out(mine, agreed))
    assert sum(isinstance(answer, Done) for answer in answers) == 1
    assert {one for one in answers if not isinstance(one, Done)} == {NotDone.GONE}
    assert world.desk.proposals.waiting() == ()
    (line,) = [one for one in world.recorded() if one.event.value == "factor.suspended"]
    assert (line.actor, line.detail["approved_by"]) == ("helen", "ivan")
    assert line.detail["caller"] == "card"


def test_declined_is_declined(world: World) -> None:
    world.vouch()
    waiting = proposed(world.ask(Act.RESET, "finance")).proposal
    theirs = world.warrant(Act.RESET, "ivan", "finance")
    assert world.desk.decline(theirs, waiting) is None
    assert world.desk.approve(theirs, waiting) is NotDone.GONE
    assert world.states() == [CredentialState.ACTIVE]
    assert "desk.declined" in world.events()


def test_an_order_waits_a_day_and_no_longer(world: World) -> None:
    world.vouch()
    waiting = proposed(world.ask(Act.RESET, "finance")).proposal
    world.now += timedelta(hours=24)
    assert world.desk.proposals.find(waiting.id) is None


def test_an_address_is_corrected_by_two_and_both_addresses_hear_of_it(world: World) -> None:
    world.vouch()
    for typed, why in (
        ("no address", NotDone.ADDRESS_MALFORMED),
        ("hanako@example.ac.jp", NotDone.ADDRESS_SAME_PASSWORD),
        ("OLD@home.example", NotDone.ADDRESS_UNCHANGED),
    ):
        assert world.ask(Act.ADDRESS, address=typed) is why
    waiting = proposed(world.ask(Act.ADDRESS, address="new@home.example")).proposal
    assert world.desk.approve(world.warrant(Act.ADDRESS, "ivan"), waiting) is None
    (agreed,) = world.desk.proposals.waiting()
    assert isinstance(world.desk.carry_out(world.warrant(Act.ADDRESS), agreed), Done)
    written = world.account().credentials.reissue_address
    assert written is not None
    assert written.secret["address"] == "new@home.example"
    assert "paused_until" in written.secret
    (sent,) = world.outbox.take(9, world.now, timedelta(days=1))
    assert isinstance(sent.letter, Notice)
    assert sent.letter.besides == ("old@home.example",)
    assert "new@home.example" not in (world.place / "audit.jsonl").read_text()


# -- two desks at once -----------------------------------------------------------------------


def test_of_64_desks_that_reset_at_once_one_wins(world: World) -> None:
    for by in ("helen", "ivan"):
        world.vouch(by)
    warrants = [world.warrant(Act.RESET, by) for by in ("helen", "ivan")]
    order = Order(Act.RESET, "lost", world.account().credentials.generation, factor=TOTP)
    answers = race(lambda number: world.desk.order(warrants[number % 2], order))
    winners = [answer for answer in answers if isinstance(answer, Done)]
    assert len(winners) == 1
    assert {one for one in answers if not isinstance(one, Done)} == {NotDone.CHANGED}
    (handed,) = world.account().credentials.of(ENROLMENT_PASSCODE)
    factor = world.factors[ENROLMENT_PASSCODE]
    assert winners[0].passcode is not None
    answer = Response({"code": winners[0].passcode.code})
    asked = factor.challenge((handed,), os.urandom)
    assert isinstance(factor.verify(asked, answer, (handed,), world.now), Accepted)
    assert world.told() == [NoticeKind.FACTOR_SUSPENDED], "the losers' letters are not sent"


def test_a_page_that_somebody_elses_act_has_overtaken_does_nothing(world: World) -> None:
    world.vouch()
    stale = world.account().credentials.generation
    assert isinstance(world.ask(Act.RESET), Done)
    for act in (Act.RESET, Act.UNDO_RESET, Act.PASSCODE, Act.ENROL, Act.DISABLE, Act.ENABLE):
        answer = world.ask(act, generation=stale, credential=CredentialId("key"))
        assert answer is NotDone.CHANGED, act
    assert world.states() == [CredentialState.SUSPENDED]
