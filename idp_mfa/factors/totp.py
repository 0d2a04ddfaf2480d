"""Time-based one-time passwords (RFC 6238): SHA-1, six digits, thirty seconds, one step of drift.

The only door to pyotp. Its own ``verify`` is not used: it does not say which step matched, and it
takes digits of other scripts (security.md 0.3).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import quote

import pyotp

from idp_mfa.factor import (
    Accepted,
    Challenge,
    Enrolled,
    Enrolment,
    Field,
    Rejected,
    Rejection,
    Response,
    Sighting,
    StepSpend,
)
from idp_mfa.model import (
    Amr,
    Credential,
    CredentialState,
    FactorKind,
    FactorName,
    Randomness,
    User,
    Verification,
)
from idp_mfa.typed_code import six_digits

NAME = FactorName("totp")
_STEP = timedelta(seconds=30)
_DRIFT = 1
_KEY_BYTES = 20
_REMEMBERED = timedelta(minutes=10)
"""Longer than any step is acceptable, on any node's clock."""


@dataclass(frozen=True, slots=True)
class Totp:
    """``issuer`` is the label's prefix in the user's app: short ASCII, without a colon."""

    issuer: str

    @property
    def name(self) -> FactorName:
        """The factor's name."""
        return NAME

    @property
    def may_show(self) -> frozenset[FactorKind]:
        """Something the user has: the device that holds the key."""
        return frozenset({FactorKind.POSSESSION})

    @property
    def fields(self) -> tuple[Field, ...]:
        """One field for six digits, wide enough for blanks and hyphens between them."""
        return (Field("code", "numeric", "one-time-code", 16),)

    def challenge(self, credentials: Sequence[Credential], randomness: Randomness) -> Challenge:
        """Nothing is sent: the time is the challenge."""
        del credentials, randomness
        return Challenge(NAME)

    def verify(
        self,
        challenge: Challenge,
        response: Response,
        credentials: Sequence[Credential],
        at: datetime,
    ) -> Accepted | Rejected:
        """Find the credential and step that the code belongs to (RFC 6238 5.2, 6)."""
        del challenge
        code = six_digits(response.fields.get("code", ""))
        if code is None:
            return Rejected(Rejection.MALFORMED)
        if not credentials:
            return Rejected(Rejection.NO_CREDENTIAL)
        # Every step of every credential is looked at: the time taken tells nothing.
        matches = [
            (credential, step)
            for credential in credentials
            for step in matching_steps(credential, code, at)
        ]
        if not matches:
            return Rejected(Rejection.WRONG)
        credential, step = max(matches, key=lambda match: match[1])
        return Accepted(
            Verification(
                NAME, frozenset({FactorKind.POSSESSION}), (Amr("otp"),), at, credential.id
            ),
            StepSpend(credential.id, step, _REMEMBERED, _STEP),
            next_code_in(at),
        )

    def begin_enrolment(
        self, user: User, unfinished: Credential, randomness: Randomness
    ) -> Enrolment:
        """A new key of 160 bits (RFC 4226 R6)."""
        key = base64.b32encode(randomness(_KEY_BYTES)).decode()
        return self.show_enrolment(user, replace(unfinished, secret={"key": key}))

    def show_enrolment(self, user: User, unfinished: Credential) -> Enrolment:
        """The key, and the URI that apps read (SHA-1, 6, 30 are what every app takes)."""
        key = unfinished.secret["key"]
        label = unfinished.label
        uri = (
            f"otpauth://totp/{quote(label, safe='()')}:{quote(user.login, safe='@')}"
            f"?secret={key}&issuer={quote(label, safe='()')}&algorithm=SHA1&digits=6&period=30"
        )
        return Enrolment(
            unfinished,
            {"key": key, "uri": uri, "issuer": label, "account": user.login},
        )

    def complete_enrolment(
        self, enrolment: Enrolment, response: Response, at: datetime
    ) -> Enrolled | Rejected:
        """The device shows a right code: from here on the key signs in."""
        answer = self.verify(Challenge(NAME), response, (enrolment.credential,), at)
        if isinstance(answer, Rejected):
            return answer
        return Enrolled(replace(enrolment.credential, state=CredentialState.ACTIVE), answer)

    def recognise(
        self, response: Response, credential: Credential, at: datetime, within: timedelta
    ) -> Sighting | None:
        """The step nearest to now whose code this is; every step is looked at."""
        code = six_digits(response.fields.get("code", ""))
        if code is None or "key" not in credential.secret:
            return None
        now = _step_of(at)
        steps = matching_steps(credential, code, at, within // _STEP)
        if not steps:
            return None
        nearest = min(steps, key=lambda step: abs(step - now))
        return Sighting(nearest, (nearest - now) * _STEP, next_code_in(at))


def matching_steps(
    credential: Credential, code: str, at: datetime, drift: int = _DRIFT
) -> list[int]:
    """The steps within the drift whose code this is, compared in constant time."""
    generator = pyotp.TOTP(credential.secret["key"])
    now = _step_of(at)
    return [
        step
        for step in range(max(now - drift, 0), now + drift + 1)
        if hmac.compare_digest(generator.generate_otp(step), code)
    ]


def code_at(credential: Credential, at: datetime) -> str:
    """What a device with this key shows at a moment."""
    return str(pyotp.TOTP(credential.secret["key"]).at(at))


def _step_of(at: datetime) -> int:
    return int(at.timestamp()) // int(_STEP.total_seconds())


def next_code_in(at: datetime) -> timedelta:
    """How long until the app shows another code."""
    return _STEP - timedelta(seconds=at.timestamp() % _STEP.total_seconds())
