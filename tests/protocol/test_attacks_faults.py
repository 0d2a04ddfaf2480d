"""A part that fails: nobody gets in, nobody is called wrong, and the sign-in goes on afterwards."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.protocol.attacked import (
    CAMPUS,
    PLAIN,
    Attacked,
    Attacker,
    carried,
    filled,
    new_id,
    path_of,
    raw,
)
from tests.servers import foreground, valkey
from tests.servers.foreground import free_port
from tests.servers.idp import identity_provider
from tests.servers.valkey import Kind
from tests.simulators.person import Person
from tests.simulators.user_agent import Page


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A server that takes connections and answers nothing."""
    os.kill(pid, signal.SIGSTOP)
    # A thread that runs at this moment stops a moment later.
    tasks = [path / "stat" for path in Path(f"/proc/{pid}/task").iterdir()]
    while any(task.read_text().rpartition(") ")[2][0] != "T" for task in tasks):
        time.sleep(0.001)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def store_frozen(site: Attacked) -> Iterator[None]:
    with frozen(site.store.pid):
        yield
    until_ready(site)


@contextlib.contextmanager
def directory_frozen(site: Attacked) -> Iterator[None]:
    with frozen(site.directory.pid):
        yield
    until_ready(site)


@contextlib.contextmanager
def binds_refused(site: Attacked) -> Iterator[None]:
    """The directory finds people and will not try their passwords."""
    database = "olcDatabase={1}mdb,cn=config"
    site.directory.configure(database, "olcRestrict", "bind")
    try:
        yield
    finally:
        site.directory.configure(database, "olcRestrict")


@contextlib.contextmanager
def audit_disk_full(site: Attacked) -> Iterator[None]:
    kept = site.audit.with_name("kept.jsonl")
    site.audit.rename(kept)
    site.audit.symlink_to("/dev/full")
    try:
        yield
    finally:
        site.audit.unlink()
        kept.rename(site.audit)


@contextlib.contextmanager
def audit_folder_gone(site: Attacked) -> Iterator[None]:
    gone = site.audit.parent.with_name(site.audit.parent.name + "-gone")
    site.audit.parent.rename(gone)
    try:
        yield
    finally:
        gone.rename(site.audit.parent)


def until_ready(site: Attacked) -> None:
    """Both workers have found out that it is back."""
    right, until = 0, time.monotonic() + 30
    while right < 12:
        assert time.monotonic() < until, site.idp.log()[-2000:]
        right = right + 1 if raw(site, "GET", "/readyz")[0] == 200 else 0
        time.sleep(0.05)


FAULTS = pytest.mark.parametrize(
    "fault", [store_frozen, directory_frozen, audit_disk_full, audit_folder_gone]
)
Fault = Callable[[Attacked], contextlib.AbstractContextManager[None]]


def is_a_pause(page: Page) -> Page:
    """The page that says so, with a way on."""
    assert (page.status, page.mark) == (503, "error"), (page.status, page.words[:300])
    assert int(page.headers["Retry-After"]) > 0
    assert page.headers["Cache-Control"] == "no-store"
    assert "not right" not in page.words
    assert not carried(page)
    assert "idp=" not in page.headers.get("Set-Cookie", "")
    return page


def goes_on(page: Page) -> Page:
    """Press Continue."""
    (link,) = page.tree.xpath("//a[@class='main']/@href")
    return page.agent.open(urljoin(page.url, link))


@FAULTS
def test_a_right_password_is_not_called_wrong_and_skips_nothing(
    site: Attacked, fault: Fault
) -> None:
    person = site.person()
    for address in (CAMPUS, "203.0.113.10"):
        page = site.at_password(address)
        with fault(site):
            paused = is_a_pause(person.give_password(page))
        back = goes_on(paused)
        assert back.mark == "signin.password"
        assert carried(person.sign_in(back))


@FAULTS
def test_a_right_code_gives_no_answer_and_the_sign_in_goes_on(site: Attacked, fault: Fault) -> None:
    person = site.person()
    page = site.at_code(person)
    with fault(site):
        paused = is_a_pause(person.give_code(page))
    back = goes_on(paused)
    assert back.mark == "signin.challenge"
    assert carried(person.give_code(back))


@FAULTS
def test_a_session_on_campus_gives_no_answer(site: Attacked, fault: Fault) -> None:
    person = site.person()
    agent = site.browser(CAMPUS)
    person.give_password(agent.ask())
    assert carried(agent.ask())
    issued = site.audited().count("assertion.issued")
    with fault(site):
        paused = is_a_pause(agent.ask())
        is_a_pause(agent.open(f"{site.idp.origin}/portal/totp"))
    assert carried(goes_on(paused))
    assert site.audited().count("assertion.issued") == issued + 1


