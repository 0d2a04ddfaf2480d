"""Policies of two nodes: they follow within seconds, keep what is good, and never mix two."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.bench.browser import Browser, Connection
from tests.bench.processes import children
from tests.bench.site import Site, site
from tests.faults.nodes import Node, answers_ready, command, node
from tests.faults.stand import CAMPUS, wait_until
from tests.servers.foreground import free_port
from tests.servers.idp import PROGRAM
from tests.soak.swaps import BROKEN, swapped

pytestmark = pytest.mark.alone

SECONDS = 5.0
"""Within two every worker looks; the rest is for a busy machine."""
ASKS_NEW_BROWSERS = 8
"""Enough that each of two workers is very likely to be asked."""
NODES = ("a", "b")


def policy(then: str) -> str:
    """One rule for every sign-in; on campus too."""
    return f"version: 1\nrules:\n  - {{ name: only, when: {{ page: sign-in }}, then: {then} }}\n"


SKIPS = policy("skip")
ASKS = policy("{ require: [totp] }")
DENIES = policy("{ deny: { ja: 休止中です。, en: Closed. } }")
FAILS_ITS_TEST = f"""{SKIPS}tests:
  - {{ name: outside asks, given: {{ from: 203.0.113.1 }}, expect: {{ outcome: ask }} }}
"""


@dataclass(slots=True)
class Town:
    """Two nodes, each with a disk of its own, on one store."""

    site: Site
    ports: dict[str, int] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    running: dict[str, contextlib.ExitStack] = field(default_factory=dict)

    def start(self, name: str, **more: object) -> None:
        port = self.ports.setdefault(name, free_port())
        server = {"bind": f"127.0.0.1:{port}", "workers": 2}
        # These policies know no campus, and everybody comes from one address.
        limits = {"declared_networks": [f"{CAMPUS}/32"]}
        settings = {"base_url": self.site.idp.origin, "server": server, "limits": limits, **more}
        stack = contextlib.ExitStack()
        self.nodes[name] = stack.enter_context(
            node(self.site, name, port=port, more=settings, started=answers_ready)  # type: ignore[arg-type]
        )
        self.running[name] = stack

    def stop(self, name: str) -> None:
        self.running.pop(name).close()

    def copy(self, name: str) -> Path:
        return self.site.idp.folder / f"registry-{name}" / "policies.json"

    def file(self, text: str) -> Path:
        file = self.site.idp.folder / f"{sha256(text.encode()).hexdigest()[:8]}.yaml"
        file.write_text(text)
        return file

    def types(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A command on a node."""
        program = command(self.site.idp.folder / f"{name}.yaml")[:-1]
        return subprocess.run(
            (*program, *words), capture_output=True, text=True, timeout=120, check=False
        )

    def activate(self, name: str, text: str, *words: str) -> None:
        done = self.types(name, "policy", "activate", str(self.file(text)), *words)
        assert done.returncode == 0, (done.stdout, done.stderr)

    def history(self, name: str) -> list[dict[str, object]]:
        told = self.types(name, "policy", "history", "--json")
        rows: list[dict[str, object]] = json.loads(told.stdout)["versions"]
        return rows

    def flush(self) -> None:
        tool = ("redis-cli", "-s", str(self.site.store.socket), "flushall")
        assert subprocess.run(tool, capture_output=True, check=True).stdout == b"OK\n"

    def page(self, name: str) -> str | None:
        """What comes after the right password, on campus."""
        connection = Connection(self.ports[name])
        host = urlsplit(self.site.idp.origin).netloc
        browser = Browser(connection, host, CAMPUS, lambda seconds: None)
        answer = browser.send("GET", self.site.asking(self.site.signed), b"")
        person = self.site.people[0]
        for _ in range(6):
            if answer.location is not None:
                answer = browser.send("GET", urlsplit(answer.location).path, b"")
            elif answer.page == "signin.password":
                typed = {"username": person.login, "password": person.password}
                answer = browser.send("POST", *browser.filled(answer, typed))
            else:
                break
        connection.close()
        return answer.page if answer.page != "error" else f"error {answer.status}"

    def everywhere(self, page: str) -> None:
        """Every worker of both nodes decides so, within seconds, and goes on to do so."""
        began = time.monotonic()
        wait_until(lambda: all(self.page(name) == page for name in self.running), SECONDS)
        wait_until(lambda: time.monotonic() - began > 2.2)
        for name in self.running:
            pages = [self.page(name) for _ in range(ASKS_NEW_BROWSERS)]
            assert set(pages) == {page}, (name, pages)

    def events(self, wanted: str) -> list[dict[str, object]]:
        lines = [
            json.loads(line)
            for file in self.site.idp.folder.glob("audit*.jsonl")
            for line in file.read_text().splitlines()
        ]
        return [line for line in lines if line["event"] == wanted]


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with site(1) as started:
        built = Town(started)
        try:
            for name in NODES:
                built.start(name)
            yield built
        finally:
            for name in list(built.running):
                built.stop(name)


CODE, ISSUED, REFUSED = "signin.challenge", "saml.post", "signin.refused"


