"""The record in a file of JSON lines, which several processes append to and others rotate.

All lines of a file are one chain, whoever wrote them: a lock on the file is held from reading its
last line to writing the next. What stands in the file alone says where the chain is, so that a
process that dies at any moment leaves nothing that does not fit.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from idp_mfa.audit import AuditRecord
from idp_mfa.audit_log.chain import Chain, Link, link_of
from idp_mfa.audit_log.files import PACKED, holding, lines_in, record_files
from idp_mfa.audit_log.lines import needle
from idp_mfa.audit_log.options import Sync
from idp_mfa.ports import Unavailable

MODE = 0o640
_BLOCK = 1 << 16
_LOOKS, _BETWEEN_LOOKS = 100, 0.01
_FAR_BACK = 1 << 22
"""Octets: further than the longest line, and all that lines without a link can stand behind one."""


class _Descriptor:
    """Closed when the last thread that writes by it has let go."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.close(self.number)


@dataclass(frozen=True, slots=True)
class _End:
    """How a file ends: its octets, its last link, and whether its last line has an end."""

    size: int
    link: Link | None
    is_whole: bool = True


class JsonLines:
    """One write to an appending descriptor for each line, so that lines never mix."""

    name = "file"
    keeps = True

    def __init__(self, path: Path, sync: Sync, chain: Chain) -> None:
        self.path = path
        self._sync = sync
        self._chain = chain
        self._lock = threading.Lock()
        self._open: _Descriptor | None = None
        self._process = 0
        self._end = _End(0, None)

    def write(self, record: AuditRecord, line: str) -> str:  # noqa: ARG002 - a Sink's
        """The line, with its link, on disk (or with the kernel, as ``sync`` says)."""
        try:
            with self._lock:
                descriptor = self._locked()
                try:
                    chained = self._append(descriptor.number, line)
                finally:
                    fcntl.flock(descriptor.number, fcntl.LOCK_UN)
            if self._sync is Sync.DISK:
                os.fdatasync(descriptor.number)
        except OSError as error:
            raise self._unavailable(error) from None
        return chained

    def check(self) -> None:
        """Nothing, or ``Unavailable`` if the file cannot be opened or its disk is full."""
        try:
            with self._lock:
                room = os.fstatvfs(self._current().number)
        except OSError as error:
            raise self._unavailable(error) from None
        if room.f_blocks and not room.f_bavail:
            raise Unavailable("audit", f"{self.path} is on a full disk")

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._open = None

    def story(self, reference: str) -> Sequence[str]:
        """The lines of one reference in this file and the rotated ones, oldest first."""
        wanted = needle(reference).encode("ascii")
        found: list[str] = []
        for path in record_files(self.path):
            lines = [line.decode("ascii", "replace") for line in holding(path, wanted)]
            if found and not lines:
                break
            found = lines + found
        return found

    def _append(self, descriptor: int, line: str) -> str:
        end = self._end_of(descriptor)
        chained, link = self._chain.chained(line, end.link or self._before(descriptor))
        data = (b"" if end.is_whole else b"\n") + chained.encode("ascii") + b"\n"
        written = os.write(descriptor, data)
        if written < len(data):
            raise Unavailable("audit", f"{self.path} took only a part of a line")
        self._end = _End(end.size + written, link)
        return chained

    def _end_of(self, descriptor: int) -> _End:
        """How the file ends; what this process wrote last it knows."""
        size = os.fstat(descriptor).st_size
        if size != self._end.size or self._end.link is None:
            return _end_of(descriptor, size)
        return self._end

    def _before(self, descriptor: int) -> Link:
        """What a new file goes on from: the end of the one that it was rotated from."""
        for path in record_files(self.path):
            if path != self.path and (link := _last_link(path, os.fstat(descriptor))):
                return link
        return self._chain.begun()

    def _locked(self) -> _Descriptor:
        """The file that the next line goes to, which nobody else writes to meanwhile."""
        while True:
            descriptor = self._current()
            fcntl.flock(descriptor.number, fcntl.LOCK_EX)
            if self._is_current(descriptor):
                return descriptor
            fcntl.flock(descriptor.number, fcntl.LOCK_UN)

    def _current(self) -> _Descriptor:
        # A lock is of the opened file: a forked process would share it with its parent.
        if self._open is not None and self._process == os.getpid() and self._is_current(self._open):
            return self._open
        self._open = _Descriptor(_append_to(self.path))
        self._process = os.getpid()
        self._end = _End(0, None)
        return self._open

    def _is_current(self, descriptor: _Descriptor) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor.number), self.path.stat())
        except FileNotFoundError:
            return False

    def _unavailable(self, error: OSError) -> Unavailable:
        return Unavailable("audit", f"{self.path}: {error.strerror}")


def _append_to(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        return os.open(path, flags | os.O_CREAT, MODE)
    os.fchmod(descriptor, MODE)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # The name must outlive a crash too, not only what is written under it.
        os.fsync(folder)
    finally:
        os.close(folder)
    return descriptor


def _last_link(path: Path, ours: os.stat_result) -> Link | None:
    """The last link of a rotated file, once nobody writes to it any more."""
    if path.suffix == PACKED:
        found = (link_of(line.rstrip(b"\n")) for line in lines_in(path))
        there = (one for one in found if one is not None)
        return max(there, key=lambda link: link.number, default=None)
    try:
        with path.open("rb") as file:
            if not os.path.samestat(os.fstat(file.fileno()), ours):
                _wait_for(file.fileno())
            return _end_of(file.fileno(), os.fstat(file.fileno()).st_size).link
    except (FileNotFoundError, PermissionError):
        return None


def _wait_for(descriptor: int) -> None:
    """Who still writes to a file is done in no time; nobody waits here for somebody who waits."""
    for _ in range(_LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_BETWEEN_LOOKS)
        else:
            return


def _end_of(descriptor: int, size: int) -> _End:
    """Read back from the end until there is a link, and no further than ``_FAR_BACK``."""
    tail, at = b"", size
    while at and size - at < _FAR_BACK:
        at = max(0, at - _BLOCK)
        tail = os.pread(descriptor, min(_BLOCK, size - at - len(tail)), at) + tail
        for line in reversed(tail.split(b"\n")[0 if at == 0 else 1 : -1]):
            if link := link_of(line):
                return _End(size, link, tail.endswith(b"\n"))
    return _End(size, None, not size or tail.endswith(b"\n"))
