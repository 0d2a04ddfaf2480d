"""The directory, watched: a state of the past that was put back is seen, and counts as unreadable.

Whoever can write to a person's entry can put back all that once stood there, or take all of it
away, and each value still opens. The store keeps the highest generation of a person's manifest that
was ever seen; anything lower is no state of today.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.model import Account, Clock, Credentials, Randomness, User, UserId
from idp_mfa.ports import (
    AuditLog,
    Change,
    ChangeAnswer,
    CredentialStore,
    Directory,
    Holder,
    PasswordAnswer,
    StateStore,
    Unavailable,
)

KEPT = timedelta(days=3650)
ALARM_AGAIN = timedelta(hours=1)
_BELIEVED = timedelta(seconds=1)
"""So long a state that was put back may pass: enough to spare one sign-in looking twice."""
_MOST_BELIEVED = 10_000


class Watched:
    """``Directory`` and ``CredentialStore`` over the ones that it watches.

    It looks at the store once for each person and generation that this process has not seen in the
    last second.
    """

    def __init__(
        self,
        directory: Directory,
        credentials: CredentialStore,
        store: StateStore,
        *,
        audit: AuditLog,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._directory = directory
        self._credentials = credentials
        self._store = store
        self._audit = audit
        self._clock = clock
        self._randomness = randomness
        self._lock = threading.Lock()
        self._believed: dict[UserId, tuple[int, datetime]] = {}

    # -- Directory ---------------------------------------------------------------------------

    def find(self, login: str) -> Account | None:
        """The one account that was meant."""
        return self._held_against(self._directory.find(login))

    def authenticate(self, account: Account | None, password: bytes) -> PasswordAnswer:
        """One bind."""
        return self._directory.authenticate(account, password)

    def read(self, user_id: UserId) -> Account | None:
        """The account as it stands now."""
        return self._held_against(self._directory.read(user_id))

    def search(self, text: str, limit: int) -> Sequence[User]:
        """People whose login, name or mail begins with a text."""
        return self._directory.search(text, limit)

    def everyone(self) -> Sequence[Account]:
        """All accounts as they stand there, held against nothing: they are for counting."""
        return self._directory.everyone()

    def ping(self) -> None:
        """The directory answers."""
        self._directory.ping()

    # -- CredentialStore ---------------------------------------------------------------------

    def change(self, user_id: UserId, read: Credentials, changes: Sequence[Change]) -> ChangeAnswer:
        """All changes; what stood there before is of the past from now on."""
        return self._changed(user_id, read, self._credentials.change(user_id, read, changes))

    def clear(self, user_id: UserId, read: Credentials) -> ChangeAnswer:
        """Everything out; a new beginning above all that was seen."""
        return self._changed(user_id, read, self._credentials.clear(user_id, read))

    def holders(self) -> Sequence[Holder]:
        """Everybody with sealed values."""
        return self._credentials.holders()

    def reseal(self, user_id: UserId) -> ChangeAnswer:
        """Under the active key."""
        return self._credentials.reseal(user_id)

    # -- inside ------------------------------------------------------------------------------

    def _held_against(self, account: Account | None) -> Account | None:
        if account is None or self._is_believed(account):
            return account
        id, generation = account.user.id, account.credentials.generation
        highest = self._highest(id)
        if highest > generation:
            # A replica may lag, and a change may have come in between: ask where changes are made.
            account = self._directory.read(id)
            if account is None:
                return None
            generation = account.credentials.generation
        if highest > generation:
            return self._of_the_past(account, highest)
        if generation > highest:
            self._store.raise_to(_key(id), generation, KEPT)
        self._believe(account)
        return account

    def _of_the_past(self, account: Account, highest: int) -> Account:
        found = account.credentials
        id = account.user.id
        if self._store.once(f"{_key(id)}:alarm", ALARM_AGAIN):
            self._audit.record(
                AuditRecord(
                    self._clock(),
                    AuditEvent.CREDENTIAL_UNREADABLE,
                    new_reference(self._randomness),
                    id,
                    detail={
                        "why": "rolled-back",
                        "generation": found.generation,
                        "highest": highest,
                    },
                )
            )
        unreadable = max(1, found.unreadable + len(found.records))
        return replace(
            account, credentials=Credentials((), unreadable, found.version, generation=highest)
        )

    def _changed(self, user_id: UserId, read: Credentials, answer: ChangeAnswer) -> ChangeAnswer:
        if answer is ChangeAnswer.DONE:
            with self._lock:
                self._believed.pop(user_id, None)
            # It is done: a store that is gone now learns of it at the next look.
            with suppress(Unavailable):
                self._store.raise_to(_key(user_id), read.generation + 1, KEPT)
        return answer

    def _highest(self, user_id: UserId) -> int:
        kept = self._store.get(_key(user_id))
        if kept is None:
            return 0
        if not kept.isdigit():
            raise Unavailable("store", "a generation is no number")
        return int(kept)

    def _is_believed(self, account: Account) -> bool:
        generation, since = self._believed.get(account.user.id, (-1, self._clock()))
        return (
            generation == account.credentials.generation
            and timedelta(0) <= self._clock() - since < _BELIEVED
        )

    def _believe(self, account: Account) -> None:
        # That somebody has nothing is what an intruder would most like to be believed.
        if account.credentials.generation == 0:
            return
        with self._lock:
            if len(self._believed) >= _MOST_BELIEVED:
                self._believed.clear()
            self._believed[account.user.id] = (account.credentials.generation, self._clock())


def _key(user_id: UserId) -> str:
    return f"generation:{hashlib.sha256(user_id.encode()).hexdigest()}"
