"""What Prometheus reads: right over all workers, bounded, and nothing about anybody."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.bench.processes import children
from tests.protocol.attacked import OFF_CAMPUS, PLAIN, Attacker, carried
from tests.servers import slapd, valkey
from tests.servers.foreground import free_port
from tests.servers.idp import PROGRAM, Idp, identity_provider
from tests.servers.slapd import Slapd
from tests.servers.valkey import Kind, StoreServer
from tests.simulators.person import Person

STORE = Kind.REDIS


@dataclass(frozen=True, slots=True)
class Watched:
    """A provider that counts, and the address where it tells."""

    idp: Idp
    directory: Slapd
    store: StoreServer
    port: int

    def text(self) -> str:
        answer = requests.get(f"http://127.0.0.1:{self.port}/metrics", timeout=20)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        return answer.text

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name with those labels."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def browser(self) -> Attacker:
        return Attacker(self.idp.origin, OFF_CAMPUS)


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    port = free_port()
    with (
        slapd.slapd() as directory,
        valkey.running(STORE) as store,
        identity_provider(
            free_port(),
            directory=directory,
            store=store,
            more={"metrics": {"bind": f"127.0.0.1:{port}"}},
        ) as idp,
    ):
        idp.register(PLAIN.metadata())
        yield Watched(idp, directory, store, port)


@pytest.fixture(scope="module")
def person(watched: Watched) -> Person:
    watched.directory.add([slapd.Person("nanami", "Nanami")])
    return Person("nanami", "demo-nanami", watched.idp.set_up_phone("nanami"))


def test_sign_ins_checks_and_times_are_counted_over_all_workers(
    watched: Watched, person: Person
) -> None:
    for _ in range(2):
        agent = watched.browser()
        page = person.give_password(agent.ask())
        wrong = page.submit(page.form_with("code"), code="000000")
        assert carried(person.give_code(wrong))
        agent.close()
    agent = watched.browser()
    page = agent.ask()
    page = page.submit(page.form_with("password"), username="nanami", password="guess-1")
    page = page.submit(page.form_with("password"), username="nobody-at-all", password="x")
    agent.close()
    for _ in range(12):
        # Whichever worker answers says the same.
        assert watched.value("idp_mfa_sign_ins_total", outcome="issued") == 2
        assert watched.value("idp_mfa_sign_ins_begun_total") == 3
        assert watched.value("idp_mfa_checks_total", factor="totp", result="accepted") == 2
        assert watched.value("idp_mfa_checks_total", factor="totp", result="wrong") == 2
        assert watched.value("idp_mfa_checks_total", factor="password", result="accepted") == 2
        assert watched.value("idp_mfa_checks_total", factor="password", result="wrong") == 2
        assert watched.value("idp_mfa_assertions_total", service=PLAIN.entity_id) == 2
    assert watched.value("idp_mfa_request_seconds_count", endpoint="saml.sso") == 3
    assert watched.value("idp_mfa_requests_in_progress") == 0
    assert watched.value("idp_mfa_threads") == 8


def test_states_keys_and_policy_are_told(watched: Watched) -> None:
    for part in ("directory", "store", "audit", "keys", "clock"):
        assert watched.value("idp_mfa_part_up", part=part) == 1, part
    assert watched.value("idp_mfa_policy_info") == 1
    assert watched.value("idp_mfa_key_age_seconds", purpose="signing", state="active") > 0
    assert watched.value("idp_mfa_key_age_seconds", purpose="sealing", state="active") > 0
    ends = watched.value("idp_mfa_certificate_end_timestamp_seconds", state="active")
    assert ends > time.time() + 9 * 365 * 86400


def test_nothing_that_somebody_says_becomes_a_label(watched: Watched) -> None:
    agent = watched.browser()
    for number in range(20):
        agent.once("GET", f"{watched.idp.origin}/junk-{number}", None)
        agent.once("BREW", f"{watched.idp.origin}/", None)
        agent.once("GET", f"{watched.idp.origin}/saml/sso?SAMLRequest=junk-{number}", None)
        page = agent.ask()
        page.submit(page.form_with("password"), username=f"junk-{number}", password="x")
    agent.close()
    text = watched.text()
    assert "junk" not in text
    assert "nanami" not in text
    assert OFF_CAMPUS not in text
    assert watched.value("idp_mfa_request_seconds_count", endpoint="none", status="4xx") >= 20
    assert len(text.splitlines()) < 1500


def test_it_has_an_address_of_its_own_and_one_page(watched: Watched) -> None:
    assert requests.get(f"{watched.idp.origin}/metrics", timeout=10).status_code == 404
    other = requests.get(f"http://127.0.0.1:{watched.port}/", timeout=10)
    assert other.status_code == 404
    assert requests.post(f"http://127.0.0.1:{watched.port}/metrics", timeout=10).status_code == 501
    assert "Python" not in other.headers.get("Server", "")


def test_a_worker_that_was_killed_takes_no_count_along(watched: Watched, person: Person) -> None:
    before = watched.value("idp_mfa_checks_total")
    assert before > 0
    for pid in children(watched.idp.pid):
        os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 20
    while True:
        try:
            assert watched.value("idp_mfa_checks_total") == before
            break
        except requests.RequestException:
            assert time.monotonic() < until
            time.sleep(0.1)
    assert watched.value("idp_mfa_requests_in_progress") == 0


def test_a_stopped_store_is_told_from_a_stopped_directory(watched: Watched) -> None:
    os.kill(watched.store.pid, signal.SIGSTOP)
    try:
        assert watched.value("idp_mfa_part_up", part="store") == 0
        assert watched.value("idp_mfa_part_up", part="clock") == 0
        assert watched.value("idp_mfa_part_up", part="directory") == 1
        ready = requests.get(f"{watched.idp.origin}/readyz", timeout=20)
        assert ready.status_code == 503
        assert re.fullmatch(r".*\"store\": ?\"unavailable\".*", ready.text, re.S)
        shown = watched.idp.command("user", "show", "nanami")
        assert (shown.returncode, "totp, active" in shown.stdout) == (0, True), shown
        assert "not held against the store" in shown.stderr
        alive = requests.get(f"{watched.idp.origin}/healthz", timeout=20)
        assert alive.status_code == 200
    finally:
        os.kill(watched.store.pid, signal.SIGCONT)
    os.kill(watched.directory.pid, signal.SIGSTOP)
    try:
        assert watched.value("idp_mfa_part_up", part="directory") == 0
        assert watched.value("idp_mfa_part_up", part="store") == 1
    finally:
        os.kill(watched.directory.pid, signal.SIGCONT)


def test_a_clock_that_is_off_by_more_than_ten_seconds_is_not_ready(watched: Watched) -> None:
    file = str(watched.idp.folder / "idp_mfa.yaml")

    def says(shift: str) -> str:
        faketime = shutil.which("faketime")
        assert faketime is not None
        told = subprocess.run(
            [faketime, "-f", shift, *PROGRAM, "--config", file, "check"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        (line,) = (line for line in told.stdout.splitlines() if "clock:" in line)
        assert told.returncode == (1 if line.startswith("NOT") else 0), told.stdout
        return line

    assert says("+5s").startswith("ok")
    assert says("-5s").startswith("ok")
    assert re.search(r"NOT +clock: +it is \+36\d\d s", says("+1h"))
    assert re.search(r"NOT +clock: +it is -1[1-9] s|NOT +clock: +it is -20 s", says("-20s"))
