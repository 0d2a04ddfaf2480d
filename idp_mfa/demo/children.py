"""Runs the demo's programs as children that never outlive it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_PR_SET_PDEATHSIG = 1
_GRACE = 10.0
"""Seconds for a child to stop before it is killed."""


@dataclass(frozen=True, slots=True)
class Died:
    """A child ended by itself; ``last_lines`` are the end of its log."""

    name: str
    status: int
    last_lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stopped_by: signal.Signals

    def stop(self) -> None:
        """Ask, wait a while, then insist."""
        self.process.send_signal(self.stopped_by)
        try:
            self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Children:
    """A group of programs: leaving the ``with`` block stops them, the last started first."""

    def __init__(self, logs: Path) -> None:
        """Each child's output goes to ``logs/<name>.log``, anew at each start."""
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._running: list[_Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in reversed(self._running):
            child.stop()

    def start(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
        stopped_by: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Start a program in a session of its own, so that Ctrl-C reaches it through us alone."""
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                pass_fds=descriptors,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - the demo has one thread
            )
        self._running.append(_Child(name, process, log, stopped_by))

    def died(self) -> Died | None:
        """The first child that is no longer there."""
        for child in self._running:
            status = child.process.poll()
            if status is not None:
                return Died(child.name, status, _last_lines(child.log))
        return None

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> Died | None:
        """Until something is true; ``TimeoutError`` if it is not in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            died = self.died()
            if died is not None or ready():
                return died
            time.sleep(0.05)
        raise TimeoutError

    def wait(self) -> Died:
        """Until one of them ends by itself."""
        while True:
            died = self.died()
            if died is not None:
                return died
            time.sleep(0.2)


def _last_lines(log: Path) -> tuple[str, ...]:
    text = log.read_text(encoding="utf-8", errors="replace")
    return tuple(text.splitlines()[-12:])


def _die_with_parent() -> None:
    """Linux ends a child whose parent was killed; elsewhere only the ``with`` block does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
