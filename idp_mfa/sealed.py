"""Secrets at rest: values sealed to one place in the directory."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from idp_mfa.model import CredentialId, Randomness, UserId
from idp_mfa.sealing_keys import KEY_BYTES, KEY_NAME, KeyRing, octets_of, text_of

_SALT_BYTES = 16
_NONCE_BYTES = 12
_TAG_BYTES = 16
_FORMAT = "1"
# The label keeps these keys apart from any other use that somebody may put the same file to.
_LABEL = b"idp_mfa/sealed-value/1\x00"
_HEADER_TEXT = re.compile(r"[A-Za-z0-9_.:-]{1,128}", re.ASCII)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


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


class Sealer:
    """Seals and opens values as ``$1$kid$generation$kind$credential$base64url(salt|nonce|ct|tag)``.

    AES-256-GCM under a key of its own for each value (HKDF-SHA256, RFC 5869); the whole header and
    the user are authenticated, so a value that was moved or edited does not open.
    """

    def __init__(self, ring: KeyRing, randomness: Randomness) -> None:
        self._ring = ring
        self._randomness = randomness

    @property
    def active(self) -> str:
        """The kid that seals now; a value under another one waits to be sealed again."""
        return self._ring.current().active

    def seal(
        self, plain: bytes, *, user: UserId, kind: str, credential: CredentialId, generation: int
    ) -> bytes:
        """ASCII text; ``kind`` and ``credential`` are 1 to 128 of ``A-Za-z0-9_.:-``."""
        if not (_HEADER_TEXT.fullmatch(kind) and _HEADER_TEXT.fullmatch(credential)):
            raise ValueError("a kind or credential id that a header cannot hold")
        ring = self._ring.current()
        header = Header(ring.active, generation, kind, credential)
        bound = _bound(header, user)
        salt, nonce = self._randomness(_SALT_BYTES), self._randomness(_NONCE_BYTES)
        cipher = AESGCM(_value_key(ring.keys[header.kid], salt, bound))
        body = salt + nonce + cipher.encrypt(nonce, plain, bound)
        return f"${_FORMAT}${header.kid}${generation}${kind}${credential}${text_of(body)}".encode()

    def open(
        self, sealed: bytes, *, user: UserId, kind: str, credential: CredentialId, generation: int
    ) -> bytes | Unreadable:
        """The plain value, if it was sealed for just this place."""
        header = header_of(sealed)
        if isinstance(header, Unreadable):
            return header
        if (header.kind, header.credential, header.generation) != (kind, credential, generation):
            return Unreadable(UnreadableBecause.MISPLACED)
        ring = self._ring.current()
        if header.kid not in ring.keys:
            ring = self._ring.again()
        if header.kid in ring.retired:
            return Unreadable(UnreadableBecause.RETIRED_KEY)
        key = ring.keys.get(header.kid)
        if key is None:
            return Unreadable(UnreadableBecause.UNKNOWN_KEY)
        body = octets_of(sealed.rpartition(b"$")[2].decode("ascii"))
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
            and KEY_NAME.fullmatch(kid)
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


# -- values that belong to no credential -----------------------------------------------------


def seal_under(key: bytes, plain: bytes, *, bound: bytes, nonce: bytes) -> bytes:
    """AES-256-GCM: the nonce, the ciphertext and its tag; ``bound`` is authenticated with it.

    ``nonce`` is 12 bytes that are never used twice with this key.
    """
    return nonce + AESGCM(key).encrypt(nonce, plain, bound)


def open_under(key: bytes, sealed: bytes, *, bound: bytes) -> bytes | None:
    """The reverse of ``seal_under``; None for what was altered, moved or sealed otherwise."""
    nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    if len(body) < _TAG_BYTES:
        return None
    try:
        return AESGCM(key).decrypt(nonce, body, bound)
    except InvalidTag:
        return None
