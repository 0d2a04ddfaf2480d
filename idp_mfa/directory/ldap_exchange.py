"""Requests and what comes back over one socket, one request at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from idp_mfa.directory import ldap_message
from idp_mfa.directory.ldap_message import Entry, Message


class Stream(Protocol):
    """What of a socket is used."""

    def recv(self, size: int) -> bytes:
        """At most so many octets; none when the peer has hung up."""
        ...

    def sendall(self, octets: bytes) -> None:
        """All of them."""
        ...


class Exchange:
    """Raises OSError for a socket that fails, and ValueError for an answer that is none."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._received = b""

    @property
    def over(self) -> bool:
        """Nothing is left of the last answer."""
        return not self._received

    def search(self, number: int, request: bytes) -> tuple[int, list[Entry]]:
        """The result code and the entries; continuations are not followed."""
        entries = []
        answers = self._answers(number, request)
        while (message := next(answers)).kind != ldap_message.SEARCH_DONE:
            match message.kind:
                case ldap_message.SEARCH_ENTRY:
                    entries.append(ldap_message.entry_of(message.content))
                case ldap_message.SEARCH_REFERENCE | ldap_message.INTERMEDIATE:
                    pass
                case other:
                    raise ValueError(f"{other} does not answer a search")
        return ldap_message.result_code(message.content), entries

    def bind(self, number: int, request: bytes) -> int:
        """The result code."""
        message = next(self._answers(number, request))
        if message.kind != ldap_message.BIND_RESPONSE:
            raise ValueError(f"{message.kind} does not answer a bind")
        return ldap_message.result_code(message.content)

    def _answers(self, number: int, request: bytes) -> Iterator[Message]:
        """What comes in answer to a request; whoever has enough of it stops asking."""
        self._stream.sendall(request)
        while True:
            while (end := ldap_message.whole(self._received)) is None:
                more = self._stream.recv(65536)
                if not more:
                    raise ConnectionResetError
                self._received += more
            message = ldap_message.message_of(self._received[:end])
            self._received = self._received[end:]
            if message.number != number:
                raise ValueError("an answer to nothing that was asked")
            yield message
