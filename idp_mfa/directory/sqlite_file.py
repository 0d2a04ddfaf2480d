"""The file of the embedded directory: its tables, its connections, and the sealed bytes in it."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from idp_mfa.directory.options import SqliteOptions
from idp_mfa.directory.records import Rewrite, Stored
from idp_mfa.model import UserId
from idp_mfa.ports import Unavailable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS person (
    id TEXT PRIMARY KEY,
    login TEXT NOT NULL,
    login_key TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    password_changed_at TEXT NOT NULL,
    state TEXT NOT NULL,
    groups_json TEXT NOT NULL,
    attributes_json TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS record (
    person TEXT NOT NULL REFERENCES person (id),
    sealed BLOB NOT NULL,
    PRIMARY KEY (person, sealed)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS manifest (
    person TEXT PRIMARY KEY REFERENCES person (id),
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""


class SqliteFile:
    """One file, opened anew for each piece of work."""

    def __init__(self, options: SqliteOptions) -> None:
        self._options = options
        self._kept = threading.local()
        self._make_private()
        with self.connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)

    def _make_private(self) -> None:
        """SQLite gives its own files the mode of the database, and password hashes are in them."""
        try:
            os.close(os.open(self._options.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise Unavailable("directory", f"{self._options.path}: {error.strerror}") from None

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each piece of work: none is shared by threads or forks."""
        kept: sqlite3.Connection | None = getattr(self._kept, "connection", None)
        if kept is None:
            with self._in_words(), closing(self._connected()) as connection:
                yield connection
            return
        try:
            with self._in_words():
                yield kept
        finally:
            if kept.in_transaction:
                kept.rollback()

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """One connection for all that this thread does meanwhile; not to be held across a fork.

        Whoever closes the last one moves the log into the file, waits for the disk and removes the
        log: of many changes one after another that is most of the time.
        """
        with self.connection() as connection:
            self._kept.connection = connection
            try:
                yield
            finally:
                del self._kept.connection

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._options.path,
            timeout=self._options.busy_timeout.total_seconds(),
            isolation_level=None,
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            why = getattr(error, "sqlite_errorname", type(error).__name__)
            raise Unavailable("directory", f"{self._options.path}: {why}") from None


def stored_of(connection: sqlite3.Connection, user_id: str) -> Stored:
    """The sealed bytes of one person."""
    records = connection.execute("SELECT sealed FROM record WHERE person = ?", (user_id,))
    manifest = connection.execute(
        "SELECT sealed FROM manifest WHERE person = ?", (user_id,)
    ).fetchone()
    return Stored(
        tuple(row["sealed"] for row in records), None if manifest is None else manifest["sealed"]
    )


def all_stored(connection: sqlite3.Connection) -> Mapping[str, Stored]:
    """The sealed bytes of everybody who has some, as of the transaction that is open."""
    records: dict[str, list[bytes]] = {}
    for row in connection.execute("SELECT person, sealed FROM record"):
        records.setdefault(row["person"], []).append(row["sealed"])
    manifests = {
        row["person"]: row["sealed"]
        for row in connection.execute("SELECT person, sealed FROM manifest")
    }
    return {
        person: Stored(tuple(records.get(person, ())), manifests.get(person))
        for person in records.keys() | manifests.keys()
    }


def carry_out(connection: sqlite3.Connection, user_id: UserId, rewrite: Rewrite) -> None:
    """A rewrite, inside the transaction in which it was decided."""
    connection.executemany(
        "DELETE FROM record WHERE person = ? AND sealed = ?",
        [(user_id, sealed) for sealed in rewrite.remove],
    )
    connection.executemany(
        "INSERT INTO record VALUES (?, ?)", [(user_id, sealed) for sealed in rewrite.add]
    )
    connection.execute(
        "INSERT OR REPLACE INTO manifest VALUES (?, ?)", (user_id, rewrite.new_manifest)
    )
