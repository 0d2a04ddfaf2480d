"""Finds the loopback ports that the demo listens on."""

from __future__ import annotations

import errno
import socket

_TRIED = 50
_LOOPBACK = "127.0.0.1"
_LOOPBACK_V6 = "::1"


def listening_socket(first: int) -> socket.socket:
    """A listening socket on the first free loopback port from ``first`` on.

    The socket itself is handed to the server, so that nobody can take the port in between.
    ``OSError`` if 50 ports in a row are taken.
    """
    for port in range(first, min(first + _TRIED, 65536)):
        if _answers_on_v6(port):
            continue
        candidate = socket.socket(socket.AF_INET)
        try:
            candidate.bind((_LOOPBACK, port))
            candidate.listen(128)
        except OSError as error:
            candidate.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
        else:
            return candidate
    raise OSError(errno.EADDRINUSE, f"no free port from {first} on")


def _answers_on_v6(port: int) -> bool:
    """Browsers try ``::1`` first for localhost: whoever answers there would be seen instead."""
    try:
        with socket.create_connection((_LOOPBACK_V6, port), timeout=0.5):
            return True
    except OSError:
        return False
