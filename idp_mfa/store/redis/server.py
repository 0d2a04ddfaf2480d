"""One Redis or Valkey server: connections, commands, scripts, and whether it may hold our state."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redis import exceptions

from idp_mfa.ports import Unavailable
from idp_mfa.store.options import RedisOptions
from idp_mfa.store.redis.breaker import Breaker
from idp_mfa.store.redis.reasons import WORDS, Evicts, reason
from idp_mfa.store.redis.roads import KEEPS_ALL, connections, information
from idp_mfa.store.redis.scripts import Script

OLDEST = (7, 0)
"""The first version that refuses a whole script on a replica, or when it is full."""

Part = str | bytes | int


class Unfit(Unavailable):
    """The server answers and may not hold our state: no waiting helps, only its operator."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself; memory in bytes, a limit of 0 is none."""

    name: str
    version: str
    memory_used: int
    memory_limit: int


class RedisServer:
    """Each command goes once over one connection of this process and is never sent again.

    A try that was perhaps counted is not tried a second time: whoever calls raises
    ``Unavailable`` and its user presses again. A connection that the server closed while it lay
    idle is noticed before anything is sent on it. A server that hangs is soon asked by one caller
    at a time only; ``stopwatch`` counts seconds.
    """

    def __init__(
        self, options: RedisOptions, stopwatch: Callable[[], float] = time.monotonic
    ) -> None:
        self._options = options
        self._connections = connections(options)
        self._breaker = Breaker(stopwatch)

    def key(self, name: str) -> bytes:
        """A key as the server sees it."""
        return (self._options.prefix + name).encode("ascii")

    def command(self, *parts: Part) -> object:
        """The server's answer as it came: bytes, int, list or None."""
        try:
            return self._asked(parts)
        except (exceptions.RedisError, OSError) as error:
            raise self._failed(error) from None

    def text(self, *parts: Part) -> str:
        """The server's answer in words."""
        answer = self.command(*parts)
        if not isinstance(answer, bytes):
            raise self.unexpected()
        return answer.decode("utf-8", "replace")

    def run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Part]) -> object:
        """A script's answer; a server that does not know it yet is told it in the same breath."""
        rest = (len(keys), *keys, *arguments)
        try:
            return self._asked(("EVALSHA", script.sha, *rest))
        except exceptions.NoScriptError:
            return self.command("EVAL", script.source, *rest)
        except (exceptions.RedisError, OSError) as error:
            raise self._failed(error) from None

    def unexpected(self) -> Unavailable:
        """What to raise at an answer of another type than the verb's."""
        return self._unavailable("answers out of form")

    def check_policy(self) -> ServerFacts:
        """The server's facts, or ``Unfit`` if it may lose, refuse or spread what it holds.

        It must be a primary of 7.0 or later, no cluster, and evict nothing: under memory pressure
        a flood of new keys would else push out a lock (read from INFO, for our user has no CONFIG).
        A replica may become a primary, so that is ``Unavailable`` like a server out of reach.
        """
        said = information(self.command("INFO"))
        name = "valkey" if "valkey_version" in said else "redis"
        version = said.get(f"{name}_version", "")
        if said.get("role") != "master":
            raise self._unavailable(WORDS["READONLY"])
        if said.get("cluster_enabled") == "1":
            raise self._unfit("is a cluster, which is not supported")
        if not _recent(said.get("redis_version", "")):
            raise self._unfit("is older than 7.0")
        policy = said.get("maxmemory_policy", "")
        if policy != KEEPS_ALL:
            raise self._unfit(reason(Evicts(policy)))
        return ServerFacts(
            name, version, int(said.get("used_memory", 0)), int(said.get("maxmemory", 0))
        )

    def close(self) -> None:
        """Drop the idle connections."""
        self._connections.close()

    def _unavailable(self, why: str) -> Unavailable:
        return Unavailable("store", f"{self._options.address} {why}")

    def _unfit(self, why: str) -> Unfit:
        return Unfit("store", f"{self._options.address} {why}")

    def _failed(self, error: exceptions.RedisError | OSError) -> Unavailable:
        why = reason(error)
        return self._unfit(why) if isinstance(error, Evicts) else self._unavailable(why)

    def _asked(self, parts: Sequence[Part]) -> object:
        if not self._breaker.may_try():
            raise self._unavailable("does not answer in time, and is asked again in a moment")
        try:
            answer = self._exchange(parts)
        except exceptions.TimeoutError:
            self._breaker.timed_out()
            raise
        except exceptions.ResponseError:
            self._breaker.answered()
            raise
        self._breaker.answered()
        return answer

    def _exchange(self, parts: Sequence[Part]) -> object:
        connection = self._connections.take()
        try:
            connection.send_packed_command([_packed(parts)])
            return connection.read_response()
        except exceptions.ReadOnlyError:
            # The name may lead to the new primary by the next connection.
            connection.disconnect()
            raise
        except exceptions.ResponseError:
            raise
        except BaseException:
            # An answer still under way would be taken for that of the next command.
            connection.disconnect()
            raise
        finally:
            self._connections.give_back(connection)


def _packed(parts: Sequence[Part]) -> bytes:
    """A command as an array of bulk strings (RESP2)."""
    octets = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    return b"*%d\r\n" % len(octets) + b"".join(
        [b"$%d\r\n%b\r\n" % (len(each), each) for each in octets]
    )


def _recent(version: str) -> bool:
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    return numbers >= OLDEST
