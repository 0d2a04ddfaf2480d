"""Slow and huge requests, through the nginx site that we ship: others notice nothing."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from statistics import median

import pytest
import requests

from tests.bench.processes import Process
from tests.faults.pair import Pair
from tests.faults.stand import Stand
from tests.protocol.attacked import carried
from tests.simulators.person import Person

pytestmark = pytest.mark.alone

SLOW_CONNECTIONS = 100
CUT_SECONDS = 10.0
ATTACK_SECONDS = 16
ATTACK_CONNECTIONS = 150
SLOW_HEADERS = ("-H",)
SLOW_BODY = ("-B", "-s", "8192")
SLOW_READ = ("-X", "-k", "3", "-w", "10", "-y", "20", "-n", "5", "-z", "32")


def connected(pair: Pair) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(pair.trusted))
    port = int(pair.origin.rpartition(":")[2])
    plain = socket.create_connection(("127.0.0.1", port), 30)
    return context.wrap_socket(plain, server_hostname="localhost")


@contextlib.contextmanager
def dripping(pair: Pair, head: bytes) -> Iterator[list[ssl.SSLSocket]]:
    """Many connections, each of which says a little more every second."""
    drips = [connected(pair) for _ in range(SLOW_CONNECTIONS)]
    over = threading.Event()

    def drip() -> None:
        while not over.wait(1):
            for each in drips:
                with contextlib.suppress(OSError):
                    each.sendall(b"a")

    for each in drips:
        each.sendall(head)
    dripper = threading.Thread(target=drip)
    dripper.start()
    try:
        yield drips
    finally:
        over.set()
        dripper.join()
        for each in drips:
            each.close()


def test_who_drips_a_request_is_cut_and_keeps_nobody_waiting(pair: Pair) -> None:
    person = pair.site.people(2)
    visitor = pair.visitor()
    began = time.monotonic()
    assert carried(visitor.sign_in(person[0]).page)
    usual = time.monotonic() - began
    with dripping(pair, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ") as drips:
        began = time.monotonic()
        assert carried(pair.visitor().sign_in(person[1]).page)
        assert time.monotonic() - began < max(3 * usual, 1.0)
        drips[0].settimeout(CUT_SECONDS + 5)
        with contextlib.suppress(OSError):
            while drips[0].recv(1000):
                pass
        assert time.monotonic() - began < CUT_SECONDS + 5


@pytest.mark.parametrize(
    ("kind", "path"),
    [(SLOW_HEADERS, "/"), (SLOW_BODY, "/saml/sso"), (SLOW_READ, "/")],
    ids=["headers", "body", "read"],
)
def test_under_slowhttptest_people_sign_in_as_usual(
    pair: Pair, kind: Sequence[str], path: str
) -> None:
    program = shutil.which("slowhttptest")
    if program is None:
        pytest.skip("no slowhttptest here")
    people = pair.site.people(80)
    usual = median(timed(pair, people.pop()) for _ in range(5))
    command = (program, *kind, "-c", str(ATTACK_CONNECTIONS), "-r", "100", "-i", "2")
    where = ("-l", str(ATTACK_SECONDS), "-p", "3", "-u", f"{pair.origin}{path}")
    attack = subprocess.Popen((*command, *where), stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(2)
        meanwhile = []
        while attack.poll() is None and people:
            meanwhile.append(timed(pair, people.pop()))
            time.sleep(0.2)
        said, _ = attack.communicate(timeout=60)
    finally:
        attack.kill()
        attack.wait()
    print(f"usual {usual:.3f} s, under attack {median(meanwhile):.3f} s of {len(meanwhile)}")  # noqa: T201
    assert len(meanwhile) >= 10
    assert median(meanwhile) < max(3 * usual, 1.0)
    assert set(re.findall(r"service available:[^A-Z]*(YES|NO)", said)) == {"YES"}, said[-1000:]
    if kind is SLOW_HEADERS:
        assert "No open connections left" in said, "each is cut after 10 s"


def timed(pair: Pair, person: Person) -> float:
    """Seconds of a whole sign-in, in which nothing failed."""
    visitor, began = pair.visitor(), time.monotonic()
    done = visitor.sign_in(person)
    assert carried(done.page)
    assert not done.failed
    return time.monotonic() - began


def test_huge_requests_are_refused_and_leave_nothing_in_memory(pair: Pair) -> None:
    site: Stand = pair.site
    workers = [Process("worker", pid) for pid in site.workers]
    for _ in range(40):
        list(_huge(site))
    before = sum(worker.private_mib() for worker in workers)
    statuses = [status for _ in range(40) for status in _huge(site)]
    assert set(statuses) <= {413, 400, 414, None}
    assert 413 in statuses
    after = sum(worker.private_mib() for worker in workers)
    assert after - before < 4.0
    with connected(pair) as one:
        one.sendall(
            b"POST /saml/sso HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n"
        )
        assert b" 413 " in one.recv(1000).partition(b"\r\n")[0]


def _huge(site: Stand) -> Iterator[int | None]:
    """A body and a line past the limits, past nginx too; None is a connection that was cut."""
    address = f"{site.idp.origin}/saml/sso"
    for method, url, data in (
        ("POST", address, {"SAMLRequest": "A" * 1_000_000}),
        ("GET", f"{address}?x={'A' * 9000}", None),
    ):
        try:
            yield requests.request(method, url, data=data, timeout=30).status_code
        except requests.ConnectionError:
            yield None
