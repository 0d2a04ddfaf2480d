"""The ring of sealing keys as a running server sees it: changes of its files are followed."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

from idp_mfa.model import Clock
from idp_mfa.ports import Unavailable
from idp_mfa.sealing_keys import RING_FILE, KeyEncryptionKeys, load_ring

_LOOKED_AT = timedelta(seconds=1)

log = logging.getLogger(__name__)


class SealingKeyFolder:
    """``KeyRing`` of a folder: a running server follows a rotation within a second.

    The first ring must load (``Unavailable``). A later one that does not load leaves the last good
    one in use, and ``ping`` says what is wrong with it.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._looked: datetime | None = None
        self._stamp: tuple[int, int] | None = None
        self._ring: KeyEncryptionKeys | None = None
        self._wrong: Unavailable | None = None

    def current(self) -> KeyEncryptionKeys:
        """The ring, its files looked at once a second."""
        now = self._clock()
        recently = self._looked is not None and timedelta(0) <= now - self._looked < _LOOKED_AT
        if recently and self._ring is not None:
            return self._ring
        self._looked = now
        return self.again()

    def again(self) -> KeyEncryptionKeys:
        """The ring as its files are now."""
        try:
            stamp = _stamp(self._folder)
            if stamp == self._stamp and self._ring is not None and self._wrong is None:
                return self._ring
            self._ring = load_ring(self._folder)
            self._stamp, self._wrong = stamp, None
        except Unavailable as error:
            if self._ring is None:
                raise
            if self._wrong is None:
                log.error("the changed ring of sealing keys is not taken: %s", error.why)
            self._wrong = error
        return self._ring

    def rows(self) -> tuple[tuple[str, str, datetime], ...]:
        """Each key that opens: its id, its state, and when it was made."""
        ring = self.current()
        states = {ring.active: "active"} | ({} if ring.next is None else {ring.next: "next"})
        return tuple(
            (kid, states.get(kid, "decrypt"), _made(self._folder / f"{kid}.key"))
            for kid in ring.keys
        )

    def ping(self) -> None:
        """Nothing, or ``Unavailable`` if the files do not hold a whole ring now."""
        self.current()
        if self._wrong is not None:
            raise Unavailable(self._wrong.part, self._wrong.why)


def _made(place: Path) -> datetime:
    try:
        return datetime.fromtimestamp(place.stat().st_mtime, UTC)
    except OSError as error:
        raise Unavailable("keys", f"{place} cannot be read: {error.strerror}") from None


def _stamp(folder: Path) -> tuple[int, int]:
    try:
        found = (folder / RING_FILE).stat()
    except OSError as error:
        raise Unavailable(
            "keys", f"{folder / RING_FILE} cannot be read: {error.strerror}"
        ) from None
    return found.st_mtime_ns, found.st_ino
