"""What browsers post (L3 5.1.8, PublicKeyCredentialJSON), as the library's objects."""

from __future__ import annotations

import struct
from typing import Any

from fido2.webauthn import (
    AttestationObject,
    AuthenticationResponse,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    AuthenticatorData,
    AuthenticatorTransport,
    CollectedClientData,
    RegistrationResponse,
)

from idp_mfa.webauthn import document, octets

_MOST_CHARACTERS = 16 * 1024
BROKEN = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    AssertionError,
    OverflowError,
    RecursionError,
    struct.error,
)
"""What the library raises on bytes that are not what they say."""


def assertion(text: str) -> AuthenticationResponse | None:
    """What a get ceremony answered (L3 5.1.8); None for anything else."""
    found = _parts(text, ("clientDataJSON", "authenticatorData", "signature"))
    if found is None:
        return None
    raw_id, inner, (client_data, authenticator_data, signature) = found
    said = inner.get("userHandle")
    handle = octets(said) if said is not None else None
    if said is not None and handle is None:
        return None
    try:
        return AuthenticationResponse(
            raw_id=raw_id,
            response=AuthenticatorAssertionResponse(
                client_data=CollectedClientData(client_data),
                authenticator_data=AuthenticatorData(authenticator_data),
                signature=signature,
                user_handle=handle,
            ),
        )
    except BROKEN:
        return None


def attestation(text: str) -> RegistrationResponse | None:
    """What a create ceremony answered; None for anything else."""
    found = _parts(text, ("clientDataJSON", "attestationObject"))
    if found is None:
        return None
    raw_id, _, (client_data, attestation_object) = found
    try:
        return RegistrationResponse(
            raw_id=raw_id,
            response=AuthenticatorAttestationResponse(
                client_data=CollectedClientData(client_data),
                attestation_object=AttestationObject(attestation_object),
            ),
        )
    except BROKEN:
        return None


def _parts(
    text: str, names: tuple[str, ...]
) -> tuple[bytes, dict[str, Any], tuple[bytes, ...]] | None:
    """The id, the inner object and its named byte strings (L3 5.1.8, PublicKeyCredentialJSON)."""
    answer = document(text) if len(text) <= _MOST_CHARACTERS else None
    inner = None if answer is None else answer.get("response")
    if answer is None or not isinstance(inner, dict) or answer.get("type") != "public-key":
        return None
    raw_id = octets(answer.get("rawId"))
    values = tuple(octets(inner.get(name)) for name in names)
    if not raw_id or answer.get("id") != answer.get("rawId") or None in values:
        return None
    return raw_id, inner, tuple(value for value in values if value is not None)


def transports(answer: dict[str, Any]) -> list[str]:
    """Those of the standard among the ways by which an authenticator says it is reached."""
    inner = answer.get("response")
    said = inner.get("transports") if isinstance(inner, dict) else None
    known = {one.value for one in AuthenticatorTransport}
    return sorted({one for one in said if one in known}) if isinstance(said, list) else []
