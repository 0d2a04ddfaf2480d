"""The machine itself: a full disk, a clock that leaps, bad files, a stop in the middle of work."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.faults.nodes import Node, answers_ready, node, refused_start, settings_of
from tests.faults.stand import Stand, wait_until
from tests.faults.test_store import pauses
from tests.faults.visitor import way_on
from tests.protocol.attacked import carried
from tests.servers.foreground import free_port
from tests.simulators.person import Person
from tests.simulators.user_agent import Page

SHARED = {"registry": {"folder": "registry"}}


# -- the disk ------------------------------------------------------------------------------------


def small_disk(place: Path) -> Sequence[str]:
    """Starts a program that alone sees a disk of 64 KB on a folder."""
    script = 'mount -t tmpfs -o size=64k,mode=700 tmpfs "$0" && exec "$@"'
    return ("unshare", "--mount", "--", "sh", "-c", script, str(place))


MOST_LINES = 40
"""More than a page of the record holds."""


def may_mount(place: Path) -> bool:
    tried = subprocess.run((*small_disk(place), "true"), capture_output=True, check=False)
    return tried.returncode == 0


def test_with_a_full_disk_nobody_gets_an_answer_that_is_not_on_record(
    site: Stand, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not may_mount(disk):
        pytest.skip("may not mount a disk of 64 KB here")
    person = site.person()
    more = {**SHARED, "audit": {"file": str(disk / "audit.jsonl")}}
    with node(site, "small", more=more, prefix=small_disk(disk), started=answers_ready) as small:
        visitor = site.visitor(origin=small.origin)
        page = person.give_password(visitor.ask())
        assert page.mark == "signin.challenge"
        inside = Path(f"/proc/{small.pid}/root{disk}")
        filler = inside / "filler"
        fill(filler)
        wait_until(lambda: small.ready().json()["audit"] == "unavailable")
        # The record's own last page may still take some lines.
        taken = 0
        while site.visitor(origin=small.origin).ask().status == 200:
            taken += 1
            assert taken < MOST_LINES, "answers leave that are not on record"
        paused = person.give_code(page)
        pauses(paused)
        pauses(site.visitor(origin=small.origin).ask())
        filler.unlink()
        wait_until(lambda: small.ready().status_code == 200)
        assert carried(visitor.sign_in(person, way_on(paused)).page)


def fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 512)


# -- the clock -----------------------------------------------------------------------------------

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


@pytest.mark.parametrize("leap", ["+1h", "-1h"])
def test_a_node_whose_clock_is_off_is_not_ready_and_reopens_nothing(site: Stand, leap: str) -> None:
    if not Path(FAKETIME).is_file():
        pytest.skip("no libfaketime here")
    person = site.person()
    done = site.visitor().sign_in(person)
    environment = {"LD_PRELOAD": FAKETIME, "FAKETIME": leap}
    with node(site, f"clock{leap}", more=SHARED, environment=environment) as leaping:
        wait_until(lambda: leaping.ready().status_code == 503)
        states = leaping.ready().json()
        assert [name for name, state in states.items() if state != "ok"] == ["clock"]
        visitor = site.visitor(origin=leaping.origin)
        pauses(visitor.open(visitor.request_url()))
    # The other node goes on, and what was spent stays spent.
    asked = person.give_password(site.visitor().ask())
    again = asked.submit(asked.form_with("code"), code=done.codes[-1])
    assert (again.mark, again.status) == ("signin.challenge", 422)


# -- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("rules: [", "policy.yaml:"),
        ("zones: {}\nrules: []\nunknown: 1\n", "unknown"),
    ],
)
def test_a_bad_policy_is_refused_at_the_start_with_its_line(
    site: Stand, tmp_path: Path, written: str, said: str
) -> None:
    (tmp_path / "policy.yaml").write_text(written)
    more = {"policy": str(tmp_path / "policy.yaml")}
    refused = refused_start(settings_of(site, "bad-policy", free_port(), more))
    assert refused.returncode == 2, (refused.stdout, refused.stderr)
    assert said in refused.stderr


def test_a_setting_that_nobody_knows_is_refused_at_the_start(site: Stand) -> None:
    file = settings_of(site, "bad-settings", free_port(), {"totp": {"issuer": "T", "digits": 4}})
    refused = refused_start(file)
    assert refused.returncode == 2, (refused.stdout, refused.stderr)
    assert "digits" in refused.stderr
    assert "bad-settings.yaml:" in refused.stderr


def test_bad_metadata_changes_nothing_for_those_who_sign_in(site: Stand, tmp_path: Path) -> None:
    for content in (b"<md:EntityDescriptor", b"<a xmlns='x'/>"):
        bad = tmp_path / "bad.xml"
        bad.write_bytes(content)
        refused = site.idp.command("sp", "add", str(bad))
        assert refused.returncode != 0, refused.stdout
    time.sleep(1.1)  # a node looks at the registry once a second
    done = site.visitor().sign_in(site.person())
    assert carried(done.page)
    assert not done.failed


# -- an end in the middle of work ----------------------------------------------------------------


def test_a_stop_lets_those_who_are_being_served_finish(site: Stand) -> None:
    person = site.person()
    answers: list[Page] = []
    with node(site, "leaving", more=SHARED, started=answers_ready) as leaving:
        page = site.visitor(origin=leaving.origin).ask()
        for road in site.directory_roads:
            road.delay = 0.4
        asking = threading.Thread(target=lambda: answers.append(_one_request(person, page)))
        asking.start()
        time.sleep(0.3)
        os.kill(leaving.pid, signal.SIGTERM)
        asking.join()
        assert [answer.status for answer in answers] == [303]
        wait_until(lambda: not Path(f"/proc/{leaving.pid}/stat").exists() or _gone(leaving))
    site.heal()
    assert "Traceback" not in leaving.log.read_text()
    # The other node has it where that one left it.
    with node(site, "heir", port=leaving.port, more=SHARED, started=answers_ready):
        assert carried(page.agent.sign_in(person, page.agent.send("GET", page.url, None)).page)


def _one_request(person: Person, page: Page) -> Page:
    """Its redirect is not followed: the node may be gone by then."""
    form = page.form_with("password")
    filled = {"username": person.login, "password": person.password}
    action = urljoin(page.url, form.action)
    return page.agent.once("POST", action, {**dict(form.form_values()), **filled})


def _gone(leaving: Node) -> bool:
    return "State:\tZ" in Path(f"/proc/{leaving.pid}/status").read_text()
