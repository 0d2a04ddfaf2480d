"""Sign-ins over two nodes while the policy is swapped, now and then for one that is broken."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.browser import Browser, Connection
from tests.bench.site import Site, site
from tests.faults.nodes import answers_ready, command, node
from tests.faults.stand import CAMPUS, off_campus
from tests.servers.foreground import free_port

CLIENTS = 4
BROKEN = 2
WITHIN = timedelta(seconds=10)
"""Every worker decides by the new policy; two seconds, and what a busy machine adds."""
_SEEN_SECONDS = 3
_POLICY = """version: 1
zones:
  campus-{number}: {{ kind: campus, networks: [192.0.2.0/24] }}
rules:
  - name: "{number}: campus"
    when: {{ page: sign-in, zone: campus-{number} }}
    then: {then}
  - name: "{number}: elsewhere"
    when: {{ page: sign-in }}
    then: {{ require: [totp] }}
tests:
  - name: outside a factor is asked
    given: {{ from: 203.0.113.1, enrolled: [totp] }}
    expect: {{ outcome: ask }}
"""


@dataclass(frozen=True, slots=True)
class Version:
    """One of the policies that are swapped: skips on campus, or asks there too."""

    number: int
    text: str

    @property
    def digest(self) -> str:
        """As the record names it."""
        return sha256(self.text.encode()).hexdigest()[:12]


def version(number: int) -> Version:
    """Every rule and zone bears its number, so that a mixture of two is seen."""
    then = "skip" if number % 2 else "{ require: [totp] }"
    return Version(number, _POLICY.format(number=number, then=then))


@dataclass(slots=True)
class Swapped:
    """What happened; ``wrong`` names each sign-in, swap and line of the record that was wrong."""

    sign_ins: int = 0
    activated: int = 0
    refused: int = 0
    judged: Counter[str] = field(default_factory=Counter)
    slowest: timedelta = timedelta()
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(
            (
                f"{self.sign_ins} sign-ins over two nodes in {self.seconds:.0f} s, the policy "
                f"swapped {self.activated} times and {self.refused} broken ones refused",
                f"{self.judged.total()} decisions on record, by {len(self.judged)} policies; the "
                f"last by a policy that was replaced came {self.slowest.total_seconds():.1f} s "
                "after",
                *(f"WRONG: {each}" for each in self.wrong[:20]),
            )
        )


@dataclass(frozen=True, slots=True)
class InForce:
    """A version, and from when to when it may have decided somewhere."""

    version: Version | None
    began: datetime
    replaced: datetime


class Swaps:
    """So many sign-ins at least, and swaps evenly among them."""

    def __init__(self, here: Site, ports: tuple[int, int], sign_ins: int, swaps: int) -> None:
        self._site = here
        self._ports = ports
        self._every = max(sign_ins // (swaps + 1), 1)
        self._left = sign_ins
        self._over = False
        self._swaps = swaps
        self._people = itertools.cycle(here.people)
        self._turn = itertools.count()
        self._lock = threading.Lock()
        self._done = Swapped()
        self._spans: list[tuple[Version, datetime, datetime]] = []

    def run(self) -> Swapped:
        """Until every sign-in is done."""
        start, began = datetime.now(UTC), time.monotonic()
        threads = [threading.Thread(target=self._client) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for number in range(1, self._swaps + 1):
            self._wait_for(number * self._every)
            self._swap(number)
            # Each decides for a while: every worker looks once in two seconds.
            time.sleep(_SEEN_SECONDS)
        self._over = True
        for thread in threads:
            thread.join()
        self._done.seconds = time.monotonic() - began
        self._look_at_the_record(start)
        return self._done

    # -- signing in --------------------------------------------------------------------------

    def _client(self) -> None:
        connections = [Connection(port) for port in self._ports]
        while True:
            with self._lock:
                if self._left <= 0 and self._over:
                    break
                self._left -= 1
                turn, person = next(self._turn), next(self._people)
            address = CAMPUS if turn % 2 else off_campus()
            browser = _OverBoth(connections[0], self._host, address, lambda seconds: None)
            browser.connections = itertools.cycle(connections)
            try:
                browser.sign_in(self._site.asking(self._site.signed), person)
            except Exception as error:
                self._wrong(f"a sign-in: {type(error).__name__}: {error}")
            with self._lock:
                self._done.sign_ins += 1
        for connection in connections:
            connection.close()

    @property
    def _host(self) -> str:
        return urlsplit(self._site.idp.origin).netloc

    # -- swapping ----------------------------------------------------------------------------

    def _wait_for(self, sign_ins: int) -> None:
        while self._done.sign_ins < sign_ins:
            time.sleep(0.02)

    def _swap(self, number: int) -> None:
        broken = number % max(self._swaps // BROKEN, 1) == 0
        one = version(number)
        text = one.text.replace("outcome: ask", "outcome: skip") if broken else one.text
        file = self._site.idp.folder / f"policy-{number}.yaml"
        file.write_text(text)
        began = datetime.now(UTC)
        # By turns at one node and the other.
        done = _command(self._settings(number), "policy", "activate", str(file))
        if broken:
            self._done.refused += done.returncode == 1
        elif done.returncode == 0:
            self._done.activated += 1
            self._spans.append((one, began, datetime.now(UTC)))
        if done.returncode != int(broken):
            self._wrong(f"swap {number}: {done.returncode} {done.stdout} {done.stderr}")

    def _settings(self, number: int) -> Path:
        return self._site.idp.folder / ("idp_mfa.yaml" if number % 2 else "b.yaml")

    # -- looking -----------------------------------------------------------------------------

    def _look_at_the_record(self, start: datetime) -> None:
        ends = [done for _, _, done in self._spans[1:]] + [datetime.now(UTC)]
        first = self._spans[0][2] if self._spans else ends[-1]
        spans = {None: InForce(None, start, first)} | {
            one.digest: InForce(one, began, end)
            for (one, began, _), end in zip(self._spans, ends, strict=bool(self._spans))
        }
        for line in self._lines():
            decision = line.get("decision")
            at = datetime.fromisoformat(line["at"])
            if decision is None or at < start:
                continue
            self._done.judged[decision["policy"]] += 1
            known = spans.get(decision["policy"], spans[None])
            self._look_at(line["event"], decision, at, known)

    def _look_at(self, event: str, decision: dict[str, str], at: datetime, by: InForce) -> None:
        if not by.began <= at <= by.replaced + WITHIN:
            self._wrong(f"{event} at {at} by {decision['policy']}, which was not in force then")
        if at > by.replaced:
            self._done.slowest = max(self._done.slowest, at - by.replaced)
        if by.version is None:
            mixed = decision["rule"][:1].isdigit() or decision["zone"].startswith("campus-")
        else:
            number = by.version.number
            mixed = not decision["rule"].startswith(f"{number}: ") or decision["zone"] not in (
                f"campus-{number}",
                "outside",
            )
        if mixed:
            self._wrong(f"{event} by {decision['policy']}: {decision['rule']}, {decision['zone']}")

    def _lines(self) -> Iterator[dict[str, object]]:
        for name in ("audit.jsonl", "audit-b.jsonl"):
            for line in (self._site.idp.folder / name).read_text("utf-8").splitlines():
                yield json.loads(line)

    def _wrong(self, what: str) -> None:
        with self._lock:
            self._done.wrong.append(what)


class _OverBoth(Browser):
    """Each request of a sign-in goes to the other node."""

    connections: Iterator[Connection]

    def send(self, method: str, path: str, body: bytes) -> object:
        """One request."""
        self.connection = next(self.connections)
        return Browser.send(self, method, path, body)


def _command(settings: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = command(settings)[:-1]
    return subprocess.run(
        (*program, *words), capture_output=True, text=True, timeout=120, check=False
    )


def swapped(sign_ins: int, swaps: int, people: int) -> Swapped:
    """Everything started, run and ended."""
    with site(people) as here, contextlib.ExitStack() as stack:
        port = free_port()
        more = {"base_url": here.idp.origin, "server": {"bind": f"127.0.0.1:{port}", "workers": 2}}
        stack.enter_context(node(here, "b", port=port, more=more, started=answers_ready))
        return Swaps(here, (here.idp.port, port), sign_ins, swaps).run()
