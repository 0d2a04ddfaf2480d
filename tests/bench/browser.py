"""A browser of few words over a kept connection, as a proxy before the server keeps them."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from tests.simulators.person import Person

MOST_REQUESTS = 12
IDLE_SECONDS = 2.0
_PAGE = re.compile(rb'data-page="([^"]+)"')
_FORM = re.compile(
    rb'<form class="question" method="post" action="([^"]+)"[^>]*>(.*?)</form>', re.S
)
_HIDDEN = re.compile(rb'<input type="hidden" name="([^"]+)" value="([^"]*)">')
_RESPONSE = re.compile(rb'name="SAMLResponse" value="([^"]+)"')
_SENT_BY_BROWSERS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: ja,en-US;q=0.7,en;q=0.3\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-Site: cross-site\r\n"
    "Sec-Fetch-User: ?1\r\n"
)


class WentWrong(Exception):  # noqa: N818 - what a bench has to say then
    """The server did not do what is being measured."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and after how many seconds."""

    status: int
    location: str | None
    cookies: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float

    @property
    def page(self) -> str | None:
        """The page's name (``data-page``)."""
        found = _PAGE.search(self.body)
        return None if found is None else found[1].decode()


class Connection:
    """One kept connection; opened again once it lay idle for as long as servers may keep it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._used = 0.0
        self._socket: socket.socket | None = None

    def exchange(self, request: bytes) -> Answer:
        """One request and its whole answer."""
        began = time.perf_counter()
        if began - self._used > IDLE_SECONDS:
            self.close()
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self.port), 30)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        status, *lines = received[:end].decode("latin-1").split("\r\n")
        headers = [line.split(": ", 1) for line in lines]
        length = int(next(value for name, value in headers if name.lower() == "content-length"))
        content = received[end + 4 :]
        while len(content) < length:
            content += self._more()
        self._used = time.perf_counter()
        seconds = self._used - began
        if ["Connection", "close"] in headers:
            self.close()
        return Answer(
            int(status.split()[1]),
            next((value for name, value in headers if name == "Location"), None),
            tuple(_cookie(value) for name, value in headers if name == "Set-Cookie"),
            content,
            seconds,
        )

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _more(self) -> bytes:
        assert self._socket is not None
        received = self._socket.recv(65536)
        if not received:
            raise WentWrong("the server hung up")
        return received


def _cookie(line: str) -> tuple[str, str]:
    name, _, value = line.partition(";")[0].partition("=")
    return name, value


@dataclass(slots=True)
class Browser:
    """One browser profile at one address."""

    connection: Connection
    host: str
    address: str
    note: Callable[[float], None]
    """Told the seconds of each request."""
    cookies: dict[str, str] = field(default_factory=dict)

    def sign_in(self, path: str, person: Person) -> bytes:
        """From the service's request to the page that carries its answer: the SAMLResponse."""
        answer = self.send("GET", path, b"")
        for _ in range(MOST_REQUESTS):
            if answer.location is not None:
                parts = urlsplit(answer.location)
                answer = self.send("GET", parts.path, b"")
                continue
            match answer.page:
                case "signin.password":
                    filled = {"username": person.login, "password": person.password}
                    answer = self._submit(answer, filled)
                case "signin.challenge" if person.phone is not None:
                    answer = self._submit(answer, {"code": person.phone.code()})
                case "saml.post":
                    response = _RESPONSE.search(answer.body)
                    if response is None:
                        raise WentWrong("a page of an answer without one")
                    return response[1]
                case other:
                    raise WentWrong(f"status {answer.status}, page {other!r}")
        raise WentWrong("going round in circles")

    def request(self, method: str, path: str, body: bytes) -> bytes:
        """One request as it is written, with the cookies of now."""
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        typed = (
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        )
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nX-Forwarded-For: {self.address}\r\n"
            f"{_SENT_BY_BROWSERS}{typed if body else ''}"
            f"{f'Cookie: {kept}' + chr(13) + chr(10) if kept else ''}\r\n"
        )
        return head.encode("ascii") + body

    def filled(self, answer: Answer, values: Mapping[str, str]) -> tuple[str, bytes]:
        """Where the page's form goes, and its body with these values."""
        form = _FORM.search(answer.body)
        if form is None:
            raise WentWrong(f"status {answer.status}, no form to fill in")
        kept = {name.decode(): value.decode() for name, value in _HIDDEN.findall(form[2])}
        return form[1].decode(), urlencode({**kept, **values}).encode()

    def send(self, method: str, path: str, body: bytes) -> Answer:
        """One request, and what it does to the cookies."""
        answer = self.connection.exchange(self.request(method, path, body))
        self.note(answer.seconds)
        for name, value in answer.cookies:
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return answer

    def _submit(self, answer: Answer, values: dict[str, str]) -> Answer:
        if answer.status != 200:
            raise WentWrong(f"status {answer.status}, no form to fill in")
        action, body = self.filled(answer, values)
        return self.send("POST", action, body)
