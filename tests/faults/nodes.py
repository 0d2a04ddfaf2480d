"""More servers of one house: the same secrets, directory and store, settings of their own."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import requests
import yaml

from tests.servers.foreground import free_port, listening, running
from tests.servers.idp import PROGRAM, Idp

NO_SETTINGS: Mapping[str, Any] = {}


class Site(Protocol):
    """Whatever has a first node."""

    idp: Idp


@dataclass(frozen=True, slots=True)
class Node:
    """One ``idp-mfa serve``."""

    origin: str
    port: int
    pid: int
    log: Path

    def ready(self) -> requests.Response:
        """What a balancer is told."""
        return requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=30)


def settings_of(site: Site, name: str, port: int, more: Mapping[str, Any] = NO_SETTINGS) -> Path:
    """A file beside the first node's; what a node keeps on its own disk is its own."""
    settings = yaml.safe_load((site.idp.folder / "idp_mfa.yaml").read_text())
    settings |= {
        "base_url": f"http://127.0.0.1:{port}",
        "server": {"bind": f"127.0.0.1:{port}", "workers": 2},
        "registry": {"folder": f"registry-{name}"},
        "audit": {"file": f"audit-{name}.jsonl"},
        **more,
    }
    file = site.idp.folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(settings, allow_unicode=True))
    return file


def command(file: Path, prefix: Sequence[str] = ()) -> tuple[str, ...]:
    """How a node is started."""
    return (*prefix, *PROGRAM, "--config", str(file), "serve")


def refused_start(file: Path) -> subprocess.CompletedProcess[str]:
    """A start that has to fail."""
    return subprocess.run(command(file), capture_output=True, text=True, timeout=180, check=False)


@contextlib.contextmanager
def node(
    site: Site,
    name: str,
    *,
    port: int | None = None,
    more: Mapping[str, Any] = NO_SETTINGS,
    prefix: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    started: Callable[[int], bool] = listening,
) -> Iterator[Node]:
    """Serve until the block ends; ``started`` is asked about the port."""
    port = port or free_port()
    file = settings_of(site, name, port, more)
    log = site.idp.folder / f"{name}.out"
    with running(
        command(file, prefix), log=log, ready=lambda: started(port), environment=environment
    ) as pid:
        yield Node(str(yaml.safe_load(file.read_text())["base_url"]), port, pid, log)


def answers_ready(port: int) -> bool:
    """All of its parts are there."""
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=30).status_code == 200
    return False
