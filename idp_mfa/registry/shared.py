"""The registry of a site with several nodes.

The store holds the document under one key and changes it by compare-and-swap; a second, small key
tells that it changed. Each node keeps the last good copy on disk: after a flush of the store, the
highest version that any node has is put back.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock

from idp_mfa.model import Clock, ServiceId
from idp_mfa.ports import (
    ChangeAnswer,
    Registration,
    Registrations,
    StateStore,
    Unavailable,
)
from idp_mfa.registry.document import decode, encode

_LOG = logging.getLogger("idp_mfa")
_DOCUMENT = "registry:document"
_VERSION = "registry:version"
_FIRST = "registry:first"
_FOR_GOOD = timedelta(days=3650)
_LOOK_EVERY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Held:
    registrations: Registrations
    octets: bytes
    marker: bytes | None
    looked_at: datetime


class SharedRegistry:
    """``ServiceRegistry`` in the store, with ``copy`` as this node's last good one."""

    def __init__(self, store: StateStore, copy: Path, clock: Clock) -> None:
        self._store = store
        self._copy = copy
        self._clock = clock
        self._held: _Held | None = None
        self._lock = Lock()

    def current(self) -> Registrations:
        """What is in force, looked at once a second at most; the last good one meanwhile."""
        held = self._held
        if held is not None and self._fresh(held):
            return held.registrations
        with self._lock:
            held = self._held
            if held is None or not self._fresh(held):
                held = self._looked(held)
                self._held = held
            return held.registrations

    def change(self, read: Registrations, after: Mapping[ServiceId, Registration]) -> ChangeAnswer:
        """Everything anew, if nobody else changed it since it was read."""
        with self._lock:
            held = self._looked(self._held)
            self._held = held
            if held.registrations != read:
                return ChangeAnswer.LOST_RACE
            changed = Registrations(read.version + 1, dict(after))
            octets = encode(changed)
            if self._store.get(_DOCUMENT) is None:
                self._begin(held.octets)
            if not self._store.swap(_DOCUMENT, held.octets, octets, _FOR_GOOD):
                return ChangeAnswer.LOST_RACE
            self._tell(changed)
            self._keep(octets)
            self._held = _Held(changed, octets, str(changed.version).encode(), self._clock())
            return ChangeAnswer.DONE

    def _fresh(self, held: _Held) -> bool:
        return timedelta(0) <= self._clock() - held.looked_at < _LOOK_EVERY

    def _looked(self, held: _Held | None) -> _Held:
        now = self._clock()
        try:
            marker = self._store.get(_VERSION)
            if held is not None and marker is not None and marker == held.marker:
                return _Held(held.registrations, held.octets, marker, now)
            shared = self._store.get(_DOCUMENT)
        except Unavailable:
            known = held or self._from_disk(now)
            if known is None:
                raise
            return _Held(known.registrations, known.octets, known.marker, now)
        theirs = None if shared is None else _Held(decode(shared), shared, marker, now)
        try:
            mine = held or self._from_disk(now)
        except Unavailable as error:
            # An empty registry is never believed on the word of a damaged copy.
            if theirs is None:
                raise
            _LOG.error("%s", error)
            mine = None
        if theirs is not None and (
            mine is None or theirs.registrations.version >= mine.registrations.version
        ):
            if mine is not None and theirs.octets == mine.octets:
                return _Held(mine.registrations, mine.octets, marker, now)
            self._keep(theirs.octets)
            return theirs
        if mine is None:
            return _Held(Registrations(0, {}), encode(Registrations(0, {})), marker, now)
        if mine.registrations.version:
            self._put_back(mine, shared)
        return _Held(mine.registrations, mine.octets, marker, now)

    def _put_back(self, mine: _Held, shared: bytes | None) -> None:
        _LOG.warning("registry: version %d is put back", mine.registrations.version)
        if shared is None:
            self._begin(mine.octets)
        else:
            self._store.swap(_DOCUMENT, shared, mine.octets, _FOR_GOOD)
        self._tell(mine.registrations)

    def _begin(self, octets: bytes) -> None:
        """The first document of an empty store: of several nodes one writes it."""
        if self._store.once(_FIRST, _LOOK_EVERY):
            self._store.put(_DOCUMENT, octets, _FOR_GOOD)

    def _tell(self, registrations: Registrations) -> None:
        self._store.put(_VERSION, str(registrations.version).encode(), _FOR_GOOD)

    def _from_disk(self, now: datetime) -> _Held | None:
        try:
            octets = self._copy.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable("registry", f"the copy on disk: {error.strerror}") from error
        return _Held(decode(octets), octets, None, now)

    def _keep(self, octets: bytes) -> None:
        """Whole or not at all; a full disk is told but stops no sign-in."""
        beside = None
        try:
            self._copy.parent.mkdir(parents=True, exist_ok=True)
            descriptor, beside = tempfile.mkstemp(dir=self._copy.parent, prefix=".registry-")
            with os.fdopen(descriptor, "wb") as file:
                file.write(octets)
                file.flush()
                os.fsync(descriptor)
            Path(beside).replace(self._copy)
        except OSError as error:
            _LOG.error("registry: the copy on disk is not written: %s", error.strerror)
            if beside is not None:
                with contextlib.suppress(OSError):
                    Path(beside).unlink()
