"""A real SMTP server (aiosmtpd) that keeps what it takes, and fails when it is told to."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import cast

from tests.servers.certificates import authority, issued
from tests.servers.foreground import folder, free_port, listening, running
from tests.servers.smtp_child import PASSWORD

USER = "mfa"
HOST = "localhost"
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Post:
    """A running server; ``trusted`` is whom its clients have to trust."""

    port: int
    trusted: Path
    password_file: Path
    folder: Path

    @property
    def mails(self) -> Sequence[EmailMessage]:
        """What came, oldest first."""
        return [
            cast("EmailMessage", message_from_bytes(file.read_bytes(), policy=default))
            for file in sorted((self.folder / "mails").glob("*.eml"))
        ]

    def answers(self, text: str | None) -> None:
        """Say this to every recipient; None takes mail again."""
        answer = self.folder / "answer"
        if text is None:
            answer.unlink(missing_ok=True)
        else:
            answer.write_text(text)

    def to(self, address: str, count: int = 1, seconds: float = 15.0) -> Sequence[EmailMessage]:
        """The mails to somebody, once there are so many."""
        until = time.monotonic() + seconds
        while True:
            found = [mail for mail in self.mails if mail["To"] == address]
            if len(found) >= count or time.monotonic() > until:
                assert len(found) >= count, f"{len(found)} of {count} mails came to {address}"
                return found
            time.sleep(0.05)


@contextlib.contextmanager
def post_office(kind: str) -> Iterator[Post]:
    """``smtps``, ``smtp`` (STARTTLS and a password), or ``clear``."""
    with folder("smtp") as place:
        ca = authority(place)
        pair = issued(place, ca, (HOST,))
        shutil.copy(pair.certificate, place / "certificate.pem")
        shutil.copy(pair.key, place / "key.pem")
        (place / "mails").mkdir()
        (place / "password").write_bytes(PASSWORD + b"\n")
        port = free_port()
        with running(
            (sys.executable, "-m", "tests.servers.smtp_child", str(place), str(port), kind),
            log=place / "smtp.out",
            ready=lambda: listening(port),
            cwd=_ROOT,
        ):
            yield Post(port, ca.pair.certificate, place / "password", place)
