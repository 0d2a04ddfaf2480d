"""The record in a file of JSON lines, which several processes append to and others rotate."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from idp_mfa.audit import AuditRecord
from idp_mfa.audit_log.files import lines_in, record_files
from idp_mfa.audit_log.lines import needle
from idp_mfa.audit_log.options import Sync
from idp_mfa.ports import Unavailable

MODE = 0o640


class _Descriptor:
    """Closed when the last thread that writes by it has let go."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.close(self.number)


class JsonLines:
    """One write to an appending descriptor for each line, so that lines never mix."""

    name = "file"
    keeps = True

    def __init__(self, path: Path, sync: Sync) -> None:
        self._path = path
        self._sync = sync
        self._lock = threading.Lock()
        self._open: _Descriptor | None = None
        self._torn = False

    def write(self, record: AuditRecord, line: str) -> None:  # noqa: ARG002 - a Sink's
        """The line on disk (or with the kernel, as ``sync`` says) when this returns."""
        data = line.encode("ascii") + b"\n"
        try:
            with self._lock:
                descriptor = self._current()
                if self._torn:
                    data = b"\n" + data
                written = os.write(descriptor.number, data)
                self._torn = written < len(data)
            if written < len(data):
                raise Unavailable("audit", f"{self._path} took only a part of a line")
            if self._sync is Sync.DISK:
                os.fdatasync(descriptor.number)
        except OSError as error:
            raise self._unavailable(error) from None

    def check(self) -> None:
        """Nothing, or ``Unavailable`` if the file cannot be opened or its disk is full."""
        try:
            with self._lock:
                room = os.fstatvfs(self._current().number)
        except OSError as error:
            raise self._unavailable(error) from None
        if room.f_blocks and not room.f_bavail:
            raise Unavailable("audit", f"{self._path} is on a full disk")

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._open = None

    def story(self, reference: str) -> Sequence[str]:
        """The lines of one reference in this file and the rotated ones, oldest first."""
        wanted = needle(reference).encode("ascii")
        found: list[str] = []
        for path in record_files(self._path):
            lines = [line.decode("ascii", "replace") for line in lines_in(path) if wanted in line]
            if found and not lines:
                break
            found = lines + found
        return found

    def _current(self) -> _Descriptor:
        if self._open is not None:
            ours = os.fstat(self._open.number)
            try:
                theirs = self._path.stat()
            except FileNotFoundError:
                theirs = None
            if theirs is not None and (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino):
                return self._open
        self._open = _Descriptor(_append_to(self._path))
        self._torn = False
        return self._open

    def _unavailable(self, error: OSError) -> Unavailable:
        return Unavailable("audit", f"{self._path}: {error.strerror}")


def _append_to(path: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
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
