"""The image matrix: six pictures that one remembers, and the figures that stand under them.

Sixty-four pictures are always shown, each with a figure from 1 to 8, every figure eight times. The
figures come of a secret seed and the number of the question, which rises with each right answer by
an atomic act of the directory: until then the question stays, and asking anew gains nothing. The
measures behind it are those of docs/adr/0010-image-matrix.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

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
)
from idp_mfa.model import (
    Credential,
    CredentialState,
    FactorKind,
    FactorName,
    Randomness,
    User,
    Verification,
)
from idp_mfa.pictures import by_id
from idp_mfa.typed_code import six_digits

NAME = FactorName("image_matrix")
FIGURES = "12345678"
REMEMBERED = 6
PRACTISED = 2
"""The questions that a set-up's proof answers; the first one of a sign-in comes after them."""


@dataclass(frozen=True, slots=True)
class ImageMatrix:
    """After ``uses`` or ``age`` its owner is asked to have new pictures drawn."""

    uses: int = 50
    age: timedelta = timedelta(days=180)

    @property
    def name(self) -> FactorName:
        """The factor's name."""
        return NAME

    @property
    def may_show(self) -> frozenset[FactorKind]:
        """Something one knows, as a password is."""
        return frozenset({FactorKind.KNOWLEDGE})

    @property
    def fields(self) -> tuple[Field, ...]:
        """One field for the six figures: nothing is pointed at."""
        return (Field("code", "numeric", "off", 16),)

    def challenge(self, credentials: Sequence[Credential], randomness: Randomness) -> Challenge:
        """The question of this number; it is the same one however often it is asked."""
        del randomness
        if not credentials:
            return Challenge(NAME)
        credential = credentials[0]
        return Challenge(
            NAME,
            {"credential": credential.id, "number": credential.secret["number"]},
            {
                **board(credential, f"question {credential.secret['number']}"),
                "due": self._due_from(credential).isoformat(),
            },
        )

    def verify(
        self,
        challenge: Challenge,
        response: Response,
        credentials: Sequence[Credential],
        at: datetime,
    ) -> Accepted | Rejected:
        """Hold the figures against those under the pictures; which one is wrong is not told."""
        asked = challenge.kept
        credential = next((one for one in credentials if one.id == asked.get("credential")), None)
        typed = six_digits(response.fields.get("code", ""))
        if typed is None:
            return Rejected(Rejection.MALFORMED)
        if credential is None:
            return Rejected(Rejection.NO_CREDENTIAL)
        number = credential.secret["number"]
        if number != asked["number"]:
            return Rejected(Rejection.ALREADY_USED)
        if not _is_answer(credential, f"question {number}", typed):
            return Rejected(Rejection.WRONG)
        after = replace(
            credential,
            secret={**credential.secret, "number": str(int(number) + 1)},
            generation=credential.generation + 1,
        )
        return Accepted(_shown(credential, at), CredentialSpend(credential, after))

    def begin_enrolment(
        self, user: User, unfinished: Credential, randomness: Randomness
    ) -> Enrolment:
        """Six different pictures, drawn by us: those that people choose are easily guessed."""
        places = _shuffled(sorted(by_id()), _octets(randomness(32), "places"))
        pattern = _shuffled(sorted(by_id()), _octets(randomness(32), "pattern"))[:REMEMBERED]
        secret = {
            "pattern": " ".join(pattern),
            "order": " ".join(places),
            "seed": base64.b64encode(randomness(32)).decode(),
            "number": "0",
        }
        return self.show_enrolment(user, replace(unfinished, secret=secret))

    def show_enrolment(self, user: User, unfinished: Credential) -> Enrolment:
        """The pictures in their order, for their owner to remember."""
        del user
        return Enrolment(unfinished, {"pattern": unfinished.secret["pattern"]})

    def complete_enrolment(
        self, enrolment: Enrolment, response: Response, at: datetime
    ) -> Enrolled | Rejected:
        """Two questions rightly answered, one after the other, before it counts."""
        credential = enrolment.credential
        first = six_digits(response.fields.get("practice", ""))
        second = six_digits(response.fields.get("code", ""))
        if first is None or second is None:
            return Rejected(Rejection.MALFORMED)
        right = [
            _is_answer(credential, f"question {number}", typed)
            for number, typed in enumerate((first, second))
        ]
        if not all(right):
            return Rejected(Rejection.WRONG)
        secret = {**credential.secret, "number": str(PRACTISED)}
        bound = replace(credential, state=CredentialState.ACTIVE, secret=secret)
        return Enrolled(bound, Accepted(_shown(credential, at), None))

    # -- for its own pages -------------------------------------------------------------------

    def pattern(self, credential: Credential) -> tuple[str, ...]:
        """The pictures to remember, in their order."""
        return tuple(credential.secret["pattern"].split())

    def practice(self, credential: Credential, name: str) -> Mapping[str, str]:
        """A question for practice, which is never one of a sign-in."""
        return board(credential, f"practice {name}")

    def practised(self, credential: Credential, name: str, typed: str) -> bool:
        """Whether that is the answer to a question for practice."""
        figures = six_digits(typed)
        return figures is not None and _is_answer(credential, f"practice {name}", figures)

    def first_question(self, credential: Credential, number: int) -> Mapping[str, str]:
        """One of the questions that a set-up's proof answers."""
        if not 0 <= number < PRACTISED:
            raise ValueError("a set-up shows no question of a sign-in")
        return board(credential, f"question {number}")

    def answers_first(self, credential: Credential, typed: str) -> bool:
        """Whether that is the answer to a set-up's first question."""
        figures = six_digits(typed)
        return figures is not None and _is_answer(credential, "question 0", figures)

    def left(self, credential: Credential) -> int:
        """How many uses are left before its owner is asked to have new pictures drawn."""
        return max(self.uses - int(credential.secret["number"]) + PRACTISED, 0)

    def is_due(self, credential: Credential, at: datetime) -> bool:
        """Whether somebody may have watched often enough."""
        return at >= self._due_from(credential)

    def _due_from(self, credential: Credential) -> datetime:
        return credential.bound_at + (self.age if self.left(credential) else timedelta())


