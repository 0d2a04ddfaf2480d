"""The look-up window of the audit in the store's server: what may be trimmed, never the record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from idp_mfa.audit import Told
from idp_mfa.store import milliseconds
from idp_mfa.store.redis import scripts
from idp_mfa.store.redis.server import RedisServer

LONGEST_STORY = 200
"""Lines kept of one reference, the newest."""


class RedisAuditWindow:
    """The newest ``length`` lines, and those of as many references, for as long as ``kept``."""

    def __init__(
        self,
        server: RedisServer,
        length: int,
        kept: timedelta,
        *,
        owners_length: int = 15,
        owners_kept: timedelta = timedelta(days=30),
    ) -> None:
        self._owners_length = owners_length
        self._owners_kept = milliseconds(owners_kept)
        self._server = server
        self._length = length
        self._kept = milliseconds(kept)

    def add(self, line: str, reference: str, told: Told | None = None) -> None:
        """Show a line to every node."""
        keys = [
            self._server.key("audit:recent"),
            self._story(reference),
            self._server.key("audit:references"),
        ]
        arguments: tuple[str | int, ...] = (line, self._length, LONGEST_STORY, self._kept)
        if told is not None:
            keys.append(self._owner(told.owner))
            arguments = (*arguments, told.line, self._owners_length, self._owners_kept)
        if self._server.run(scripts.AUDIT_ADD, keys, arguments) != 1:
            raise self._server.unexpected()

    def story(self, reference: str) -> Sequence[str]:
        """The lines of one reference, oldest first; none if it is unknown or trimmed."""
        return self._lines(self._story(reference), -1)

    def recent(self, limit: int) -> Sequence[str]:
        """The newest lines first."""
        return self._lines(self._server.key("audit:recent"), limit - 1) if limit > 0 else ()

    def of(self, owner: str) -> Sequence[str]:
        """The lines of one person, the newest first."""
        return self._lines(self._owner(owner), -1)

    def _owner(self, owner: str) -> bytes:
        return self._server.key(f"audit:owner:{owner}")

    def _story(self, reference: str) -> bytes:
        return self._server.key(f"audit:story:{reference}")

    def _lines(self, key: bytes, last: int) -> Sequence[str]:
        answer = self._server.command("LRANGE", key, 0, last)
        if not isinstance(answer, list) or not all(isinstance(line, bytes) for line in answer):
            raise self._server.unexpected()
        return [line.decode("ascii", "replace") for line in answer]
