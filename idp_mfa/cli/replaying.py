"""A policy over many files of lines, on every core: each process takes a piece at a time."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from idp_mfa.audit import AuditRecord
from idp_mfa.audit_log.address_keys import AddressKeyFile
from idp_mfa.audit_log.addresses import Addresses
from idp_mfa.audit_log.files import Piece, pieces
from idp_mfa.audit_log.lines import decode, moment
from idp_mfa.compose import now
from idp_mfa.policy.load import Factors, load_untried
from idp_mfa.policy.replay import FIRST, Replay, Tally
from idp_mfa.yaml_document import Problems

PIECE = 8 << 20
"""Octets of a piece; who has no more than one is not worth a second process."""
_EVENTS = tuple(f'"event":"{event.value}"'.encode() for event in FIRST)
_HEAD = b'{"v":2,"at":"'


class Progress(Protocol):
    """What is told how far it is."""

    def update(self, n_steps: int) -> None:
        """So many octets more."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """All that a process needs: texts and paths, for parts do not pass from one to another.

    ``known`` are texts of policies that were in force; ``since`` None takes every line.
    """

    text: str
    source: str
    factors: Factors
    known: tuple[str, ...]
    keys: Path
    kept: timedelta
    since: datetime | None

    def work(self) -> _Work:
        """The parts of one process."""
        read = [load_untried(text, self.source, self.factors) for text in (self.text, *self.known)]
        new, *known = (None if isinstance(one, Problems) else one.policy for one in read)
        if new is None:
            raise ValueError("a policy that is not well written cannot be replayed")
        return _Work(
            Replay(new, (one for one in known if one is not None)),
            Addresses(AddressKeyFile(self.keys, self.kept, now), os.urandom),
            b"" if self.since is None else moment(self.since).encode("ascii"),
        )


@dataclass(frozen=True, slots=True)
class _Work:
    replay: Replay
    addresses: Addresses
    since: bytes

    def tally(self, piece: Piece) -> Tally:
        return self.replay.tally(self._records(piece.lines()))

    def _records(self, lines: Iterable[bytes]) -> Iterator[AuditRecord]:
        head, since = len(_HEAD), self.since
        for line in lines:
            if not any(event in line for event in _EVENTS):
                continue
            if line.startswith(_HEAD) and line[head : head + len(since)] < since:
                continue
            record = decode(line.decode("ascii", "replace"), self.addresses)
            if record is not None and moment(record.at).encode() >= since:
                yield record


def replayed(task: Task, files: Sequence[Path], progress: Progress, processes: int) -> Tally:
    """The sign-ins of all files; the rows in the order of their times."""
    whole = Tally()
    todo = [piece for path in files for piece in pieces(path, PIECE)]
    if processes < 2 or len(todo) < 2:
        work = task.work()
        for piece in todo:
            whole.merge(work.tally(piece))
            progress.update(piece.size)
    else:
        with multiprocessing.Pool(min(processes, len(todo)), _begin, (task,)) as pool:
            for size, tally in pool.imap_unordered(_done, todo):
                whole.merge(tally)
                progress.update(size)
    whole.rows.sort(key=lambda row: (row.at, row.reference))
    return whole


_work: _Work | None = None
"""That of this process, if it is one of the pool's."""


def _begin(task: Task) -> None:
    global _work  # noqa: PLW0603 - the one way in which a pool hands parts to its processes
    _work = task.work()


def _done(piece: Piece) -> tuple[int, Tally]:
    if _work is None:
        raise ValueError("this process was never begun")
    return piece.size, _work.tally(piece)
