"""What a relying party has to look at in a WebAuthn answer besides its signature (L3 7.1, 7.2).

Pure, and of no library: factors/fido2/ asks this first, and its library for the signature after.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import struct
from dataclasses import dataclass
from enum import Enum
from typing import Any

MOST_ID_BYTES = 1023
_HEAD = struct.Struct(">32sBI")
_PRESENT, _VERIFIED, _ELIGIBLE, _BACKED_UP, _ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40


class Ceremony(Enum):
    """The two ceremonies, as clientDataJSON names them."""

    CREATE = "webauthn.create"
    GET = "webauthn.get"


class UserVerification(Enum):
    """What is asked of the authenticator beside a touch."""

    PREFERRED = "preferred"
    REQUIRED = "required"


class Finding(Enum):
    """What is wrong with an answer: the word on record, never shown to whoever sent it."""

    MALFORMED = "malformed"
    WRONG_CEREMONY = "wrong-ceremony"
    WRONG_CHALLENGE = "wrong-challenge"
    WRONG_ORIGIN = "wrong-origin"
    CROSS_ORIGIN = "cross-origin"
    WRONG_RP_ID = "wrong-rp-id"
    NOT_PRESENT = "user-not-present"
    NOT_VERIFIED = "user-not-verified"
    BACKED_UP_NOT_ELIGIBLE = "backed-up-not-eligible"
    ELIGIBILITY_CHANGED = "backup-eligibility-changed"
    ALGORITHM_NOT_OFFERED = "algorithm-not-offered"
    ID_TOO_LONG = "id-too-long"
    ID_TAKEN = "id-taken"
    KEY_TOO_LONG = "key-too-long"
    NOT_THEIRS = "not-theirs"
    WRONG_USER_HANDLE = "wrong-user-handle"
    BAD_SIGNATURE = "bad-signature"
    COUNTER = "counter-not-higher"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Expected:
    """What one ceremony was begun with."""

    ceremony: Ceremony
    challenge: bytes
    origin: str
    rp_id: str
    user_verification: UserVerification


@dataclass(frozen=True, slots=True)
class AuthenticatorState:
    """What the authenticator says of itself and of its user, under its signature.

    ``count`` is its signature counter; 0 if it has none.
    """

    verified: bool
    eligible: bool
    backed_up: bool
    count: int
    attested: bool


def examine(
    client_data: bytes, authenticator_data: bytes, expected: Expected
) -> AuthenticatorState | Finding:
    """Everything of both that needs neither the credential nor its key."""
    wrong = _client_data_finding(client_data, expected)
    if wrong is not None:
        return wrong
    if len(authenticator_data) < _HEAD.size:
        return Finding.MALFORMED
    rp_id_hash, flags, count = _HEAD.unpack_from(authenticator_data)
    if not hmac.compare_digest(rp_id_hash, hashlib.sha256(expected.rp_id.encode()).digest()):
        return Finding.WRONG_RP_ID
    if not flags & _PRESENT:
        return Finding.NOT_PRESENT
    required = expected.user_verification is UserVerification.REQUIRED
    if required and not flags & _VERIFIED:
        return Finding.NOT_VERIFIED
    if flags & _BACKED_UP and not flags & _ELIGIBLE:
        return Finding.BACKED_UP_NOT_ELIGIBLE
    return AuthenticatorState(
        verified=bool(flags & _VERIFIED),
        eligible=bool(flags & _ELIGIBLE),
        backed_up=bool(flags & _BACKED_UP),
        count=count,
        attested=bool(flags & _ATTESTED),
    )


def octets(text: object) -> bytes | None:
    """The bytes of base64url without padding, written in the one way; None for anything else."""
    if not isinstance(text, str) or not text.isascii():
        return None
    try:
        found = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if base64url(found) == text else None


def base64url(value: bytes) -> str:
    """Base64url without padding (RFC 4648 5)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def document(text: str | bytes) -> dict[str, Any] | None:
    """A JSON object in which no name stands twice; None for anything else."""
    try:
        found = json.loads(text, object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _client_data_finding(raw: bytes, expected: Expected) -> Finding | None:
    said = document(raw)
    challenge = None if said is None else octets(said.get("challenge"))
    if said is None or challenge is None:
        return Finding.MALFORMED
    if said.get("type") != expected.ceremony.value:
        return Finding.WRONG_CEREMONY
    if not hmac.compare_digest(challenge, expected.challenge):
        return Finding.WRONG_CHALLENGE
    if said.get("origin") != expected.origin:
        return Finding.WRONG_ORIGIN
    # None of our pages is ever in a frame.
    if said.get("crossOrigin", False) is not False or "topOrigin" in said:
        return Finding.CROSS_ORIGIN
    return None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found
