"""People and their sealed records in one SQLite file: the embedded default."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from idp_mfa.directory.options import SqliteOptions
from idp_mfa.directory.records import (
    Rewrite,
    Stored,
    cleared,
    holder,
    opened,
    resealed,
    rewritten,
    without_secrets,
)
from idp_mfa.directory.sqlite_file import SqliteFile, all_stored, carry_out, stored_of
from idp_mfa.directory.typed import usable_login, usable_password
from idp_mfa.model import (
    Account,
    AccountState,
    Clock,
    Credentials,
    Randomness,
    Standing,
    User,
    UserId,
)
from idp_mfa.ports import Change, ChangeAnswer, Holder, PasswordAnswer, Unavailable
from idp_mfa.sealed import Sealer


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Whom to add; ``password`` byte for byte."""

    login: str
    display_name: str
    password: bytes
    groups: frozenset[str]
    attributes: Mapping[str, tuple[str, ...]]


class SqliteDirectory:
    """``Directory`` and ``CredentialStore``; safe for many threads and processes at once."""

    def __init__(
        self, options: SqliteOptions, sealer: Sealer, clock: Clock, randomness: Randomness
    ) -> None:
        self._file = SqliteFile(options)
        self._sealer = sealer
        self._clock = clock
        self._randomness = randomness
        self._hasher = PasswordHasher(
            time_cost=options.argon2_iterations,
            memory_cost=options.argon2_memory_kib,
            parallelism=options.argon2_lanes,
        )
        self._decoy = self._hash(randomness(16))

    # -- Directory ---------------------------------------------------------------------------

    def find(self, login: str) -> Account | None:
        """The account of a login, in any width and case, as LDAP directories match it."""
        if not usable_login(login):
            return None
        return self._account("SELECT * FROM person WHERE login_key = ?", _login_key(login))

    def authenticate(self, account: Account | None, password: bytes) -> PasswordAnswer:
        """One Argon2 verification, for nobody too."""
        if not usable_password(password):
            return PasswordAnswer.UNUSABLE
        hashed = None
        if account is not None:
            with self._file.connection() as connection:
                row = connection.execute(
                    "SELECT password_hash FROM person WHERE id = ?", (account.user.id,)
                ).fetchone()
            hashed = None if row is None else row["password_hash"]
        try:
            self._hasher.verify(hashed or self._decoy, password)
        except VerificationError:
            return PasswordAnswer.WRONG
        except InvalidHashError:
            raise Unavailable("directory", "a password hash cannot be read") from None
        return PasswordAnswer.WRONG if hashed is None else PasswordAnswer.RIGHT

    def read(self, user_id: UserId) -> Account | None:
        """The account as it stands now."""
        return self._account("SELECT * FROM person WHERE id = ?", user_id)

    def search(self, text: str, limit: int) -> Sequence[User]:
        """People whose login, name or mail begins with a text."""
        if not usable_login(text):
            return ()
        beginning = _login_key(text)
        with self._file.connection() as connection:
            rows = connection.execute("SELECT * FROM person ORDER BY login_key").fetchall()
        found = (
            _user(row)
            for row in rows
            if any(
                _login_key(value).startswith(beginning)
                for value in (
                    row["login"],
                    row["display_name"],
                    *json.loads(row["attributes_json"]).get("mail", ()),
                )
            )
        )
        return tuple(user for user, _ in zip(found, range(limit), strict=False))

    def everyone(self) -> Sequence[Account]:
        """All of them by login, in one transaction."""
        with self._file.connection() as connection:
            connection.execute("BEGIN")
            rows = connection.execute("SELECT * FROM person ORDER BY login_key").fetchall()
            stored = all_stored(connection)
        nothing = Stored((), None)
        return [without_secrets(self._opened(row, stored.get(row["id"], nothing))) for row in rows]

    def ping(self) -> None:
        """The file opens and answers."""
        with self._file.connection() as connection:
            connection.execute("SELECT count(*) FROM person").fetchone()

    # -- CredentialStore ---------------------------------------------------------------------

    def change(self, user_id: UserId, read: Credentials, changes: Sequence[Change]) -> ChangeAnswer:
        """All changes and the manifest in one transaction."""
        return self._change(
            user_id, lambda stored: rewritten(stored, user_id, read, changes, self._sealer)
        )

    def clear(self, user_id: UserId, read: Credentials) -> ChangeAnswer:
        """Everything out, what does not open too, in one transaction."""
        return self._change(user_id, lambda stored: cleared(stored, user_id, read, self._sealer))

    def holders(self) -> Sequence[Holder]:
        """Everybody with sealed values."""
        with self._file.connection() as connection:
            connection.execute("BEGIN")
            return [
                holder(stored, UserId(person)) for person, stored in all_stored(connection).items()
            ]

    def reseal(self, user_id: UserId) -> ChangeAnswer:
        """Under the active key, in one transaction."""
        return self._change(user_id, lambda stored: resealed(stored, user_id, self._sealer))

    def kept_open(self) -> AbstractContextManager[None]:
        """For many changes one after another: the file is not closed between them."""
        return self._file.kept_open()

    # -- people ------------------------------------------------------------------------------

    def add_user(self, person: NewPerson) -> UserId | None:
        """A new account, or None if the login is taken."""
        user_id = UserId(base64.b32encode(self._randomness(15)).decode("ascii").lower())
        row = (
            user_id,
            person.login,
            _login_key(person.login),
            person.display_name,
            self._hash(person.password),
            self._clock().isoformat(),
            AccountState.ACTIVE.value,
            json.dumps(sorted(person.groups)),
            json.dumps({name: list(values) for name, values in person.attributes.items()}),
        )
        with self._file.connection() as connection:
            added = connection.execute(
                "INSERT INTO person VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row
            )
            return user_id if added.rowcount == 1 else None

    def set_password(self, user_id: UserId, password: bytes) -> None:
        """A new password, with the moment of its change."""
        with self._file.connection() as connection:
            connection.execute(
                "UPDATE person SET password_hash = ?, password_changed_at = ? WHERE id = ?",
                (self._hash(password), self._clock().isoformat(), user_id),
            )

    def set_state(self, user_id: UserId, state: AccountState) -> None:
        """Lock, disable, let expire or take back."""
        with self._file.connection() as connection:
            connection.execute("UPDATE person SET state = ? WHERE id = ?", (state.value, user_id))

    # -- inside ------------------------------------------------------------------------------

    def _account(self, query: str, value: str) -> Account | None:
        with self._file.connection() as connection:
            connection.execute("BEGIN")
            row = connection.execute(query, (value,)).fetchone()
            stored = None if row is None else stored_of(connection, row["id"])
        return None if row is None or stored is None else self._opened(row, stored)

    def _opened(self, row: Any, stored: Stored) -> Account:
        user = _user(row)
        return Account(
            user=user,
            groups=frozenset(json.loads(row["groups_json"])),
            attributes={
                name: tuple(values) for name, values in json.loads(row["attributes_json"]).items()
            },
            standing=Standing(
                AccountState(row["state"]), datetime.fromisoformat(row["password_changed_at"])
            ),
            credentials=opened(stored, user.id, self._sealer),
        )

    def _change(
        self, user_id: UserId, decide: Callable[[Stored], Rewrite | ChangeAnswer]
    ) -> ChangeAnswer:
        with self._file.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            known = connection.execute("SELECT 1 FROM person WHERE id = ?", (user_id,)).fetchone()
            if known is None:
                return ChangeAnswer.LOST_RACE
            match decide(stored_of(connection, user_id)):
                case Rewrite() as rewrite:
                    carry_out(connection, user_id, rewrite)
                case ChangeAnswer() as answer:
                    return answer
                case never:
                    assert_never(never)
            connection.execute("COMMIT")
        return ChangeAnswer.DONE

    def _hash(self, password: bytes) -> str:
        return self._hasher.hash(password)


def _login_key(text: str) -> str:
    """What two spellings of one login share: width, case and blanks fall away."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split())


def _user(row: Any) -> User:
    return User(UserId(row["id"]), row["login"], row["display_name"])
