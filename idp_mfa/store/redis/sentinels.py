"""Which server is the primary now: Redis Sentinel is asked whenever a connection is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis import exceptions
from redis.connection import Connection

from idp_mfa.store.redis.reasons import NoPrimary

Place = tuple[str, int]


class Sentinels:
    """Asked in their order; the first that names a primary is believed.

    Whoever it names is asked for its role before a command goes there, so a sentinel that is behind
    costs an error page and never a counter.
    """

    def __init__(
        self,
        places: Sequence[Place],
        primary_name: str,
        kind: type[Connection],
        settings: Mapping[str, Any],
    ) -> None:
        self._places = tuple(places)
        self._name = primary_name
        self._kind = kind
        self._settings = settings

    def primary(self) -> Place:
        """Where it is; ``NoPrimary`` if none of them says."""
        for place in self._places:
            try:
                found = self._asked(place)
            except (exceptions.RedisError, OSError):
                continue
            match found:
                case [bytes(host), bytes(port)] if port.isdigit():
                    return host.decode("ascii", "replace"), int(port)
        raise NoPrimary

    def _asked(self, place: Place) -> object:
        connection: Any = self._kind(host=place[0], port=place[1], **self._settings)
        try:
            connection.connect()
            connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
            return connection.read_response()
        finally:
            connection.disconnect()


def following(kind: type[Connection], sentinels: Sentinels) -> type[Connection]:
    """Connections of a kind that go wherever the primary is when they are opened."""

    class Following(kind):  # type: ignore[misc, valid-type]
        def connect(self) -> None:
            """Ask first, then connect."""
            self.host, self.port = sentinels.primary()
            super().connect()

    return Following
