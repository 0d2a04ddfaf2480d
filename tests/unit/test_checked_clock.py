"""A clock that is off is never told, and finding out costs next to nothing."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta

import pytest

from idp_mfa.checked_clock import EACH_SECONDS, CheckedClock
from idp_mfa.ports import Unavailable

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class World:
    """The time as it is, a host whose clock is off by something, and a store that has it right."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.off = timedelta()
        self.asked = 0
        self.store_is_there = True
        self.clock = CheckedClock(self.host, self.store, lambda: self.passed)

    def true(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def host(self) -> datetime:
        return self.true() + self.off

    def store(self) -> datetime:
        self.asked += 1
        if not self.store_is_there:
            raise Unavailable("store", "cannot be reached")
        return self.true()


def refused(world: World) -> str | None:
    """The part that is named instead of the time, if it is not told."""
    try:
        world.clock()
    except Unavailable as error:
        return error.part
    return None


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("seconds", [-10, -3, 0, 3, 10])
def test_a_small_drift_is_no_trouble(world: World, seconds: int) -> None:
    world.off = seconds * SECOND
    assert world.clock() == world.host()


@pytest.mark.parametrize("seconds", [-3600, -180, -11, 11, 180, 3600])
def test_a_clock_that_is_off_is_not_told(world: World, seconds: int) -> None:
    world.off = seconds * SECOND
    for _ in range(3):
        with pytest.raises(Unavailable, match=re.escape(f"clock: it is {seconds:+d} s from")):
            world.clock()


def test_the_store_is_asked_now_and_then(world: World) -> None:
    for _ in range(1000):
        world.clock()
    assert world.asked == 1
    world.passed += EACH_SECONDS
    world.clock()
    assert world.asked == 2


def test_a_clock_that_drifts_away_is_noticed_at_the_next_look(world: World) -> None:
    while refused(world) is None:
        assert world.off <= timedelta(seconds=10.5), "it is told all the same"
        world.passed += 1
        world.off += timedelta(milliseconds=20)
    assert refused(world) == "clock"
    assert world.off > timedelta(seconds=10)


@pytest.mark.parametrize("seconds", [-3600, -60, 60, 3600])
def test_a_clock_that_is_set_is_noticed_at_once_and_so_is_that_it_was_set_right(
    world: World, seconds: int
) -> None:
    world.clock()
    world.off = seconds * SECOND
    with pytest.raises(Unavailable, match="clock"):
        world.clock()
    world.off = timedelta()
    assert world.clock() == world.true()


def test_without_the_store_a_clock_that_was_right_is_believed_for_a_while(world: World) -> None:
    world.clock()
    world.store_is_there = False
    world.passed += EACH_SECONDS - 1
    assert world.clock() == world.true()
    world.passed += 1
    with pytest.raises(Unavailable, match="store"):
        world.clock()


def test_nobody_is_told_the_time_while_somebody_else_finds_out(world: World) -> None:
    """Of many at the same moment after a leap none takes the last look's word for it."""
    world.clock()
    world.off = timedelta(minutes=3)
    told: list[str | None] = []
    threads = [threading.Thread(target=lambda: told.append(refused(world))) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == ["clock"] * 32
