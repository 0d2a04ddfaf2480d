"""Where our signing keys are kept, and how one follows another; with them secrets in files.

A key is published before it signs and after it has signed: next, active, previous.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path

from idp_mfa.keys import KeyType, SigningKey, UnusablePem, new_pem, read_pem
from idp_mfa.model import Clock, Randomness
from idp_mfa.ports import Unavailable

_RING = "signing-keys.json"
_SECRET_OCTETS = 32


class KeyState(Enum):
    """Where a key is in its life: published, signing, published still."""

    NEXT = "next"
    ACTIVE = "active"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The key that signs, and all that are published, it first."""

    active: SigningKey
    published: tuple[SigningKey, ...]


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A line of the ring: which key, in which state, since when."""

    id: str
    state: KeyState
    since: datetime


class NoRotation(Enum):
    """Why the ring stays as it is."""

    NO_NEXT = "no-next"
    NEXT_TOO_YOUNG = "next-too-young"
    HAS_NEXT = "has-next"
    NOT_PREVIOUS = "not-previous"


class KeyFolder:
    """A folder with one PEM file (key and certificate, mode 0600) a key, and the ring's states.

    Keys are loaded once; the ring is looked at again at most once a second, so that a running
    server follows a rotation. Whatever is wrong with the files is ``Unavailable("keys", ...)``.
    """

    def __init__(self, folder: Path, clock: Clock, randomness: Randomness) -> None:
        self._folder = folder
        self._clock = clock
        self._randomness = randomness
        self._loaded: dict[str, SigningKey] = {}
        self._keys: tuple[datetime, tuple[int, int], SigningKeys] | None = None

    def keys(self) -> SigningKeys:
        """The keys as they stand; without an active one nothing can be signed."""
        now = self._clock()
        if self._keys is not None and timedelta(0) <= now - self._keys[0] < timedelta(seconds=1):
            return self._keys[2]
        stamp = self._stamp()
        if self._keys is not None and self._keys[1] == stamp:
            keys = self._keys[2]
        else:
            keys = self._load(self.rows())
        self._keys = (now, stamp, keys)
        return keys

    def rows(self) -> tuple[KeyRow, ...]:
        """The ring's lines, the newest key first."""
        try:
            written = json.loads((self._folder / _RING).read_bytes())
            return tuple(
                KeyRow(row["id"], KeyState(row["state"]), datetime.fromisoformat(row["since"]))
                for row in written["keys"]
            )
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unavailable("keys", f"{_RING} cannot be read: {type(error).__name__}") from error

    def key(self, id: str) -> SigningKey:
        """One key of the ring, loaded once."""
        if id not in self._loaded:
            self._loaded[id] = _read(id, self._folder / f"{id}.pem")
        return self._loaded[id]

    def create(self, kind: KeyType, host: str) -> KeyRow | NoRotation:
        """A new key: active if it is the first, else published as the next one.

        ``host`` stands in its certificate, at most 64 characters of it.
        """
        with self._locked() as rows:
            if any(row.state is KeyState.NEXT for row in rows):
                return NoRotation.HAS_NEXT
            now = self._clock()
            state = KeyState.NEXT if rows else KeyState.ACTIVE
            row = KeyRow(f"{now:%Y-%m-%d}-{self._randomness(3).hex()}", state, now)
            _write(
                self._folder / f"{row.id}.pem", new_pem(kind, host, now, self._randomness), 0o600
            )
            self._write_ring((row, *rows))
            return row

    def promote(self, published_for: timedelta) -> KeyRow | NoRotation:
        """The next key signs from now on, if services have had that long to learn it."""
        with self._locked() as rows:
            now = self._clock()
            following = next((row for row in rows if row.state is KeyState.NEXT), None)
            if following is None:
                return NoRotation.NO_NEXT
            if now - following.since < published_for:
                return NoRotation.NEXT_TOO_YOUNG
            moved = {KeyState.NEXT: KeyState.ACTIVE, KeyState.ACTIVE: KeyState.PREVIOUS}
            after = tuple(
                KeyRow(row.id, moved[row.state], now) if row.state in moved else row for row in rows
            )
            self._write_ring(after)
            return next(row for row in after if row.state is KeyState.ACTIVE)

    def retire(self, id: str) -> KeyRow | NoRotation:
        """A previous key is published no longer, and its file is removed."""
        with self._locked() as rows:
            gone = next((row for row in rows if row.id == id), None)
            if gone is None or gone.state is not KeyState.PREVIOUS:
                return NoRotation.NOT_PREVIOUS
            self._write_ring(tuple(row for row in rows if row.id != id))
            (self._folder / f"{id}.pem").unlink(missing_ok=True)
            return gone

    def _load(self, rows: tuple[KeyRow, ...]) -> SigningKeys:
        active = tuple(row.id for row in rows if row.state is KeyState.ACTIVE)
        if len(active) != 1:
            raise Unavailable("keys", f"{len(active)} active signing keys, one is needed")
        others = (row.id for row in rows if row.state is not KeyState.ACTIVE)
        published = tuple(self.key(id) for id in (*active, *others))
        return SigningKeys(published[0], published)

    def _stamp(self) -> tuple[int, int]:
        try:
            found = (self._folder / _RING).stat()
        except OSError as error:
            raise Unavailable("keys", f"{_RING}: {error.strerror}") from error
        return found.st_mtime_ns, found.st_ino

    @contextmanager
    def _locked(self) -> Iterator[tuple[KeyRow, ...]]:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield self.rows()
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Unavailable("keys", f"the key folder: {error.strerror}") from error

    def _write_ring(self, rows: tuple[KeyRow, ...]) -> None:
        lines = [
            {"id": row.id, "state": row.state.value, "since": row.since.isoformat()} for row in rows
        ]
        _write(self._folder / _RING, json.dumps({"v": 1, "keys": lines}, indent=1).encode(), 0o644)


def _read(id: str, path: Path) -> SigningKey:
    key = read_pem(id, _private(path))
    if isinstance(key, UnusablePem):
        raise Unavailable("keys", f"{path.name} cannot sign: {key.value}")
    return key


def _private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise Unavailable("keys", f"{path.name} is open to others: its mode must be 0600")
            return file.read()
    except OSError as error:
        raise Unavailable("keys", f"{path.name}: {error.strerror}") from error


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)


# -- secrets in files ------------------------------------------------------------------------


def load_secret(path: Path) -> bytes:
    """A secret of one purpose, 32 octets or more; ``Unavailable("keys", ...)`` if it cannot be."""
    secret = _private(path)
    if len(secret) < _SECRET_OCTETS:
        raise Unavailable("keys", f"{path.name} is shorter than {_SECRET_OCTETS} octets")
    return secret


def create_secret(path: Path, randomness: Randomness) -> bool:
    """Whether it was made; one that is there stays as it is."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        raise Unavailable("keys", f"{path.name}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(randomness(_SECRET_OCTETS))
        file.flush()
        os.fsync(descriptor)
    return True
