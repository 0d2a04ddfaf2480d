"""Many guesses at once at one account, over two nodes of four workers each."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.bench.browser import Browser, Connection
from tests.bench.site import Site, site
from tests.faults.nodes import answers_ready, node
from tests.servers.foreground import free_port
from tests.servers.slapd import PEOPLE
from tests.simulators.person import Person
from tests.simulators.phone import STEP_SECONDS

NODES = ("a", "b")
WORKERS = 4
A_SIGN_IN = 4
"""Guesses in each sign-in: one less than would end it."""
ANSWER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Guesses:
    """``looked_at`` is what the verifier did, by the record of both nodes."""

    of: str
    made: int
    looked_at: int
    refused_unseen: int
    statuses: Counter[int]
    seconds: float

    def __str__(self) -> str:
        answers = ", ".join(
            f"{count} x {status}" for status, count in sorted(self.statuses.items())
        )
        return (
            f"{self.made} wrong {self.of} at once, two nodes of {WORKERS} workers: {self.looked_at}"
            f" looked at, {self.refused_unseen} refused unseen; {answers}; {self.seconds:.1f} s"
        )


@dataclass(frozen=True, slots=True)
class Attack:
    """Codes behind the right password, passwords, and what is met afterwards.

    ``binds`` are the wrong passwords that the directory was asked about; ``right_code`` is the
    status of the right code, typed in one more sign-in of the guesser's.
    """

    codes: Guesses
    right_code: int
    passwords: Guesses
    binds: int
    owner_signs_in: bool

    def __str__(self) -> str:
        return (
            f"{self.codes}\nafterwards the guesser's right code is answered {self.right_code}\n"
            f"{self.passwords}; the directory was asked {self.binds} times\n"
            f"the owner in her own browser: {'in' if self.owner_signs_in else 'OUT'}"
        )


def attack(guesses: int) -> Attack:
    """So many wrong codes, then so many wrong passwords, at the shipped limits."""
    with _two_nodes() as here:
        owner = here.owner
        assert owner.phone is not None
        hers = here.browser()
        hers.sign_in(here.asking(), owner)
        hers.connection.close()
        sign_ins = guesses // A_SIGN_IN
        thieves = [here.at_code() for _ in range(sign_ins)]
        codes = here.fire(
            "codes",
            [
                (thieves[n % sign_ins], {"code": code})
                for n, code in enumerate(itertools.islice(_wrong_codes(owner), guesses))
            ],
        )
        # Not looked at, so that the owner can still use it.
        shown = owner.phone.at(int(time.time()) // STEP_SECONDS)
        right = here.fire("codes", [(here.at_code(), {"code": shown})])
        strangers = [here.at_password() for _ in range(sign_ins)]
        before = here.binds()
        passwords = here.fire(
            "passwords",
            [
                (strangers[n % sign_ins], {"username": owner.login, "password": f"guess {n}"})
                for n in range(guesses)
            ],
        )
        binds = here.binds() - before
        hers.cookies = {name: value for name, value in hers.cookies.items() if name == "idp-dev"}
        answer = hers.sign_in(here.asking(), owner)
        hers.connection.close()
        return Attack(codes, next(iter(right.statuses)), passwords, binds, bool(answer))


@dataclass(frozen=True, slots=True)
class Waiting:
    """A browser in front of a form, and where that goes."""

    port: int
    browser: Browser
    action: str
    body: bytes

    def typed(self, values: dict[str, str]) -> bytes:
        """The request that sends it."""
        extra = "".join(f"&{name}={value.replace(' ', '+')}" for name, value in values.items())
        return self.browser.request("POST", self.action, self.body + extra.encode())


@dataclass(slots=True)
class Attacked:
    """Two nodes, and the account that is attacked; each browser comes from a place of its own."""

    site: Site
    ports: tuple[int, ...]
    browsers: Iterator[int]

    @property
    def owner(self) -> Person:
        return self.site.people[0]

    def asking(self) -> str:
        return self.site.asking(self.site.signed)

    def browser(self) -> Browser:
        """At one node and the other by turns."""
        number = next(self.browsers)
        return Browser(
            Connection(self.ports[number % len(self.ports)]),
            urlsplit(self.site.idp.origin).netloc,
            f"198.18.{number >> 8}.{number & 255}",
            lambda seconds: None,
        )

    def at_password(self) -> Waiting:
        """A new sign-in."""
        return self._waiting(self.browser(), self.asking())

    def at_code(self) -> Waiting:
        """A new sign-in of somebody who has the password."""
        begun = self.at_password()
        given = {"username": self.owner.login, "password": self.owner.password}
        answer = begun.browser.connection.exchange(begun.typed(given))
        assert answer.status == 303, answer.status
        begun.browser.cookies.update(answer.cookies)
        assert answer.location is not None
        begun.browser.connection.close()
        return self._waiting(begun.browser, answer.location)

    def _waiting(self, browser: Browser, path: str) -> Waiting:
        answer = browser.send("GET", path, b"")
        while answer.location is not None:
            answer = browser.send("GET", urlsplit(answer.location).path, b"")
        action, body = browser.filled(answer, {})
        browser.connection.close()
        return Waiting(browser.connection.port, browser, action, body)

    def fire(self, of: str, guesses: Sequence[tuple[Waiting, dict[str, str]]]) -> Guesses:
        """All of them in one moment, and what became of them."""
        event = "factor.rejected" if of == "codes" else "password.rejected"
        before = self._events()
        began = time.monotonic()
        statuses = at_once([(waiting.port, waiting.typed(typed)) for waiting, typed in guesses])
        seconds = time.monotonic() - began
        after = self._events() - before
        return Guesses(
            of, len(guesses), after[event], after["limit.reached"], Counter(statuses), seconds
        )

    def binds(self) -> int:
        """How often the directory was asked about the owner's password."""
        return len(
            self.site.directory.lines(f'BIND dn="uid={self.owner.login},{PEOPLE}" method=128')
        )

    def _events(self) -> Counter[str]:
        return Counter(
            json.loads(line)["event"]
            for name in NODES
            for line in (self.site.idp.folder / f"audit-{name}.jsonl").read_text().splitlines()
        )


