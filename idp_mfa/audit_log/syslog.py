"""The record by syslog: RFC 5424 over a unix datagram, UDP or TCP."""

from __future__ import annotations

import os
import select
import socket
import threading
from datetime import datetime, timedelta

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.audit_log.lines import moment
from idp_mfa.audit_log.options import LocalSyslog, SyslogAddress, TcpSyslog, UdpSyslog
from idp_mfa.ports import Unavailable

AUTHPRIV = 10
ERROR, NOTICE = 3, 5
SECONDS = 1.0
REST = timedelta(seconds=5)
"""After a failure nothing is tried for so long: a dead daemon must not slow every sign-in."""


class Syslog:
    """One daemon, by a connection of this process."""

    name = "syslog"

    def __init__(self, address: SyslogAddress, hostname: str) -> None:
        self._address = address
        self._hostname = hostname
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._process = 0
        self._resting_until: datetime | None = None

    @property
    def keeps(self) -> bool:
        """UDP is heard or it is not, and nobody knows."""
        return not isinstance(self._address, UdpSyslog)

    def write(self, record: AuditRecord, line: str) -> str:
        """Handed to the daemon, or to the connection to it, when this returns."""
        with self._lock:
            if self._resting_until is not None and record.at < self._resting_until:
                raise Unavailable("audit", "syslog failed a moment ago")
            try:
                self._send(self._framed(message(record, line, self._hostname, os.getpid())))
            except OSError as error:
                self._resting_until = record.at + REST
                raise self._unavailable(error) from None
        return line

    def check(self) -> None:
        """Nothing, or ``Unavailable`` if the daemon cannot be reached."""
        with self._lock:
            try:
                self._connected()
            except OSError as error:
                raise self._unavailable(error) from None

    def close(self) -> None:
        """Drop the connection."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _framed(self, text: bytes) -> bytes:
        match self._address:
            case TcpSyslog():
                return b"%d %s" % (len(text), text)
            case LocalSyslog() | UdpSyslog():
                return text

    def _send(self, data: bytes) -> None:
        kept = self._connection is not None
        try:
            self._connected().sendall(data)
        except OSError:
            self._drop()
            if not kept:
                raise
            # The daemon was restarted: a line twice on record is better than none.
            self._send(data)

    def _connected(self) -> socket.socket:
        if self._process != os.getpid() or self._ended():
            self._drop()
        if self._connection is None:
            self._connection = _connect(self._address)
            self._process = os.getpid()
        return self._connection

    def _ended(self) -> bool:
        """Whether the other side hung up: what is sent then would vanish without an error."""
        if not isinstance(self._address, TcpSyslog) or self._connection is None:
            return False
        waiting = select.poll()
        waiting.register(self._connection, select.POLLIN)
        return bool(waiting.poll(0)) and not self._connection.recv(1, socket.MSG_PEEK)

    def _unavailable(self, error: OSError) -> Unavailable:
        return Unavailable("audit", f"syslog: {error.strerror or 'no answer in time'}")


def message(record: AuditRecord, line: str, hostname: str, process: int) -> bytes:
    """A message of RFC 5424 whose text is the JSON line."""
    match record.event:
        case AuditEvent.ERROR | AuditEvent.PART_UNAVAILABLE:
            severity = ERROR
        case _:
            severity = NOTICE
    head = (
        f"<{AUTHPRIV * 8 + severity}>1 {moment(record.at)} {hostname or '-'} "
        f"idp_mfa {process} {record.event.value} - "
    )
    return (head + line).encode("ascii", "replace")


def _connect(address: SyslogAddress) -> socket.socket:
    match address:
        case LocalSyslog(path):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            place: str | tuple[str, int] = path
        case TcpSyslog(host, port):
            return socket.create_connection((host, port), SECONDS)
        case UdpSyslog(host, port):
            family, kind, _, _, found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            connection = socket.socket(family, kind)
            place = (str(found[0]), port)
    connection.settimeout(SECONDS)
    try:
        connection.connect(place)
    except OSError:
        connection.close()
        raise
    return connection
