"""The keys of the addresses on record: one for each day, each made from that of the day before.

From a day's key those of later days follow, and none of an earlier one. So one file with the key of
the oldest day that may still be opened is enough for every node, and to move it a day on is to
destroy that day's key for good (docs/adr/0008-addresses-under-a-key-that-moves-on.md).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import stat
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Protocol

from idp_mfa.model import Clock, Randomness
from idp_mfa.ports import Unavailable
from idp_mfa.sealing_keys import KEY_BYTES, octets_of, text_of

MOST_DAYS_UNASKED = 31
"""A server moves its file no further at once: a clock that is wrong must not destroy every key."""
_LONGEST_WAY = 3660

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DayKeys:
    """The keys of one day, 32 bytes each: one seals addresses, the other marks them for search."""

    day: date
    sealing: bytes = field(repr=False)
    marking: bytes = field(repr=False)


class AddressKeys(Protocol):
    """Where the keys of a day are asked for."""

    def sealing(self, day: date) -> DayKeys:
        """The keys for what happens on a day; ``Unavailable`` if there are none."""
        ...

    def opening(self, day: date) -> DayKeys | None:
        """The keys that a day's addresses were sealed with; None if they are not to be had."""
        ...


@dataclass(frozen=True, slots=True)
class _Oldest:
    """What the file holds."""

    day: date
    key: bytes = field(repr=False)

    def moved_to(self, day: date) -> _Oldest:
        """The same for a later day; there is no way back."""
        key = self.key
        for _ in range((day - self.day).days):
            key = _derived(key, b"the next day")
        return _Oldest(day, key)

    def keys(self) -> DayKeys:
        """What is used of it."""
        return DayKeys(self.day, _derived(self.key, b"sealing"), _derived(self.key, b"marking"))


class AddressKeyFile:
    """``AddressKeys`` of a file that holds the oldest day that opens, and that day's key.

    ``kept`` is how long an address can be opened. The file is looked at once a day, and moved on
    where it may be written.
    """

    def __init__(self, path: Path, kept: timedelta, clock: Clock) -> None:
        self._path = path
        self._kept = kept
        self._clock = clock
        self._looked_on: date | None = None
        self._oldest: _Oldest | None = None
        self._days: dict[date, DayKeys] = {}

    @property
    def oldest(self) -> date:
        """The oldest day whose addresses can be opened."""
        return self._current().day

    @property
    def due(self) -> date:
        """The oldest day whose addresses should be."""
        return self._today() - self._kept

    def sealing(self, day: date) -> DayKeys:
        """The keys of that day; for a day that is gone already, of the oldest that is not."""
        oldest = self._current()
        return self._of(oldest, max(day, oldest.day))

    def opening(self, day: date) -> DayKeys | None:
        """The keys of that day; None if they are destroyed, or the file cannot be read."""
        try:
            oldest = self._current()
        except Unavailable:
            return None
        if not 0 <= (day - oldest.day).days <= _LONGEST_WAY:
            return None
        return self._of(oldest, day)

    def expire(self) -> date:
        """Destroy what is older than ``kept``, however much that is; the oldest day that is left.

        ``Unavailable`` if the file cannot be written.
        """
        oldest = _read(self._path)
        if oldest.day < self.due:
            oldest = oldest.moved_to(self.due)
            _write(self._path, oldest)
        self._take(oldest)
        return oldest.day

    def ping(self) -> None:
        """Nothing, or ``Unavailable`` if the file cannot be read."""
        _read(self._path)

    def _today(self) -> date:
        return self._clock().astimezone(UTC).date()

    def _current(self) -> _Oldest:
        today = self._today()
        if self._oldest is None or self._looked_on != today:
            oldest = self._moved_on(_read(self._path))
            self._take(oldest)
            self._looked_on = today
            return oldest
        return self._oldest

    def _moved_on(self, oldest: _Oldest) -> _Oldest:
        days = (self.due - oldest.day).days
        if days <= 0:
            return oldest
        if days > MOST_DAYS_UNASKED:
            log.warning("addresses of %d days too many can be opened: idp-mfa audit expire", days)
            return oldest
        moved = oldest.moved_to(self.due)
        try:
            _write(self._path, moved)
        except Unavailable as error:
            log.warning("addresses of %d days too many can be opened: %s", days, error.why)
            return oldest
        return moved

    def _take(self, oldest: _Oldest) -> None:
        self._oldest = oldest
        self._days = {}

    def _of(self, oldest: _Oldest, day: date) -> DayKeys:
        known = self._days
        if day not in known:
            known[day] = oldest.moved_to(day).keys()
        return known[day]


def create_address_keys(path: Path, today: date, randomness: Randomness) -> bool:
    """Whether the file was made; one that is there stays as it is."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = _beside(path, _Oldest(today, randomness(KEY_BYTES)))
        try:
            path.hardlink_to(beside)
        except FileExistsError:
            return False
        finally:
            beside.unlink()
    except OSError as error:
        raise _not_written(path, error) from None
    return True


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, b"idp_mfa/addresses/1\0" + purpose, hashlib.sha256)


def _read(path: Path) -> _Oldest:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise Unavailable("keys", f"{path} is open to group or others: chmod 0600")
            words = file.read(256).decode("ascii", "replace").split()
    except OSError as error:
        raise Unavailable("keys", f"{path} cannot be read: {error.strerror}") from None
    try:
        day, key = date.fromisoformat(words[0]), octets_of(words[1])
    except (ValueError, IndexError):
        key = None
    if key is None or len(key) != KEY_BYTES:
        raise Unavailable("keys", f"{path} is not a day and {KEY_BYTES} bytes as base64url text")
    return _Oldest(day, key)


def _write(path: Path, oldest: _Oldest) -> None:
    """Whole or not at all; of several processes and threads each writes the same."""
    try:
        _beside(path, oldest).replace(path)
    except OSError as error:
        raise _not_written(path, error) from None


def _beside(path: Path, oldest: _Oldest) -> Path:
    """A file of its own, for its owner alone: what another one writes must not be cut short."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{oldest.day.isoformat()} {text_of(oldest.key)}\n")
            file.flush()
            os.fsync(descriptor)
    except OSError:
        Path(name).unlink()
        raise
    return Path(name)


def _not_written(path: Path, error: OSError) -> Unavailable:
    return Unavailable("keys", f"{path} cannot be written: {error.strerror}")