@contextlib.contextmanager
def _two_nodes() -> Iterator[Attacked]:
    with site(1, log_level="stats") as started, contextlib.ExitStack() as stack:
        ports = tuple(free_port() for _ in NODES)
        for name, port in zip(NODES, ports, strict=True):
            more = {
                "base_url": started.idp.origin,
                "registry": {"folder": "registry"},
                "server": {"bind": f"127.0.0.1:{port}", "workers": WORKERS},
            }
            stack.enter_context(node(started, name, port=port, more=more, started=answers_ready))
        yield Attacked(started, ports, itertools.count(1))


def _wrong_codes(owner: Person) -> Iterator[str]:
    assert owner.phone is not None
    now = int(time.time()) // STEP_SECONDS
    right = {owner.phone.at(now + step) for step in range(-3, 10)}
    return (code for code in (f"{n:06}" for n in range(1_000_000)) if code not in right)


def at_once(requests: Sequence[tuple[int, bytes]]) -> list[int]:
    """The statuses; each on a connection of its own, all but the last byte, then those in a row."""
    with contextlib.ExitStack() as stack:
        opened = []
        for port, request in requests:
            one = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
            stack.callback(one.close)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.sendall(request[:-1])
            opened.append(one)
        for one, (_, request) in zip(opened, requests, strict=True):
            one.sendall(request[-1:])
        return [_status(one) for one in opened]


def _status(one: socket.socket) -> int:
    received = b""
    while b"\r\n" not in received:
        more = one.recv(4096)
        if not more:
            return 0
        received += more
    return int(received.split()[1])
