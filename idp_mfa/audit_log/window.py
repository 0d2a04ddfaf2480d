"""The window through which the desk looks at what happened lately, on every node."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from idp_mfa.audit import Told


class AuditWindow(Protocol):
    """Lines for look-ups; it may be trimmed and lost, for the record is elsewhere."""

    def add(self, line: str, reference: str, told: Told | None = None) -> None:
        """Show a line; ``Unavailable`` if that cannot be done now.

        ``told`` is what its owner is shown of it.
        """
        ...

    def of(self, owner: str) -> Sequence[str]:
        """The lines of one person, the newest first."""
        ...

    def story(self, reference: str) -> Sequence[str]:
        """The lines of one reference, oldest first."""
        ...

    def recent(self, limit: int) -> Sequence[str]:
        """The newest lines first."""
        ...


class MemoryWindow:
    """The window of one process, for tests."""

    def __init__(self, length: int) -> None:
        self._told: deque[Told] = deque(maxlen=length)
        self._lines: deque[tuple[str, str]] = deque(maxlen=length)
        self._lock = threading.Lock()

    def add(self, line: str, reference: str, told: Told | None = None) -> None:
        """Show a line."""
        with self._lock:
            if told is not None:
                self._told.appendleft(told)
            self._lines.appendleft((reference, line))

    def of(self, owner: str) -> Sequence[str]:
        """The lines of one person, the newest first."""
        with self._lock:
            return [told.line for told in self._told if told.owner == owner]

    def story(self, reference: str) -> Sequence[str]:
        """The lines of one reference, oldest first."""
        with self._lock:
            return [line for each, line in reversed(self._lines) if each == reference]

    def recent(self, limit: int) -> Sequence[str]:
        """The newest lines first."""
        with self._lock:
            return [line for _, line in self._lines][: max(limit, 0)]
