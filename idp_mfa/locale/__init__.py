"""The languages that people read: the catalogues, and which one a browser gets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Final, Literal

from babel import Locale
from babel.dates import format_date, format_datetime, get_timezone
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

Language = Literal["ja", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("ja", "en")
LANGUAGE_NAMES: Final[Mapping[Language, str]] = {"ja": "日本語", "en": "English"}
"""Each language in its own words, for the switch."""

_SHORT: Final[Mapping[str, str]] = {
    "ja": "yyyy年M月d日(EEE) H:mm",
    "en": "EEE d MMM yyyy, HH:mm",
}

_READ_AT_MOST = 512
"""Characters of an Accept-Language header; browsers send far fewer."""


@cache
def translations(language: Language) -> Translations:
    """The catalogue of a language, compiled in memory once; English is its own msgids."""
    if language == "en":
        return Translations()
    compiled = BytesIO()
    with (files(__package__) / f"{language}.po").open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return Translations(compiled)


def moment(at: datetime, language: str, timezone: str) -> str:
    """A date and time as people of a place read it, with the zone's short name."""
    zone = get_timezone(timezone)
    return (
        f"{format_datetime(at, _SHORT[language], tzinfo=zone, locale=language)}"
        f" ({at.astimezone(zone):%Z})"
    )


def second(at: datetime, timezone: str) -> str:
    """A time to the second, as clocks show it, with the zone's short name."""
    there = at.astimezone(get_timezone(timezone))
    return f"{there:%Y-%m-%d %H:%M:%S} ({there:%Z})"


def day(at: datetime, language: str, timezone: str) -> str:
    """The day on which it was, as people of a place read it."""
    return format_date(at.astimezone(get_timezone(timezone)), "long", locale=language)


def country(code: str, language: str) -> str:
    """The name of a country by its ISO 3166 code; of one that nobody knows, the code."""
    return str(Locale(language).territories.get(code, code))


def choose(accept_language: str | None, cookie: str | None) -> Language:
    """What the user chose, else what the browser likes best (RFC 9110 12.5.4).

    A browser that names no preference gets Japanese, one that names only other languages English.
    """
    for language in LANGUAGES:
        if cookie == language:
            return language
    wanted = sorted(_ranges((accept_language or "")[:_READ_AT_MOST]), key=lambda one: -one[1])
    for name, _ in wanted:
        for language in LANGUAGES:
            if name == language:
                return language
        if name == "*":
            return "ja"
    return "en" if wanted else "ja"


def _ranges(header: str) -> list[tuple[str, float]]:
    """The primary subtag and weight of each range that is not refused with q=0."""
    ranges = []
    for part in header.split(","):
        tag, _, weight = part.strip().partition(";")
        quality = _quality(weight)
        if tag and quality > 0:
            ranges.append((tag.strip().split("-")[0].lower(), quality))
    return ranges


def _quality(weight: str) -> float:
    """The number after ``q=``, 1 where there is none, 0 where it cannot be read."""
    name, _, value = weight.strip().partition("=")
    if not name:
        return 1.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if name.lower() == "q" and 0 <= quality <= 1 else 0.0
