"""Codes that are written down or read out: recovery codes, and the help desk's passcodes.

Look-up secrets of 75 bits (NIST SP 800-63B-4 3.1.2), each used once by an atomic act of the
directory. They are of no kind: they count where a rule names them, and never for a class.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from idp_mfa.factor import (
    Accepted,
    Challenge,
    CredentialSpend,
    Enrolled,
    Enrolment,
    Field,
    Rejected,
    Rejection,
    Response,
    within_terms,
)
from idp_mfa.model import (
    ENROLMENT_PASSCODE,
    PASSCODE,
    RECOVERY_CODE,
    Credential,
    CredentialState,
    FactorKind,
    FactorName,
    Randomness,
    User,
    Verification,
)

NAME = RECOVERY_CODE
LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Thirty-two, five bits each, without those that are taken for another."""
_LENGTH = 15
_GROUP = 5
_LONGEST_TYPED = 64


@dataclass(frozen=True, slots=True)
class WrittenCodes:
    """``count`` codes in one record, which keeps what is left of them.

    ``lasting``: the record outlives its last code, so that what it was shown for goes on counting
    until its owner makes new ones; a passcode is gone with its one use.
    """

    name: FactorName
    count: int
    lasting: bool

    @property
    def may_show(self) -> frozenset[FactorKind]:
        """Nothing: paper can be copied, and what is read out was heard by somebody."""
        return frozenset()

    @property
    def fields(self) -> tuple[Field, ...]:
        """One field, wide enough for blanks and hyphens between the groups."""
        return (Field("code", "text", "off", 32),)

    def counts(self, credential: Credential, zone: str, at: datetime) -> bool:
        """Whether a code is left, in time and in its place."""
        return bool(self.left(credential)) and within_terms(credential, zone, at)

    def left(self, credential: Credential) -> int:
        """How many codes of a record are unused."""
        return len(credential.secret["hashes"].split())

    def challenge(self, credentials: Sequence[Credential], randomness: Randomness) -> Challenge:
        """Nothing is sent: any code that is left will do."""
        del credentials, randomness
        return Challenge(self.name)

    def verify(
        self,
        challenge: Challenge,
        response: Response,
        credentials: Sequence[Credential],
        at: datetime,
    ) -> Accepted | Rejected:
        """Find the code, which is gone once the directory has taken it out."""
        del challenge
        code = written(response.fields.get("code", ""))
        if code is None:
            return Rejected(Rejection.MALFORMED)
        if not credentials:
            return Rejected(Rejection.NO_CREDENTIAL)
        # Every record is looked at: the time taken tells nothing.
        matches = [(one, found) for one in credentials for found in _matching(one, code)]
        if not matches:
            return Rejected(Rejection.WRONG)
        credential, used = matches[0]
        if not within_terms(credential, None, at):
            return Rejected(Rejection.EXPIRED)
        shown = Verification(
            self.name, frozenset(), (), at, credential.id if self.lasting else None
        )
        after = _without(credential, used) if self.lasting else None
        return Accepted(shown, CredentialSpend(credential, after))

    def begin_enrolment(
        self, user: User, unfinished: Credential, randomness: Randomness
    ) -> Enrolment:
        """New codes; this is the only time at which anybody sees them."""
        del user
        codes = tuple(_drawn(randomness) for _ in range(self.count))
        salt = base64.b64encode(randomness(16)).decode()
        hashes = " ".join(_hash(code, salt) for code in codes)
        kept = replace(unfinished, secret={**unfinished.secret, "salt": salt, "hashes": hashes})
        return Enrolment(kept, {"codes": " ".join(map(_grouped, codes))})

    def show_enrolment(self, user: User, unfinished: Credential) -> Enrolment:
        """The same codes, which nobody can show again."""
        del user
        return Enrolment(unfinished, {})

    def complete_enrolment(
        self, enrolment: Enrolment, response: Response, at: datetime
    ) -> Enrolled | Rejected:
        """One of them typed in shows that they were kept; it stays unused."""
        answer = self.verify(Challenge(self.name), response, (enrolment.credential,), at)
        if isinstance(answer, Rejected):
            return answer
        bound = replace(enrolment.credential, state=CredentialState.ACTIVE)
        return Enrolled(bound, replace(answer, spend=None))


RECOVERY_CODES = WrittenCodes(NAME, 10, lasting=True)
PASSCODES = (
    WrittenCodes(PASSCODE, 1, lasting=False),
    WrittenCodes(ENROLMENT_PASSCODE, 1, lasting=False),
)


def written(typed: str) -> str | None:
    """The code's letters, or None.

    Full-width and small letters, blanks and hyphens are how people write it; anything else is no
    code.
    """
    if len(typed) > _LONGEST_TYPED:
        return None
    plain = unicodedata.normalize("NFKC", typed).upper()
    kept = "".join(one for one in plain if not one.isspace() and one not in "-‐‑–—−ー")
    return kept if len(kept) == _LENGTH and set(kept) <= set(LETTERS) else None


def _drawn(randomness: Randomness) -> str:
    return "".join(LETTERS[octet % len(LETTERS)] for octet in randomness(_LENGTH))


def _grouped(code: str) -> str:
    return "-".join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP))


def _hash(code: str, salt: str) -> str:
    # Salted and slow, because a code has fewer than 112 bits (NIST SP 800-63B-4 3.1.2.2).
    octets = base64.b64decode(salt)
    return base64.b64encode(hashlib.scrypt(code.encode(), salt=octets, n=2**12, r=8, p=1)).decode()


def _matching(credential: Credential, code: str) -> list[str]:
    typed = _hash(code, credential.secret["salt"])
    return [
        kept for kept in credential.secret["hashes"].split() if hmac.compare_digest(kept, typed)
    ]


def _without(credential: Credential, used: str) -> Credential:
    kept = " ".join(one for one in credential.secret["hashes"].split() if one != used)
    return replace(
        credential,
        secret={**credential.secret, "hashes": kept},
        generation=credential.generation + 1,
    )
