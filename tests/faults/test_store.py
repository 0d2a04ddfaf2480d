"""The store is down, hangs, is full, forgets or is the wrong one: a pause, never a way in."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
import redis
import requests

from tests.faults.nodes import node, refused_start, settings_of
from tests.faults.stand import CAMPUS, Stand, off_campus, wait_until
from tests.faults.visitor import Visitor, way_on
from tests.protocol.attacked import carried
from tests.servers.foreground import free_port
from tests.simulators.person import Person
from tests.simulators.user_agent import Page


@contextlib.contextmanager
def console(site: Stand) -> Iterator[redis.Redis]:
    """The operator's own connection, past the road."""
    with redis.Redis(port=site.store.port) as client:
        yield client


def pauses(page: Page) -> Page:
    """503, with a way on and a word on when; nobody is called wrong."""
    assert (page.status, page.mark) == (503, "error"), (page.status, page.words[:300])
    assert int(page.headers["Retry-After"]) > 0
    assert not carried(page)
    assert "Continue" in page.words
    return page


@contextlib.contextmanager
def nothing_accepted(site: Stand) -> Iterator[None]:
    """A page that pauses does not tell what went on behind it; the record does."""
    before = accepted(site)
    yield
    assert accepted(site) == before


def accepted(site: Stand) -> int:
    events = (b'"password.accepted"', b'"factor.accepted"', b'"assertion.issued"')
    record = site.audit.read_bytes()
    return sum(record.count(event) for event in events)


def at_code(site: Stand, visitor: Visitor) -> tuple[Person, Page]:
    person = site.person()
    page = person.give_password(visitor.ask())
    assert page.mark == "signin.challenge", page.words[:300]
    return person, page


# -- at the start --------------------------------------------------------------------------------


@pytest.mark.alone
def test_a_store_that_is_down_at_the_start_is_waited_for(site: Stand) -> None:
    person = site.person()
    site.store_road.down()
    with node(site, "early", more={"registry": {"folder": "registry"}}) as early:
        assert early.ready().status_code == 503
        assert early.ready().json()["store"] == "unavailable"
        assert requests.get(f"{early.origin}/healthz", timeout=5).status_code == 200
        visitor = site.visitor(origin=early.origin)
        page = visitor.open(visitor.request_url())
        pauses(page)
        site.store_road.well()
        wait_until(lambda: early.ready().status_code == 200)
        assert carried(visitor.sign_in(person, way_on(page)).page)


def test_a_store_that_evicts_is_refused_at_the_start_and_whenever_it_comes_back(
    site: Stand,
) -> None:
    with console(site) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            refused = refused_start(settings_of(site, "evicting", free_port()))
            assert refused.returncode != 0
            assert "evicts keys (maxmemory-policy allkeys-lru)" in refused.stdout + refused.stderr
            site.store_road.cut()
            assert site.ready().status_code == 503
            visitor = site.visitor()
            pauses(visitor.open(visitor.request_url()))
        finally:
            client.config_set("maxmemory-policy", "noeviction")


# -- in the middle of a sign-in ------------------------------------------------------------------


@pytest.mark.parametrize("address", [CAMPUS, None])
def test_a_store_that_goes_in_the_middle_loses_nothing(site: Stand, address: str | None) -> None:
    person, visitor = site.person(), site.visitor(address)
    page = visitor.ask()
    with nothing_accepted(site):
        site.store_road.down()
        paused = pauses(person.give_password(page))
        pauses(way_on(paused))
        site.store_road.well()
    assert carried(visitor.sign_in(person, way_on(paused)).page)


def test_a_full_store_lets_nobody_past_and_forgets_no_lock(site: Stand) -> None:
    visitor = site.visitor()
    person, page = at_code(site, visitor)
    with console(site) as client, nothing_accepted(site):
        client.config_set("maxmemory", 1)
        try:
            paused = pauses(person.give_code(page))
            assert site.ready().json()["store"] == "unavailable"
        finally:
            client.config_set("maxmemory", 0)
    assert carried(visitor.sign_in(person, way_on(paused)).page)


def test_a_store_that_became_a_replica_is_not_believed(site: Stand) -> None:
    visitor = site.visitor()
    person, page = at_code(site, visitor)
    with console(site) as client, nothing_accepted(site):
        client.replicaof("127.0.0.1", str(free_port()))
        try:
            paused = pauses(person.give_code(page))
            assert site.ready().status_code == 503
        finally:
            client.replicaof("NO", "ONE")
    wait_until(lambda: site.ready().status_code == 200)
    assert carried(visitor.sign_in(person, way_on(paused)).page)


def test_after_a_flush_everybody_signs_in_again_and_a_sign_in_under_way_begins_anew(
    site: Stand,
) -> None:
    person, visitor = site.person(), site.visitor()
    first = visitor.sign_in(person)
    other = site.visitor()
    second, under_way = at_code(site, other)
    with console(site) as client:
        client.flushall()
        # Codes from before are refused for a minute; the tests that follow do not wait for it.
        client.set("idp_mfa:epoch", f"{client.info('server')['run_id']} 0")
    gone = second.give_code(under_way)
    assert (gone.mark, gone.status) == ("signin.moved", 410), gone.words[:300]
    assert not carried(visitor.open(urljoin(first.page.url, "/saml/answer/nothing")))
    assert visitor.ask().mark == "signin.password"
    assert other.ask().mark == "signin.password"


# -- how long an error takes ---------------------------------------------------------------------

THREADS = 12
SECONDS = 4.0


@pytest.mark.alone
def test_while_the_store_hangs_the_error_page_comes_within_a_second(
    site: Stand, record_property: pytest.RecordProperty
) -> None:
    seconds: list[float] = []
    pages: list[int] = []

    def ask() -> None:
        visitor = Visitor(site.idp.origin, off_campus())
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            url = visitor.request_url()
            began = time.monotonic()
            pages.append(visitor.once("GET", url, None).status)
            seconds.append(time.monotonic() - began)
        visitor.close()

    os.kill(site.store.pid, signal.SIGSTOP)
    try:
        threads = [threading.Thread(target=ask) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        os.kill(site.store.pid, signal.SIGCONT)
    slowest = sorted(seconds)[int(len(seconds) * 0.99)]
    record_property("p99", slowest)
    print(f"{len(seconds)} error pages, p99 {slowest:.3f} s, worst {max(seconds):.3f} s")  # noqa: T201
    assert set(pages) == {503}
    assert len(seconds) > 100
    assert slowest < 1.0
    wait_until(lambda: site.ready().status_code == 200, 3)
