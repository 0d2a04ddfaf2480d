"""aiosmtpd in a process of its own: ``python -m tests.servers.smtp_child FOLDER PORT KIND``.

Each mail becomes a file of FOLDER/mails; what FOLDER/answer holds is said to every recipient.
"""

from __future__ import annotations

import itertools
import signal
import ssl
import sys
import threading
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = b"mfa", b"mail password"


class _Keeps:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        answer = self._folder / "answer"
        if answer.exists():
            return answer.read_text()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        number = next(self._numbers)
        unfinished = self._folder / f"{number:06}.unfinished"
        unfinished.write_bytes(envelope.content)
        unfinished.rename(self._folder / "mails" / f"{number:06}.eml")
        return "250 OK"


def _knows(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER, PASSWORD)
    return AuthResult(success=right, handled=False)


class _StartTls(Controller):
    """By STARTTLS, which it insists on, as on the password behind it."""

    def __init__(self, *args: Any, tls: ssl.SSLContext, **kwargs: Any) -> None:
        self._tls = tls
        super().__init__(*args, **kwargs)

    def factory(self) -> SMTP:
        return SMTP(
            self.handler,
            hostname="localhost",
            tls_context=self._tls,
            require_starttls=True,
            authenticator=_knows,
            auth_required=True,
            auth_require_tls=True,
        )


def _controller(folder: Path, port: int, kind: str) -> Controller:
    keeps, at = _Keeps(folder), {"hostname": "127.0.0.1", "port": port}
    if kind == "clear":
        return Controller(keeps, **at)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    if kind == "smtp":
        return _StartTls(keeps, **at, tls=context)
    return Controller(
        keeps,
        **at,
        ssl_context=context,
        server_kwargs={"authenticator": _knows, "auth_require_tls": False},
    )


def main() -> None:
    folder, port, kind = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    controller = _controller(folder, port, kind)
    controller.start()
    ended.wait()
    controller.stop()


if __name__ == "__main__":
    main()
