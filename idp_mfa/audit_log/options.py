"""What settings say of the audit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Sync(Enum):
    """How far a line must have come before it counts as written."""

    DISK = "disk"
    WRITE = "write"
    """The kernel has it: a crash of the machine, not of a process, may lose it."""


@dataclass(frozen=True, slots=True)
class LocalSyslog:
    """The daemon on this machine."""

    path: str


@dataclass(frozen=True, slots=True)
class UdpSyslog:
    """A daemon that never says whether it got a line."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class TcpSyslog:
    """A daemon reached by a connection (RFC 6587, octet counting)."""

    host: str
    port: int


SyslogAddress = LocalSyslog | UdpSyslog | TcpSyslog


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """Where the record goes: a file, syslog or both.

    ``syslog`` is ``unix:///dev/log``, ``udp://HOST[:514]`` or ``tcp://HOST[:601]``. The window in
    the store shows the newest ``window_length`` lines, and those of as many references, for
    ``window_kept``; a person sees the newest ``owners_length`` of their own for ``owners_kept``.
    Addresses can be opened for ``addresses_kept``, in whole days; rotated files are kept for
    ``lines_kept``, or until somebody else takes them. ValueError if the record goes nowhere that
    keeps it.
    """

    file: Path | None = None
    sync: Sync = Sync.DISK
    syslog: str | None = None
    window_length: int = 10_000
    window_kept: timedelta = timedelta(days=1)
    owners_length: int = 15
    owners_kept: timedelta = timedelta(days=30)
    addresses_kept: timedelta = timedelta(days=180)
    lines_kept: timedelta | None = None

    def __post_init__(self) -> None:
        syslog = self.syslog_address
        if self.file is None and not isinstance(syslog, LocalSyslog | TcpSyslog):
            raise ValueError("the audit needs a file, or syslog by unix: or tcp:")
        if self.window_length < 1 or self.window_kept < timedelta(seconds=1):
            raise ValueError("the audit's window must hold something for a while")
        if self.owners_length < 1 or self.owners_kept < timedelta(seconds=1):
            raise ValueError("owners_length and owners_kept must hold something for a while")
        if self.lines_kept is not None and self.lines_kept < timedelta(days=1):
            raise ValueError("lines_kept must be a day or longer")
        if self.addresses_kept < timedelta(days=1):
            raise ValueError("addresses_kept must be a day or longer")

    @property
    def syslog_address(self) -> SyslogAddress | None:
        """Where syslog is, if it is used."""
        if self.syslog is None:
            return None
        parts = urlsplit(self.syslog)
        match parts.scheme, parts.hostname, unquote(parts.path):
            case "unix", None, path if path.startswith("/"):
                return LocalSyslog(path)
            case "udp", str(host), "" | "/":
                return UdpSyslog(host, parts.port or 514)
            case "tcp", str(host), "" | "/":
                return TcpSyslog(host, parts.port or 601)
            case _:
                raise ValueError("syslog must be unix:///PATH, udp://HOST:PORT or tcp://HOST:PORT")
