"""The queue of what people are to be told, in the store's server, sealed."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from idp_mfa.letters import Awaited, Letter, LetterId, Notice, Pending, Queued
from idp_mfa.model import CredentialId, Randomness, UserId
from idp_mfa.ports import Waiting
from idp_mfa.sealed import Sealer, Unreadable
from idp_mfa.store import milliseconds
from idp_mfa.store.letter_lines import decode, encode
from idp_mfa.store.redis import scripts
from idp_mfa.store.redis.server import Part, RedisServer

MOST = 100_000
"""Letters that may wait; beyond it the oldest is lost, and the record has it still."""
KEPT = timedelta(days=7)
_KIND = "letter"
_ID_BYTES = 15


class RedisOutbox:
    """``Outbox``: the letters in a hash, and two queues of their ids in the order of time."""

    def __init__(self, server: RedisServer, sealer: Sealer, randomness: Randomness) -> None:
        self._server = server
        self._sealer = sealer
        self._randomness = randomness
        self._letters, self._tries, self._due, self._pending = (
            server.key(f"outbox:{name}") for name in ("letters", "tries", "due", "pending")
        )

    def put(self, letter: Letter) -> LetterId:
        """To be sent now."""
        return self._put(letter, None, self._due)

    def intend(self, notice: Notice, awaited: Awaited) -> LetterId:
        """To be sent once ``release`` says so, or the directory."""
        return self._put(notice, awaited, self._pending)

    def release(self, letter: LetterId, at: datetime) -> None:
        """Its change has happened: it is due."""
        arguments = (letter, _time(at), milliseconds(KEPT))
        self._run(scripts.OUTBOX_MOVE, (self._pending, self._due), arguments)

    def take(self, limit: int, at: datetime, in_hand: timedelta) -> Sequence[Queued]:
        """What is due; nobody else is given it before ``in_hand`` has passed."""
        keys = (self._letters, self._tries, self._due)
        arguments = (_time(at), _time(at + in_hand), limit, milliseconds(KEPT))
        answer = self._server.run(scripts.OUTBOX_TAKE, keys, arguments)
        if not isinstance(answer, list):
            raise self._server.unexpected()
        return [
            Queued(LetterId(id.decode("ascii")), opened[0], tries)
            for id, value, tries in answer
            if (opened := self._opened(id, value)) is not None
        ]

    def again(self, letter: LetterId, at: datetime) -> None:
        """It was not taken: due once more at ``at``."""
        self._server.command("ZADD", self._due, "XX", _time(at), letter)

    def done(self, letter: LetterId) -> None:
        """Sent, or given up."""
        keys = (self._letters, self._tries, self._due, self._pending)
        self._run(scripts.OUTBOX_DROP, keys, (letter,))

    def pending(self, before: datetime) -> Sequence[Pending]:
        """Notices whose change was intended before a moment and not heard of since."""
        found = self._server.command("ZRANGEBYSCORE", self._pending, "-inf", _time(before))
        if not isinstance(found, list):
            raise self._server.unexpected()
        return tuple(self._pending_of(found))

    def waiting(self) -> Waiting:
        """How many letters are due, and since when the oldest of them."""
        oldest = self._server.command("ZRANGE", self._due, 0, 0, "WITHSCORES")
        count = self._server.command("ZCARD", self._due)
        if not isinstance(oldest, list) or not isinstance(count, int):
            raise self._server.unexpected()
        since = datetime.fromtimestamp(float(oldest[1]) / 1000, UTC) if oldest else None
        return Waiting(count, since)

    def _put(self, letter: Letter, awaited: Awaited | None, queue: bytes) -> LetterId:
        id = LetterId(base64.b32encode(self._randomness(_ID_BYTES)).decode("ascii").lower())
        sealed = self._sealer.seal(
            encode(letter, awaited),
            user=letter.user_id,
            kind=_KIND,
            credential=CredentialId(id),
            generation=1,
        )
        value = letter.user_id.encode() + b"\n" + sealed
        arguments = (id, value, _time(letter.at), milliseconds(KEPT), MOST)
        self._run(scripts.OUTBOX_PUT, (self._letters, queue), arguments)
        return id

    def _pending_of(self, ids: Sequence[bytes]) -> Iterator[Pending]:
        for id in ids:
            value = self._server.command("HGET", self._letters, id)
            opened = self._opened(id, value) if isinstance(value, bytes) else None
            match opened:
                case (Notice() as notice, Awaited() as awaited):
                    yield Pending(LetterId(id.decode("ascii")), notice, awaited)
                case _:
                    self.done(LetterId(id.decode("ascii")))

    def _opened(self, id: bytes, value: bytes) -> tuple[Letter, Awaited | None] | None:
        """What was sealed for this place; nothing else is ever sent."""
        user, _, sealed = value.partition(b"\n")
        plain = self._sealer.open(
            sealed,
            user=UserId(user.decode("utf-8", "replace")),
            kind=_KIND,
            credential=CredentialId(id.decode("ascii", "replace")),
            generation=1,
        )
        return None if isinstance(plain, Unreadable) else decode(plain)

    def _run(self, script: scripts.Script, keys: Sequence[bytes], rest: Sequence[Part]) -> None:
        if self._server.run(script, keys, rest) not in (0, 1):
            raise self._server.unexpected()


def _time(at: datetime) -> int:
    return int(at.timestamp() * 1000)
