"""The sockets under LDAP connections: a moment to give up at, and TLS that is always verified."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

import ldap3

from idp_mfa.directory.options import LdapOptions

Stopwatch = Callable[[], float]
"""Seconds that only ever rise."""


class DeadlinedSocket:
    """A socket that gives up at one moment, however its peer trickles."""

    def __init__(self, inner: socket.socket, now: Stopwatch) -> None:
        self.inner = inner
        self.until = 0.0
        self._now = now

    def recv(self, size: int) -> bytes:
        """At most ``size`` bytes."""
        self._arm()
        return self.inner.recv(size)

    def sendall(self, octets: bytes) -> None:
        """All of them."""
        self._arm()
        self.inner.sendall(octets)

    def shutdown(self, how: int) -> None:
        """As a socket does."""
        self.inner.shutdown(how)

    def close(self) -> None:
        """Only our end: nothing is said to the peer."""
        self.inner.close()

    @property
    def quiet(self) -> bool:
        """Still open, and nothing unasked has come: a peer that hung up shows as readable."""
        try:
            self.inner.settimeout(0)
            self.inner.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def _arm(self) -> None:
        left = self.until - self._now()
        if left <= 0:
            raise TimeoutError
        self.inner.settimeout(left)


class VerifiedTls(ldap3.Tls):
    """One context for all connections to a server: chain and host name hold, or nothing opens."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002
        """The handshake, at once and always."""
        plain = connection.socket
        if isinstance(plain, DeadlinedSocket):
            plain = plain.inner
        connection.socket = self._context.wrap_socket(plain, server_hostname=connection.server.host)


def tls_of(uri: str, options: LdapOptions) -> VerifiedTls | None:
    """What guards a URI; None for one that goes in clear. ``ValueError`` for a bad CA file."""
    if urlsplit(uri).scheme == "ldap" and not options.start_tls:
        return None
    try:
        context = ssl.create_default_context(
            cafile=None if options.ca_file is None else str(options.ca_file)
        )
    except OSError as error:
        raise ValueError(f"ca_file {options.ca_file}: {error.strerror}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return VerifiedTls(context)
