"""The ring of keys that secrets at rest are sealed with: its life, and its files."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from binascii import Error as BadBase64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Protocol

from idp_mfa.model import Randomness
from idp_mfa.ports import Unavailable

KEY_BYTES = 32
KEY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
RING_FILE = "ring.json"


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
    if (folder / RING_FILE).exists() or not _write_key(folder, kid, randomness):
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


def _lists(folder: Path) -> _Lists:
    place = folder / RING_FILE
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
    new = folder / f"{RING_FILE}.new"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / RING_FILE)
