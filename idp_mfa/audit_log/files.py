"""The files of the record for who reads: the one in use, and those that it was rotated to."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, cast

PACKED = ".gz"
BLOCK = 1 << 22
"""Octets that are searched at once."""
MOST_FILES = 32
"""How many rotated files a search looks into."""


def record_files(path: Path) -> Sequence[Path]:
    """The file and those that it was rotated to, newest first."""
    aged: list[tuple[float, Path]] = []
    for each in path.parent.glob(f"{path.name}*"):
        try:
            aged.append((each.stat().st_mtime, each))
        except FileNotFoundError:
            continue
    return [each for _, each in sorted(aged, reverse=True)[:MOST_FILES]]


def outdated(path: Path, before: datetime) -> Sequence[Path]:
    """Files that it was rotated to, and that nothing was written to since a moment."""
    return [
        each
        for each in path.parent.glob(f"{path.name}[.-]*")
        if each.is_file() and each.stat().st_mtime < before.timestamp()
    ]


def lines_in(path: Path) -> Iterator[bytes]:
    """Its lines, as far as it can be read; one whose name ends with .gz is unpacked."""
    try:
        with _reader(path) as file:
            yield from file
    except (OSError, EOFError):
        return


@dataclass(frozen=True, slots=True)
class Piece:
    """The lines of a file that begin in a stretch of it: ``start`` counts in, ``end`` does not.

    A packed file is one piece.
    """

    path: Path
    start: int
    end: int

    @property
    def size(self) -> int:
        """Octets on the disk."""
        return self.end - self.start

    def lines(self) -> Iterator[bytes]:
        """Its lines, as far as they can be read."""
        if _is_packed(self.path):
            yield from lines_in(self.path)
            return
        try:
            with self.path.open("rb") as file:
                at = self.start
                if at:
                    # What began before is of the piece before; what begins just here is ours.
                    file.seek(at - 1)
                    at += len(file.readline()) - 1
                while at < self.end and (line := file.readline()):
                    at += len(line)
                    yield line
        except OSError:
            return

    def holding(self, needle: bytes) -> Iterator[bytes]:
        """Those of its lines that contain something, which is no end of a line."""
        if _is_packed(self.path):
            yield from (line for line in self.lines() if needle in line)
            return
        try:
            with self.path.open("rb") as file:
                # What began before is of the piece before; what begins just here is ours.
                before = max(self.start - 1, 0)
                file.seek(before)
                text = file.read(self.end - before)
                text += b"" if text.endswith(b"\n") else file.readline()
        except OSError:
            return
        first = text.find(b"\n") + 1 if self.start else 0
        at = text.find(needle, first) if first or not self.start else -1
        while at >= 0:
            begin, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
            end = len(text) if end < 0 else end
            yield text[begin:end]
            at = text.find(needle, end)


def pieces(path: Path, size: int) -> Sequence[Piece]:
    """A file in pieces of about so many octets, which can be read side by side."""
    whole = path.stat().st_size
    if _is_packed(path):
        return (Piece(path, 0, whole),)
    return tuple(Piece(path, at, min(at + size, whole)) for at in range(0, whole, size))


def holding(path: Path, needle: bytes) -> Iterator[bytes]:
    """A file's lines that contain something, as far as it can be read."""
    try:
        found = pieces(path, BLOCK)
    except OSError:
        return
    for piece in found:
        yield from piece.holding(needle)


def _is_packed(path: Path) -> bool:
    return path.suffix == PACKED


def _reader(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if _is_packed(path) else path.open("rb")
