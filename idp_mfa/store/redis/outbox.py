"""The queue of what people are to be told, in the store's server."""

from __future__ import annotations

import json

from idp_mfa.model import Notice
from idp_mfa.store.redis.server import RedisServer

_KEY = "outbox"
_LONGEST = 100_000
"""Notices that may wait; beyond it the oldest is lost, and the record has it still."""


class RedisOutbox:
    """``Outbox``: one list, newest last."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def put(self, notice: Notice) -> None:
        """Queue a notice."""
        line = json.dumps(
            {
                "v": 1,
                "kind": notice.kind.value,
                "user": notice.user_id,
                "at": notice.at.isoformat(),
                "address": None if notice.seen.address is None else str(notice.seen.address),
                "reference": notice.reference,
            }
        )
        key = self._server.key(_KEY)
        self._server.command("RPUSH", key, line.encode())
        self._server.command("LTRIM", key, str(-_LONGEST), "-1")
