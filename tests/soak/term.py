"""The first day of term: everybody signs in or sets a phone up, behind three shared addresses."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from tests.bench.browser import Answer, Browser, Connection
from tests.faults.stand import set_up
from tests.protocol.attacked import PLAIN
from tests.servers import slapd, valkey
from tests.servers.foreground import free_port
from tests.servers.idp import Idp, identity_provider
from tests.simulators.person import Person
from tests.simulators.phone import STEP_SECONDS, Phone
from tests.simulators.service_provider import REFEDS_MFA

CAMPUS = ("192.0.2.1", "192.0.2.2")
DORMITORY = "203.0.113.1"
DECLARED = (*CAMPUS, DORMITORY)
"""Behind each of them sits a third of everybody; first set-ups need the campus."""
MISTYPED = 0.05
SIGN_INS_A_SET_UP = 4
CLIENTS = 6
MOST_KEPT_OUT = 100
"""After which there is no need to go on."""
_MOST_STEPS = 30
_KEY = re.compile(rb'data-totp-key="([A-Z2-7]+)"')
_MFA = (
    "<samlp:RequestedAuthnContext><saml:AuthnContextClassRef>"
    f"{REFEDS_MFA}</saml:AuthnContextClassRef></samlp:RequestedAuthnContext>"
)
_NUMBERS = itertools.count(1)


@dataclass(slots=True)
class Term:
    """What happened; ``refused`` names everybody whom a limit, or anything else, kept out."""

    sign_ins: int = 0
    set_ups: int = 0
    mistyped: Counter[str] = field(default_factory=Counter)
    by_address: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    answers: list[float] = field(default_factory=list)
    """Seconds of each request."""

    @property
    def limits(self) -> dict[str, int]:
        """What is on record of limits: alarms and refusals."""
        wanted = ("limit.reached", "spray.suspected", "wrong-codes.repeated", "factor.disabled")
        return {name: self.events[name] for name in wanted}

    def __str__(self) -> str:
        ordered = sorted(self.answers)
        p99 = ordered[int(len(ordered) * 0.99)] if ordered else 0.0
        alarms = ", ".join(f"{count} {name}" for name, count in self.limits.items())
        shares = ", ".join(
            f"{count} from {name}" for name, count in sorted(self.by_address.items())
        )
        return "\n".join(
            (
                f"{self.sign_ins} sign-ins and {self.set_ups} first set-ups in {self.seconds:.0f} s"
                f" ({shares}); {self.mistyped['password']} passwords and "
                f"{self.mistyped['code']} codes mistyped",
                f"on record: {alarms}; p99 of a request {p99:.3f} s",
                *(f"KEPT OUT: {each}" for each in self.refused[:20]),
            )
        )


class KeptOut(Exception):  # noqa: N818 - what became of somebody
    """A page that leads nowhere."""


@dataclass(slots=True)
class Student:
    """Somebody in a new browser, who mistypes now and then and types again."""

    person: Person
    browser: Browser
    dice: random.Random
    term: Term

    def sign_in(self, path: str) -> None:
        """From a service to its answer."""
        self._go(path, "saml.post")

    def set_up(self) -> None:
        """From the portal's page to a phone that works."""
        self._go("/portal/totp", "portal.totp.done")

    def _go(self, path: str, goal: str) -> None:
        answer = self.browser.send("GET", path, b"")
        for _ in range(_MOST_STEPS):
            if answer.location is not None:
                answer = self.browser.send("GET", urlsplit(answer.location).path, b"")
                continue
            if answer.page == goal and answer.status == 200:
                return
            answer = self._next(answer)
        raise KeptOut("going round in circles")

    def _next(self, answer: Answer) -> Answer:
        if answer.status not in (200, 422):
            raise KeptOut(f"{answer.status} {answer.page}")
        match answer.page:
            case "signin.password":
                password = self._mistyped("password", self.person.password, "x")
                return self._submit(answer, username=self.person.login, password=password)
            case "portal.totp.begin":
                return self._submit(answer)
            case "portal.totp.setup":
                (key,) = _KEY.findall(answer.body)
                if self.person.phone is None:
                    self.person.phone = Phone(key.decode())
                return self._submit(answer, code=self._code(self.person.phone))
            case "signin.challenge" if self.person.phone is not None:
                return self._submit(answer, code=self._code(self.person.phone))
            case other:
                raise KeptOut(f"{answer.status} {other}")

    def _code(self, phone: Phone) -> str:
        shown = phone.at(int(time.time()) // STEP_SECONDS)
        typed = self._mistyped("code", shown, str((int(shown[-1]) + 1) % 10))
        return typed if typed != shown else phone.code()

    def _mistyped(self, what: str, text: str, last: str) -> str:
        if self.dice.random() >= MISTYPED:
            return text
        self.term.mistyped[what] += 1
        return text[:-1] + last

    def _submit(self, answer: Answer, **typed: str) -> Answer:
        action, body = self.browser.filled(answer, typed)
        return self.browser.send("POST", action, body)


class FirstDay:
    """Everybody by turns, as fast as it goes."""

    def __init__(self, idp: Idp, sign_ins: int, enrolled: list[Person], bare: list[Person]) -> None:
        self._idp = idp
        self._sign_ins_left = sign_ins
        self._term = Term()
        self._lock = threading.Lock()
        self._ready = deque(enrolled)
        self._bare = deque(bare)
        self._turn = itertools.count(1)

    def run(self) -> Term:
        """Until all of it is done, or too many were kept out."""
        began = time.monotonic()
        threads = [
            threading.Thread(target=self._client, args=(random.Random(n),)) for n in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._term.seconds = time.monotonic() - began
        for line in (self._idp.folder / "audit.jsonl").read_text("utf-8").splitlines():
            self._term.events[json.loads(line)["event"]] += 1
        return self._term

    def _client(self, dice: random.Random) -> None:
        connection = Connection(self._idp.port)
        try:
            while (chosen := self._next()) is not None and len(self._term.refused) < MOST_KEPT_OUT:
                person, sets_up = chosen
                address = dice.choice(CAMPUS if sets_up else DECLARED)
                self._visit(connection, dice, person, address, sets_up)
        finally:
            connection.close()

    def _next(self) -> tuple[Person, bool] | None:
        """Who comes next, and whether to set a phone up."""
        with self._lock:
            wants = next(self._turn) % (SIGN_INS_A_SET_UP + 1) == 0 or not self._sign_ins_left
            if wants and self._bare:
                return self._bare.popleft(), True
            if not self._sign_ins_left:
                return None
            self._sign_ins_left -= 1
            return self._ready.popleft(), False

    def _visit(
        self,
        connection: Connection,
        dice: random.Random,
        person: Person,
        address: str,
        sets_up: bool,
    ) -> None:
        term = self._term
        host = urlsplit(self._idp.origin).netloc
        browser = Browser(connection, host, address, term.answers.append)
        student = Student(person, browser, dice, term)
        try:
            student.set_up() if sets_up else student.sign_in(self._asking())
        except (KeptOut, OSError) as error:
            term.refused.append(f"{person.login} at {address}: {type(error).__name__} {error}")
            connection.close()
            return
        with self._lock:
            term.set_ups += sets_up
            term.sign_ins += not sets_up
            term.by_address[address] += 1
            self._ready.append(person)

    def _asking(self) -> str:
        """From a service that wants two factors, so that a code is asked on campus too."""
        xml = PLAIN.authn_request(
            datetime.now(UTC),
            id=f"_term-{next(_NUMBERS)}",
            destination=f"{self._idp.origin}/saml/sso",
            content=_MFA,
        )
        return f"/saml/sso?{PLAIN.query(xml, 'state').decode('ascii')}"


@dataclass(slots=True)
class _Site:
    """What ``set_up`` needs to know."""

    idp: Idp
    directory: slapd.Slapd
    store: valkey.StoreServer


def first_day(
    sign_ins: int, set_ups: int, enrolled: int, declared: tuple[str, ...] = DECLARED
) -> Term:
    """So many of each; ``enrolled`` people have a phone already and come again and again."""
    with _university({"declared_networks": list(declared)}) as site:
        people = [slapd.Person(f"student{n}", "Student 学生") for n in range(enrolled + set_ups)]
        site.directory.add(people)
        logins = [each.login for each in people]
        phones = [*set_up(site, logins[:enrolled]), *([None] * set_ups)]
        everybody = [
            Person(login, f"demo-{login}", phone)
            for login, phone in zip(logins, phones, strict=True)
        ]
        return FirstDay(site.idp, sign_ins, everybody[:enrolled], everybody[enrolled:]).run()


@contextlib.contextmanager
def _university(limits: Mapping[str, Any]) -> Iterator[_Site]:
    with (
        slapd.slapd((), log_level="0") as directory,
        valkey.running(valkey.Kind.VALKEY) as store,
        identity_provider(
            free_port(),
            directory=directory,
            store=store,
            more={
                "limits": dict(limits),
                "store": {"url": store.url, "command_timeout": "10s"},
            },
        ) as idp,
    ):
        idp.register(PLAIN.metadata())
        yield _Site(idp, directory, store)
