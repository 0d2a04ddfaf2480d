"""Time-based one-time passwords (RFC 6238): SHA-1, six digits, thirty seconds, one step of drift.

Keys that were made elsewhere may have other hashes, digits and seconds: their records say so. The
only door to pyotp. Its own ``verify`` is not used: it does not say which step matched, and it
takes digits of other scripts (security.md 0.3).
"""

from __future__ import annotations

import base64
import hashlib
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
    HashAlgorithm,
    Rejected,
    Rejection,
    Response,
    SharedKey,
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
from idp_mfa.typed_code import DIGITS, digits

NAME = FactorName("totp")
_STEP = timedelta(seconds=30)
_DRIFT = 1
_FAR_OFF = timedelta(hours=24)
"""How far off a hardware token's clock may be to be resynchronised."""
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
        """Nothing is sent: the time is the challenge.

        How many digits a token shows is told where that is not six for each of them.
        """
        del randomness
        lengths = {_shape(one).digits for one in credentials}
        if lengths <= {DIGITS}:
            return Challenge(NAME)
        return Challenge(NAME, shown={"digits": " / ".join(map(str, sorted(lengths)))})

    def verify(
        self,
        challenge: Challenge,
        response: Response,
        credentials: Sequence[Credential],
        at: datetime,
    ) -> Accepted | Rejected:
        """Find the credential and step that the code belongs to (RFC 6238 5.2, 6)."""
        del challenge
        typed = response.fields.get("code", "")
        lengths = {_shape(one).digits for one in credentials} or {DIGITS}
        if all(digits(typed, length) is None for length in lengths):
            return Rejected(Rejection.MALFORMED)
        if not credentials:
            return Rejected(Rejection.NO_CREDENTIAL)
        # Every step of every credential is looked at: the time taken tells nothing.
        matches = [
            (credential, step)
            for credential in credentials
            for step in matching_steps(credential, typed, at)
        ]
        if not matches:
            return Rejected(Rejection.WRONG)
        credential, step = max(matches, key=lambda match: match[1] * _shape(match[0]).period)
        return Accepted(
            Verification(
                NAME, frozenset({FactorKind.POSSESSION}), (Amr("otp"),), at, credential.id
            ),
            StepSpend(credential.id, step, _REMEMBERED, _shape(credential).period),
            next_code_in(at, _shape(credential).period),
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
        label, shape = unfinished.label, _shape(unfinished)
        uri = (
            f"otpauth://totp/{quote(label, safe='()')}:{quote(user.login, safe='@')}"
            f"?secret={key}&issuer={quote(label, safe='()')}&algorithm={shape.algorithm.value}"
            f"&digits={shape.digits}&period={shape.period // timedelta(seconds=1)}"
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
        typed = response.fields.get("code", "")
        if "key" not in credential.secret:
            return None
        period = _shape(credential).period
        steps = matching_steps(credential, typed, at, within // period)
        if not steps:
            return None
        now = _step_of(at, _shape(credential))
        nearest = min(steps, key=lambda step: abs(step - now))
        return Sighting(nearest, (nearest - now) * period, next_code_in(at, period))

    def taken(self, empty: Credential, key: SharedKey) -> Credential:
        """An active credential of a key that was made elsewhere."""
        secret = {"key": base64.b32encode(key.key).decode().rstrip("=")}
        for name, value, usual in (
            ("algorithm", key.algorithm.value, HashAlgorithm.SHA1.value),
            ("digits", str(key.digits), str(DIGITS)),
            ("period", str(key.period), "30"),
            ("serial", key.serial, ""),
            ("drift", str(key.drift), "0"),
        ):
            if value != usual:
                secret[name] = value
        return replace(empty, state=CredentialState.ACTIVE, secret=secret)

    def may_be_shown(self, credential: Credential) -> bool:
        """Whether its key is for apps: that of a hardware token is nowhere but in it and here."""
        return not self.is_token(credential)

    def is_token(self, credential: Credential) -> bool:
        """Whether it is of a hardware token, which has a clock of its own."""
        return "serial" in credential.secret

    def holds(self, credential: Credential, key: SharedKey) -> bool:
        """Whether a credential has just that key."""
        held = credential.secret.get("key", "").rstrip("=").encode()
        return hmac.compare_digest(held, base64.b32encode(key.key).rstrip(b"="))

    def resynchronised(
        self, credential: Credential, codes: tuple[str, str], at: datetime
    ) -> tuple[Credential, StepSpend] | None:
        """Two codes that follow each other are found in a day's steps by their place alone.

        The place nearest to where the token was; that two codes are there by chance has a
        probability below one in a hundred million.
        """
        shape = _shape(credential)
        first, second = codes
        within = _FAR_OFF // shape.period
        seconds = set(matching_steps(credential, second, at, within + 1))
        steps = [
            step for step in matching_steps(credential, first, at, within) if step + 1 in seconds
        ]
        if not steps:
            return None
        now = _step_of(at, shape)
        step = min(steps, key=lambda found: abs(found - now)) + 1
        drift = shape.drift + step - now
        secret = {**credential.secret, "drift": str(drift)}
        return (
            replace(credential, secret=secret, generation=credential.generation + 1),
            StepSpend(credential.id, step, _REMEMBERED, shape.period),
        )


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a record says of its codes; ``drift`` is how many steps its device is ahead."""

    algorithm: HashAlgorithm
    digits: int
    period: timedelta
    drift: int


def _shape(credential: Credential) -> _Shape:
    secret = credential.secret
    return _Shape(
        HashAlgorithm(secret.get("algorithm", HashAlgorithm.SHA1.value)),
        int(secret.get("digits", DIGITS)),
        timedelta(seconds=int(secret.get("period", 30))),
        int(secret.get("drift", 0)),
    )


def _generator(credential: Credential) -> pyotp.TOTP:
    shape = _shape(credential)
    return pyotp.TOTP(
        credential.secret["key"],
        digits=shape.digits,
        digest=_HASHES[shape.algorithm],
        interval=shape.period // timedelta(seconds=1),
    )


_HASHES = {
    HashAlgorithm.SHA1: hashlib.sha1,
    HashAlgorithm.SHA256: hashlib.sha256,
    HashAlgorithm.SHA512: hashlib.sha512,
}


def matching_steps(
    credential: Credential, typed: str, at: datetime, drift: int = _DRIFT
) -> list[int]:
    """The steps within the drift whose code this is, compared in constant time."""
    shape = _shape(credential)
    code = digits(typed, shape.digits)
    if code is None:
        return []
    generator = _generator(credential)
    now = _step_of(at, shape)
    return [
        step
        for step in range(max(now - drift, 0), now + drift + 1)
        if hmac.compare_digest(generator.generate_otp(step), code)
    ]


def code_at(credential: Credential, at: datetime) -> str:
    """What a device with this key shows at a moment."""
    return str(_generator(credential).generate_otp(_step_of(at, _shape(credential))))


def _step_of(at: datetime, shape: _Shape) -> int:
    """Which step a device is in, by its own clock."""
    return int(at.timestamp()) // int(shape.period.total_seconds()) + shape.drift


def next_code_in(at: datetime, period: timedelta = _STEP) -> timedelta:
    """How long until the app shows another code."""
    return period - timedelta(seconds=at.timestamp() % period.total_seconds())
