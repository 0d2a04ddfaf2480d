"""Secrets at rest: values sealed to one place in the directory, and the ring of keys they need."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from binascii import Error as BadBase64
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from idp_mfa.model import CredentialId, Randomness, UserId
from idp_mfa.ports import Unavailable

KEY_BYTES = 32
_SALT_BYTES = 16
_NONCE_BYTES = 12
_TAG_BYTES = 16
_FORMAT = "1"
# The label keeps these keys apart from any other use that somebody may put the same file to.
_LABEL = b"idp_mfa/sealed-value/1\x00"
_KEY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_HEADER_TEXT = re.compile(r"[A-Za-z0-9_.:-]{1,128}", re.ASCII)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_RING = "ring.json"


class UnreadableBecause(Enum):
    """Why a sealed value does not open, in one word for the record."""

    MALFORMED = "malformed"
    MISPLACED = "misplaced"
    UNKNOWN_KEY = "unknown-key"
    RETIRED_KEY = "retired-key"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that is never accepted and never taken for an absent one."""

    why: UnreadableBecause


@dataclass(frozen=True, slots=True)
class Header:
    """What a sealed value says of itself in clear; nothing of it is true until it opens."""

    kid: str
    generation: int
    kind: str
    credential: CredentialId


@dataclass(frozen=True, slots=True)
class KeyEncryptionKeys:
    """A key ring: ``active`` seals, every key in ``keys`` opens, ``retired`` ones are gone.

    Keys are 32 bytes each, by their key id (kid).
    """

    active: str
    keys: Mapping[str, bytes] = field(repr=False)
    retired: frozenset[str] = frozenset()


class Sealer:
    """Seals and opens values as ``$1$kid$generation$kind$credential$base64url(salt|nonce|ct|tag)``.

    AES-256-GCM under a key of its own for each value (HKDF-SHA256, RFC 5869); the whole header and
    the user are authenticated, so a value that was moved or edited does not open.
    """

    def __init__(self, ring: KeyEncryptionKeys, randomness: Randomness) -> None:
        self._ring = ring
        self._randomness = randomness

    @property
    def active(self) -> str:
        """The kid that seals now; a value under another one waits to be sealed again."""
        return self._ring.active

    def seal(
        self, plain: bytes, *, user: UserId, kind: str, credential: CredentialId, generation: int
    ) -> bytes:
        """ASCII text; ``kind`` and ``credential`` are 1 to 128 of ``A-Za-z0-9_.:-``."""
        if not (_HEADER_TEXT.fullmatch(kind) and _HEADER_TEXT.fullmatch(credential)):
            raise ValueError("a kind or credential id that a header cannot hold")
        header = Header(self._ring.active, generation, kind, credential)
        bound = _bound(header, user)
        salt, nonce = self._randomness(_SALT_BYTES), self._randomness(_NONCE_BYTES)
        cipher = AESGCM(_value_key(self._ring.keys[header.kid], salt, bound))
        body = salt + nonce + cipher.encrypt(nonce, plain, bound)
        return f"${_FORMAT}${header.kid}${generation}${kind}${credential}${_text(body)}".encode()

    def open(
        self, sealed: bytes, *, user: UserId, kind: str, credential: CredentialId, generation: int
    ) -> bytes | Unreadable:
        """The plain value, if it was sealed for just this place."""
        header = header_of(sealed)
        if isinstance(header, Unreadable):
            return header
        if (header.kind, header.credential, header.generation) != (kind, credential, generation):
            return Unreadable(UnreadableBecause.MISPLACED)
        if header.kid in self._ring.retired:
            return Unreadable(UnreadableBecause.RETIRED_KEY)
        key = self._ring.keys.get(header.kid)
        if key is None:
            return Unreadable(UnreadableBecause.UNKNOWN_KEY)
        body = _octets(sealed.rpartition(b"$")[2].decode("ascii"))
        if body is None or len(body) < _SALT_BYTES + _NONCE_BYTES + _TAG_BYTES:
            return Unreadable(UnreadableBecause.MALFORMED)
        salt, nonce = body[:_SALT_BYTES], body[_SALT_BYTES : _SALT_BYTES + _NONCE_BYTES]
        bound = _bound(header, user)
        try:
            return AESGCM(_value_key(key, salt, bound)).decrypt(
                nonce, body[_SALT_BYTES + _NONCE_BYTES :], bound
            )
        except InvalidTag:
            return Unreadable(UnreadableBecause.ALTERED)


def header_of(sealed: bytes) -> Header | Unreadable:
    """What a value says of itself, to know which place to hold it against."""
    parts = sealed.decode("ascii", "replace").split("$")
    match parts:
        case ["", format_, kid, generation, kind, credential, _] if (
            format_ == _FORMAT
            and _KEY_NAME.fullmatch(kid)
            and _NUMBER.fullmatch(generation)
            and _HEADER_TEXT.fullmatch(kind)
            and _HEADER_TEXT.fullmatch(credential)
            and sealed.isascii()
        ):
            return Header(kid, int(generation), kind, CredentialId(credential))
        case _:
            return Unreadable(UnreadableBecause.MALFORMED)


