"""Somebody who reads the mails that the product puts into a folder."""

from __future__ import annotations

import email
import email.policy
import re
import time
from dataclasses import dataclass
from pathlib import Path

_CODE = re.compile(r"^(\d{6})\r?$", re.MULTILINE)
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class MailFolder:
    """A folder with a file a mail."""

    path: Path

    def mails(self) -> frozenset[Path]:
        """What is there now."""
        return frozenset(self.path.glob("*.eml"))

    def code_since(self, before: frozenset[Path]) -> str:
        """The code of the mail that has one, of those that were not there before."""
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            for path in self.mails() - before:
                if found := _CODE.search(_text(path)):
                    return found[1]
            time.sleep(0.1)
        raise AssertionError("no code came by mail")


def _text(path: Path) -> str:
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    part = mail.get_body(("plain",))
    return "" if part is None else str(part.get_content())
