"""Servers in order: connections kept to each, a rest for one that failed, and who takes over."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from idp_mfa.directory.ldap_socket import Stopwatch, tls_of
from idp_mfa.directory.ldap_wire import SUCCESS, Wire
from idp_mfa.directory.options import LdapOptions
from idp_mfa.ports import Unavailable

T = TypeVar("T")

Introduction = Callable[[Wire], None]
"""What a new connection does first: bind as the service, or nothing."""


class Circuit:
    """Lets a server that failed rest, so that callers do not queue up before it."""

    def __init__(self, rest: float, now: Stopwatch) -> None:
        self._rest = rest
        self._now = now
        self._lock = threading.Lock()
        self._until: float | None = None

    @property
    def healthy(self) -> bool:
        """It answered when it was last asked."""
        return self._until is None

    def may_try(self) -> bool:
        """Healthy, or rested: then of many callers one goes and the others wait for its word."""
        with self._lock:
            if self._until is None:
                return True
            if self._now() < self._until:
                return False
            self._until = self._now() + self._rest
            return True

    def failed(self) -> None:
        """It did not open or did not answer."""
        with self._lock:
            self._until = self._now() + self._rest

    def answered(self) -> None:
        """It is back."""
        self._until = None


class Server:
    """One URI with the connections kept to it."""

    def __init__(
        self,
        uri: str,
        options: LdapOptions,
        now: Stopwatch,
        circuit: Circuit,
        introduction: Introduction,
    ) -> None:
        self.circuit = circuit
        self._uri = uri
        self._options = options
        self._now = now
        self._introduction = introduction
        self._tls = tls_of(uri, options)
        self._start_tls = options.start_tls and urlsplit(uri).scheme == "ldap"
        self._lock = threading.Lock()
        self._kept: list[Wire] = []
        self._process = os.getpid()

    def work(self, act: Callable[[Wire], T], deadline: float, patience: float) -> T:
        """Act on a connection; one that died while it was kept is replaced unseen."""
        kept = self._take()
        if kept is not None:
            try:
                return self._use(kept, act, deadline, patience)
            except Unavailable:
                if not kept.broken or kept.timed_out or kept.spent:
                    raise
        return self._use(self._connect(deadline), act, deadline, patience)

    def close(self) -> None:
        """Drop every kept connection."""
        with self._lock:
            kept, self._kept = self._kept, []
        for wire in kept:
            wire.close()

    def _use(self, wire: Wire, act: Callable[[Wire], T], deadline: float, patience: float) -> T:
        wire.begin(deadline, patience)
        try:
            return act(wire)
        finally:
            self._give_back(wire)

    def _take(self) -> Wire | None:
        oldest = self._now() - self._options.idle_timeout.total_seconds()
        if self._process != os.getpid():
            # The parent speaks on these sockets and may have held this lock.
            parents, self._kept = self._kept, []
            self._lock, self._process = threading.Lock(), os.getpid()
            for wire in parents:
                wire.close()
        while True:
            with self._lock:
                if not self._kept:
                    return None
                wire = self._kept.pop()
            if wire.kept_since > oldest and wire.usable:
                return wire
            wire.close()

    def _give_back(self, wire: Wire) -> None:
        if wire.broken:
            if wire.timed_out:
                self.circuit.failed()
            wire.close()
            return
        self.circuit.answered()
        wire.kept_since = self._now()
        with self._lock:
            if len(self._kept) < self._options.kept_connections:
                self._kept.append(wire)
                return
        wire.close()

    def _connect(self, deadline: float) -> Wire:
        """Open, StartTLS and the introduction, all within the time to connect."""
        within = self._options.connect_timeout.total_seconds()
        operation = self._options.operation_timeout.total_seconds()
        wire = Wire(self._uri, self._tls, operation, self._now)
        wire.begin(min(deadline, self._now() + within), within)
        try:
            wire.open()
            if self._start_tls:
                wire.start_tls()
            self._introduction(wire)
        except Unavailable:
            self.circuit.failed()
            wire.close()
            raise
        return wire


class Servers:
    """The first server in order that answers does the work, within one budget of time."""

    def __init__(
        self,
        uris: Sequence[str],
        options: LdapOptions,
        now: Stopwatch,
        circuits: Mapping[str, Circuit],
        introduction: Introduction,
    ) -> None:
        self._servers = tuple(
            Server(uri, options, now, circuits[uri], introduction) for uri in uris
        )
        self._options = options
        self._now = now

    def read(self, act: Callable[[Wire], T]) -> T:
        """Act where it can be asked again: a server that rested long enough is tried first."""
        return self._in_order([one for one in self._servers if one.circuit.may_try()], act)

    def once(self, act: Callable[[Wire], T]) -> T:
        """Act where an unanswered bind is a try lost: a server known to answer is asked first."""
        healthy = [one for one in self._servers if one.circuit.healthy]
        return self._in_order(
            healthy or [one for one in self._servers if one.circuit.may_try()], act
        )

    def close(self) -> None:
        """Drop every kept connection."""
        for server in self._servers:
            server.close()

    def _in_order(self, servers: Sequence[Server], act: Callable[[Wire], T]) -> T:
        options = self._options
        deadline = self._now() + options.total_timeout.total_seconds()
        spent = False

        def watched(wire: Wire) -> T:
            nonlocal spent
            try:
                return act(wire)
            finally:
                spent = wire.spent

        for server in servers[:-1]:
            try:
                return server.work(watched, deadline, options.connect_timeout.total_seconds())
            except Unavailable:
                if spent:
                    raise
        if not servers:
            raise Unavailable("directory", "no server has answered for some seconds")
        return servers[-1].work(watched, deadline, options.operation_timeout.total_seconds())


def service_account(dn: str, password_file: Path | None) -> Introduction:
    """Binds a new connection as the service; the password is read anew, so that it can change."""

    def introduce(wire: Wire) -> None:
        if password_file is None:
            return
        try:
            password = password_file.read_bytes().rstrip(b"\r\n")
        except OSError as error:
            why = f"the service account's password cannot be read: {error.strerror}"
            raise Unavailable("directory", why) from None
        code = wire.bind(dn, password)
        if code != SUCCESS:
            why = f"{wire.uri}: the service account was refused, result {code}"
            raise Unavailable("directory", why)

    return introduce


def nobody(_wire: Wire) -> None:
    """A connection for binds alone belongs to nobody before the first one."""
