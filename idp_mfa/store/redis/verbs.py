"""The store's verbs, each one command or one script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from idp_mfa.ports import AfterLoss, Bucket, Budget, Reservation, Throttled, Window
from idp_mfa.store import LARGEST, milliseconds, sound
from idp_mfa.store.redis import scripts
from idp_mfa.store.redis.history import History
from idp_mfa.store.redis.scripts import Script
from idp_mfa.store.redis.server import Part, RedisServer

_EPOCH = "epoch"
_RUN = re.compile(r"^run_id:([0-9a-f]+)", re.MULTILINE)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RedisStore:
    """``StateStore`` on a server; the time of every limit is the server's, the same for all nodes.

    Answers are checked for their type: a counter that came back as text must never make a limit
    void.
    """

    def __init__(self, server: RedisServer, history: History | None = None) -> None:
        self._server = server
        self._history = history or History(None)

    def put(self, key: str, value: bytes, ttl: timedelta) -> None:
        """Set, whatever was there."""
        answer = self._server.command("SET", self._server.key(key), value, "PX", milliseconds(ttl))
        if answer != b"OK":
            raise self._server.unexpected()

    def get(self, key: str) -> bytes | None:
        """Look, changing nothing."""
        return self._value(self._server.command("GET", self._server.key(key)))

    def swap(self, key: str, old: bytes, new: bytes, ttl: timedelta) -> bool:
        """Set to ``new`` if it still is ``old``."""
        return self._yes(scripts.SWAP, key, old, new, milliseconds(ttl))

    def take(self, key: str) -> bytes | None:
        """Get and delete in one act."""
        return self._value(self._server.command("GETDEL", self._server.key(key)))

    def once(self, key: str, ttl: timedelta) -> bool:
        """True for the first caller within ``ttl`` only."""
        answer = self._server.command(
            "SET", self._server.key(key), b"1", "NX", "PX", milliseconds(ttl)
        )
        if answer not in (b"OK", None):
            raise self._server.unexpected()
        return answer is not None

    def raise_to(
        self, key: str, number: int, ttl: timedelta, *, step: timedelta | None = None
    ) -> bool:
        """True if what was there is lower or nothing; it now is ``number``.

        Of time steps, those are refused that could have been used before this server came to be
        without what it, or the one before it, was told (``raise_to.lua``).
        """
        if not 0 <= number <= LARGEST:
            raise ValueError("a number to raise to must be between 0 and 2**53 - 1")
        keys = [self._server.key(key), self._server.key(_EPOCH)]
        length = 0 if step is None else milliseconds(step)
        used = int(self._history.used)
        answer = self._server.run(scripts.RAISE_TO, keys, (number, milliseconds(ttl), length, used))
        if answer not in (0, 1):
            raise self._server.unexpected()
        if step is not None:
            self._history.remember()
        return answer == 1

    def reserve(self, budgets: Sequence[Budget]) -> Reservation | Throttled:
        """One try from every budget in one act, or from none."""
        keys = [self._server.key(budget.key) for budget in sound(budgets)]
        arguments = [part for budget in budgets for part in (*_numbers(budget), *_assumed(budget))]
        used = int(self._history.used)
        match self._server.run(
            scripts.RESERVE, [*keys, self._server.key(_EPOCH)], [*arguments, used]
        ):
            case [1, int(left)]:
                return Reservation(tuple(budgets), left)
            case [0, int(until), int(blocking)] if 1 <= blocking <= len(budgets):
                return Throttled(EPOCH + timedelta(milliseconds=until), budgets[blocking - 1])
            case _:
                raise self._server.unexpected()

    def refund(self, reservation: Reservation, cleared: Sequence[Budget] = ()) -> None:
        """Give one try back to each budget, and forget what was spent of others."""
        keys = [self._server.key(budget.key) for budget in (*reservation.budgets, *cleared)]
        arguments = [part for budget in reservation.budgets for part in _numbers(budget)]
        if self._server.run(scripts.REFUND, keys, arguments) != 1:
            raise self._server.unexpected()

    def clear(self, budgets: Sequence[Budget]) -> None:
        """Forget what was spent."""
        keys = [self._server.key(budget.key) for budget in budgets]
        if keys and not isinstance(self._server.command("DEL", *keys), int):
            raise self._server.unexpected()

    def ping(self) -> None:
        """A write, for a server that only answers may still refuse each of them."""
        self.put("ping", b"1", timedelta(seconds=1))

    def trust_as_whole(self) -> None:
        """The server as it runs now holds all that the one before it was told."""
        run = _RUN.search(self._server.text("INFO", "server"))
        if run is None:
            raise self._server.unexpected()
        answer = self._server.command("SET", self._server.key(_EPOCH), f"{run[1]} 0")
        if answer != b"OK":
            raise self._server.unexpected()

    def now(self) -> datetime:
        """The server's clock."""
        match self._server.command("TIME"):
            case [bytes(seconds), bytes(microseconds)] if (seconds + microseconds).isdigit():
                return EPOCH + timedelta(seconds=int(seconds), microseconds=int(microseconds))
            case _:
                raise self._server.unexpected()

    def _yes(self, script: Script, key: str, *arguments: Part) -> bool:
        match self._server.run(script, [self._server.key(key)], arguments):
            case int(answer) if answer in (0, 1):
                return answer == 1
            case _:
                raise self._server.unexpected()

    def _value(self, answer: object) -> bytes | None:
        match answer:
            case bytes() | None:
                return answer
            case _:
                raise self._server.unexpected()


def _numbers(budget: Budget) -> tuple[Part, ...]:
    match budget:
        case Window(_, limit, span):
            return "window", limit, milliseconds(span)
        case Bucket(_, burst, refill):
            return "bucket", burst, milliseconds(refill)


def _assumed(budget: Budget) -> tuple[Part, ...]:
    match budget:
        case Window(after_loss=AfterLoss(spent, within)):
            return spent, milliseconds(within)
        case Window() | Bucket():
            return 0, 0
