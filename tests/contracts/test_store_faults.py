"""The store on real servers: processes that race, and servers that fail."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp_mfa.ports import Bucket, Budget, Reservation, StateStore, Throttled, Window
from idp_mfa.store.memory import MemoryStore
from idp_mfa.store.options import RedisOptions
from idp_mfa.store.redis import RedisAuditWindow, RedisServer, RedisStore
from tests.contracts.store_acts import (
    HOUR,
    MINUTE,
    connected_to,
    every_verb,
    now,
    race_of_processes,
    refused,
    reserved,
)
from tests.servers import foreground, valkey
from tests.servers.valkey import Kind, StoreServer


@pytest.fixture
def redis_store(connected: RedisServer) -> RedisStore:
    return RedisStore(connected)


# -- processes ---------------------------------------------------------------------------------


def test_racing_processes_win_once_each(redis_store: RedisStore) -> None:
    rounds = range(25)
    for number in rounds:
        redis_store.put(f"swap {number}", b"old", MINUTE)
        redis_store.put(f"take {number}", b"code", MINUTE)

    def act() -> int:
        won = 0
        for number in rounds:
            won += redis_store.once(f"once {number}", MINUTE)
            won += redis_store.swap(f"swap {number}", b"old", b"%d" % os.getpid(), MINUTE)
            won += redis_store.take(f"take {number}") is not None
            won += redis_store.raise_to("steps", number, MINUTE)
        return won

    assert race_of_processes(act) == 4 * len(rounds)


def test_800_guesses_of_16_processes_spend_the_limit_exactly(redis_store: RedisStore) -> None:
    budgets = (Window("w", 5, HOUR), Bucket("b", 9, HOUR))
    redis_store.ping()

    def act() -> int:
        answers = [redis_store.reserve(budgets) for _ in range(50)]
        return sum(isinstance(answer, Reservation) for answer in answers)

    assert race_of_processes(act) == 5
    assert reserved(redis_store.reserve((budgets[1],))).left == 3


# -- both adapters reckon alike ----------------------------------------------------------------

_BUDGETS = (
    Window("w1", 3, HOUR),
    Window("w2", 5, HOUR),
    Bucket("b1", 2, HOUR),
    Bucket("b2", 4, HOUR),
)
_acts = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "refund", "clear"]),
        st.sets(st.sampled_from(_BUDGETS), min_size=1),
    ),
    max_size=25,
)


@given(acts=_acts)
@settings(max_examples=60, deadline=None)
def test_memory_and_server_give_the_same_answers(
    server: StoreServer, acts: list[tuple[str, set[Budget]]]
) -> None:
    with connected_to(server) as ours:
        stores: tuple[StateStore, StateStore] = MemoryStore(now), RedisStore(ours)
        for verb, chosen in acts:
            budgets = tuple(sorted(chosen, key=lambda budget: budget.key))
            answers = set()
            for each in stores:
                match verb:
                    case "reserve":
                        answer = each.reserve(budgets)
                        answers.add(answer.left if isinstance(answer, Reservation) else "throttled")
                    case "refund":
                        each.refund(Reservation(budgets, 0))
                    case _:
                        each.clear(budgets)
            assert len(answers) <= 1


# -- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Kind))
def test_a_stopped_server_is_unavailable_and_welcome_when_it_is_back(kind: Kind) -> None:
    program = valkey.binary(kind)
    with foreground.folder("store") as folder:
        port = foreground.free_port()
        with valkey.started(program, kind, folder, port) as server:
            store = RedisStore(RedisServer(server.options()))
            over_tcp = RedisStore(RedisServer(RedisOptions(server.tcp_url)))
            for each in (store, over_tcp):
                each.ping()
        for each in (store, over_tcp):
            for act in (*every_verb(each), lambda each=each: each.get("a")):
                refused(act, "cannot be reached")
        with valkey.started(program, kind, folder, port):
            for each in (store, over_tcp):
                each.put("a", b"back", MINUTE)
                assert each.get("a") == b"back"


@pytest.mark.parametrize("kind", list(Kind))
def test_a_hanging_server_is_unavailable_and_its_late_answers_are_not_mistaken(
    kind: Kind,
) -> None:
    with valkey.running(kind) as server:
        for options in (RedisOptions(server.url), RedisOptions(server.tcp_url)):
            # By a stopwatch that leaps, the breaker never keeps a command from being sent.
            store = RedisStore(RedisServer(options, itertools.count().__next__))
            store.put("mine", b"mine", MINUTE)
            store.put("other", b"other", MINUTE)
            os.kill(server.pid, signal.SIGSTOP)
            try:
                for act in (lambda store=store: store.get("other"), *every_verb(store)):
                    refused(act, "does not answer in time")
            finally:
                os.kill(server.pid, signal.SIGCONT)
            time.sleep(0.1)
            for _ in range(5):
                assert store.get("mine") == b"mine"


def test_a_timed_out_try_is_not_sent_again(server: StoreServer) -> None:
    """A try that hangs may be counted once it is read, never twice."""
    store = RedisStore(RedisServer(RedisOptions(server.url, prefix="timed-out:")))
    budget = Window("w", 9, HOUR)
    reserved(store.reserve((budget,)))
    os.kill(server.pid, signal.SIGSTOP)
    try:
        refused(lambda: store.reserve((budget,)), "does not answer in time")
    finally:
        os.kill(server.pid, signal.SIGCONT)
    time.sleep(0.1)
    assert reserved(store.reserve((budget,))).left >= 6


class Interrupted(BaseException):
    """What a signal's handler raises, wherever the program stands."""