def test_both_nodes_follow_and_stay_whatever_is_killed_flushed_or_broken(town: Town) -> None:
    town.everywhere(ISSUED)
    assert [row["actor"] for row in town.history("a")] == ["settings"]
    town.activate("a", ASKS)
    town.everywhere(CODE)
    town.activate("b", DENIES, "--reason", "a trial")
    town.everywhere(REFUSED)
    for name in NODES:
        for worker in children(town.nodes[name].pid):
            os.kill(worker, signal.SIGKILL)
    wait_until(lambda: all(answers_ready(port) for port in town.ports.values()))
    town.everywhere(REFUSED)
    town.flush()
    town.everywhere(REFUSED)
    rows = [(row["number"], row["reason"]) for row in town.history("b")]
    assert rows == [(1, ""), (2, ""), (3, "a trial")]
    for name in NODES:
        town.stop(name)
    town.flush()
    town.start("a")
    town.start("b", policy=str(town.file("rules: [")))
    town.everywhere(REFUSED)
    assert town.types("b", "policy", "rollback").returncode == 0
    town.everywhere(CODE)


def test_what_is_not_well_is_refused_with_its_line_and_nothing_changes(town: Town) -> None:
    town.activate("a", ASKS)
    before = len(town.events("policy.activated"))
    for bad, why in (("rules: [", ":1:"), (FAILS_ITS_TEST, "'outside asks' fails")):
        done = town.types("b", "policy", "activate", str(town.file(bad)))
        assert done.returncode == 1
        assert str(town.file(bad)) in done.stderr
        assert why in done.stderr
    town.everywhere(CODE)
    assert len(town.events("policy.activated")) == before


def test_two_admins_at_once_have_one_winner(town: Town) -> None:
    before = len(town.events("policy.activated"))
    number = town.history("a")[-1]["number"]
    files = [town.file(policy(f"{{ require: [totp], fresh: {n + 1}m }}")) for n in range(2)]
    racing = [
        subprocess.Popen(
            (
                *PROGRAM,
                "--config",
                str(town.site.idp.folder / f"{name}.yaml"),
                *("policy", "activate", str(file), "--after", str(number)),
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, file in zip(NODES, files, strict=True)
    ]
    told = [each.communicate(timeout=180) for each in racing]
    assert sorted(each.returncode for each in racing) == [0, 1], told
    ((_, words),) = [each for each, done in zip(told, racing, strict=True) if done.returncode]
    assert "in force" in words
    assert "NOT activated" in words
    assert len(town.events("policy.activated")) == before + 1


def test_a_shadow_changes_nothing_and_differences_are_on_record(town: Town) -> None:
    town.activate("b", SKIPS)
    town.everywhere(ISSUED)
    before = len(town.events("policy.shadow-differs"))
    town.activate("a", DENIES, "--shadow")
    wait_until(lambda: _differs(town, before), SECONDS)
    town.everywhere(ISSUED)
    line = town.events("policy.shadow-differs")[-1]
    detail = line["detail"]
    assert isinstance(detail, dict)
    assert detail["shadow"] == "deny (policy)"
    assert str(detail["decided"]).startswith("permit")
    assert detail["shadow_policy"] == sha256(DENIES.encode()).hexdigest()[:12]
    (issued,) = [
        each for each in town.events("assertion.issued") if each["reference"] == line["reference"]
    ]
    assert issued["user"] == line["user"]
    assert town.types("b", "policy", "shadow", "--off").returncode == 0
    wait_until(lambda: not _differs(town, len(town.events("policy.shadow-differs"))), SECONDS)
    after = len(town.events("policy.shadow-differs"))
    town.everywhere(ISSUED)
    assert len(town.events("policy.shadow-differs")) == after


def _differs(town: Town, before: int) -> bool:
    for name in NODES:
        town.page(name)
    return len(town.events("policy.shadow-differs")) > before


def test_with_no_good_copy_at_all_two_kinds_are_asked_and_it_is_said(town: Town) -> None:
    town.activate("a", SKIPS)
    town.everywhere(ISSUED)
    for name in NODES:
        town.stop(name)
        town.copy(name).write_bytes(b"\x00garbage")
    town.flush()
    for name in NODES:
        town.start(name)
    town.everywhere(CODE)
    assert str(town.copy("a")) in town.nodes["a"].log.read_text()
    checked = town.types("a", "check")
    assert checked.returncode == 1
    (line,) = [each for each in checked.stdout.splitlines() if "policy:" in each]
    assert line.startswith("NOT")
    assert "strictest" in line or "damaged" in line
    for name in NODES:
        town.copy(name).unlink()
    town.activate("a", SKIPS)
    town.everywhere(ISSUED)


def test_sign_ins_go_on_while_the_policy_is_swapped_under_them() -> None:
    done = swapped(100, 6, 400)
    print(done)  # noqa: T201
    assert not done.wrong, done
    assert (done.activated, done.refused) == (6 - BROKEN, BROKEN)
    assert done.sign_ins >= 100
    assert len(done.judged) >= 3, "sign-ins fell between the swaps"
