"""Transactions in the store: found by their id, bound to one browser, moved by ``swap``."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import timedelta

from idp_mfa.audit import new_reference
from idp_mfa.model import AuthnRequest, Clock, Randomness, TransactionId
from idp_mfa.ports import StateStore
from idp_mfa.signin import codec
from idp_mfa.signin.flow import AwaitIdentity
from idp_mfa.signin.outcomes import Absent, Begun, Gone, OtherBrowser
from idp_mfa.signin.transaction import Transaction


@dataclass(frozen=True, slots=True)
class SignInLimits:
    """How long a sign-in may take, and how long its answer can be fetched again.

    ``set_aside`` is counted from its beginning too: so long it may take if something has to be set
    up or re-issued on the way, for which mail is waited for and an app is installed.
    """

    lifetime: timedelta = timedelta(minutes=10)
    answer_kept: timedelta = timedelta(minutes=5)
    set_aside: timedelta = timedelta(hours=1)


class Transactions:
    """The store's side of a sign-in; only a hash of the binding cookie's value is kept."""

    def __init__(
        self, store: StateStore, clock: Clock, randomness: Randomness, limits: SignInLimits
    ) -> None:
        self._store = store
        self._clock = clock
        self._randomness = randomness
        self._limits = limits

    def new(self, request: AuthnRequest) -> Begun:
        """A transaction that is not in the store yet, and its cookie's value."""
        now = self._clock()
        binding = self.new_binding()
        transaction = Transaction(
            id=TransactionId(self._token(18)),
            version=0,
            state=AwaitIdentity(),
            request=request,
            browser=browser_of(binding),
            reference=new_reference(self._randomness),
            began_at=now,
            deadline=now + self._limits.lifetime,
        )
        return Begun(transaction, binding)

    def new_binding(self) -> str:
        """A fresh value for a binding cookie (192 bits)."""
        return self._token(24)

    def put(self, transaction: Transaction) -> None:
        """Keep a new one."""
        self._store.put(_key(transaction.id), codec.encode(transaction), self._ttl(transaction))

    def load(self, id: TransactionId) -> Transaction | None:
        """Whoever's it is; None when there is none (any more)."""
        if not id.isascii() or len(id) > 64:
            return None
        stored = self._store.get(_key(id))
        transaction = None if stored is None else codec.decode(stored)
        if transaction is None or self._clock() >= transaction.deadline:
            return None
        return transaction

    def look(self, id: TransactionId, binding: str | None) -> Transaction | Absent:
        """The transaction, if this browser is the one that it is bound to."""
        transaction = self.load(id)
        if transaction is None:
            return Gone()
        if binding is None or not hmac.compare_digest(browser_of(binding), transaction.browser):
            return OtherBrowser(id, transaction.request.service, transaction.answered)
        return transaction

    def set_aside(self, before: Transaction) -> Transaction | None:
        """Give it the time that a set-up takes; None if somebody moved it in between."""
        deadline = before.began_at + self._limits.set_aside
        if deadline <= before.deadline:
            return before
        return self.swap(before, replace(before, deadline=deadline))

    def was_set_aside(self, transaction: Transaction) -> bool:
        """Whether it has more time than one that nobody left for a page of ours."""
        return transaction.deadline > transaction.began_at + self._limits.lifetime

    def swap(self, before: Transaction, after: Transaction) -> Transaction | None:
        """Move it: what now stands there, or None if somebody else was first."""
        moved = replace(after, version=before.version + 1)
        if moved.finished and not before.finished:
            moved = replace(moved, deadline=self._clock() + self._limits.answer_kept)
        done = self._store.swap(
            _key(before.id), codec.encode(before), codec.encode(moved), self._ttl(moved)
        )
        return moved if done else None

    def forget(self, id: TransactionId) -> None:
        """Nobody finds it any more."""
        self._store.take(_key(id))

    def _ttl(self, transaction: Transaction) -> timedelta:
        return max(transaction.deadline - self._clock(), timedelta(seconds=1))

    def _token(self, length: int) -> str:
        return base64.urlsafe_b64encode(self._randomness(length)).rstrip(b"=").decode()


def browser_of(binding: str) -> str:
    """What is kept of a binding cookie's value."""
    return hashlib.sha256(binding.encode()).hexdigest()


def _key(id: TransactionId) -> str:
    return f"transaction:{id}"
