"""Files in which keys come: one file for each format, and what all of them are read as."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from idp_mfa.factor import HashAlgorithm, SharedKey
from idp_mfa.importing import FoundKey, NotRead

Found = FoundKey | NotRead


class NotThisFormat(Exception):  # noqa: N818 - it says what the file is not
    """The file as a whole cannot be read so; the words say why."""


def found_key(place: str, login: str, made: Callable[[], SharedKey]) -> Found:
    """What stands at a place, or why it cannot be taken; ``login`` is "" where none is named."""
    try:
        key = made()
    except binascii.Error:
        return NotRead(place, "the key is no base32 or hexadecimal text")
    except ValueError as error:
        return NotRead(place, str(error))
    return FoundKey(place, login, key)


def algorithm_of(text: str) -> HashAlgorithm:
    """By a name such as ``SHA-256`` or ``HMAC-SHA256``; ValueError for another one."""
    name = text.strip().upper().replace("-", "").removeprefix("HMAC") or "SHA1"
    try:
        return HashAlgorithm(name)
    except ValueError:
        raise ValueError(f"codes by {text}: SHA1, SHA256 or SHA512 are taken") from None


def octets_of_base32(text: str) -> bytes:
    """A key as apps show it: any case, blanks and hyphens between, with or without padding."""
    kept = "".join(text.split()).replace("-", "").upper().rstrip("=")
    return base64.b32decode(kept + "=" * (-len(kept) % 8))
