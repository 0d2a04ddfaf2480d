"""What people type as a mail address, as a server takes it. The only door to email_validator."""

from __future__ import annotations

import unicodedata

from email_validator import EmailNotValidError, validate_email

_LONGEST = 320


def normalised(typed: str) -> str | None:
    """One plain address in ASCII (RFC 5321 2.3.11), or None; no name server is asked.

    Full-width letters are how Japanese keyboards write them.
    """
    if len(typed) > _LONGEST:
        return None
    text = unicodedata.normalize("NFKC", typed).strip()
    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        return None
    return found.ascii_email
