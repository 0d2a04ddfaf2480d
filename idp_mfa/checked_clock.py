"""The clock of a host, held against the store's: one that is off calls right codes wrong.

The store's is the same for every node, so that codes, sessions and assertions are judged alike
wherever a browser is led.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from idp_mfa.model import Clock
from idp_mfa.ports import Unavailable

MOST_DRIFT = timedelta(seconds=10)
"""How far a clock may be off the store's: a third of a TOTP step."""

EACH_SECONDS = 15.0
"""How long a look is good for: no clock drifts by more than a second meanwhile."""

LEAP = timedelta(seconds=1)
"""By so much more than time went by no clock moves, unless somebody sets it."""


class CheckedClock:
    """A ``Clock`` that says ``Unavailable("clock", ...)`` rather than a time that is off.

    It asks the store for its time every 15 seconds at most, at once after the host's clock was set
    (``stopwatch`` counts seconds and cannot be set), and each time while it is off. A store that
    cannot be asked is its own failure.
    """

    def __init__(self, host: Clock, store: Clock, stopwatch: Callable[[], float]) -> None:
        self._host = host
        self._store = store
        self._stopwatch = stopwatch
        self._lock = threading.Lock()
        self._looked: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        """The present moment, which is that of all nodes."""
        now = self._host()
        if not self._stands(now):
            with self._lock:
                if not self._stands(self._host()):
                    self.look()
            now = self._host()
        return now

    def look(self) -> None:
        """Hold it against the store's now."""
        self._looked = None
        ahead = self._host() - self._store()
        if abs(ahead) > MOST_DRIFT:
            seconds = round(ahead.total_seconds())
            raise Unavailable("clock", f"it is {seconds:+d} s from the store's: set it right")
        self._looked = self._host(), self._stopwatch()

    def _stands(self, now: datetime) -> bool:
        looked = self._looked
        if looked is None:
            return False
        at, since = looked
        passed = self._stopwatch() - since
        return passed < EACH_SECONDS and abs(now - at - timedelta(seconds=passed)) < LEAP
