"""How often something may be tried: budgets as pure numbers, for the store to spend.

Outside names never become keys: an id enters one as its HMAC, and a login that belongs to nobody
as one of so many buckets, so that guessing names fills no memory. Every budget is spent before the
try is verified.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass, field
from datetime import timedelta

from idp_mfa.model import CredentialId, TransactionId, UserId
from idp_mfa.ports import Bucket, Budget, Window


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers, each a setting.

    ``transaction_span`` must be longer than any transaction lives, or its windows would open
    again in it.
    """

    factor_tries_per_transaction: int = 5
    enrolment_tries: int = 10
    enrolment_span: timedelta = timedelta(hours=1)
    password_tries_per_transaction: int = 20
    password_burst: int = 10
    password_refill: timedelta = timedelta(minutes=5)
    transaction_span: timedelta = timedelta(hours=1)
    unknown_names: int = 65536


@dataclass(frozen=True, slots=True)
class Throttle:
    """The budgets of each kind of try; ``key`` is a secret of 32 bytes or more, for this alone."""

    limits: Limits
    key: bytes = field(repr=False)

    def password(
        self, transaction_id: TransactionId, user_id: UserId | None, login: str
    ) -> tuple[Budget, ...]:
        """What a try of a password costs; ``login`` counts only where it belongs to nobody."""
        limits = self.limits
        return (
            Window(
                f"limit:p:{self._pseudonym('transaction', transaction_id)}",
                limits.password_tries_per_transaction,
                limits.transaction_span,
            ),
            self._unknown(login) if user_id is None else self._password_of(user_id),
        )

    def second_factor(
        self,
        transaction_id: TransactionId,
        user_id: UserId,  # noqa: ARG002 - the account's own budgets need it (security.md 5)
    ) -> tuple[Budget, ...]:
        """What an answer to a challenge costs, behind a right password."""
        return (
            Window(
                f"limit:f:{self._pseudonym('transaction', transaction_id)}",
                self.limits.factor_tries_per_transaction,
                self.limits.transaction_span,
            ),
        )

    def enrolment(self, credential_id: CredentialId) -> tuple[Budget, ...]:
        """What a try at proving a new device costs."""
        return (
            Window(
                f"limit:e:{self._pseudonym('credential', credential_id)}",
                self.limits.enrolment_tries,
                self.limits.enrolment_span,
            ),
        )

    def of_user(self, user_id: UserId) -> tuple[Budget, ...]:
        """Every budget that is a user's own: what the desk's unlock clears."""
        return (self._password_of(user_id),)

    def _password_of(self, user_id: UserId) -> Bucket:
        return Bucket(
            f"limit:p:{self._pseudonym('user', user_id)}",
            self.limits.password_burst,
            self.limits.password_refill,
        )

    def _unknown(self, login: str) -> Bucket:
        folded = unicodedata.normalize("NFKC", login).casefold().strip()
        bucket = int.from_bytes(self._mac("name", folded)[:8]) % self.limits.unknown_names
        return Bucket(f"limit:u:{bucket}", self.limits.password_burst, self.limits.password_refill)

    def _pseudonym(self, kind: str, text: str) -> str:
        return self._mac(kind, text)[:16].hex()

    def _mac(self, kind: str, text: str) -> bytes:
        message = f"{kind}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.digest(self.key, message, hashlib.sha256)
