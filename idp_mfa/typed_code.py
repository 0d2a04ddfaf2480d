"""Digits out of what somebody typed."""

from __future__ import annotations

import unicodedata

DIGITS = 6
_LONGEST = 64


def six_digits(typed: str) -> str | None:
    """Six ASCII digits, or None."""
    return digits(typed, DIGITS)


def digits(typed: str, length: int) -> str | None:
    """So many ASCII digits, or None.

    Full-width digits, blanks and hyphens are how people and their keyboards write them; anything
    else, other scripts' digits too, is not a code.
    """
    if len(typed) > _LONGEST:
        return None
    kept = "".join(
        unicodedata.normalize("NFKC", letter) if "\uff10" <= letter <= "\uff19" else letter
        for letter in typed
        if not letter.isspace() and letter not in "-‐‑–—－ー"
    )
    return kept if len(kept) == length and kept.isascii() and kept.isdigit() else None
