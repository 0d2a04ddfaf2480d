"""Each fault is told apart: alive, which part is not there, and by ``check`` in words why."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.nodes import Node, answers_ready, node
from tests.faults.stand import Stand, wait_until
from tests.faults.test_directory import MDB, access_rules
from tests.faults.test_store import console
from tests.servers import another_clock
from tests.servers.foreground import free_port


@dataclass(frozen=True, slots=True)
class Watched:
    """A node that counts, with files and a clock of its own."""

    site: Stand
    node: Node
    settings: Path
    metrics: int
    folder: Path

    def missing_to_a_balancer(self) -> set[str]:
        """What ``/readyz`` names."""
        answer = self.node.ready()
        missing = {name for name, said in answer.json().items() if said != "ok"}
        assert answer.status_code == (503 if missing else 200)
        return missing

    def missing_to_prometheus(self) -> set[str]:
        """What ``/metrics`` has at 0."""
        text = requests.get(f"http://127.0.0.1:{self.metrics}/metrics", timeout=30).text
        return {
            sample.labels["part"]
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "idp_mfa_part_up" and sample.value == 0
        }

    def is_alive(self) -> bool:
        """What a supervisor asks."""
        return requests.get(f"{self.node.origin}/healthz", timeout=10).status_code == 200

    def check(self) -> str:
        """What the operator reads."""
        done = self.site.idp.command("--config", str(self.settings), "check")
        assert done.returncode == 1, (done.stdout, done.stderr)
        return done.stdout


@pytest.fixture(scope="module")
def watched(broken: Stand, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    broken.heal()
    folder = tmp_path_factory.mktemp("told apart")
    settings = yaml.safe_load((broken.idp.folder / "idp_mfa.yaml").read_text())
    shutil.copytree(broken.idp.folder / "secrets", folder / "secrets")
    (folder / "clock").write_text("0")
    (folder / "audit").mkdir()
    metrics = free_port()
    more = {
        "metrics": {"bind": f"127.0.0.1:{metrics}"},
        "keys": {name: str(folder / path) for name, path in settings["keys"].items()},
        "audit": {"file": str(folder / "audit" / "audit.jsonl")},
    }
    prefix = another_clock.prefix(folder / "clock")
    with node(broken, "watched", more=more, prefix=prefix, started=answers_ready) as running:
        yield Watched(broken, running, broken.idp.folder / "watched.yaml", metrics, folder)


# -- the faults ----------------------------------------------------------------------------------

Fault = Callable[[Watched], AbstractContextManager[None]]


@contextlib.contextmanager
def store_down(on: Watched) -> Iterator[None]:
    on.site.store_road.down()
    yield
    on.site.store_road.well()


@contextlib.contextmanager
def store_hangs(on: Watched) -> Iterator[None]:
    os.kill(on.site.store.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(on.site.store.pid, signal.SIGCONT)


@contextlib.contextmanager
def store_full(on: Watched) -> Iterator[None]:
    with console(on.site) as client:
        client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            client.config_set("maxmemory", 0)


@contextlib.contextmanager
def store_evicts(on: Watched) -> Iterator[None]:
    with console(on.site) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        on.site.store_road.cut()
        try:
            yield
        finally:
            client.config_set("maxmemory-policy", "noeviction")


@contextlib.contextmanager
def store_replica(on: Watched) -> Iterator[None]:
    with console(on.site) as client:
        client.replicaof("127.0.0.1", str(free_port()))
        try:
            yield
        finally:
            client.replicaof("NO", "ONE")


@contextlib.contextmanager
def directory_down(on: Watched) -> Iterator[None]:
    for road in on.site.directory_roads:
        road.down()
    yield
    for road in on.site.directory_roads:
        road.well()


@contextlib.contextmanager
def records_hidden(on: Watched) -> Iterator[None]:
    rules = access_rules(on.site)
    hidden = "{0}to attrs=mfaCredential,mfaManifest by * none"
    others = (rule for rule in rules if "mfaCred" not in rule)
    on.site.directory.configure(MDB, "olcAccess", hidden, *others)
    try:
        yield
    finally:
        on.site.directory.configure(MDB, "olcAccess", *rules)


@contextlib.contextmanager
def away(path: Path) -> Iterator[None]:
    path.rename(path.with_name("away"))
    try:
        yield
    finally:
        path.with_name("away").rename(path)


def record_gone(on: Watched) -> AbstractContextManager[None]:
    return away(on.folder / "audit")


def signing_keys_gone(on: Watched) -> AbstractContextManager[None]:
    return away(on.folder / "secrets" / "signing")


@contextlib.contextmanager
def signing_keys_garbled(on: Watched) -> Iterator[None]:
    ring = on.folder / "secrets" / "signing" / "signing-keys.json"
    whole = ring.read_bytes()
    ring.write_bytes(whole[:20])
    try:
        yield
    finally:
        ring.write_bytes(whole)


def sealing_keys_gone(on: Watched) -> AbstractContextManager[None]:
    return away(on.folder / "secrets" / "sealing")


@contextlib.contextmanager
def clock_off(on: Watched) -> Iterator[None]:
    (on.folder / "clock").write_text("-75")
    yield
    (on.folder / "clock").write_text("0")


UNASKED = {"clock"}
"""Whether the clock is right is not known while the store does not answer."""


@pytest.mark.parametrize(
    ("fault", "parts", "unknown", "says"),
    [
        (store_down, {"store"}, UNASKED, "store: * .*(cannot be reached|closed the connection)"),
        (store_hangs, {"store"}, UNASKED, "store: .* does not answer in time"),
        (store_full, {"store"}, set(), "store: .* is full"),
        (store_evicts, {"store"}, UNASKED, "store: .* evicts keys"),
        (store_replica, {"store"}, UNASKED, "store: .* is a replica"),
        (directory_down, {"directory"}, set(), "directory: "),
        (records_hidden, {"directory"}, set(), "directory: .*canary"),
        (record_gone, {"audit"}, set(), "audit: .* No such file"),
        (signing_keys_gone, {"keys"}, set(), "signing key: .*signing-keys.json"),
        (signing_keys_garbled, {"keys"}, set(), "signing key: .*signing-keys.json cannot be read"),
        (sealing_keys_gone, {"keys"}, set(), "sealing key: "),
        (clock_off, {"clock"}, set(), None),
    ],
)
def test_each_fault_is_told_apart(
    watched: Watched, fault: Fault, parts: set[str], unknown: set[str], says: str | None
) -> None:
    watched.site.heal()
    wait_until(lambda: not watched.missing_to_a_balancer(), 30)
    with fault(watched):
        # Each worker finds out for itself.
        wait_until(
            lambda: all(watched.missing_to_a_balancer() - unknown == parts for _ in range(4)), 30
        )
        wait_until(lambda: watched.missing_to_prometheus() - unknown == parts, 30)
        assert watched.is_alive()
        if says is not None:
            told = watched.check()
            lines = [line for line in told.splitlines() if line.startswith("NOT")]
            assert any(re.search(says, line) for line in lines), told
    wait_until(lambda: not watched.missing_to_a_balancer(), 30)
    assert watched.missing_to_prometheus() == set()
