"""Finding lines of the record: by what they contain first, read one by one only then.

A file is read from its end in blocks, so that what is newest is found first, and what is older than
was asked for is never looked at: lines stand in the order of their times but for ``_OUT_OF_ORDER``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path

from idp_mfa.audit import AuditRecord, Wanted
from idp_mfa.audit_log.addresses import Addresses
from idp_mfa.audit_log.files import BLOCK, Piece, pieces, record_files
from idp_mfa.audit_log.lines import decode, moment

_OUT_OF_ORDER = timedelta(minutes=5)
"""By so much lines of several writers, and of clocks that are being set, may be out of order."""
_AT = b'"at":"'


@dataclass(frozen=True, slots=True)
class Search:
    """Searches the files of one node; addresses are looked for by their marks."""

    addresses: Addresses

    def newest(self, path: Path, wanted: Wanted, limit: int) -> Sequence[AuditRecord]:
        """At most so many of the newest records of a file and those that it was rotated to."""
        return self.among(record_files(path), wanted, limit)

    def among(self, paths: Sequence[Path], wanted: Wanted, limit: int) -> Sequence[AuditRecord]:
        """The same among these files, the newest file first."""
        found = (
            one for path in paths if _reaches(path, wanted) for one in self._in_file(path, wanted)
        )
        # Within a moment several writers' lines may stand in any order.
        return sorted(islice(found, limit), key=lambda record: record.at, reverse=True)

    def is_met(self, wanted: Wanted, record: AuditRecord) -> bool:
        """Whether a record is one of those."""
        return wanted.is_met(record) and self._is_from(wanted, record)

    def _in_file(self, path: Path, wanted: Wanted) -> Iterator[AuditRecord]:
        for each in self._days(wanted):
            yield from self._in_stretch(path, each)

    def _days(self, wanted: Wanted) -> Iterator[Wanted]:
        """An address has another mark each day: a search for one is a search for each day."""
        if wanted.network is None or wanted.since is None or wanted.until is None:
            yield wanted
            return
        end = wanted.until.astimezone(UTC)
        while end > wanted.since:
            last = end - timedelta(microseconds=1)
            begin = max(datetime(last.year, last.month, last.day, tzinfo=UTC), wanted.since)
            yield replace(wanted, since=begin, until=end)
            end = begin.astimezone(UTC)

    def _in_stretch(self, path: Path, wanted: Wanted) -> Iterator[AuditRecord]:
        needle = self._needle(wanted)
        if needle is None:
            return
        for piece in _between(path, wanted):
            for line in reversed(list(piece.holding(needle))):
                record = decode(line.decode("ascii", "replace"), self.addresses)
                if record is not None and self.is_met(wanted, record):
                    yield record

    def _needle(self, wanted: Wanted) -> bytes | None:
        """What every such line contains, the rarest first; None if there can be none."""
        if wanted.reference is not None:
            return _field("reference", wanted.reference)
        if wanted.user is not None:
            return _field("user", wanted.user)
        if wanted.network is not None and (day := _only_day(wanted)) is not None:
            mark = self.addresses.mark(wanted.network, day)
            return None if mark is None else f':"{mark}"'.encode()
        for name, value in (
            ("service", wanted.service),
            ("rule", wanted.rule),
            ("event", None if wanted.event is None else wanted.event.value),
        ):
            if value is not None:
                return _field(name, value)
        return _AT if wanted.outcome is None else f":{json.dumps(wanted.outcome)}".encode("ascii")

    def _is_from(self, wanted: Wanted, record: AuditRecord) -> bool:
        if wanted.network is None:
            return True
        if record.veiled is not None:
            return self.addresses.is_from(record.veiled, wanted.network)
        where = None if record.seen is None else record.seen.address
        return where is not None and where in wanted.network


def _reaches(path: Path, wanted: Wanted) -> bool:
    """Whether anything was written to a file since then."""
    if wanted.since is None:
        return True
    try:
        return path.stat().st_mtime >= (wanted.since - _OUT_OF_ORDER).timestamp()
    except OSError:
        return False


def _only_day(wanted: Wanted) -> date | None:
    if wanted.since is None or wanted.until is None:
        return None
    day = wanted.since.astimezone(UTC).date()
    last = (wanted.until - timedelta(microseconds=1)).astimezone(UTC).date()
    return day if day == last else None


def _field(name: str, value: str) -> bytes:
    return f"{json.dumps(name)}:{json.dumps(value)}".replace("\x7f", "\\u007f").encode("ascii")


def _between(path: Path, wanted: Wanted) -> Iterator[Piece]:
    """The pieces of a file in which such lines can stand, the last one first."""
    try:
        found = pieces(path, BLOCK)
    except OSError:
        return
    latest = None if wanted.until is None else moment(wanted.until + _OUT_OF_ORDER)
    oldest = None if wanted.since is None else moment(wanted.since - _OUT_OF_ORDER)
    end = len(found)
    if latest is not None:
        end = _first_after(found, latest)
    for piece in reversed(found[:end]):
        yield piece
        begins = _time_of(piece)
        if oldest is not None and begins is not None and begins < oldest:
            return


def _first_after(found: Sequence[Piece], moment_: str) -> int:
    """How many pieces begin at a moment or before it, by halving."""
    low, high = 0, len(found)
    while low < high:
        middle = (low + high) // 2
        begins = _time_of(found[middle])
        if begins is None or begins <= moment_:
            low = middle + 1
        else:
            high = middle
    return low


def _time_of(piece: Piece) -> str | None:
    """When the first whole line of a piece was written, as it says so."""
    line = next(iter(piece.lines()), b"")
    _, found, rest = line.partition(_AT)
    return rest.partition(b'"')[0].decode("ascii", "replace") if found else None
