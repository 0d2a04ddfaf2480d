"""A phone with an authenticator app: it knows one key, and shows codes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pyotp

STEP_SECONDS = 30
_MARGIN_SECONDS = 10
"""In which a busy machine brings a code to the server."""
_ROOM_SECONDS = 5
"""In which "now" stays the same time step for the server."""


@dataclass(slots=True)
class Phone:
    """Codes of one key, never the same time step twice, as the server accepts each step once.

    The server takes one step to either side, so three sign-ins need no waiting.
    """

    key: str
    last: int = 0

    def code(self) -> str:
        """A code that was not used yet; waits for the next step when they are used up."""
        now = int(time.time()) // STEP_SECONDS
        step = max(now - 1, self.last + 1)
        while step > now + 1:
            time.sleep(0.2)
            now = int(time.time()) // STEP_SECONDS
        # A step about to fall out of the window is left out.
        if step == now - 1 and time.time() % STEP_SECONDS > STEP_SECONDS - _MARGIN_SECONDS:
            step = now
        self.last = step
        return self.at(step)

    def shown(self) -> str:
        """The code on its display, once that is one which was not used and stays for a while."""
        now, room = divmod(time.time(), STEP_SECONDS)
        while now <= self.last or STEP_SECONDS - room < _ROOM_SECONDS:
            time.sleep(0.2)
            now, room = divmod(time.time(), STEP_SECONDS)
        self.last = int(now)
        return self.at(self.last)

    def at(self, step: int) -> str:
        """The code of any time step."""
        return pyotp.TOTP(self.key).at(step * STEP_SECONDS)
