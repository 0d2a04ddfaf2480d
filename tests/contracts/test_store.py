"""The store's contract on every adapter: each verb, its time to live, its races."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from idp_mfa.ports import Bucket, Budget, Reservation, StateStore, Throttled, Unavailable, Window
from idp_mfa.store.memory import MemoryStore
from idp_mfa.store.redis import RedisStore
from tests.contracts.store_acts import (
    HOUR,
    MINUTE,
    RACERS,
    connected_to,
    now,
    race,
    reserved,
    short,
    sleep_until,
    throttled,
)
from tests.servers.valkey import StoreServer


@pytest.fixture
def store(server_if_any: StoreServer | None) -> Iterator[StateStore]:
    if server_if_any is None:
        yield MemoryStore(now)
    else:
        with connected_to(server_if_any) as ours:
            yield RedisStore(ours)


# -- each verb ---------------------------------------------------------------------------------


def test_what_is_put_can_be_got_and_overwritten(store: StateStore) -> None:
    assert store.get("a") is None
    store.put("a", b"\x00\xff one", MINUTE)
    assert store.get("a") == b"\x00\xff one"
    assert store.get("a") == b"\x00\xff one"
    store.put("a", b"", MINUTE)
    assert store.get("a") == b""


def test_what_is_put_dies_at_its_time(store: StateStore) -> None:
    store.put("a", b"one", short(60))
    store.put("b", b"one", MINUTE)
    store.put("b", b"two", short(60))
    time.sleep(0.1)
    assert store.get("a") is None
    assert store.get("b") is None
    assert store.take("a") is None


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(seconds=-5)])
def test_a_time_to_live_of_nothing_is_an_error(store: StateStore, ttl: timedelta) -> None:
    for act in (
        lambda: store.put("a", b"x", ttl),
        lambda: store.once("a", ttl),
        lambda: store.raise_to("a", 1, ttl),
        lambda: store.reserve((Window("a", 1, ttl),)),
        lambda: store.reserve((Bucket("a", 1, ttl),)),
    ):
        with pytest.raises(ValueError, match="time to live"):
            act()


def test_a_swap_needs_the_old_value(store: StateStore) -> None:
    assert not store.swap("a", b"", b"two", MINUTE)
    assert store.get("a") is None
    store.put("a", b"one", MINUTE)
    assert not store.swap("a", b"One", b"two", MINUTE)
    assert store.swap("a", b"one", b"two", MINUTE)
    assert not store.swap("a", b"one", b"three", MINUTE)
    assert store.get("a") == b"two"


def test_a_swap_sets_the_time_to_live(store: StateStore) -> None:
    store.put("a", b"one", short(80))
    assert store.swap("a", b"one", b"two", MINUTE)
    store.put("b", b"one", MINUTE)
    assert store.swap("b", b"one", b"two", short(80))
    time.sleep(0.12)
    assert store.get("a") == b"two"
    assert not store.swap("b", b"two", b"three", MINUTE)


def test_what_is_taken_is_gone(store: StateStore) -> None:
    assert store.take("a") is None
    store.put("a", b"one", MINUTE)
    assert store.take("a") == b"one"
    assert store.take("a") is None
    assert store.get("a") is None


def test_once_is_once_within_its_time(store: StateStore) -> None:
    assert store.once("a", short(80))
    assert not store.once("a", MINUTE)
    assert store.once("b", MINUTE)
    time.sleep(0.12)
    assert store.once("a", MINUTE)


def test_a_number_only_rises(store: StateStore) -> None:
    assert store.raise_to("a", 59_000_000, MINUTE)
    assert not store.raise_to("a", 59_000_000, MINUTE)
    assert not store.raise_to("a", 58_999_999, MINUTE)
    assert not store.raise_to("a", 9, MINUTE)
    assert store.raise_to("a", 59_000_001, MINUTE)
    assert not store.raise_to("a", 59_000_000, MINUTE)
    assert store.raise_to("b", 2**53 - 2, MINUTE)
    assert store.raise_to("b", 2**53 - 1, MINUTE)
    assert not store.raise_to("b", 2**53 - 1, MINUTE)
    assert store.raise_to("zero", 0, MINUTE)
    assert not store.raise_to("zero", 0, MINUTE)


@pytest.mark.parametrize("number", [-1, 2**53])
def test_a_number_that_cannot_be_held_exactly_is_an_error(store: StateStore, number: int) -> None:
    with pytest.raises(ValueError, match="2\\*\\*53"):
        store.raise_to("a", number, MINUTE)


def test_a_raised_number_is_forgotten_at_its_time(store: StateStore) -> None:
    assert store.raise_to("a", 7, short(80))
    time.sleep(0.12)
    assert store.raise_to("a", 6, MINUTE)


def test_ping_says_nothing_when_all_is_well(store: StateStore) -> None:
    store.ping()


# -- budgets -----------------------------------------------------------------------------------


def test_a_window_allows_its_limit_and_no_more(store: StateStore) -> None:
    budget = Window("w", 3, MINUTE)
    assert [reserved(store.reserve((budget,))).left for _ in range(3)] == [2, 1, 0]
    answer = throttled(store.reserve((budget,)))
    assert answer.budget == budget
    assert now() + short(58_000) < answer.until <= now() + MINUTE


def test_a_window_opens_again_by_its_first_try_and_refused_tries_do_not_stretch_it(
    store: StateStore,
) -> None:
    budget = Window("w", 2, short(400))
    began = now()
    reserved(store.reserve((budget,)))
    time.sleep(0.2)
    reserved(store.reserve((budget,)))
    until = throttled(store.reserve((budget,))).until
    assert throttled(store.reserve((budget,))).until - until < short(20)
    assert until < began + short(480)
    sleep_until(until)
    assert reserved(store.reserve((budget,))).left == 1


def test_a_bucket_allows_its_burst_and_then_one_for_each_refill(store: StateStore) -> None:
    budget = Bucket("b", 2, short(300))
    assert [reserved(store.reserve((budget,))).left for _ in range(2)] == [1, 0]
    answer = throttled(store.reserve((budget,)))
    assert answer.budget == budget
    assert now() < answer.until <= now() + short(300)
    sleep_until(answer.until)
    assert reserved(store.reserve((budget,))).left == 0
    assert isinstance(store.reserve((budget,)), Throttled)


def test_an_idle_bucket_fills_up_to_its_burst_only(store: StateStore) -> None:
    budget = Bucket("b", 2, short(50))
    reserved(store.reserve((budget,)))
    time.sleep(0.3)
    assert reserved(store.reserve((budget,))).left == 1
    assert reserved(store.reserve((budget,))).left == 0


def test_a_bucket_never_makes_wait_longer_than_it_takes_to_fill(store: StateStore) -> None:
    for _ in range(5):
        reserved(store.reserve((Bucket("b", 5, HOUR),)))
    assert throttled(store.reserve((Bucket("b", 2, MINUTE),))).until <= now() + MINUTE


def test_all_budgets_pay_or_none(store: StateStore) -> None:
    wide, narrow, bucket = (
        Window("wide", 5, HOUR),
        Window("narrow", 1, MINUTE),
        Bucket("b", 5, HOUR),
    )
    assert reserved(store.reserve((wide, narrow, bucket))).left == 0
    for _ in range(20):
        assert throttled(store.reserve((bucket, wide, narrow))).budget == narrow
        assert throttled(store.reserve((narrow, wide, bucket))).budget == narrow
    assert reserved(store.reserve((wide,))).left == 3
    assert reserved(store.reserve((bucket,))).left == 3


def test_the_wait_told_is_that_of_the_last_budget_to_allow_a_try(store: StateStore) -> None:
    soon, late = Window("soon", 1, MINUTE), Bucket("late", 1, HOUR)
    reserved(store.reserve((soon, late)))
    for budgets in ((soon, late), (late, soon)):
        answer = throttled(store.reserve(budgets))
        assert answer.budget == late
        assert answer.until > now() + timedelta(minutes=59)


def test_a_refund_gives_back_one_try_and_leaves_earlier_failures(store: StateStore) -> None:
    budgets = (Window("w", 3, MINUTE), Bucket("b", 4, HOUR))
    reserved(store.reserve(budgets))
    right = reserved(store.reserve(budgets))
    store.refund(right)
    assert reserved(store.reserve((budgets[0],))).left == 1
    assert reserved(store.reserve((budgets[1],))).left == 2


def test_a_refund_forgets_what_is_cleared_with_it(store: StateStore) -> None:
    row, window = Window("row", 3, HOUR), Window("w", 3, MINUTE)
    reserved(store.reserve((row, window)))
    right = reserved(store.reserve((row, window)))
    store.refund(right, (row,))
    assert reserved(store.reserve((row,))).left == 2
    assert reserved(store.reserve((window,))).left == 1


def test_a_refund_never_gives_more_than_the_budget(store: StateStore) -> None:
    budgets = (Window("w", 3, MINUTE), Bucket("b", 3, HOUR))
    answer = reserved(store.reserve(budgets))
    for _ in range(3):
        store.refund(answer)
    assert reserved(store.reserve(budgets)).left == 2
    store.clear(budgets)
    store.refund(answer)
    assert reserved(store.reserve(budgets)).left == 2


def test_a_refund_does_not_move_the_windows_end(store: StateStore) -> None:
    budget = Window("w", 1, short(300))
    store.refund(reserved(store.reserve((budget,))))
    time.sleep(0.15)
    reserved(store.reserve((budget,)))
    assert throttled(store.reserve((budget,))).until < now() + short(200)


def test_what_is_cleared_was_never_spent(store: StateStore) -> None:
    budgets = (Window("w", 1, HOUR), Bucket("b", 1, HOUR))
    reserved(store.reserve(budgets))
    assert isinstance(store.reserve(budgets), Throttled)
    store.clear(budgets)
    reserved(store.reserve(budgets))
    store.clear(())


@pytest.mark.parametrize(
    "budgets",
    [
        (),
        (Window("a", 0, MINUTE),),
        (Bucket("a", 0, MINUTE),),
        (Window("a", 1, MINUTE), Bucket("a", 1, MINUTE)),
    ],
    ids=["none", "closed window", "empty bucket", "one key twice"],
)
def test_budgets_that_mean_nothing_are_an_error(
    store: StateStore, budgets: tuple[Budget, ...]
) -> None:
    with pytest.raises(ValueError, match="budget"):
        store.reserve(budgets)


def test_a_counter_kept_as_text_still_limits(store: StateStore) -> None:
    store.put("w", b"3", MINUTE)
    assert isinstance(store.reserve((Window("w", 3, MINUTE),)), Throttled)
    assert reserved(store.reserve((Window("w", 5, MINUTE),))).left == 1


@pytest.mark.parametrize("junk", [b"many", b"nan", b"-5", b"1e3", b"", b"0x0", b" 1"])
def test_a_counter_that_is_no_number_never_makes_a_limit_void(
    store: StateStore, junk: bytes
) -> None:
    for act in (
        lambda: store.reserve((Window("a", 3, MINUTE),)),
        lambda: store.reserve((Bucket("a", 3, MINUTE),)),
        lambda: store.refund(Reservation((Window("a", 3, MINUTE),), 0)),
        lambda: store.raise_to("a", 5, MINUTE),
    ):
        store.put("a", junk, MINUTE)
        with pytest.raises(Unavailable, match="number"):
            act()
        assert store.get("a") == junk


# -- races -------------------------------------------------------------------------------------


def test_of_racing_swaps_one_wins(store: StateStore) -> None:
    store.put("a", b"old", MINUTE)
    won = race(lambda number: store.swap("a", b"old", b"new %d" % number, MINUTE) and number)
    winner = [number for number in won if number is not False]
    assert len(winner) == 1
    assert store.get("a") == b"new %d" % winner[0]


def test_of_racing_takers_one_gets_it(store: StateStore) -> None:
    store.put("a", b"code", MINUTE)
    assert sorted(race(lambda _: store.take("a") or b"")) == [b""] * (RACERS - 1) + [b"code"]


def test_of_racing_firsts_one_is_told_so(store: StateStore) -> None:
    assert sum(race(lambda _: store.once("a", MINUTE))) == 1


def test_of_racers_with_one_step_one_spends_it(store: StateStore) -> None:
    assert store.raise_to("a", 58, MINUTE)
    assert sum(race(lambda _: store.raise_to("a", 59, MINUTE))) == 1


def test_racing_steps_leave_the_highest(store: StateStore) -> None:
    assert any(race(lambda number: store.raise_to("a", number, MINUTE)))
    assert not store.raise_to("a", RACERS - 1, MINUTE)
    assert store.raise_to("a", RACERS, MINUTE)


def test_racing_tries_spend_the_limit_exactly(store: StateStore) -> None:
    budgets = (Window("w", 7, HOUR), Bucket("b", 5, HOUR))
    answers = race(lambda _: store.reserve(budgets))
    left = sorted(answer.left for answer in answers if isinstance(answer, Reservation))
    assert left == [0, 1, 2, 3, 4]
    assert reserved(store.reserve((budgets[0],))).left == 1
