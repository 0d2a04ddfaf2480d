"""Moments as SAML writes them: xs:dateTime in UTC (SAML core 1.3.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_SHAPE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def read(text: str) -> datetime | None:
    """The moment, or None for what is none; one without a zone is none."""
    if _SHAPE.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write(moment: datetime) -> str:
    """To the second; what it cuts off is never in the future."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
