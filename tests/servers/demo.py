"""``idp-mfa demo``, as a newcomer starts it, in a folder of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idp_mfa.pictures import by_id
from tests.servers.foreground import folder, free_port, running
from tests.simulators.person import Person
from tests.simulators.phone import Phone

_COMMAND = (sys.executable, "-m", "idp_mfa", "demo")


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo; people's phones are kept, for they show no code twice.

    ``pictures`` are what people remember of the image matrix, by login.
    """

    idp: str
    service: str
    people: dict[str, Person]
    pictures: dict[str, list[str]]


@contextlib.contextmanager
def demo() -> Iterator[Demo]:
    """Start it on free ports and read who may sign in."""
    with folder("demo") as place:
        port, service_port = free_port(), free_port()
        var, log = place / "var", place / "demo.out"
        ports = ("--port", str(port), "--sp-port", str(service_port))
        with running(
            (*_COMMAND, "--var", str(var), *ports),
            log=log,
            ready=lambda: "Ctrl-C stops everything" in log.read_text(errors="replace"),
        ):
            cards = _cards(var)
            yield Demo(
                f"http://localhost:{port}",
                f"http://localhost:{service_port}/",
                {card["user"]: _person(card) for card in cards},
                {card["user"]: _ids(card["pictures"]) for card in cards if card["pictures"]},
            )


def _cards(var: Path) -> list[dict[str, Any]]:
    listed = subprocess.run(
        (*_COMMAND, "users", "--var", str(var), "--json"),
        check=True,
        capture_output=True,
        text=True,
        timeout=180,
    )
    found: list[dict[str, Any]] = json.loads(listed.stdout)
    return found


def _person(card: dict[str, Any]) -> Person:
    phone = Phone(card["totp_key"]) if card["totp_key"] else None
    return Person(card["user"], card["password"], phone)


def _ids(names: list[str]) -> list[str]:
    by_name = {one.name("en"): one.id for one in by_id().values()}
    return [by_name[name] for name in names]
