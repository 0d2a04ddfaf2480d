"""A server of other hands, run in the foreground as our child in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

START_SECONDS = 90.0
STOP_SECONDS = 30.0
_PORTS = range(12_000, 32_000)
_GIVEN: set[int] = set()
_DICE = random.SystemRandom()


class DidNotStart(Exception):  # noqa: N818 - the sentence a test's reader wants
    """The server ended or stayed silent; the text is the end of what it wrote."""


def free_port() -> int:
    """A loopback port that nobody listens on now, and that no other call here is given.

    It is none of those that the kernel hands to connections: between this and the server's start
    they would take it, the more so when several processes run tests.
    """
    while True:
        port = _DICE.choice(_PORTS)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            if port not in _GIVEN:
                _GIVEN.add(port)
                return port


def listening(port: int) -> bool:
    """Whether something takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False


def listening_at(path: Path) -> bool:
    """Whether something takes connections at a socket, which is there a moment before."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as ours:
        ours.settimeout(0.5)
        ours.connect(str(path))
        return True
    return False


@contextlib.contextmanager
def folder(prefix: str) -> Iterator[Path]:
    """A folder that servers which give up root can enter; removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix=f"idp-mfa-{prefix}-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def hand_over(path: Path, user: str) -> None:
    """Give a folder and all in it to the user a server turns into, if we may."""
    if os.geteuid() != 0:
        return
    entry = pwd.getpwnam(user)
    for each in (path, *path.rglob("*")):
        os.chown(each, entry.pw_uid, entry.pw_gid)


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    ready: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[int]:
    """Start, wait until ``ready``, hand out the process id, stop by that id."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environment is None else {**os.environ, **environment},
            cwd=cwd,
        )
    try:
        _wait(child, log, ready, command[0])
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait(child: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool], name: str) -> None:
    until = time.monotonic() + START_SECONDS
    while not ready():
        if child.poll() is not None or time.monotonic() > until:
            raise DidNotStart(f"{name}\n{_written(log.parent)}")
        time.sleep(0.05)


def _written(place: Path) -> str:
    files = sorted((*place.glob("*.out"), *place.glob("*.log")))
    return "\n".join(
        f"== {each.name}\n{each.read_text(errors='replace')[-3000:]}" for each in files
    )
