"""Slow and huge requests, through the nginx site that we ship: others notice nothing."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import requests

from tests.bench.processes import Process
from tests.faults.pair import Pair
from tests.faults.stand import Stand
from tests.protocol.attacked import carried

SLOW_CONNECTIONS = 100
CUT_SECONDS = 10.0


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