@FAULTS
def test_an_answer_that_waits_to_be_fetched_waits(site: Attacked, fault: Fault) -> None:
    """That after the password: one after a code leaves with the request that finishes it."""
    person = site.person()
    page = site.at_password(CAMPUS)
    target = f"{site.idp.origin}{path_of(page, 'password')}"
    sent = filled(page, "password", username=person.login, password=person.password)
    decided = page.agent.once("POST", target, sent)
    assert decided.status == 303
    with fault(site):
        paused = is_a_pause(page.agent.open(urljoin(target, decided.headers["Location"])))
    assert carried(goes_on(paused))


@FAULTS
def test_a_sign_in_to_the_portal_waits_to_be_fetched(site: Attacked, fault: Fault) -> None:
    person = site.person()
    assert person.phone is not None
    page = person.give_password(site.browser().send("POST", f"{site.idp.origin}/portal/signin", {}))
    target = f"{site.idp.origin}{path_of(page, 'code')}"
    decided = page.agent.once("POST", target, filled(page, "code", code=person.phone.code()))
    assert decided.status == 303
    with fault(site):
        paused = is_a_pause(page.agent.open(urljoin(target, decided.headers["Location"])))
    assert person.login in goes_on(paused).words


def test_a_request_by_post_is_kept_in_the_page(site: Attacked, somebody: Person) -> None:
    agent = site.browser(CAMPUS)
    xml = PLAIN.authn_request(
        datetime.now(UTC), id=new_id(), destination=f"{site.idp.origin}/saml/sso"
    )
    fields = {"SAMLRequest": base64.b64encode(xml.encode()).decode(), "RelayState": "kept"}
    with store_frozen(site):
        paused = is_a_pause(agent.send("POST", f"{site.idp.origin}/saml/sso", fields))
    assert filled(paused, "SAMLRequest") == fields
    page = paused.submit(paused.form_with("SAMLRequest"))
    done = somebody.give_password(page)
    assert filled(done, "SAMLResponse")["RelayState"] == "kept"


def test_a_set_up_that_cannot_be_written_is_not_shown_as_done(site: Attacked) -> None:
    person = site.person(enrolled=False)
    agent = site.browser(CAMPUS)
    page = person.give_password(agent.open(f"{site.idp.origin}/portal/totp"))
    begin = f"{site.idp.origin}/portal/totp/begin"
    sent = filled(page, "csrf")
    for fault in (directory_frozen, store_frozen, audit_disk_full):
        with fault(site):
            is_a_pause(agent.send("POST", begin, sent))
        assert site.credentials(person) == ()
    shown = agent.send("POST", begin, sent)
    assert shown.mark == "portal.totp.setup"
    assert len(site.credentials(person)) == 1


def test_an_outage_locks_nobody_out(site: Attacked) -> None:
    person = site.person()
    page = site.at_password(CAMPUS)
    with binds_refused(site):
        for _ in range(12):
            is_a_pause(person.give_password(page))
    assert carried(person.give_password(page))
    page = site.at_code(person)
    with directory_frozen(site):
        for _ in range(7):
            is_a_pause(page.submit(page.form_with("code"), code="000000"))
    assert carried(person.give_code(page))


def test_a_part_that_fails_is_named_to_nobody(site: Attacked) -> None:
    for fault, part in ((store_frozen, "store"), (directory_frozen, "directory")):
        with fault(site):
            status, _, text = raw(site, "GET", "/readyz")
            assert status == 503
            assert part in text
            for told in ("127.0.0.1", "ldap", "socket", "timeout", "Error", "/tmp", "dc="):
                assert told not in text
            assert raw(site, "GET", "/healthz")[0] == 200


def test_a_store_that_was_killed_comes_back_and_the_sign_in_with_it(site: Attacked) -> None:
    lines = ("appendonly yes", "appendfsync always")
    program = valkey.binary(Kind.VALKEY)
    port = free_port()
    with foreground.folder("killed") as folder, contextlib.ExitStack() as first:
        store = first.enter_context(valkey.started(program, Kind.VALKEY, folder, port, lines))
        with identity_provider(free_port(), directory=site.directory, store=store) as idp:
            idp.register(PLAIN.metadata())
            login = site.person(enrolled=False).login
            person = Person(login, f"demo-{login}", None)
            agent = Attacker(idp.origin, CAMPUS)
            page = agent.ask()
            os.kill(store.pid, signal.SIGKILL)
            paused = is_a_pause(person.give_password(page))
            first.close()
            store.socket.unlink(missing_ok=True)
            with valkey.started(program, Kind.VALKEY, folder, port, lines):
                back = goes_on(paused)
                for _ in range(20):
                    if back.status != 503:
                        break
                    time.sleep(0.1)
                    back = goes_on(back)
                assert carried(person.give_password(back))
            agent.close()
