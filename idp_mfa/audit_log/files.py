"""The files of the record for who reads: the one in use, and those that it was rotated to."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
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


def _reader(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