def board(credential: Credential, name: str) -> Mapping[str, str]:
    """What a question shows: ``order``, all pictures as this person knows their places, and
    ``figures``, one for each of them.
    """
    figures = _shuffled(list(FIGURES * 8), _octets(_seed(credential), name))
    return {"order": credential.secret["order"], "figures": "".join(figures)}


def answer(credential: Credential, shown: Mapping[str, str]) -> str:
    """The figures under the pictures of somebody's own, in their order."""
    beside = dict(zip(shown["order"].split(), shown["figures"], strict=True))
    return "".join(beside[one] for one in credential.secret["pattern"].split())


def _is_answer(credential: Credential, name: str, typed: str) -> bool:
    return hmac.compare_digest(answer(credential, board(credential, name)), typed)


def _shown(credential: Credential, at: datetime) -> Verification:
    return Verification(NAME, frozenset({FactorKind.KNOWLEDGE}), (), at, credential.id)


def _seed(credential: Credential) -> bytes:
    return base64.b64decode(credential.secret["seed"])


def _octets(seed: bytes, name: str) -> Iterator[int]:
    """As many as are wanted, which nobody foretells without the seed (HMAC in counter mode)."""
    block = 0
    while True:
        yield from hmac.digest(seed, f"{name} {block}".encode(), hashlib.sha256)
        block += 1


def _shuffled(values: list[str], octets: Iterator[int]) -> list[str]:
    """Every order is as likely as any other (Fisher and Yates, and no remainder is favoured)."""
    for last in range(len(values) - 1, 0, -1):
        most = 256 - 256 % (last + 1)
        chosen = next(octet for octet in octets if octet < most) % (last + 1)
        values[last], values[chosen] = values[chosen], values[last]
    return values
