"""Keys in a Portable Symmetric Key Container (RFC 6030). The only door to pskc and defusedxml."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from pskc import PSKC
from pskc.exceptions import PSKCError
from pskc.key import EncryptedValue, Key

from idp_mfa.factor import SharedKey
from idp_mfa.importing import NotRead
from idp_mfa.key_files import Found, NotThisFormat, algorithm_of, found_key

_TOTP = "totp"


@dataclass(frozen=True, slots=True)
class PreSharedKey:
    """What the vendor sent by another way."""

    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Passphrase:
    """From which the key is derived (PBKDF2), as the file says."""

    text: bytes = field(repr=False)


Opener = PreSharedKey | Passphrase | None


def read(text: bytes, opener: Opener, owners: Mapping[str, str]) -> Sequence[Found]:
    """The time-based keys; ``owners`` says by serial number whose a key is that names nobody.

    ``NotThisFormat`` for what is no PSKC, has a DTD, or does not open; each value's MAC is
    checked, and one that is encrypted without one is not taken (RFC 6030 6.1.1).
    """
    try:
        # The library reads by any parser that it finds; what could harm one is refused before.
        fromstring(text, forbid_dtd=True)
        container = PSKC(io.BytesIO(text))
        match opener:
            case PreSharedKey(octets):
                container.encryption.key = octets
            case Passphrase(words):
                container.encryption.derive_key(words)
            case None:
                pass
        keys = container.keys
    except DefusedXmlException:
        raise NotThisFormat("the XML declares a document type or entities") from None
    except (ParseError, PSKCError, ValueError, SyntaxError) as error:
        raise NotThisFormat(f"not PSKC, or it does not open: {error}") from None
    return [_found(number, key, owners) for number, key in enumerate(keys, start=1)]


def _found(number: int, key: Key, owners: Mapping[str, str]) -> Found:
    serial = key.serial or key.id or ""
    place = f"key {number}" + (f" ({serial})" if serial else "")

    def made() -> SharedKey:
        if _TOTP not in (key.algorithm or "").lower():
            raise ValueError("counts its codes, or is no key of codes: only TOTP is taken")
        sealed = getattr(key, "_secret", None)
        if isinstance(sealed, EncryptedValue) and _is_unproved(sealed):
            raise ValueError("is encrypted without a MAC: it may have been altered")
        secret = key.secret
        if not secret:
            raise ValueError("has no key in it")
        return SharedKey(
            secret,
            algorithm_of(key.algorithm_suite or ""),
            key.response_length or 6,
            key.time_interval or 30,
            serial,
            key.time_drift or 0,
        )

    try:
        return found_key(place, owners.get(serial, "") or login_of(key.userid or ""), made)
    except PSKCError as error:
        return NotRead(place, f"does not open: {error}")


def _is_unproved(sealed: EncryptedValue) -> bool:
    return (sealed.algorithm or "").endswith("-cbc") and not sealed.mac_value


def login_of(userid: str) -> str:
    """The login that a key's user stands for: of a distinguished name, its ``uid``."""
    if "=" not in userid:
        return userid.strip()
    for part in userid.split(","):
        name, _, value = part.strip().partition("=")
        if name.strip().lower() == "uid":
            return value.strip()
    return ""
