"""Active Directory sends the values of a long attribute in pieces."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from idp_mfa.directory.ldap_wire import Wire
from idp_mfa.ports import Unavailable
from tests.simulators.ldap_answers import done, entry, message, number_of

VALUES = tuple(f"cn=group{number}".encode() for number in range(3700))
_ASKED = re.compile(rb"memberOf(?:;range=(\d+)-\*)?", re.IGNORECASE)
Answering = Callable[[bytes], bytes]


@contextlib.contextmanager
def server(answering: Answering) -> Iterator[Wire]:
    """A connection to a server that answers every search with one entry."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer, contextlib.suppress(OSError):
                while request := peer.recv(4096):
                    number = number_of(request)
                    found = message(number, answering(request))
                    peer.sendall(found + message(number, done()))

        thread = threading.Thread(target=serve)
        thread.start()
        wire = Wire(f"ldap://127.0.0.1:{listener.getsockname()[1]}", None, 3.0, time.monotonic)
        wire.begin(time.monotonic() + 5, 3.0)
        wire.open()
        try:
            yield wire
        finally:
            wire.close()
            thread.join(5)


def search(wire: Wire) -> tuple[bytes, ...]:
    (found,) = wire.search("dc=example", "(uid=alice)", ("memberOf", "uid"))
    assert found.first("uid") == b"alice"
    return found.values["memberof"]


def in_pieces(request: bytes) -> bytes:
    asked = _ASKED.search(request)
    assert asked is not None
    first = int(asked[1] or 0)
    last = first + 1499
    piece, until = VALUES[first : last + 1], "*" if last >= len(VALUES) else str(last)
    return entry("uid=alice", {"uid": [b"alice"], f"memberOf;range={first}-{until}": piece})


def test_all_pieces_are_fetched() -> None:
    with server(in_pieces) as wire:
        assert search(wire) == VALUES


@pytest.mark.parametrize("bounds", ["0-", "0-x", "x"])
def test_a_piece_without_its_bounds_is_no_answer(bounds: str) -> None:
    def odd(request: bytes) -> bytes:
        return entry("uid=alice", {"uid": [b"alice"], f"memberOf;range={bounds}": VALUES[:3]})

    with server(odd) as wire, pytest.raises(Unavailable):
        search(wire)
