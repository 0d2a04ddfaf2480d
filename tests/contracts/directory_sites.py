"""The same people in each kind of directory, and a hand that can reach behind the adapter."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from idp_mfa.directory.ldap import LdapDirectory
from idp_mfa.directory.options import SqliteOptions
from idp_mfa.directory.records import Stored
from idp_mfa.directory.sqlite import NewPerson, SqliteDirectory
from idp_mfa.model import (
    Account,
    AccountState,
    BoundBy,
    Clock,
    Credential,
    CredentialId,
    CredentialState,
    FactorName,
    UserId,
)
from idp_mfa.ports import Change, ChangeAnswer, CredentialStore, Directory
from idp_mfa.sealed import Sealer
from idp_mfa.sealing_keys import KeyEncryptionKeys
from tests.servers.slapd import Person, Slapd

RING = KeyEncryptionKeys("k1", {"k1": bytes(range(32))})
OTHER_RING = KeyEncryptionKeys("k2", {"k2": bytes(range(32))})


class Both(Directory, CredentialStore, Protocol):
    """What an adapter is."""


class Site(Protocol):
    """One directory, and what its administrator or an intruder in it can do."""

    directory: Both

    def person(self, login: str) -> None: ...

    def under(self, ring: KeyEncryptionKeys) -> Both: ...

    def stored(self, login: str) -> Stored: ...

    def overwrite(self, login: str, stored: Stored) -> None: ...

    def lock(self, login: str) -> None: ...

    def set_password(self, login: str, password: bytes) -> None: ...

    def remove(self, login: str) -> None: ...


def now() -> datetime:
    return datetime.now(UTC)


class SqliteSite:
    def __init__(self, path: Path, clock: Clock = now) -> None:
        self.path = path
        self._clock = clock
        self.directory: SqliteDirectory = self.under(RING)

    def under(self, ring: KeyEncryptionKeys) -> SqliteDirectory:
        options = SqliteOptions(self.path, argon2_memory_kib=64, argon2_iterations=1)
        return SqliteDirectory(options, Sealer(ring, os.urandom), self._clock, os.urandom)

    def person(self, login: str) -> None:
        self.directory.add_user(
            NewPerson(
                login,
                f"{login} さん",
                f"demo-{login}".encode(),
                frozenset({"students"}),
                {"mail": (f"{login}@example.ac.jp",)},
            )
        )

    def stored(self, login: str) -> Stored:
        with self._open() as connection:
            id = self._id(login)
            records = connection.execute("SELECT sealed FROM record WHERE person = ?", (id,))
            manifests = connection.execute("SELECT sealed FROM manifest WHERE person = ?", (id,))
            manifest = manifests.fetchone()
            return Stored(tuple(row[0] for row in records), manifest and manifest[0])

    def overwrite(self, login: str, stored: Stored) -> None:
        with self._open() as connection:
            id = self._id(login)
            connection.execute("DELETE FROM record WHERE person = ?", (id,))
            connection.execute("DELETE FROM manifest WHERE person = ?", (id,))
            connection.executemany(
                "INSERT INTO record VALUES (?, ?)", [(id, one) for one in stored.records]
            )
            if stored.manifest is not None:
                connection.execute("INSERT INTO manifest VALUES (?, ?)", (id, stored.manifest))

    def lock(self, login: str) -> None:
        self.directory.set_state(UserId(self._id(login)), AccountState.LOCKED)

    def set_password(self, login: str, password: bytes) -> None:
        self.directory.set_password(UserId(self._id(login)), password)

    def remove(self, login: str) -> None:
        self.overwrite(login, Stored((), None))
        with self._open() as connection:
            connection.execute("DELETE FROM person WHERE login = ?", (login,))

    def _id(self, login: str) -> str:
        return account(self.directory, login).user.id

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
            yield connection


class LdapSite:
    def __init__(self, server: Slapd) -> None:
        self.server = server
        self._opened: list[LdapDirectory] = []
        self.directory: LdapDirectory = self.under(RING)

    def under(self, ring: KeyEncryptionKeys) -> LdapDirectory:
        directory = LdapDirectory(
            self.server.options(), Sealer(ring, os.urandom), now, time.monotonic
        )
        self._opened.append(directory)
        return directory

    def close(self) -> None:
        for directory in self._opened:
            directory.close()

    def person(self, login: str) -> None:
        self.server.add([Person(login, f"{login} さん", ("students",))])

    def stored(self, login: str) -> Stored:
        dn = Person(login, "").dn
        manifest = self.server.get(dn, "mfaManifest")
        return Stored(self.server.get(dn, "mfaCredential"), manifest[0] if manifest else None)

    def overwrite(self, login: str, stored: Stored) -> None:
        dn = Person(login, "").dn
        self.server.put(dn, "objectClass", "inetOrgPerson", "eduPerson", "mfaUser")
        self.server.put(dn, "mfaCredential", *stored.records)
        self.server.put(dn, "mfaManifest", *filter(None, [stored.manifest]))

    def lock(self, login: str) -> None:
        self.server.put(Person(login, "").dn, "pwdAccountLockedTime", "000001010000Z")

    def set_password(self, login: str, password: bytes) -> None:
        self.server.put(Person(login, "").dn, "userPassword", password)

    def remove(self, login: str) -> None:
        with self.server.as_admin() as connection:
            assert connection.delete(Person(login, "").dn), connection.result


def account(directory: Both, login: str) -> Account:
    """Somebody who is there."""
    found = directory.find(login)
    assert found is not None
    return found


def credential(id: str = "c1", secret: str = "JBSWY3DPEHPK3PXP") -> Credential:
    """A TOTP credential with all that has to come back."""
    return Credential(
        CredentialId(id),
        FactorName("totp"),
        CredentialState.ACTIVE,
        "電話 (2026-11)",
        now() - timedelta(days=1),
        BoundBy.CAMPUS,
        1,
        {"key": secret},
    )


def bind(directory: Both, login: str, *credentials: Credential) -> Account:
    """Give somebody credentials, and see how they stand now."""
    before = account(directory, login)
    changes = [Change(None, one) for one in credentials]
    assert directory.change(before.user.id, before.credentials, changes) is ChangeAnswer.DONE
    return account(directory, login)
