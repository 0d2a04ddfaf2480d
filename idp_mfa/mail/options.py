"""What settings say of mail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from idp_mfa.client_address import is_loopback

_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """``smtps`` speaks TLS from the first octet, ``smtp`` by STARTTLS (RFC 8314, RFC 3207)."""

    scheme: str
    host: str
    port: int

    @property
    def in_clear(self) -> bool:
        """Only a relay on this machine is spoken to without TLS."""
        return self.scheme == "smtp" and is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class MailOptions:
    """By which road mail goes, and whose name it bears; neither road: nothing is mailed.

    ``smtp`` is ``smtps://HOST[:465]``, or ``smtp://HOST[:587]`` with STARTTLS; on loopback alone in
    clear. ``folder`` receives a file a mail. ``subject_prefix`` stands before each subject;
    ``directory_attribute`` holds the addresses that the directory's own staff keep. No re-issue
    address is in ``refused_domains``: mailboxes that the same password opens; no code goes to one
    that took another's place for ``address_pause``.
    """

    smtp: str | None = None
    folder: Path | None = None
    sender: str = "mfa@example.ac.jp"
    sender_name: Mapping[str, str] = field(default_factory=dict)
    subject_prefix: str = ""
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    timeout: timedelta = timedelta(seconds=5)
    directory_attribute: str = "mail"
    refused_domains: tuple[str, ...] = ()
    address_pause: timedelta = timedelta(days=1)

    def __post_init__(self) -> None:
        if self.smtp is not None and self.folder is not None:
            raise ValueError("name one of smtp and folder")
        if self.smtp is not None and self.server is None:
            raise ValueError("smtp must be smtps://HOST[:PORT] or smtp://HOST[:PORT]")
        if not self.sender.isascii() or self.sender.count("@") != 1 or " " in self.sender:
            raise ValueError("sender must be an address such as mfa@example.ac.jp")
        if bool(self.username) != (self.password_file is not None):
            raise ValueError("username and password_file go together")

    @property
    def server(self) -> SmtpServer | None:
        """Where to connect, if anywhere."""
        parts = urlsplit(self.smtp or "")
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
            return None
        return SmtpServer(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme])
