"""Debian's Redis with a replica and a sentinel that puts the replica in the primary's place."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

from idp_mfa.store.options import RedisOptions
from tests.servers import foreground, valkey
from tests.servers.valkey import Kind, StoreServer

NAME = "ours"


@dataclass(frozen=True, slots=True)
class Watched:
    """A primary, its replica, and the port of the sentinel over them."""

    primary: StoreServer
    replica: StoreServer
    port: int

    def options(self) -> RedisOptions:
        """How an operator writes it down; the first sentinel of the list is not there."""
        absent = foreground.free_port()
        return RedisOptions(
            "redis:///",
            sentinels=(f"127.0.0.1:{absent}", f"127.0.0.1:{self.port}"),
            master_name=NAME,
        )

    def named(self) -> int:
        """The port of whom the sentinel calls the primary."""
        with redis.Redis(port=self.port) as client:
            return int(client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1])

    def in_step(self) -> bool:
        """Whether the replica has all that the primary has, and the sentinel knows of it."""
        with redis.Redis(port=self.replica.port) as client, redis.Redis(port=self.port) as sentinel:
            replicas = sentinel.execute_command("SENTINEL", "REPLICAS", NAME)
            return client.info("replication")["master_link_status"] == "up" and bool(replicas)


def wait_until(done: object, seconds: float = 30) -> None:
    """Until a question is answered by yes."""
    until = time.monotonic() + seconds
    while not done():  # type: ignore[operator]
        assert time.monotonic() < until, "it did not come to that in time"
        time.sleep(0.05)


@contextlib.contextmanager
def watched() -> Iterator[Watched]:
    """All three, each in a folder of its own."""
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(valkey.running(Kind.REDIS))
        replica = stack.enter_context(
            valkey.running(Kind.REDIS, [f"replicaof 127.0.0.1 {primary.port}"])
        )
        place = stack.enter_context(foreground.folder("sentinel"))
        port = foreground.free_port()
        configuration = Path(place, "sentinel.conf")
        configuration.write_text(
            f"bind 127.0.0.1\nport {port}\ndir {place}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {primary.port} 1\n"
            f"sentinel down-after-milliseconds {NAME} 500\n"
            f"sentinel failover-timeout {NAME} 3000\n"
        )
        stack.enter_context(
            foreground.running(
                [valkey.binary(Kind.REDIS), str(configuration), "--sentinel"],
                log=place / "sentinel.log",
                ready=lambda: foreground.listening(port),
            )
        )
        found = Watched(primary, replica, port)
        wait_until(found.in_step)
        yield found
