"""The window through which the desk looks at what happened lately, on every node."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol


class AuditWindow(Protocol):
    """Lines for look-ups; it may be trimmed and lost, for the record is elsewhere."""

    def add(self, line: str, reference: str) -> None:
        """Show a line; ``Unavailable`` if that cannot be done now."""
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
        self._lines: deque[tuple[str, str]] = deque(maxlen=length)
        self._lock = threading.Lock()

    def add(self, line: str, reference: str) -> None:
        """Show a line."""
        with self._lock:
            self._lines.appendleft((reference, line))

    def story(self, reference: str) -> Sequence[str]:
        """The lines of one reference, oldest first."""
        with self._lock:
            return [line for each, line in reversed(self._lines) if each == reference]

    def recent(self, limit: int) -> Sequence[str]:
        """The newest lines first."""
        with self._lock:
            return [line for _, line in self._lines][: max(limit, 0)]
