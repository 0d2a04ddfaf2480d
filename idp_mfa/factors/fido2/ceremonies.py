"""The questions of both ceremonies, and the handle by which an authenticator names its owner."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from fido2.webauthn import (
    AuthenticatorTransport,
    PublicKeyCredentialCreationOptions,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRequestOptions,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from idp_mfa.factor import Accepted, Challenge, Enrolled, Enrolment, Field, Rejected, Response
from idp_mfa.factors.fido2.verification import (
    LIVES,
    NAME,
    RelyingParty,
    judged_assertion,
    judged_registration,
    raw_id,
)
from idp_mfa.model import Credential, FactorKind, FactorName, Randomness, User, UserId
from idp_mfa.sealed import open_under, seal_under
from idp_mfa.webauthn import UserVerification, base64url, document, octets

_CHALLENGE_BYTES = 32
_HANDLE_BOUND = b"idp_mfa user handle 1"
_NONCE_BYTES = 12
_MOST_ID_CHARACTERS = 35


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
        return judged_assertion(self._party, challenge, _text(response), credentials, at)

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
        options, _ = self._party.server.register_begin(
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
        """Judge a new credential (L3 7.1), whose key is not proved before it signs in."""
        return judged_registration(self._party, enrolment.credential, _text(response), at)

    def public_id(self, credential: Credential) -> str:
        """The id by which browsers know a credential, of all users and for good (base64url)."""
        return base64url(raw_id(credential))

    # -- inside ------------------------------------------------------------------------------

    def _question(
        self,
        credentials: Sequence[Credential],
        verification: UserVerification,
        randomness: Randomness,
    ) -> Challenge:
        challenge = randomness(_CHALLENGE_BYTES)
        options, _ = self._party.server.authenticate_begin(
            [_described(_descriptor(one)) for one in credentials] or None,
            UserVerificationRequirement(verification.value),
            challenge,
        )
        kept = {"challenge": base64url(challenge), "user_verification": verification.value}
        return Challenge(NAME, kept, {"options": _json(options.public_key)})

    @property
    def _party(self) -> RelyingParty:
        return RelyingParty(self.rp_id, self.rp_name, self.origin)

    def _handle(self, user_id: UserId, randomness: Randomness) -> bytes:
        plain = _octets_of_id(user_id)
        if plain is None:
            # Too long for 64 bytes (L3 5.4.3): such accounts sign in with their name first.
            return randomness(64)
        nonce = randomness(_NONCE_BYTES)
        return seal_under(self.handle_key(), plain, bound=_HANDLE_BOUND, nonce=nonce)


def _json(
    options: PublicKeyCredentialCreationOptions | PublicKeyCredentialRequestOptions,
) -> str:
    return json.dumps({**options, "timeout": int(LIVES.total_seconds() * 1000)})


def _text(response: Response) -> str:
    return response.fields.get("credential", "")


def _descriptor(credential: Credential) -> dict[str, str]:
    return {"id": base64url(raw_id(credential)), "transports": credential.secret["transports"]}


def _described(kept: dict[str, str]) -> PublicKeyCredentialDescriptor:
    transports = [AuthenticatorTransport(one) for one in kept["transports"].split()]
    return PublicKeyCredentialDescriptor(
        type=PublicKeyCredentialType.PUBLIC_KEY,
        id=octets(kept["id"]) or b"",
        transports=transports or None,
    )


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
