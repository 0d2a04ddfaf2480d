"""What one right answer of a factor costs to verify, in RSA-2048 signatures of the same moment."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from idp_mfa.factor import Accepted, Enrolled, Factor, Response
from idp_mfa.factors import image_matrix
from idp_mfa.factors.fido2 import Fido2
from idp_mfa.factors.image_matrix import ImageMatrix
from idp_mfa.factors.totp import Totp, code_at
from idp_mfa.model import BoundBy, Credential, CredentialId, CredentialState, User, UserId
from tests.bench.unit import unit
from tests.simulators.authenticator import Authenticator
from tests.unit.policy_facts import NOW

MOST: Mapping[str, float] = {"fido2": 2.0, "totp": 0.5, "image_matrix": 0.5}
"""Signatures that a verification may cost at most, beside storage."""
TURNS = 200
_ALICE = User(UserId("d4519f5a-7a42-1041-98c3-7598eb3f3c93"), "alice", "Alice")
Verify = Callable[[], object]


def in_signatures() -> dict[str, float]:
    """The price of each, of the calmest of many turns: neighbours slow Python more than RSA."""
    verifications = {"fido2": _passkey(), "totp": _code(), "image_matrix": _picture()}
    signature, least = math.inf, dict.fromkeys(verifications, math.inf)
    for _ in range(TURNS):
        signature = min(signature, unit(pairs=2) / 2)
        for name, verify in verifications.items():
            least[name] = min(least[name], _milliseconds(verify))
    return {name: found / signature for name, found in least.items()}


def kept(prices: Mapping[str, float]) -> bool:
    """Whether every one is within its bar."""
    return all(prices[name] <= most for name, most in MOST.items())


def told(prices: Mapping[str, float]) -> str:
    """A line of ``make bench``."""
    each = ", ".join(
        f"{name} {price:.2f} signatures (at most {MOST[name]:g})" for name, price in prices.items()
    )
    return f"to verify an answer, beside storage: {each}"


def _milliseconds(verify: Verify) -> float:
    began = time.thread_time_ns()
    found = verify()
    took = (time.thread_time_ns() - began) / 1e6
    if not isinstance(found, Accepted):
        raise TypeError(str(found))
    return took


def _begun(factor: Factor) -> Credential:
    return Credential(
        CredentialId("one"), factor.name, CredentialState.UNFINISHED, "", NOW, BoundBy.CAMPUS, 1, {}
    )


def _passkey() -> Verify:
    device = Authenticator()
    fido2 = Fido2("idp.example.ac.jp", "T", device.origin, lambda: bytes(32))
    begun = fido2.begin_enrolment(_ALICE, _begun(fido2), os.urandom)
    made = Response({"credential": device.create(begun.shown["options"])})
    done = fido2.complete_enrolment(begun, made, NOW)
    if not isinstance(done, Enrolled):
        raise TypeError(str(done))
    held = (done.credential,)
    asked = replace(fido2.challenge(held, os.urandom), asked_at=NOW)
    answer = Response({"credential": device.get(asked.shown["options"])})
    return lambda: fido2.verify(asked, answer, held, NOW)


def _code() -> Verify:
    totp = Totp("T")
    begun = totp.begin_enrolment(_ALICE, _begun(totp), os.urandom).credential
    held = (replace(begun, state=CredentialState.ACTIVE),)
    asked = totp.challenge(held, os.urandom)
    answer = Response({"code": code_at(begun, NOW)})
    return lambda: totp.verify(asked, answer, held, NOW)


def _picture() -> Verify:
    matrix = ImageMatrix()
    begun = matrix.begin_enrolment(_ALICE, _begun(matrix), os.urandom).credential
    held = (replace(begun, state=CredentialState.ACTIVE),)
    asked = replace(matrix.challenge(held, os.urandom), asked_at=NOW)
    answer = Response({"code": image_matrix.answer(begun, asked.shown)})
    return lambda: matrix.verify(asked, answer, held, NOW)
