"""Keeps callers from queueing up before a server that hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable

MOST_TIMEOUTS = 3
"""In a row, in one process: a single lost packet is no reason to turn anybody away."""

REST_SECONDS = 0.5
"""Short, for who presses again a second later shall find the server if it is back."""


class Breaker:
    """Open once several answers in a row did not come in time.

    While it is open, one caller after each rest finds out how things stand; all others are told
    at once, and no thread waits for an answer that will not come.
    """

    def __init__(self, stopwatch: Callable[[], float]) -> None:
        self._stopwatch = stopwatch
        self._lock = threading.Lock()
        self._timeouts = 0
        self._until = 0.0

    def may_try(self) -> bool:
        """Whether the server is worth asking now."""
        if self._timeouts < MOST_TIMEOUTS:
            return True
        with self._lock:
            if self._stopwatch() < self._until:
                return False
            self._until = self._stopwatch() + REST_SECONDS
            return True

    def timed_out(self) -> None:
        """No answer came in time."""
        with self._lock:
            self._timeouts += 1
            self._until = self._stopwatch() + REST_SECONDS

    def answered(self) -> None:
        """It answered, whatever it said."""
        self._timeouts = 0
