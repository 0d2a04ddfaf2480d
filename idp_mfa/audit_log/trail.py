"""The audit as the core asks for it: sinks that keep the record, a window that shows it."""

from __future__ import annotations

import hashlib
import logging
import socket
from collections.abc import Sequence
from datetime import datetime, timedelta

from idp_mfa.audit import TOLD_TO_OWNER, AuditRecord, Told, Wanted
from idp_mfa.audit_log.addresses import Addresses
from idp_mfa.audit_log.chain import Chain, Link, link_of
from idp_mfa.audit_log.json_lines import JsonLines
from idp_mfa.audit_log.lines import decode, encode, undecided
from idp_mfa.audit_log.options import AuditOptions
from idp_mfa.audit_log.search import Search
from idp_mfa.audit_log.sink import Sink
from idp_mfa.audit_log.syslog import Syslog
from idp_mfa.audit_log.window import AuditWindow
from idp_mfa.model import Reference, UserId
from idp_mfa.ports import Unavailable

LONGEST_REFERENCE = 16
MOST_LINES = 100_000
"""Looked at in the window."""
WINDOW_REST = timedelta(seconds=5)
"""After a failure the window is left alone for so long: it must not slow what fails already."""

log = logging.getLogger(__name__)


class AuditTrail:
    """``AuditLog``: a record counts once a sink that keeps it has it; all sinks are offered it."""

    def __init__(
        self,
        sinks: Sequence[Sink],
        window: AuditWindow,
        addresses: Addresses,
        file: JsonLines | None = None,
    ) -> None:
        self._sinks = sinks
        self._window = window
        self._addresses = addresses
        self._finder = Search(addresses)
        self._file = file
        self._failing: dict[str, str] = {}
        self._window_rests_until: datetime | None = None

    @property
    def failing(self) -> dict[str, str]:
        """The sinks that failed at the last record, and why."""
        return dict(self._failing)

    def record(self, record: AuditRecord) -> None:
        """Written and flushed in at least one sink when this returns, else ``Unavailable``."""
        line, is_kept = encode(record, self._addresses), False
        for sink in self._sinks:
            taken = self._taken(sink, record, line)
            # What comes after the file has the line with its link: another copy to hold it against.
            line = taken or line
            is_kept = is_kept or (sink.keeps and taken is not None)
        if not is_kept:
            raise Unavailable("audit", "; ".join(self._failing.values()) or "no sink keeps it")
        self._show(record, line)

    def story(self, reference: Reference) -> Sequence[AuditRecord]:
        """All that is on record under a reference code, as the window or this node's file has it.

        The code may be typed in small letters, with blanks or hyphens.
        """
        code = reference.replace(" ", "").replace("-", "").upper()
        if not (code.isascii() and code.isalnum()) or len(code) > LONGEST_REFERENCE:
            return ()
        lines: Sequence[str] = ()
        try:
            lines = self._window.story(code)
        except Unavailable:
            if self._file is None:
                raise
        if not lines and self._file is not None:
            lines = self._file.story(code)
        return self._records(lines)

    def recent(self, limit: int) -> Sequence[AuditRecord]:
        """The newest records first, from the look-up window."""
        return self._records(self._window.recent(limit))

    def search(self, wanted: Wanted, limit: int) -> Sequence[AuditRecord]:
        """At most so many of the newest such records: of this node's file, and of the window.

        The window alone knows what happened on other nodes, and may be lost.
        """
        shown: Sequence[AuditRecord] = ()
        try:
            shown = self.recent(MOST_LINES)
        except Unavailable:
            if self._file is None:
                raise
        found = [one for one in shown if self._finder.is_met(wanted, one)]
        if self._file is not None:
            there = {(one.at, one.reference, one.event) for one in found}
            found += (
                one
                for one in self._finder.newest(self._file.path, wanted, limit)
                if (one.at, one.reference, one.event) not in there
            )
        return sorted(found, key=lambda record: record.at, reverse=True)[: max(limit, 0)]

    def links(self) -> Sequence[Link]:
        """The links of the lines in the look-up window, of every node's chain."""
        lines = self._window.recent(MOST_LINES)
        found = (link_of(line.encode("ascii", "replace")) for line in lines)
        return [link for link in found if link is not None]

    def of(self, user_id: UserId) -> Sequence[AuditRecord]:
        """What somebody may see of what is on record about them, the newest first."""
        return self._records(self._window.of(_owner(user_id)))

    def ping(self) -> None:
        """Nothing, or ``Unavailable`` if no sink would keep a record now."""
        reasons = []
        for sink in self._sinks:
            if not sink.keeps:
                continue
            try:
                sink.check()
            except Unavailable as error:
                reasons.append(error.why)
            else:
                return
        raise Unavailable("audit", "; ".join(reasons) or "no sink keeps it")

    def close(self) -> None:
        """Let go of what is open; the next record opens it again."""
        for sink in self._sinks:
            sink.close()

    def _records(self, lines: Sequence[str]) -> Sequence[AuditRecord]:
        found = (decode(line, self._addresses) for line in lines)
        return [record for record in found if record is not None]

    def _taken(self, sink: Sink, record: AuditRecord, line: str) -> str | None:
        try:
            taken = sink.write(record, line)
        except Unavailable as error:
            if sink.name not in self._failing:
                log.error("audit: %s fails: %s", sink.name, error.why)
            self._failing[sink.name] = error.why
            return None
        if self._failing.pop(sink.name, None) is not None:
            log.warning("audit: %s works again", sink.name)
        return taken

    def _show(self, record: AuditRecord, line: str) -> None:
        if self._window_rests_until is not None and record.at < self._window_rests_until:
            return
        try:
            self._window.add(line, record.reference, _told(record, line))
        except Unavailable as error:
            log.warning("audit: the look-up window misses lines: %s", error.why)
            self._window_rests_until = record.at + WINDOW_REST


def _told(record: AuditRecord, line: str) -> Told | None:
    if record.user is None or record.event not in TOLD_TO_OWNER:
        return None
    return Told(_owner(record.user), undecided(line))


def _owner(user_id: UserId) -> str:
    return hashlib.sha256(user_id.encode()).hexdigest()


def audit_trail(
    options: AuditOptions,
    window: AuditWindow,
    addresses: Addresses,
    chain: Chain,
    others: Sequence[Sink] = (),
) -> AuditTrail:
    """The trail that settings describe; nothing is opened before the first record.

    ``others`` read along.
    """
    file = None if options.file is None else JsonLines(options.file, options.sync, chain)
    address = options.syslog_address
    syslog = None if address is None else Syslog(address, socket.gethostname())
    sinks = [sink for sink in (file, syslog, *others) if sink is not None]
    return AuditTrail(sinks, window, addresses, file)