def _bound(header: Header, user: UserId) -> bytes:
    fields = [_FORMAT, header.kid, user, header.kind, header.credential, header.generation]
    return json.dumps(fields, separators=(",", ":")).encode()


def _value_key(key: bytes, salt: bytes, bound: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt, _LABEL + bound).derive(key)


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def _octets(text: str) -> bytes | None:
    """Only the one spelling that ``_text`` writes."""
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except BadBase64:
        return None
    return octets if _text(octets) == text else None


# -- the ring, as files ----------------------------------------------------------------------


class RingRefusal(Enum):
    """Why a ring was left as it is."""

    EXISTS = "exists"
    BAD_NAME = "bad-name"
    NO_SUCH_KEY = "no-such-key"
    STILL_ACTIVE = "still-active"
    RETIRED = "retired"


def load_ring(folder: Path) -> KeyEncryptionKeys:
    """The ring of a folder: ``ring.json`` and one ``<kid>.key`` for each key that opens.

    A key file holds 32 random bytes as base64url text and must not be open to group or others;
    ``Unavailable`` says what is wrong.
    """
    lists = _lists(folder)
    keys = {kid: _key(folder / f"{kid}.key") for kid in (lists.active, *lists.decrypt)}
    return KeyEncryptionKeys(lists.active, keys, frozenset(lists.retired))


def create_ring(folder: Path, kid: str, randomness: Randomness) -> RingRefusal | None:
    """A new ring of one key; run it as the user that the service runs as."""
    if not _KEY_NAME.fullmatch(kid):
        return RingRefusal.BAD_NAME
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / _RING).exists():
        return RingRefusal.EXISTS
    if not _write_key(folder, kid, randomness):
        return RingRefusal.EXISTS
    _write_lists(folder, _Lists(kid, (), ()))
    return None


def add_key(folder: Path, kid: str, randomness: Randomness) -> RingRefusal | None:
    """A key that opens but does not seal yet: take it to every node before activating it."""
    lists = _lists(folder)
    if not _KEY_NAME.fullmatch(kid):
        return RingRefusal.BAD_NAME
    if kid in (lists.active, *lists.decrypt, *lists.retired):
        return RingRefusal.EXISTS
    if not _write_key(folder, kid, randomness):
        return RingRefusal.EXISTS
    _write_lists(folder, _Lists(lists.active, (*lists.decrypt, kid), lists.retired))
    return None


def activate_key(folder: Path, kid: str) -> RingRefusal | None:
    """The key that seals from now on; the one before it goes on opening."""
    lists = _lists(folder)
    if kid in lists.retired:
        return RingRefusal.RETIRED
    if kid == lists.active:
        return None
    if kid not in lists.decrypt:
        return RingRefusal.NO_SUCH_KEY
    others = tuple(each for each in lists.decrypt if each != kid)
    _write_lists(folder, _Lists(kid, (lists.active, *others), lists.retired))
    return None


def retire_key(folder: Path, kid: str) -> RingRefusal | None:
    """A key that opens nothing any more: what is still sealed by it becomes unreadable."""
    lists = _lists(folder)
    if kid == lists.active:
        return RingRefusal.STILL_ACTIVE
    if kid not in lists.decrypt:
        return RingRefusal.RETIRED if kid in lists.retired else RingRefusal.NO_SUCH_KEY
    others = tuple(each for each in lists.decrypt if each != kid)
    _write_lists(folder, _Lists(lists.active, others, (*lists.retired, kid)))
    return None


@dataclass(frozen=True, slots=True)
class _Lists:
    active: str
    decrypt: tuple[str, ...]
    retired: tuple[str, ...]


def _lists(folder: Path) -> _Lists:
    place = folder / _RING
    match _json(_read(place, stat.S_IWGRP | stat.S_IWOTH)):
        case {"active": str(active), "decrypt": list(decrypt), "retired": list(retired)} if all(
            isinstance(kid, str) and _KEY_NAME.fullmatch(kid)
            for kid in (active, *decrypt, *retired)
        ):
            return _Lists(active, tuple(decrypt), tuple(retired))
        case _:
            raise Unavailable("keys", f"{place} is no key ring")


def _json(octets: bytes) -> object:
    try:
        return json.loads(octets)
    except ValueError:
        return None


def _key(place: Path) -> bytes:
    key = _octets(_read(place, stat.S_IRWXG | stat.S_IRWXO).decode("ascii", "replace").strip())
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
        key.write(_text(randomness(KEY_BYTES)) + "\n")
        key.flush()
        os.fsync(key.fileno())
    return True


def _write_lists(folder: Path, lists: _Lists) -> None:
    text = json.dumps(
        {"active": lists.active, "decrypt": lists.decrypt, "retired": lists.retired}, indent=2
    )
    new = folder / f"{_RING}.new"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / _RING)
