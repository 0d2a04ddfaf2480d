"""What a place for the record must do."""

from __future__ import annotations

from typing import Protocol

from idp_mfa.audit import AuditRecord


class Sink(Protocol):
    """One place; every failure is ``Unavailable`` of the part "audit"."""

    @property
    def name(self) -> str:
        """What the log calls it."""
        ...

    @property
    def keeps(self) -> bool:
        """Whether a line that it took without complaint is on record."""
        ...

    def write(self, record: AuditRecord, line: str) -> str:
        """Take a record, whose line is without its end; the line as it stands there."""
        ...

    def check(self) -> None:
        """Nothing, or ``Unavailable`` if a line would not be taken now."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...
