"""What may be asked of a directory about the text that people type."""

from __future__ import annotations

import unicodedata

_MOST_LOGIN_CHARACTERS = 256
_MOST_PASSWORD_BYTES = 4096


def usable_login(login: str) -> bool:
    """Whether it can name somebody.

    Directories drop control and invisible characters before they match (RFC 4518 2.2), so that
    nothing but such a character begins every name.
    """
    return (
        bool(login.strip())
        and len(login) <= _MOST_LOGIN_CHARACTERS
        and not any(unicodedata.category(one).startswith("C") for one in login)
    )


def usable_password(password: bytes) -> bool:
    """Whether it may be tried: an empty simple bind succeeds as nobody (RFC 4513 5.1.2)."""
    return 0 < len(password) <= _MOST_PASSWORD_BYTES and b"\x00" not in password
