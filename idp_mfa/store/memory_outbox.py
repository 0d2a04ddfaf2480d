"""The queue of what people are to be told in this process's memory, for tests."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from idp_mfa.letters import Awaited, Letter, LetterId, Notice, Pending, Queued
from idp_mfa.ports import Waiting


@dataclass(frozen=True, slots=True)
class _Kept:
    letter: Letter
    awaited: Awaited | None
    at: datetime
    tries: int = 0


class MemoryOutbox:
    """``Outbox`` under one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._kept: dict[LetterId, _Kept] = {}

    def put(self, letter: Letter) -> LetterId:
        """To be sent now."""
        return self._put(letter, None)

    def intend(self, notice: Notice, awaited: Awaited) -> LetterId:
        """To be sent once ``release`` says so, or the directory."""
        return self._put(notice, awaited)

    def release(self, letter: LetterId, at: datetime) -> None:
        """Its change has happened: it is due."""
        with self._lock:
            if letter in self._kept and self._kept[letter].awaited is not None:
                self._kept[letter] = replace(self._kept[letter], awaited=None, at=at)

    def take(self, limit: int, at: datetime, in_hand: timedelta) -> Sequence[Queued]:
        """What is due; nobody else is given it before ``in_hand`` has passed."""
        with self._lock:
            due = sorted(
                (one for one in self._kept.items() if one[1].awaited is None and one[1].at <= at),
                key=lambda one: one[1].at,
            )[:limit]
            for id, kept in due:
                self._kept[id] = replace(kept, at=at + in_hand, tries=kept.tries + 1)
            return [Queued(id, kept.letter, kept.tries) for id, kept in due]

    def again(self, letter: LetterId, at: datetime) -> None:
        """It was not taken: due once more at ``at``."""
        with self._lock:
            if letter in self._kept:
                self._kept[letter] = replace(self._kept[letter], at=at)

    def done(self, letter: LetterId) -> None:
        """Sent, or given up."""
        with self._lock:
            self._kept.pop(letter, None)

    def pending(self, before: datetime) -> Sequence[Pending]:
        """Notices whose change was intended before a moment and not heard of since."""
        with self._lock:
            return tuple(
                Pending(id, kept.letter, kept.awaited)
                for id, kept in self._kept.items()
                if kept.awaited is not None
                and isinstance(kept.letter, Notice)
                and kept.at <= before
            )

    def waiting(self) -> Waiting:
        """How many letters are due, and since when the oldest of them."""
        with self._lock:
            due = [kept.at for kept in self._kept.values() if kept.awaited is None]
        return Waiting(len(due), min(due, default=None))

    def _put(self, letter: Letter, awaited: Awaited | None) -> LetterId:
        with self._lock:
            id = LetterId(str(next(self._numbers)))
            self._kept[id] = _Kept(letter, awaited, letter.at)
            return id
