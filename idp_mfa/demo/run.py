"""Starts the demo: store, identity provider and service as children, in a folder that stays."""

from __future__ import annotations

import fcntl
import http.client
import os
import platform
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from socket import socket

import idp_mfa
from idp_mfa.assets import folder as assets_folder
from idp_mfa.demo import identity_provider, service_pages
from idp_mfa.demo.children import Children, Died
from idp_mfa.demo.embedded_store import EmbeddedStore, find_program, prepared
from idp_mfa.demo.listening import listening_socket
from idp_mfa.demo.people import Card
from idp_mfa.demo.prepare import Prepared, prepare

_HOST = "localhost"
_PATIENCE = 60.0
"""Seconds for a program to answer; a slow machine's first start compiles every module."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Where to keep things and on which ports to begin looking; no ``service_port``, no service."""

    folder: Path
    port: int
    service_port: int | None


class Obstacle(Enum):
    """What kept the demo from starting."""

    ANOTHER_RUNS = "another-runs"
    NO_STORE = "no-store"
    NO_PORT = "no-port"
    DIED = "died"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Why there is no demo; ``lines`` are the end of the log of the program that ended."""

    obstacle: Obstacle
    name: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Running:
    """A demo that answers."""

    identity_provider: str
    service: str | None
    folder: Path
    cards: tuple[Card, ...]
    children: Children


@dataclass(frozen=True, slots=True)
class _Face:
    """A gunicorn on a socket of ours; it answers ``path`` when it is ready."""

    name: str
    module: str
    listener: socket
    workers: int
    path: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command line."""
        return (
            *(sys.executable, "-m", "gunicorn"),
            *("--config", str(assets_folder("conf") / "gunicorn.conf.py")),
            *("--bind", f"fd://{self.listener.fileno()}"),
            *("--workers", str(self.workers), "--threads", "4"),
            f"{self.module}:application()",
        )

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://{_HOST}:{self.listener.getsockname()[1]}"

    def answers(self) -> bool:
        """Whether it serves."""
        port = self.listener.getsockname()[1]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", self.path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def default_folder() -> Path:
    """``var/demo`` in a checkout, else where this system keeps a user's data."""
    checkout = Path(idp_mfa.__file__).resolve().parent.parent
    if (checkout / "setup.cfg").is_file():
        return checkout / "var/demo"
    if platform.system() == "Darwin":
        return Path.home() / "Library/Application Support/idp_mfa/demo"
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(data) / "idp_mfa/demo"


def start(wish: Wish, stack: ExitStack) -> Running | NotStarted:
    """Everything, in order; whatever runs stops when ``stack`` closes."""
    wish.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    wish.folder.chmod(0o700)
    if not _locked(wish.folder, stack):
        return NotStarted(Obstacle.ANOTHER_RUNS)
    program = find_program()
    if program is None:
        return NotStarted(Obstacle.NO_STORE)
    try:
        ours = _identity_provider(stack.enter_context(listening_socket(wish.port)))
        theirs = (
            None
            if wish.service_port is None
            else _service(stack.enter_context(listening_socket(wish.service_port)))
        )
    except OSError:
        return NotStarted(Obstacle.NO_PORT)
    store = stack.enter_context(prepared(program, wish.folder / "store"))
    children = stack.enter_context(Children(wish.folder / "log"))
    obstacle = _start_store(children, store)
    if obstacle is not None:
        return obstacle
    service = None if theirs is None else theirs.address
    made = prepare(wish.folder, base=ours.address, service=service, store=store.url)
    obstacle = _start_faces(children, made, [ours] if theirs is None else [ours, theirs])
    if obstacle is not None:
        return obstacle
    return Running(ours.address, service, wish.folder, made.cards, children)


def _identity_provider(listener: socket) -> _Face:
    # Two workers, so that whoever tries the demo tries what several processes share.
    return _Face("identity-provider", identity_provider.__name__, listener, 2, "/healthz")


def _service(listener: socket) -> _Face:
    return _Face("service", service_pages.__name__, listener, 1, "/")


def _start_store(children: Children, store: EmbeddedStore) -> NotStarted | None:
    children.start("store", store.arguments)
    try:
        return _obstacle(children.wait_until(store.answers, _PATIENCE))
    except TimeoutError:
        return NotStarted(Obstacle.SILENT, "store")


def _start_faces(children: Children, made: Prepared, faces: Sequence[_Face]) -> NotStarted | None:
    for face in faces:
        children.start(
            face.name,
            face.arguments,
            environment=made.environment,
            descriptors=(face.listener.fileno(),),
            # gunicorn's quick way: a browser's idle connections would hold it up for seconds.
            stopped_by=signal.SIGINT,
        )
    for face in faces:
        try:
            obstacle = _obstacle(children.wait_until(face.answers, _PATIENCE))
        except TimeoutError:
            return NotStarted(Obstacle.SILENT, face.name)
        if obstacle is not None:
            return obstacle
    return None


def _obstacle(died: Died | None) -> NotStarted | None:
    return None if died is None else NotStarted(Obstacle.DIED, died.name, died.last_lines)


def _locked(folder: Path, stack: ExitStack) -> bool:
    """Two demos in one folder would write over each other."""
    lock = stack.enter_context((folder / "lock").open("w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
