"""The files of the record for who reads: the one in use, and those that it was rotated to."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

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


def pieces(path: Path, size: int) -> Sequence[Piece]:
    """A file in pieces of about so many octets, which can be read side by side."""
    whole = path.stat().st_size
    if _is_packed(path):
        return (Piece(path, 0, whole),)
    return tuple(Piece(path, at, min(at + size, whole)) for at in range(0, whole, size))


def _is_packed(path: Path) -> bool:
    return path.suffix == ".gz"


def _reader(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if _is_packed(path) else path.open("rb")