def interrupt_between(caller: str, called: str) -> None:
    """Raise when the one function enters the other, as a signal at that moment would."""

    def trace(frame: FrameType, event: str, argument: object) -> None:
        back = frame.f_back
        if frame.f_code.co_name == called and back is not None and back.f_code.co_name == caller:
            raise Interrupted

    sys.settrace(trace)


@pytest.mark.parametrize("called", ["send_packed_command", "read_response", "give_back"])
def test_an_interrupted_command_leaves_no_answer_for_the_next(
    redis_store: RedisStore, called: str
) -> None:
    redis_store.put("mine", b"mine", MINUTE)
    redis_store.put("other", b"other", MINUTE)
    for _ in range(20):
        interrupt_between("_exchange", called)
        with pytest.raises(Interrupted):
            redis_store.get("other")
        sys.settrace(None)
        assert redis_store.get("mine") == b"mine"


@pytest.mark.parametrize("called", ["send_command", "read_response"])
def test_a_connection_interrupted_in_its_greeting_is_not_used(
    server: StoreServer, connected: RedisServer, called: str
) -> None:
    store = RedisStore(connected)
    for _ in range(20):
        connected.close()
        interrupt_between("_greet", called)
        with pytest.raises(Interrupted):
            store.ping()
        sys.settrace(None)
        store.put("mine", b"mine", MINUTE)
        assert store.get("mine") == b"mine"


def test_nothing_is_kept_for_ever(connected: RedisServer, redis_store: RedisStore) -> None:
    budgets = (Window("w", 3, MINUTE), Bucket("b", 3, MINUTE))
    for act in every_verb(redis_store):
        act()
    for _ in range(2):
        redis_store.refund(reserved(redis_store.reserve(budgets)))
    redis_store.refund(Reservation(budgets, 0))
    RedisAuditWindow(connected, 10, MINUTE).add("line", "K7WQ2MZP")
    keys = connected.command("KEYS", connected.key("*"))
    assert isinstance(keys, list)
    assert len(keys) >= 5
    for key in keys:
        left = connected.command("PTTL", key)
        assert isinstance(left, int)
        assert 0 < left <= 60_000, key


def test_forgotten_scripts_are_told_again_and_the_try_is_counted_once(
    connected: RedisServer, redis_store: RedisStore
) -> None:
    budget = Window("w", 9, HOUR)
    redis_store.put("a", b"one", MINUTE)
    for left in (8, 7, 6):
        assert connected.command("SCRIPT", "FLUSH") == b"OK"
        assert reserved(redis_store.reserve((budget,))).left == left
    connected.command("SCRIPT", "FLUSH")
    assert redis_store.raise_to("n", 5, MINUTE)
    connected.command("SCRIPT", "FLUSH")
    assert redis_store.swap("a", b"one", b"two", MINUTE)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_read_only_replica_is_refused(kind: Kind) -> None:
    with valkey.running(kind, [f"replicaof 127.0.0.1 {foreground.free_port()}"]) as server:
        connected = RedisServer(server.options())
        for act in every_verb(RedisStore(connected)):
            refused(act, "is a replica")
        refused(connected.check_policy, "is a replica")


def test_a_promoted_replica_is_taken_without_a_restart(
    server: StoreServer, redis_store: RedisStore
) -> None:
    store = redis_store
    hand = RedisServer(server.options())
    store.ping()
    hand.command("REPLICAOF", "127.0.0.1", foreground.free_port())
    try:
        for act in every_verb(store):
            refused(act, "is a replica")
        refused(lambda: store.get("a"), "is a replica")
    finally:
        hand.command("REPLICAOF", "NO", "ONE")
    store.ping()


def test_a_full_server_is_unavailable_and_loses_no_limit(
    connected: RedisServer, redis_store: RedisStore
) -> None:
    budget = Window("w", 1, HOUR)
    reserved(redis_store.reserve((budget,)))
    connected.command("CONFIG", "SET", "maxmemory", 1)
    try:
        refused(redis_store.ping, "is full")
        refused(lambda: redis_store.reserve((budget,)), "is full")
        refused(lambda: redis_store.once("a", MINUTE), "is full")
    finally:
        connected.command("CONFIG", "SET", "maxmemory", 0)
    assert isinstance(redis_store.reserve((budget,)), Throttled)
