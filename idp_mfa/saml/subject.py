"""The names that services know people and sessions by: no two services can join theirs."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from idp_mfa.model import ServiceId, UserId
from idp_mfa.saml.names import PERSISTENT, TRANSIENT


@dataclass(frozen=True, slots=True)
class NameId:
    """A NameID of ours; its qualifiers are our entityID and the service's."""

    format: str
    value: str


def subject_id(salt: bytes, user: UserId) -> str:
    """The part before the scope of a subject-id: the same at every service (subject-id 3.3)."""
    return _name(salt, "subject-id", user)


def pairwise_id(salt: bytes, service: ServiceId, user: UserId) -> str:
    """The part before the scope of a pairwise-id, and the persistent NameID (SAML core 8.3.7).

    It depends on the directory's stable id alone: a rename keeps it, an account made anew gets
    another.
    """
    return _name(salt, "pairwise-id", service, user)


def name_id(
    salt: bytes, format: str, service: ServiceId, user: UserId, session_index: str
) -> NameId:
    """A persistent or a transient NameID; a transient one lives as long as the session."""
    if format == PERSISTENT:
        return NameId(PERSISTENT, pairwise_id(salt, service, user))
    return NameId(TRANSIENT, f"_{_name(salt, 'transient', service, session_index)}")


def sealed_index(salt: bytes, session_index: str, service: ServiceId, name: NameId) -> str:
    """The SessionIndex that a service gets: only with its own NameID can it end the session."""
    return f"{session_index}.{_mark(salt, session_index, service, name)}"


def opened_index(salt: bytes, sealed: str, service: ServiceId, name: NameId) -> str | None:
    """The session's index, if this service was given it together with that NameID."""
    session_index, _, mark = sealed.rpartition(".")
    expected = _mark(salt, session_index, service, name)
    return session_index if hmac.compare_digest(mark.encode(), expected.encode()) else None


def _mark(salt: bytes, session_index: str, service: ServiceId, name: NameId) -> str:
    return _name(salt, "session-index", session_index, service, name.format, name.value)


def _name(salt: bytes, purpose: str, *parts: str) -> str:
    """Lower-case base32 of an HMAC-SHA-256: 52 characters that no case folding can merge."""
    digest = hmac.new(salt, "\0".join((purpose, *parts)).encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode().rstrip("=").lower()
