"""The ring of keys that secrets at rest are sealed with: its life, its files, its changes seen."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import stat
from binascii import Error as BadBase64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Protocol

from idp_mfa.model import Clock, Randomness
from idp_mfa.ports import Unavailable

KEY_BYTES = 32
KEY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_RING = "ring.json"
_LOOKED_AT = timedelta(seconds=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeyEncryptionKeys:
    """A key ring: ``active`` seals, every key in ``keys`` opens, ``retired`` ones are gone.

    Keys are 32 bytes each, by their key id (kid). ``next`` opens already and is to be active.
    """

    active: str
    keys: Mapping[str, bytes] = field(repr=False)
    retired: frozenset[str] = frozenset()
    next: str | None = None

    def current(self) -> KeyEncryptionKeys:
        """Itself: this ring does not change."""
        return self

    def again(self) -> KeyEncryptionKeys:
        """Itself: this ring does not change."""
        return self


class KeyRing(Protocol):
    """Where the ring is asked for, each time that something is sealed or opened."""

    def current(self) -> KeyEncryptionKeys:
        """The ring as it stands."""
        ...

    def again(self) -> KeyEncryptionKeys:
        """The same, looked at anew: for a value under a key that is not known yet."""
        ...


class RingRefusal(Enum):
    """Why a ring was left as it is."""

    EXISTS = "exists"
    BAD_NAME = "bad-name"
    HAS_NEXT = "has-next"
    NO_SUCH_KEY = "no-such-key"
    STILL_ACTIVE = "still-active"
    RETIRED = "retired"


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


def load_ring(folder: Path) -> KeyEncryptionKeys:
    """The ring of a folder: ``ring.json`` and one ``<kid>.key`` for each key that opens.

    A key file holds 32 random bytes as base64url text and must not be open to group or others;
    ``Unavailable`` says what is wrong.
    """
    lists = _lists(folder)
    keys = {kid: _key(folder / f"{kid}.key") for kid in lists.opening}
    return KeyEncryptionKeys(lists.active, keys, frozenset(lists.retired), lists.next)


def create_ring(folder: Path, kid: str, randomness: Randomness) -> RingRefusal | None:
    """A new ring of one key; run it as the user that the service runs as."""
    if not KEY_NAME.fullmatch(kid):
        return RingRefusal.BAD_NAME
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / _RING).exists() or not _write_key(folder, kid, randomness):
        return RingRefusal.EXISTS
    _write_lists(folder, _Lists(kid, None, (), ()))
    return None


def add_key(folder: Path, kid: str, randomness: Randomness) -> RingRefusal | None:
    """A key that opens but does not seal yet: take it to every node before activating it."""
    lists = _lists(folder)
    if not KEY_NAME.fullmatch(kid):
        return RingRefusal.BAD_NAME
    if kid in (*lists.opening, *lists.retired):
        return RingRefusal.EXISTS
    if lists.next is not None:
        return RingRefusal.HAS_NEXT
    if not _write_key(folder, kid, randomness):
        return RingRefusal.EXISTS
    _write_lists(folder, _Lists(lists.active, kid, lists.decrypt, lists.retired))
    return None


def activate_key(folder: Path, kid: str) -> RingRefusal | None:
    """The key that seals from now on; the one before it goes on opening.

    An older key that still opens may be taken back into use.
    """
    lists = _lists(folder)
    if kid in lists.retired:
        return RingRefusal.RETIRED
    if kid == lists.active:
        return None
    if kid not in lists.opening:
        return RingRefusal.NO_SUCH_KEY
    following = None if kid == lists.next else lists.next
    others = tuple(each for each in lists.decrypt if each != kid)
    _write_lists(folder, _Lists(kid, following, (lists.active, *others), lists.retired))
    return None


def retire_key(folder: Path, kid: str) -> RingRefusal | None:
    """A key that opens nothing any more: what is still sealed by it becomes unreadable."""
    lists = _lists(folder)
    if kid == lists.active:
        return RingRefusal.STILL_ACTIVE
    if kid not in lists.opening:
        return RingRefusal.RETIRED if kid in lists.retired else RingRefusal.NO_SUCH_KEY
    following = None if kid == lists.next else lists.next
    others = tuple(each for each in lists.decrypt if each != kid)
    _write_lists(folder, _Lists(lists.active, following, others, (*lists.retired, kid)))
    return None


def text_of(octets: bytes) -> str:
    """base64url without padding (RFC 4648 5)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def octets_of(text: str) -> bytes | None:
    """What ``text_of`` wrote, in that one spelling only."""
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except BadBase64:
        return None
    return octets if text_of(octets) == text else None


# -- the files -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lists:
    active: str
    next: str | None
    decrypt: tuple[str, ...]
    retired: tuple[str, ...]

    @property
    def opening(self) -> tuple[str, ...]:
        return (self.active, *(() if self.next is None else (self.next,)), *self.decrypt)


def _made(place: Path) -> datetime:
    try:
        return datetime.fromtimestamp(place.stat().st_mtime, UTC)
    except OSError as error:
        raise Unavailable("keys", f"{place} cannot be read: {error.strerror}") from None


def _stamp(folder: Path) -> tuple[int, int]:
    try:
        found = (folder / _RING).stat()
    except OSError as error:
        raise Unavailable("keys", f"{folder / _RING} cannot be read: {error.strerror}") from None
    return found.st_mtime_ns, found.st_ino


def _lists(folder: Path) -> _Lists:
    place = folder / _RING
    match _json(_read(place, stat.S_IWGRP | stat.S_IWOTH)):
        case {"active": active, "decrypt": list(decrypt), "retired": list(retired), **rest}:
            following = rest.get("next")
            named = (active, active if following is None else following, *decrypt, *retired)
            if all(isinstance(kid, str) and KEY_NAME.fullmatch(kid) for kid in named):
                lists = _Lists(active, None, tuple(decrypt), tuple(retired))
                return replace(lists, next=following) if isinstance(following, str) else lists
    raise Unavailable("keys", f"{place} is no key ring")


def _json(octets: bytes) -> object:
    try:
        return json.loads(octets)
    except ValueError:
        return None


def _key(place: Path) -> bytes:
    key = octets_of(_read(place, stat.S_IRWXG | stat.S_IRWXO).decode("ascii", "replace").strip())
    if key is None or len(key) != KEY_BYTES:
        raise Unavailable("keys", f"{place} is not {KEY_BYTES} bytes as base64url text")
    return key


def _read(place: Path, forbidden: int) -> bytes:
    try:
        with place.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & forbidden:
                raise Unavailable("keys", f"{place} is open to group or others: chmod 0400")
            return file.read()
    except OSError as error:
        raise Unavailable("keys", f"{place} cannot be read: {error.strerror}") from None


def _write_key(folder: Path, kid: str, randomness: Randomness) -> bool:
    try:
        file = os.open(folder / f"{kid}.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    except FileExistsError:
        return False
    with os.fdopen(file, "w", encoding="ascii") as key:
        key.write(text_of(randomness(KEY_BYTES)) + "\n")
        key.flush()
        os.fsync(key.fileno())
    return True


def _write_lists(folder: Path, lists: _Lists) -> None:
    text = json.dumps(
        {
            "active": lists.active,
            "next": lists.next,
            "decrypt": lists.decrypt,
            "retired": lists.retired,
        },
        indent=2,
    )
    new = folder / f"{_RING}.new"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / _RING)
