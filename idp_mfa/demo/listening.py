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
        if _somebody_answers(port):
            continue
        candidate = socket.socket(socket.AF_INET)
        try:
            # Connections of the last run that linger must not move the demo to another port.
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            candidate.bind((_LOOPBACK, port))
            candidate.listen(128)
        except OSError as error:
            candidate.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
        else:
            return candidate
    raise OSError(errno.EADDRINUSE, f"no free port from {first} on")


def _somebody_answers(port: int) -> bool:
    """On either address of localhost: browsers may ask ``::1`` first and would meet a stranger."""
    for address in (_LOOPBACK, _LOOPBACK_V6):
        try:
            with socket.create_connection((address, port), timeout=0.5):
                return True
        except OSError:
            continue
    return False
