"""A store that lost what it was told: no time step that could have been used is taken again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import redis

from idp_mfa.model import Seen, TransactionId, UserId
from idp_mfa.ports import Reservation, StateStore, Unavailable, Window
from idp_mfa.store.memory import MemoryStore
from idp_mfa.store.options import RedisOptions
from idp_mfa.store.redis import RedisServer, RedisStore
from idp_mfa.store.redis.history import History
from idp_mfa.throttle import Limits, Standpoint, Throttle, Trust
from tests.contracts.store_acts import MINUTE, now, race
from tests.servers import foreground, sentinel, valkey
from tests.servers.valkey import Kind, StoreServer

STEP = timedelta(seconds=30)
KEPT = timedelta(minutes=10)
LATEST_HOLD = 3
"""Steps after the present one: from there on everything is taken again."""


def step_now() -> int:
    return int(now().timestamp()) // 30


def spends(store: StateStore, step: int, key: str = "step:alice") -> bool:
    return store.raise_to(key, step, KEPT, step=STEP)


def refuses_what_could_have_been_used(store: StateStore) -> None:
    """What a phone may show in the minute around the loss, for anybody; later codes are taken."""
    present = step_now()
    for step in (present - 1, present, present + 1):
        assert not spends(store, step)
        assert not spends(store, step, "step:bob")
    later = present + LATEST_HOLD
    assert spends(store, later)
    assert not spends(store, later)
    assert spends(store, later, "step:bob")


@pytest.fixture(params=list(Kind), ids=lambda kind: kind.value)
def kind(request: pytest.FixtureRequest) -> Kind:
    valkey.binary(request.param)
    return request.param


@pytest.fixture
def server(kind: Kind) -> Iterator[StoreServer]:
    with valkey.running(kind) as running:
        yield running


def store_of(server: StoreServer, file: Path | None = None) -> RedisStore:
    return RedisStore(RedisServer(server.options()), History(file))


def test_a_new_store_of_a_new_site_makes_nobody_wait(server: StoreServer, tmp_path: Path) -> None:
    first, other = store_of(server, tmp_path / "a"), store_of(server, tmp_path / "b")
    present = step_now()
    assert spends(first, present)
    assert not spends(other, present)
    assert spends(other, present + 1)
    assert spends(MemoryStore(now), present)


def test_a_flushed_store_takes_no_used_code_from_anybody(server: StoreServer) -> None:
    store = store_of(server)
    assert spends(store, step_now())
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        client.flushall()
    refuses_what_could_have_been_used(store)


def test_64_racers_on_a_flushed_store_get_nothing_old_and_one_new(server: StoreServer) -> None:
    store = store_of(server)
    spends(store, step_now())
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        client.flushall()
    present = step_now()
    assert not any(race(lambda _: spends(store, present)))
    assert sum(race(lambda _: spends(store, present + LATEST_HOLD))) == 1


@pytest.mark.parametrize("keeps", [False, True])
def test_a_store_that_was_started_again(kind: Kind, keeps: bool) -> None:
    lines = ("appendonly yes", "appendfsync always") if keeps else ()
    with foreground.folder("store") as folder:
        port, program = foreground.free_port(), valkey.binary(kind)
        with valkey.started(program, kind, folder, port, lines) as server:
            store = store_of(server)
            assert spends(store, step_now())
        with valkey.started(program, kind, folder, port, lines):
            # What it kept may be a second old.
            refuses_what_could_have_been_used(store)


@pytest.mark.parametrize("remembers", [False, True])
def test_store_and_node_started_again_together(kind: Kind, tmp_path: Path, remembers: bool) -> None:
    file = tmp_path / "registry" / "store-used" if remembers else None
    with valkey.running(kind) as server:
        assert spends(store_of(server, file), step_now())
    with valkey.running(kind) as server:
        if remembers:
            refuses_what_could_have_been_used(store_of(server, file))
        else:
            assert spends(store_of(server, file), step_now())


def test_another_worker_of_the_same_node_knows_that_the_store_was_used(
    server: StoreServer, tmp_path: Path
) -> None:
    first, second = store_of(server, tmp_path / "used"), store_of(server, tmp_path / "used")
    assert spends(first, step_now())
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        client.flushall()
    refuses_what_could_have_been_used(second)


def test_a_loss_is_noticed_once_and_the_wait_does_not_begin_anew(server: StoreServer) -> None:
    store = store_of(server)
    spends(store, step_now())
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        client.flushall()
        spends(store, step_now())
        epoch = client.get("idp_mfa:epoch")
        for step in range(3):
            spends(store, step_now() + step)
            assert client.get("idp_mfa:epoch") == epoch
        assert client.ttl("idp_mfa:epoch") == -1


def test_other_numbers_and_whoever_vouches_for_the_store_do_not_wait(server: StoreServer) -> None:
    store = store_of(server)
    assert spends(store, step_now())
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        client.flushall()
        assert store.raise_to("generation", 1, MINUTE)
        assert not store.raise_to("generation", 1, MINUTE)
        client.flushall()
    store.trust_as_whole()
    assert spends(store, step_now())


# -- what was counted ----------------------------------------------------------------------------

THROTTLE = Throttle(Limits(), b"k" * 32)
ELSEWHERE = Standpoint(Trust.UNTRUSTED, Seen(ip_address("203.0.113.10"), ()))


def month_of(user: str) -> Window:
    """The failures that no success resets."""
    *_, month = THROTTLE.second_factor(TransactionId("one"), UserId(user), ELSEWHERE)
    assert isinstance(month, Window)
    assert month.limit == 50
    return month


def allowed(store: StateStore, window: Window) -> int:
    """How many tries a guesser has from here on."""
    return sum(isinstance(store.reserve((window,)), Reservation) for _ in range(window.limit + 5))


def test_what_was_counted_is_kept_and_a_new_store_takes_nobody_for_a_guesser(
    server: StoreServer,
) -> None:
    store = store_of(server)
    assert spends(store, step_now())
    assert allowed(store, month_of("alice")) == 50
    assert allowed(store, month_of("alice")) == 0


def test_after_a_flush_everybody_has_failed_twenty_times(
    server: StoreServer, tmp_path: Path
) -> None:
    store = store_of(server, tmp_path / "used")
    assert spends(store, step_now())
    assert allowed(store, month_of("alice")) == 50
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        client.flushall()
    # A node that was started just now does not take what is left for a new store.
    newcomer = store_of(server, tmp_path / "not yet")
    assert isinstance(newcomer.reserve((month_of("carol"),)), Reservation)
    assert allowed(store, month_of("alice")) == 30
    assert allowed(newcomer, month_of("bob")) == 30
    in_a_row = THROTTLE.in_a_row(UserId("alice"))
    assert allowed(store, in_a_row) == in_a_row.limit - 20
    refuses_what_could_have_been_used(store)


def test_a_success_after_a_flush_gives_its_own_try_back_and_no_more(server: StoreServer) -> None:
    store = store_of(server)
    spends(store, step_now())
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        client.flushall()
    taken = store.reserve((month_of("alice"),))
    assert isinstance(taken, Reservation)
    assert taken.left == 29
    store.refund(taken)
    assert allowed(store, month_of("alice")) == 30


def test_a_day_after_a_flush_nobody_is_taken_for_a_guesser_any_more(server: StoreServer) -> None:
    store = store_of(server)
    spends(store, step_now())
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        client.flushall()
        assert allowed(store, month_of("alice")) == 30
        run, lost = client.get("idp_mfa:epoch").split()
        day = 24 * 3600 * 1000
        client.set("idp_mfa:epoch", b"%b %d" % (run, int(lost) - day + 60_000))
        assert allowed(store, month_of("bob")) == 30
        client.set("idp_mfa:epoch", b"%b %d" % (run, int(lost) - day))
    assert allowed(store, month_of("carol")) == 50
    assert allowed(store, month_of("alice")) == 0, "and what was counted since then stays"


def test_64_guessers_at_a_flushed_store_get_no_more_than_is_left(server: StoreServer) -> None:
    store = store_of(server)
    spends(store, step_now())
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        client.flushall()
    month = month_of("alice")
    assert sum(race(lambda _: isinstance(store.reserve((month,)), Reservation))) == 30


def test_a_loss_must_not_shut_everybody_out() -> None:
    with pytest.raises(ValueError, match="factor_after_loss must be less"):
        Limits(factor_sticky=20)
    with pytest.raises(ValueError, match="factor_after_loss must be less"):
        Limits(factor_in_a_row=20)


# -- Redis Sentinel ------------------------------------------------------------------------------


def test_a_fail_over_that_lost_writes_takes_no_code_twice() -> None:
    with sentinel.watched() as servers:
        store = RedisStore(RedisServer(servers.options()))
        store.put("session", b"kept", MINUTE)
        assert spends(store, step_now(), "step:carol")
        assert allowed(store, month_of("carol")) == 50
        sentinel.wait_until(servers.in_step)
        with redis.Redis(port=servers.primary.port) as primary:
            assert primary.wait(1, 5000) == 1
        os.kill(servers.replica.pid, signal.SIGSTOP)
        with redis.Redis(port=servers.primary.port) as primary:
            # What was sent on an open connection would still be read when it goes on.
            primary.execute_command("CLIENT", "KILL", "TYPE", "replica")
        used = step_now()
        assert spends(store, used)
        assert allowed(store, month_of("alice")) == 50
        os.kill(servers.primary.pid, signal.SIGKILL)
        os.kill(servers.replica.pid, signal.SIGCONT)
        with pytest.raises(Unavailable):
            store.get("session")
        sentinel.wait_until(lambda: servers.named() == servers.replica.port)
        sentinel.wait_until(lambda: answers(store))
        assert store.get("session") == b"kept"
        with redis.Redis(port=servers.replica.port) as promoted:
            assert not promoted.exists("idp_mfa:step:alice"), "nothing was lost, nothing is shown"
        assert allowed(store, month_of("alice")) == 30, "what was counted last is lost"
        assert allowed(store, month_of("carol")) == 0, "what the replica has is not forgotten"
        assert not spends(store, used)
        refuses_what_could_have_been_used(store)


def answers(store: RedisStore) -> bool:
    try:
        store.ping()
    except Unavailable:
        return False
    return True


def test_no_sentinel_no_primary_and_no_word_of_where() -> None:
    dead = f"127.0.0.1:{foreground.free_port()}"
    store = RedisStore(
        RedisServer(RedisOptions("redis:///", sentinels=(dead,), master_name="ours"))
    )
    with pytest.raises(Unavailable, match="the primary ours has no primary that a sentinel"):
        store.ping()


def test_a_name_that_the_sentinel_does_not_know_is_no_primary() -> None:
    with sentinel.watched() as servers:
        options = RedisOptions(
            "redis:///", sentinels=(f"127.0.0.1:{servers.port}",), master_name="other"
        )
        with pytest.raises(Unavailable, match="no primary"):
            RedisStore(RedisServer(options)).ping()


@pytest.mark.parametrize(
    ("url", "sentinels", "name"),
    [
        ("redis://host/", ("a:1",), "ours"),
        ("redis:///", ("a:1",), ""),
        ("unix:///x", ("a:1",), "ours"),
        ("redis:///", ("user:word@a:1",), "ours"),
        ("redis:///", ("",), "ours"),
    ],
)
def test_what_an_operator_may_mistake(url: str, sentinels: tuple[str, ...], name: str) -> None:
    with pytest.raises(ValueError, match=r"sentinels|redis"):
        RedisOptions(url, sentinels=sentinels, master_name=name)
