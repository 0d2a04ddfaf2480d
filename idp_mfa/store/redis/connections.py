"""Connections of one process to the store's server, kept between commands.

The library's own pool counts, times and announces each loan, which costs more than the command.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from redis import exceptions
from redis.connection import AbstractConnection


class Connections:
    """Lends each connection to one caller at a time; as many are open as callers were at once."""

    def __init__(self, kind: type[AbstractConnection], settings: Mapping[str, Any]) -> None:
        self._kind = kind
        self._settings = settings
        self._idle: list[Any] = []
        self._process = os.getpid()

    def take(self) -> Any:
        """One that is open and has nothing left to read; one that died while idle is replaced."""
        if self._process != os.getpid():
            # The parent speaks on these sockets.
            self._idle, self._process = [], os.getpid()
        connection: Any
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._kind(**self._settings)
            connection.connect()
            return connection
        if not _ready(connection):
            connection.disconnect()
            connection.connect()
        return connection

    def give_back(self, connection: Any) -> None:
        """For the next caller; one that was disconnected is opened again then."""
        self._idle.append(connection)

    def close(self) -> None:
        """Drop the idle ones."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.disconnect()


def _ready(connection: Any) -> bool:
    try:
        return connection.is_connected and not connection.can_read()
    except (exceptions.RedisError, OSError):
        return False
