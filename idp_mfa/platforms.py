"""The system a browser says that it runs on, by the name that its owner knows it by.

Advice alone, because anybody can say anything: it labels passkeys, and its owner may correct it.
"""

from __future__ import annotations

from enum import Enum

MAX_CHARACTERS = 1024


class Platform(Enum):
    """Systems that keep passkeys of their own; the values are stored."""

    IPHONE = "iphone"
    IPAD = "ipad"
    MAC = "mac"
    ANDROID = "android"
    WINDOWS = "windows"
    CHROMEOS = "chromeos"
    LINUX = "linux"
    UNKNOWN = "unknown"


_BY_HINT = {
    "Android": Platform.ANDROID,
    "Chrome OS": Platform.CHROMEOS,
    "Chromium OS": Platform.CHROMEOS,
    "iOS": Platform.IPHONE,
    "Linux": Platform.LINUX,
    "macOS": Platform.MAC,
    "Windows": Platform.WINDOWS,
}
_BY_WORD = (
    ("iPad", Platform.IPAD),
    ("iPhone", Platform.IPHONE),
    ("iPod", Platform.IPHONE),
    ("Android", Platform.ANDROID),
    ("CrOS ", Platform.CHROMEOS),
    ("Windows NT", Platform.WINDOWS),
    ("Macintosh", Platform.MAC),
    ("Linux", Platform.LINUX),
)


def platform_of(user_agent: str, hint: str, touch_points: int) -> Platform:
    """The system of a User-Agent, of Sec-CH-UA-Platform (``"macOS"``), and of a script's word.

    ``touch_points`` is ``navigator.maxTouchPoints``: a Macintosh that can be touched in several
    places at once is an iPad (SUMS 6).
    """
    said = user_agent[:MAX_CHARACTERS]
    by_word = next((found for word, found in _BY_WORD if word in said), Platform.UNKNOWN)
    found = _BY_HINT.get(hint.strip('" '), by_word)
    if found is Platform.IPHONE and by_word is Platform.IPAD:
        return Platform.IPAD
    if found is Platform.MAC and touch_points > 1:
        return Platform.IPAD
    return found


def platform_named(value: str) -> Platform:
    """The platform of a stored value."""
    return next((one for one in Platform if one.value == value), Platform.UNKNOWN)
