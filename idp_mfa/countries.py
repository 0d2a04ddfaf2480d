"""The country of an address, from a MaxMind DB file; the only file that imports maxminddb."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import maxminddb

from idp_mfa.policy.countries import COUNTRIES
from idp_mfa.policy.model import Address

_LOG = logging.getLogger("idp_mfa")
_Mark = tuple[int, int, int]
"""By which a file is known to be another: inode, size, time of change in nanoseconds."""


class CountryFile:
    """Looks addresses up in a file of countries (MaxMind DB 2.0), and notices a new one.

    A file that is not there or cannot be read tells no country; one that breaks while an older one
    is open changes nothing. ``why_not`` says what is wrong with it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark: _Mark | None = None
        self._reader: maxminddb.Reader | None = None
        self.why_not: str | None = None

    def country_of(self, address: Address) -> str | None:
        """A code of ISO 3166, or None if it cannot be told."""
        reader = self._open()
        if reader is None:
            return None
        try:
            code = _code(reader.get(address))
        except (maxminddb.InvalidDatabaseError, ValueError, UnicodeDecodeError):
            # An IPv6 address in a file of IPv4 ones is a ValueError.
            return None
        return code if code in COUNTRIES else None

    def describe(self) -> str | None:
        """What the file calls itself, and when it was made; None if it cannot be read."""
        reader = self._open()
        if reader is None:
            return None
        about = reader.metadata()
        made = datetime.fromtimestamp(about.build_epoch, UTC)
        return f"{about.database_type}, made on {made:%Y-%m-%d}"

    def _open(self) -> maxminddb.Reader | None:
        """The reader; threads that open it at once leave one of theirs."""
        mark = self._mark_now()
        if mark is None or mark == self._mark:
            return self._reader
        # First: a file that cannot be read is said once, and not at every look.
        self._mark = mark
        try:
            self._reader = maxminddb.open_database(self._path)
        except (maxminddb.InvalidDatabaseError, OSError, ValueError) as error:
            self._say(f"{self._path.name} is no MaxMind DB file ({type(error).__name__})")
        else:
            self.why_not = None
        return self._reader

    def _mark_now(self) -> _Mark | None:
        try:
            found = self._path.stat()
        except OSError as error:
            said = f"{self._path.name} cannot be read ({type(error).__name__})"
            if said != self.why_not:
                self._say(said)
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _say(self, why_not: str) -> None:
        self.why_not = why_not
        _LOG.error("countries: %s", why_not)


def _code(record: object) -> object:
    """``country.iso_code`` as MaxMind and DB-IP write it, or ``country_code`` as IPinfo does."""
    if not isinstance(record, dict):
        return None
    country = record.get("country")
    return country.get("iso_code") if isinstance(country, dict) else record.get("country_code")
