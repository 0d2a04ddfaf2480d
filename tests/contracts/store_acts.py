"""What the store's tests do to it: races, every verb at once, and refusals told apart."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TypeVar

import pytest

from idp_mfa.ports import Bucket, Reservation, StateStore, Throttled, Unavailable, Window
from idp_mfa.store.redis import RedisServer
from tests.servers.valkey import StoreServer

T = TypeVar("T")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
RACERS = 64
PROCESSES = 16
_fresh = count()


@contextmanager
def connected_to(server: StoreServer) -> Iterator[RedisServer]:
    """With keys of its own on a server that many tests share."""
    ours = RedisServer(server.options(prefix=f"t{next(_fresh)}:"))
    yield ours
    ours.close()


def now() -> datetime:
    return datetime.now(UTC)


def short(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)


def sleep_until(moment: datetime) -> None:
    time.sleep(max((moment - now()).total_seconds(), 0) + 0.02)


def race(act: Callable[[int], T]) -> list[T]:
    """What each of many threads got that acted at the same moment."""
    line = threading.Barrier(RACERS)
    got: list[T] = []

    def run(number: int) -> None:
        line.wait()
        got.append(act(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(RACERS)]
    patience = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(patience)
    assert len(got) == RACERS
    return got


def race_of_processes(act: Callable[[], int]) -> int:
    """The sum of what each forked process counted; all use what their parent had connected."""
    context = multiprocessing.get_context("fork")
    counted = context.SimpleQueue()
    children = [
        context.Process(target=lambda: counted.put(act()), daemon=True) for _ in range(PROCESSES)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    return sum(counted.get() for _ in children)


def reserved(answer: Reservation | Throttled) -> Reservation:
    assert isinstance(answer, Reservation)
    return answer


def throttled(answer: Reservation | Throttled) -> Throttled:
    assert isinstance(answer, Throttled)
    return answer


def every_verb(store: StateStore) -> tuple[Callable[[], object], ...]:
    budgets = (Window("w", 3, MINUTE), Bucket("b", 3, MINUTE))
    return (
        lambda: store.put("a", b"secret value", MINUTE),
        lambda: store.swap("a", b"secret value", b"new", MINUTE),
        lambda: store.take("a"),
        lambda: store.once("a", MINUTE),
        lambda: store.raise_to("a", 1, MINUTE),
        lambda: store.reserve(budgets),
        lambda: store.refund(Reservation(budgets, 0)),
        lambda: store.clear(budgets),
        store.ping,
    )


def refused(act: Callable[[], object], why: str) -> None:
    """The store is unavailable for this reason, soon, and says no more than the reason."""
    began = time.monotonic()
    with pytest.raises(Unavailable, match=why) as caught:
        act()
    assert time.monotonic() - began < 0.9
    assert caught.value.part == "store"
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
