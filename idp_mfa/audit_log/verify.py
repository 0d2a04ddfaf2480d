"""Whether the lines of the record are those that were written, and all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from idp_mfa.audit_log.chain import Chain, Link, link_of
from idp_mfa.audit_log.files import lines_in


class Fault(Enum):
    """What is wrong at a line."""

    ALTERED = "altered"
    """The line, or what stood before it, is not what was written."""
    MISSING = "missing"
    """Lines before it are gone."""
    OUT_OF_PLACE = "out-of-place"
    """A line of this number stood there already."""
    FOREIGN = "foreign"
    """A line of no chain stands behind one that is of a chain."""
    BEGUN_ANEW = "begun-anew"
    """Another chain begins: the lines that this node wrote last were gone."""
    CUT_OFF = "cut-off"
    """Lines that are known from elsewhere are not there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault at a line of a file, counted from 1; ``missing`` is how many lines are not there.

    At line 0: of the file as a whole.
    """

    fault: Fault
    path: Path
    line: int
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Torn:
    """A line that a crash or a full disk cut: it never counted as written."""

    path: Path
    line: int


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found: ``first`` and ``last`` links of each chain in the order of the files.

    ``unchained`` lines stand before any chain: they were written before there was one.
    """

    lines: int
    chains: tuple[tuple[Link, Link], ...]
    unchained: int
    torn: tuple[Torn, ...]
    findings: tuple[Finding, ...]

    @property
    def head(self) -> Link | None:
        """The last link of all, to be written down elsewhere."""
        return self.chains[-1][1] if self.chains else None


def verify(paths: Sequence[Path], chain: Chain, known: Iterable[Link] = ()) -> Verified:
    """Files in their order, the oldest first; ``known`` links were seen elsewhere.

    Of a known link of a chain that is not in these files nothing can be said.
    """
    reader = _Reader(chain, {(one.chain, one.number): one for one in known})
    for path in paths:
        reader.read(path)
    return reader.verified(paths)


class _Reader:
    """One pass over the lines, which holds the last link alone."""

    def __init__(self, chain: Chain, known: dict[tuple[str, int], Link]) -> None:
        self._chain = chain
        self._known = known
        self._last: Link | None = None
        self._chains: list[tuple[Link, Link]] = []
        self._lines = self._unchained = 0
        self._torn: list[Torn] = []
        self._findings: list[Finding] = []

    def read(self, path: Path) -> None:
        """The lines of the next file."""
        for number, line in enumerate(lines_in(path), start=1):
            text = line.rstrip(b"\n")
            if not text:
                continue
            self._lines += 1
            link = link_of(text)
            if link is not None:
                self._linked(path, number, text, link)
            elif not _is_whole(text):
                # What a crash left never counted, and holds no place in the chain.
                self._torn.append(Torn(path, number))
            elif self._last is None:
                self._unchained += 1
            else:
                self._findings.append(Finding(Fault.FOREIGN, path, number))

    def verified(self, paths: Sequence[Path]) -> Verified:
        """What it came to."""
        ends = {last.chain: last.number for _, last in self._chains}
        for chain, end in ends.items():
            furthest = max((number for of, number in self._known if of == chain), default=end)
            if furthest > end:
                self._findings.append(Finding(Fault.CUT_OFF, paths[-1], 0, furthest - end))
        return Verified(
            self._lines,
            tuple(self._chains),
            self._unchained,
            tuple(self._torn),
            tuple(self._findings),
        )

    def _linked(self, path: Path, number: int, line: bytes, link: Link) -> None:
        last = self._last
        if last is None or last.chain != link.chain:
            if last is not None:
                self._findings.append(Finding(Fault.BEGUN_ANEW, path, number))
            self._chains.append((link, link))
            fault = None
            if link.number == 1 and not self._chain.follows(line, link, Link(link.chain, 0, "")):
                fault = Finding(Fault.ALTERED, path, number)
        else:
            fault = self._fault(path, number, line, link, last)
        known = self._known.get((link.chain, link.number))
        if fault is None and known is not None and known.mac != link.mac:
            fault = Finding(Fault.ALTERED, path, number)
        if fault is not None:
            self._findings.append(fault)
        if fault is None or fault.fault is not Fault.OUT_OF_PLACE:
            self._last = link
            self._chains[-1] = (self._chains[-1][0], link)

    def _fault(
        self, path: Path, number: int, line: bytes, link: Link, last: Link
    ) -> Finding | None:
        if link.number <= last.number:
            return Finding(Fault.OUT_OF_PLACE, path, number)
        if link.number > last.number + 1:
            return Finding(Fault.MISSING, path, number, link.number - last.number - 1)
        if not self._chain.follows(line, link, last):
            return Finding(Fault.ALTERED, path, number)
        return None


def _is_whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
