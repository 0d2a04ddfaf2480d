"""Mail by SMTP (RFC 5321), over TLS whose certificate is checked."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from idp_mfa.letters import Mail
from idp_mfa.mail.message import message
from idp_mfa.mail.options import MailOptions, SmtpServer
from idp_mfa.model import Clock, Randomness
from idp_mfa.ports import Unavailable, Undeliverable

_PERMANENT = range(500, 600)


class SmtpMailer:
    """``Mailer``: one connection a mail, for mails are few and servers drop idle ones."""

    def __init__(
        self, options: MailOptions, server: SmtpServer, clock: Clock, randomness: Randomness
    ) -> None:
        self._options = options
        self._server = server
        self._clock = clock
        self._randomness = randomness

    def send(self, mail: Mail) -> Undeliverable | None:
        """None once the server took it; a 5xx for the recipient or the content is for good."""
        options = self._options
        try:
            made = message(
                mail, options.sender, options.sender_name, self._clock(), self._randomness
            )
        except ValueError:
            return Undeliverable.REFUSED
        with self._connected() as smtp:
            try:
                smtp.send_message(made, options.sender, [mail.to])
            except smtplib.SMTPRecipientsRefused as error:
                code, _ = error.recipients[mail.to]
                if code in _PERMANENT:
                    return Undeliverable.REFUSED
                raise
            except smtplib.SMTPDataError as error:
                if error.smtp_code in _PERMANENT:
                    return Undeliverable.REFUSED
                raise
            except smtplib.SMTPNotSupportedError:
                return Undeliverable.REFUSED
        return None

    def ping(self) -> None:
        """The server takes us, with TLS and the password as settings say."""
        with self._connected() as smtp:
            smtp.noop()

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        server, seconds = self._server, self._options.timeout.total_seconds()
        try:
            context = ssl.create_default_context(cafile=self._options.ca_file)
            with (
                smtplib.SMTP_SSL(server.host, server.port, timeout=seconds, context=context)
                if server.scheme == "smtps"
                else smtplib.SMTP(server.host, server.port, timeout=seconds)
            ) as smtp:
                if server.scheme == "smtp" and not server.in_clear:
                    smtp.starttls(context=context)
                if self._options.password_file is not None:
                    smtp.login(self._options.username, _secret(self._options.password_file))
                yield smtp
        except smtplib.SMTPResponseException as error:
            raise Unavailable("mail", f"{server.host} answers {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable("mail", f"{server.host}: {type(error).__name__}") from None


def _secret(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()
