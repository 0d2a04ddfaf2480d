"""The store's breaker: a lost answer turns nobody away, a server that hangs holds up one."""

from __future__ import annotations

from idp_mfa.store.redis.breaker import MOST_TIMEOUTS, REST_SECONDS, Breaker


class Stopwatch:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def opened() -> tuple[Breaker, Stopwatch]:
    watch = Stopwatch()
    breaker = Breaker(watch)
    for _ in range(MOST_TIMEOUTS):
        assert breaker.may_try()
        breaker.timed_out()
    return breaker, watch


def test_a_lost_answer_now_and_then_turns_nobody_away() -> None:
    breaker = Breaker(Stopwatch())
    for _ in range(20):
        for _ in range(MOST_TIMEOUTS - 1):
            breaker.timed_out()
            assert breaker.may_try()
        breaker.answered()


def test_before_a_server_that_hangs_nobody_waits() -> None:
    breaker, watch = opened()
    watch.seconds += REST_SECONDS * 0.99
    assert [breaker.may_try() for _ in range(8)] == [False] * 8


def test_after_a_rest_one_goes_and_finds_out() -> None:
    breaker, watch = opened()
    watch.seconds += REST_SECONDS
    assert [breaker.may_try() for _ in range(8)] == [True, *[False] * 7]
    breaker.timed_out()
    assert not breaker.may_try()
    watch.seconds += REST_SECONDS
    assert breaker.may_try()
    breaker.answered()
    assert [breaker.may_try() for _ in range(8)] == [True] * 8


def test_one_that_went_and_never_came_back_blocks_nobody_for_good() -> None:
    breaker, watch = opened()
    watch.seconds += REST_SECONDS
    assert breaker.may_try()
    watch.seconds += REST_SECONDS
    assert breaker.may_try()
