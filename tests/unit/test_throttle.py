"""The budgets that a try costs: whose they are, how large, and that no name is in a key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.model import CredentialId, TransactionId, UserId
from idp_mfa.ports import Bucket, Budget, Reservation, Throttled, Window
from idp_mfa.store.memory import MemoryStore
from idp_mfa.throttle import Limits, Throttle

KEY = b"k" * 32
THROTTLE = Throttle(Limits(), KEY)
FIRST, SECOND = TransactionId("first transaction"), TransactionId("second transaction")
ALICE, BOB = UserId("5f1c6e0e-alice"), UserId("5f1c6e0e-bob")


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def store(clock: Hand) -> MemoryStore:
    return MemoryStore(clock)


def spend(store: MemoryStore, *tries: tuple[Budget, ...]) -> int:
    """How many of these tries are allowed."""
    return sum(isinstance(store.reserve(budgets), Reservation) for budgets in tries)


def test_a_transaction_has_five_answers_to_a_challenge(store: MemoryStore) -> None:
    assert spend(store, *[THROTTLE.second_factor(FIRST, ALICE)] * 20) == 5
    assert spend(store, *[THROTTLE.second_factor(SECOND, ALICE)] * 20) == 5


def test_the_fifth_wrong_answer_is_known_to_be_the_last(store: MemoryStore) -> None:
    budgets = THROTTLE.second_factor(FIRST, ALICE)
    left = [
        answer.left for _ in range(5) if isinstance(answer := store.reserve(budgets), Reservation)
    ]
    assert left == [4, 3, 2, 1, 0]


def test_a_transactions_answers_do_not_come_back_while_it_can_live(
    store: MemoryStore, clock: Hand
) -> None:
    spend(store, *[THROTTLE.second_factor(FIRST, ALICE)] * 5)
    clock.now += timedelta(minutes=59)
    assert spend(store, THROTTLE.second_factor(FIRST, ALICE)) == 0


def test_a_password_has_ten_tries_and_one_more_each_five_minutes_over_all_transactions(
    store: MemoryStore, clock: Hand
) -> None:
    tries = [THROTTLE.password(TransactionId(f"t{n}"), ALICE, "alice") for n in range(30)]
    assert spend(store, *tries) == 10
    clock.now += timedelta(minutes=5)
    assert spend(store, *tries) == 1
    clock.now += timedelta(hours=1)
    assert spend(store, *tries) == 10


def test_the_wait_for_a_password_is_told(store: MemoryStore, clock: Hand) -> None:
    budgets = THROTTLE.password(FIRST, ALICE, "alice")
    spend(store, *[budgets] * 10)
    answer = store.reserve(budgets)
    assert isinstance(answer, Throttled)
    assert answer.until == clock.now + timedelta(minutes=5)


def test_a_transaction_ends_at_twenty_passwords_whoever_they_are_for(store: MemoryStore) -> None:
    tries = [THROTTLE.password(FIRST, UserId(f"user {n}"), "") for n in range(40)]
    assert spend(store, *tries) == 20


@pytest.mark.parametrize(
    "typed", ["alice", "ALICE", "alice ", "ａｌｉｃｅ", "alice@example.ac.jp", ""]
)
def test_every_spelling_of_a_known_user_is_one_bucket(typed: str) -> None:
    assert THROTTLE.password(FIRST, ALICE, typed) == THROTTLE.password(FIRST, ALICE, "alice")


def test_a_transaction_and_a_user_of_one_name_do_not_share_a_budget() -> None:
    transaction, user = THROTTLE.password(TransactionId("same"), UserId("same"), "")
    assert transaction.key != user.key


def test_users_and_kinds_of_tries_do_not_share_a_budget() -> None:
    keys = [
        budget.key
        for budgets in (
            THROTTLE.password(FIRST, ALICE, ""),
            THROTTLE.password(SECOND, BOB, ""),
            THROTTLE.second_factor(FIRST, ALICE),
            THROTTLE.second_factor(SECOND, BOB),
            THROTTLE.enrolment(CredentialId("one")),
            THROTTLE.enrolment(CredentialId(ALICE)),
            THROTTLE.enrolment(CredentialId(FIRST)),
        )
        for budget in budgets
    ]
    assert len(set(keys)) == len(keys)


@given(st.text())
def test_an_unknown_name_costs_the_same_as_a_known_one_in_one_of_65536_buckets(name: str) -> None:
    transaction, unknown = THROTTLE.password(FIRST, None, name)
    same, known = THROTTLE.password(FIRST, ALICE, name)
    assert transaction == same
    assert isinstance(unknown, Bucket)
    assert isinstance(known, Bucket)
    assert (unknown.burst, unknown.refill) == (known.burst, known.refill)
    kind, owner, number = unknown.key.split(":")
    assert (kind, owner) == ("limit", "u")
    assert 0 <= int(number) < 65536


@pytest.mark.parametrize("spelling", ["NOBODY", " nobody ", "ｎｏｂｏｄｙ", "Nobody"])
def test_spellings_of_an_unknown_name_are_one_bucket(spelling: str) -> None:
    assert THROTTLE.password(FIRST, None, spelling) == THROTTLE.password(FIRST, None, "nobody")


def test_unknown_names_spread_over_the_buckets() -> None:
    keys = {THROTTLE.password(FIRST, None, f"name {n}")[1].key for n in range(2000)}
    assert len(keys) > 1900


def test_nobody_without_the_secret_knows_whose_a_key_is() -> None:
    other = Throttle(Limits(), b"other" * 8)
    for ours, theirs in (
        (THROTTLE.password(FIRST, ALICE, "alice"), other.password(FIRST, ALICE, "alice")),
        (THROTTLE.password(FIRST, None, "nobody"), other.password(FIRST, None, "nobody")),
        (THROTTLE.second_factor(FIRST, ALICE), other.second_factor(FIRST, ALICE)),
        (THROTTLE.enrolment(CredentialId("one")), other.enrolment(CredentialId("one"))),
    ):
        assert not {budget.key for budget in ours} & {budget.key for budget in theirs}


@given(st.text(min_size=3), st.text(min_size=3))
def test_keys_are_plain_and_hold_nothing_that_came_from_outside(outside: str, typed: str) -> None:
    for budgets in (
        THROTTLE.password(TransactionId(outside), UserId(outside), typed),
        THROTTLE.password(TransactionId(outside), None, typed),
        THROTTLE.second_factor(TransactionId(outside), UserId(outside)),
        THROTTLE.enrolment(CredentialId(outside)),
        THROTTLE.of_user(UserId(outside)),
    ):
        for budget in budgets:
            limit, kind, name = budget.key.split(":")
            assert limit == "limit"
            assert kind in "pfeu"
            assert name.isdigit() if kind == "u" else len(bytes.fromhex(name)) == 16


def test_the_desks_unlock_opens_the_account_at_once(store: MemoryStore) -> None:
    tries = [THROTTLE.password(TransactionId(f"t{n}"), ALICE, "alice") for n in range(30)]
    spend(store, *tries)
    store.clear(THROTTLE.of_user(ALICE))
    assert spend(store, *tries) == 10


def test_a_new_device_has_ten_tries(store: MemoryStore) -> None:
    assert spend(store, *[THROTTLE.enrolment(CredentialId("one"))] * 30) == 10


def test_the_numbers_are_settings(store: MemoryStore) -> None:
    limits = Limits(factor_tries_per_transaction=2, password_burst=3, password_refill=timedelta(1))
    throttle = Throttle(limits, KEY)
    assert throttle.second_factor(FIRST, ALICE) == (
        Window(THROTTLE.second_factor(FIRST, ALICE)[0].key, 2, timedelta(hours=1)),
    )
    assert spend(store, *[throttle.password(FIRST, ALICE, "")] * 9) == 3


def test_the_secret_is_in_no_repr() -> None:
    assert "kkkk" not in repr(THROTTLE)
