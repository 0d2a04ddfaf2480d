"""What a browser says of the device it runs on, where advice depends on it; anybody can say it."""

from __future__ import annotations

import re
from enum import Enum

_MOST = 1024
_APPLE = ("iPhone", "iPad", "iPod", "Macintosh")
_SYSTEMS = (
    ("windows", ("Windows NT",)),
    ("android", ("Android",)),
    ("ios", ("iPhone", "iPad", "iPod")),
    ("macos", ("Macintosh",)),
    ("chromeos", ("CrOS ",)),
    ("linux", ("X11; ",)),
)
_NOT_SAFARI = re.compile(r"CriOS|FxiOS|EdgiOS|OPiOS|GSA/|DuckDuckGo|Chrom(e|ium)/|Edg|Firefox/")
_VERSION = re.compile(r"Version/(\d{1,3})[.\d]* .*Safari/")
_FIRST_SAFARI = 15
"""The first that takes ``apple-otpauth:`` (Safari 15 release notes)."""


class AutoFill(Enum):
    """Whether a browser can hand a key to Apple's passwords, as far as it says what it is."""

    POSSIBLE = "possible"
    TOO_OLD = "too-old"
    OTHER_BROWSER = "other-browser"
    OTHER_DEVICE = "other-device"


def auto_fill(user_agent: str) -> AutoFill:
    """Safari 15 or later on an Apple device."""
    said = user_agent[:_MOST]
    if not any(device in said for device in _APPLE):
        return AutoFill.OTHER_DEVICE
    version = _VERSION.search(said)
    if version is None or _NOT_SAFARI.search(said):
        return AutoFill.OTHER_BROWSER
    return AutoFill.POSSIBLE if int(version[1]) >= _FIRST_SAFARI else AutoFill.TOO_OLD


def system_of(user_agent: str) -> str:
    """The system whose steps come first; "" if it cannot be told."""
    said = user_agent[:_MOST]
    return next((name for name, signs in _SYSTEMS if any(sign in said for sign in signs)), "")
