"""A document that all nodes share: it has a number, and each change makes the next one.

The store holds it under one key and changes it by compare-and-swap; a second, small key tells that
it changed. Each node keeps the last copy that it can use on disk: after a flush of the store, the
highest number that any node has is put back.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from idp_mfa.model import Clock
from idp_mfa.ports import ChangeAnswer, StateStore, Unavailable
from idp_mfa.registry.last_good import LastGood

_LOG = logging.getLogger("idp_mfa")
_FOR_GOOD = timedelta(days=3650)
_ONE_BEGINS = timedelta(seconds=1)
_NOBODY_WAITS = timedelta(seconds=10)
"""So old may be what others go on with while one looks, and reads what is new."""
_READ_EVERY = timedelta(seconds=30)
"""Whatever the small key says: who changed the document may have died before telling."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """How a kind of document is named, written and read.

    ``decode`` raises ``Unavailable`` for what it cannot read. ``fit`` says, besides, whether this
    release can use what a document says; one that is not fit is kept in the store, never used.
    """

    name: str
    empty: T
    number: Callable[[T], int]
    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]
    fit: Callable[[T], bool]


@dataclass(frozen=True, slots=True)
class _Copy(Generic[T]):
    document: T
    octets: bytes

    @property
    def marker(self) -> bytes:
        """Another one for every change, also for two that were made of one number."""
        return hashlib.sha256(self.octets).hexdigest()[:32].encode()


@dataclass(frozen=True, slots=True)
class _Held(Generic[T]):
    """``used`` is the newest copy that is fit.

    ``foreign`` is why the one in the store could not be read, ``damaged`` that on disk.
    """

    newest: _Copy[T] | None
    used: _Copy[T] | None
    foreign: Unavailable | None
    damaged: Unavailable | None
    marker: bytes | None
    looked_at: datetime
    read_at: datetime


class NumberedDocument(Generic[T]):
    """One document in the store, with ``copy`` as this node's last good one."""

    def __init__(
        self, form: Form[T], store: StateStore, copy: Path, clock: Clock, look_every: timedelta
    ) -> None:
        self._form = form
        self._store = store
        self._copy = LastGood(copy, form.name)
        self._clock = clock
        self._look_every = look_every
        self._held: _Held[T] | None = None
        self._lock = Lock()
        self._said = ""

    def current(self) -> T:
        """What is in force, looked at now and then; the last good one meanwhile.

        The same object until something changes; ``Unavailable`` if there is nothing to be used,
        but something damaged.
        """
        held = self._looked_at()
        if held.used is not None:
            return held.used.document
        unread = held.foreign or held.damaged
        if unread is not None:
            raise unread
        if held.newest is not None:
            raise Unavailable(self._form.name, "there is no version that can be used here")
        return self._form.empty

    def newest(self) -> T:
        """What a change is made of: the newest one, fit or not."""
        with self._lock:
            self._held = self._looked(self._held)
            return self._newest(self._held)

    def change(self, read: T, after: T) -> ChangeAnswer:
        """Everything anew, if nobody else changed it since it was read."""
        with self._lock:
            held = self._looked(self._held)
            self._held = held
            if self._newest(held) != read:
                return ChangeAnswer.LOST_RACE
            before = self._form.encode(read) if held.newest is None else held.newest.octets
            changed = _Copy(after, self._form.encode(after))
            if self._store.get(self._key("document")) is None:
                self._begin(before)
            if not self._store.swap(self._key("document"), before, changed.octets, _FOR_GOOD):
                return ChangeAnswer.LOST_RACE
            self._tell(changed)
            self._copy.keep(changed.octets)
            now = self._clock()
            self._held = _Held(changed, changed, None, None, changed.marker, now, now)
            return ChangeAnswer.DONE

    # -- looking -----------------------------------------------------------------------------

    def _looked_at(self) -> _Held[T]:
        held = self._held
        if held is not None and self._younger(held, self._look_every):
            return held
        if held is None or not self._younger(held, _NOBODY_WAITS):
            with self._lock:
                return self._anew(held)
        if self._lock.acquire(blocking=False):
            try:
                return self._anew(held)
            finally:
                self._lock.release()
        return held

    def _anew(self, before: _Held[T] | None) -> _Held[T]:
        held = self._held
        if held is None or held is before:
            held = self._looked(held)
            self._held = held
        return held

    def _younger(self, held: _Held[T], than: timedelta) -> bool:
        return timedelta(0) <= self._clock() - held.looked_at < than

    def _looked(self, held: _Held[T] | None) -> _Held[T]:
        now = self._clock()
        try:
            marker = self._store.get(self._key("version"))
            same = held is not None and marker is not None and marker == held.marker
            if held is not None and same and now - held.read_at < _READ_EVERY:
                return replace(held, looked_at=now)
            octets = self._store.get(self._key("document"))
        except Unavailable as away:
            return self._without_store(held, away, now)
        known = () if held is None else (held.used, held.newest)
        theirs, foreign = self._read(octets, "in the store", known)
        on_disk, damaged = self._from_disk(known)
        ranked = self._ranked((theirs, *known, on_disk))
        newest = ranked[0] if ranked else None
        if newest is not None and foreign is None and newest.octets != octets:
            self._put_back(newest, octets)
        used = self._usable(ranked)
        if used is not None and (on_disk is None or used.octets != on_disk.octets):
            self._copy.keep(used.octets)
        return _Held(newest, used, foreign, damaged, marker, now, now)

    def _without_store(self, held: _Held[T] | None, away: Unavailable, now: datetime) -> _Held[T]:
        known = () if held is None else (held.used, held.newest)
        on_disk, damaged = self._from_disk(known)
        ranked = self._ranked((*known, on_disk))
        if not ranked and held is not None and not (held.foreign or damaged):
            # That there was none is known as well as a number would be.
            return replace(held, marker=None, looked_at=now)
        if not ranked:
            raise damaged or away
        # Without a marker it is read anew as soon as the store is there.
        return _Held(ranked[0], self._usable(ranked), None, damaged, None, now, now)

    def _ranked(self, copies: Iterable[_Copy[T] | None]) -> list[_Copy[T]]:
        """The highest number first; of two with the same number, the one that came first.

        A process that was forked from an older one may hold less than its node's disk.
        """
        there = (copy for copy in copies if copy is not None)
        return sorted(there, key=lambda copy: -self._form.number(copy.document))

    def _usable(self, ranked: Iterable[_Copy[T]]) -> _Copy[T] | None:
        return next((copy for copy in ranked if self._form.fit(copy.document)), None)

    def _newest(self, held: _Held[T]) -> T:
        """What cannot be read is never written over, nor taken for empty."""
        if held.foreign is not None:
            raise held.foreign
        if held.newest is None and held.damaged is not None:
            raise held.damaged
        return self._form.empty if held.newest is None else held.newest.document

    def _read(
        self, octets: bytes | None, where: str, known: Iterable[_Copy[T] | None]
    ) -> tuple[_Copy[T] | None, Unavailable | None]:
        same = next((copy for copy in known if copy is not None and copy.octets == octets), None)
        if octets is None or same is not None:
            return same, None
        try:
            return _Copy(self._form.decode(octets), octets), None
        except Unavailable as error:
            told = Unavailable(self._form.name, f"{where}: {error.why}")
            self._say(f"{told}; it is not used")
            return None, told

    # -- keeping -----------------------------------------------------------------------------

    def _put_back(self, mine: _Copy[T], shared: bytes | None) -> None:
        number = self._form.number(mine.document)
        if not number:
            return
        _LOG.warning("%s: version %d is put back", self._form.name, number)
        # A store that goes just now is there again for a later look.
        with contextlib.suppress(Unavailable):
            if shared is None:
                self._begin(mine.octets)
            else:
                self._store.swap(self._key("document"), shared, mine.octets, _FOR_GOOD)
            self._tell(mine)

    def _begin(self, octets: bytes) -> None:
        """The first document of an empty store: of several nodes one writes it."""
        if self._store.once(self._key("first"), _ONE_BEGINS):
            self._store.put(self._key("document"), octets, _FOR_GOOD)

    def _tell(self, copy: _Copy[T]) -> None:
        self._store.put(self._key("version"), copy.marker, _FOR_GOOD)

    def _key(self, what: str) -> str:
        return f"{self._form.name}:{what}"

    def _from_disk(
        self, known: Iterable[_Copy[T] | None]
    ) -> tuple[_Copy[T] | None, Unavailable | None]:
        try:
            octets = self._copy.read()
        except Unavailable as error:
            self._say(str(error))
            return None, error
        return self._read(octets, str(self._copy.path), known)

    def _say(self, message: str) -> None:
        """Once, however often it is looked at."""
        if message != self._said:
            _LOG.error("%s", message)
            self._said = message
