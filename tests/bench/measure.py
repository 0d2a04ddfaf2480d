"""Batches of sign-ins with the servers' CPU before and after, the unit in between."""

from __future__ import annotations

import base64
import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from statistics import median
from urllib.parse import urlsplit

from lxml import etree

from tests.bench.browser import Browser, Connection, WentWrong
from tests.bench.site import Site
from tests.bench.unit import unit
from tests.simulators.person import Person
from tests.simulators.service_provider import NAMES, REFEDS_MFA, TestServiceProvider, read_response

WARM_UP = 12
"""Sign-ins of each browser in each row before anything is measured."""


class Row(Enum):
    """What is measured; the first has a bar."""

    FACTOR = "password and TOTP, response and assertion signed"
    ENCRYPTED = "the same, assertion encrypted"
    CAMPUS = "on campus: password alone, signed"
    SESSION = "a session is there: nothing asked, signed"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody at a computer of their own, whose browser may hold a session."""

    person: Person
    place: int
    cookies: Mapping[str, str]

    def address(self, row: Row) -> str:
        """Where they are: each at an address of their own."""
        return f"{'192.0.2' if row is Row.CAMPUS else '203.0.113'}.{self.place}"


@dataclass(frozen=True, slots=True)
class Batch:
    """One stretch of sign-ins; CPU in milliseconds of all server processes, by their parts."""

    sign_ins: int
    unit: float
    cpu: dict[str, float]
    seconds: float
    sign_in_seconds: list[float]
    request_seconds: list[float]

    @property
    def units(self) -> float:
        """CPU of one sign-in, in units of this moment."""
        return sum(self.cpu.values()) / self.sign_ins / self.unit


@dataclass(frozen=True, slots=True)
class Measured:
    """All batches of a row."""

    row: Row
    batches: tuple[Batch, ...]

    @property
    def sign_ins(self) -> int:
        return sum(batch.sign_ins for batch in self.batches)

    @property
    def requests(self) -> float:
        """Requests of one sign-in."""
        return sum(len(batch.request_seconds) for batch in self.batches) / self.sign_ins

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of CPU of one sign-in, all server processes together."""
        return sum(sum(batch.cpu.values()) for batch in self.batches) / self.sign_ins

    @property
    def units(self) -> float:
        """The same in units of its own moment: the median of the batches."""
        return median(batch.units for batch in self.batches)

    def cpu_of(self, part: str) -> float:
        """Milliseconds of one sign-in in one part."""
        return sum(batch.cpu[part] for batch in self.batches) / self.sign_ins

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.batches[0].cpu)

    def wall_ms(self, share: float) -> tuple[float, float]:
        """A percentile of sign-ins and of requests."""
        whole = sorted(each for batch in self.batches for each in batch.sign_in_seconds)
        single = sorted(each for batch in self.batches for each in batch.request_seconds)
        return _percentile(whole, share) * 1000, _percentile(single, share) * 1000


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class Bench:
    """Drives people through a site, several browsers at once."""

    def __init__(self, site: Site, clients: int) -> None:
        self._site = site
        self._clients = clients
        self._visitors = itertools.cycle(
            [Visitor(person, 1 + n % 250, {}) for n, person in enumerate(site.people)]
        )
        self._host = urlsplit(site.idp.origin).netloc
        self._certificate = _certificate(site.idp.metadata())
        self._signed_in: deque[Visitor] = deque()

    def warm_up(self, rows: Iterable[Row]) -> None:
        """Each row for each thread and more, and what services get is what it should be."""
        for row in rows:
            self._run(row, WARM_UP * self._clients, self._checked)

    def batch(self, row: Row, sign_ins: int) -> Batch:
        """So many sign-ins, measured."""
        before_unit = unit()
        processes = self._site.processes()
        before = [process.cpu() for process in processes]
        began = time.perf_counter()
        whole, single = self._run(row, sign_ins, _succeeded)
        seconds = time.perf_counter() - began
        cpu: Counter[str] = Counter()
        for process, was in zip(processes, before, strict=True):
            cpu[process.part] += process.cpu() - was
        if self._site.processes() != processes:
            raise WentWrong("a server process was replaced meanwhile")
        return Batch(sign_ins, (before_unit + unit()) / 2, dict(cpu), seconds, whole, single)

    def measure(self, rows: Sequence[Row], rounds: int, sign_ins: int) -> tuple[Measured, ...]:
        """The rows by turns, so that the machine's moods meet them alike."""
        batches: dict[Row, list[Batch]] = {row: [] for row in rows}
        for _ in range(rounds):
            for row in rows:
                batches[row].append(self.batch(row, sign_ins))
        return tuple(Measured(row, tuple(batches[row])) for row in rows)

    # -- the load ----------------------------------------------------------------------------

    def _run(
        self, row: Row, count: int, check: Callable[[Row, bytes], None]
    ) -> tuple[list[float], list[float]]:
        whole: list[float] = []
        single: list[float] = []
        failures: list[BaseException] = []
        left = iter(range(count))
        lock = threading.Lock()

        def drive() -> None:
            connection = Connection(self._site.idp.port)
            try:
                while not failures:
                    with lock:
                        if next(left, None) is None:
                            return
                        visitor = self._next(row)
                    cookies = dict(visitor.cookies)
                    address = visitor.address(row)
                    browser = Browser(connection, self._host, address, single.append, cookies)
                    path = self._site.asking(self._service(row))
                    began = time.perf_counter()
                    response = browser.sign_in(path, visitor.person)
                    whole.append(time.perf_counter() - began)
                    check(row, response)
                    if row in (Row.FACTOR, Row.SESSION):
                        self._signed_in.append(replace(visitor, cookies=cookies))
            except BaseException as error:
                failures.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=drive) for _ in range(self._clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return whole, single

    def _next(self, row: Row) -> Visitor:
        """Whose turn it is: a browser that knows nothing yet, or holds a session."""
        match row:
            case Row.SESSION:
                return self._signed_in.popleft()
            case Row.FACTOR | Row.ENCRYPTED | Row.CAMPUS:
                return next(self._visitors)

    def _service(self, row: Row) -> TestServiceProvider:
        return self._site.encrypted if row is Row.ENCRYPTED else self._site.signed

    def _checked(self, row: Row, response: bytes) -> None:
        """As a careful service reads it: both signatures, the class, encrypted where it is due."""
        encryption = self._service(row).encryption
        read = read_response(base64.b64decode(response), self._certificate, encryption)
        if read.statuses != ["Success"] or read.was_encrypted is not (row is Row.ENCRYPTED):
            raise WentWrong(f"{row.name}: {read.statuses}")
        if (read.acr == REFEDS_MFA) is (row is Row.CAMPUS):
            raise WentWrong(f"{row.name}: {read.acr}")


def _certificate(metadata: bytes) -> bytes:
    found = etree.fromstring(metadata).findtext(".//ds:X509Certificate", "", NAMES)
    return base64.b64decode(found)


def _succeeded(row: Row, response: bytes) -> None:
    if b":status:Success" not in base64.b64decode(response):
        raise WentWrong(f"{row.name}: no success")
