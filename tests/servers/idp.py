"""Our own product as its operator starts it: ``idp-mfa serve`` with real parts."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import requests
import yaml

from idp_mfa.cli.house import Program
from idp_mfa.cli.key import create
from idp_mfa.cli.sp import add
from idp_mfa.compose import House, compose
from idp_mfa.enrolment import Bound
from idp_mfa.factor import Response
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.model import BoundBy
from idp_mfa.settings import Settings, load
from tests.servers.foreground import folder, running
from tests.servers.slapd import CANARY, DECOY, Slapd
from tests.servers.valkey import StoreServer
from tests.simulators.phone import Phone

PROGRAM = (sys.executable, "-m", "idp_mfa")
SCOPE = "example.ac.jp"
_CHECKOUT = Path(__file__).parents[2]
Mentioned = Mapping[str, Any]
WIDE: Mapping[str, Any] = {
    "declared_networks": ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"],
    "factor_burst": 1000,
    "factor_per_day": 1000,
    "factor_sticky": 1000,
    "factor_in_a_row": 1000,
    "password_burst": 1000,
    "password_per_day": 1000,
    "password_in_a_row": 1000,
}
"""Limits that a whole file of tests with one account does not meet; ``{}`` for the real ones."""
_PATIENT: Mapping[str, Any] = {"command_timeout": "2s"}
"""A store that rests for the shipped 250 ms is refused, which tests of its faults alone want."""


@dataclass(frozen=True, slots=True)
class Idp:
    """A running identity provider; ``origin`` is how browsers know it."""

    origin: str
    port: int
    entity_id: str
    folder: Path
    pid: int

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``idp-mfa`` with this provider's settings."""
        return _command(self.folder, *words)

    def metadata(self) -> bytes:
        """What services read about us."""
        answer = requests.get(f"http://127.0.0.1:{self.port}/saml/metadata", timeout=10)
        answer.raise_for_status()
        return answer.content

    def register(self, metadata: bytes, *options: str) -> None:
        """Add a service provider, as the administrator does; the running server has seen it."""
        file = self.folder / "service.xml"
        file.write_bytes(metadata)
        program = _here(self.folder, add, str(file), "--tag", "internal", *options)
        program.house.store_server.close()
        # Each worker looks once a second at most.
        time.sleep(1)

    def must(self, *words: str) -> str:
        """Run a command that has to succeed; what it printed."""
        done = self.command(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def set_up_phone(self, login: str, address: str | None = None) -> Phone:
        """Bind a key to a person as the portal does, without walking through its pages.

        ``address`` is where a re-issue's code goes, registered in the same act.
        """
        settings = load(self.folder / "idp_mfa.yaml")
        assert isinstance(settings, Settings), settings
        house = compose(settings)
        phone = phone_set_up(house, login, address)
        house.directory.close()
        house.store_server.close()
        return phone

    def log(self) -> str:
        """What the server wrote, for the text of a failed assertion."""
        return (self.folder / "serve.out").read_text(errors="replace")


def phone_set_up(house: House, login: str, address: str | None = None) -> Phone:
    """Somebody's phone, whose key the product itself has bound and sealed."""
    account = house.directory.find(login)
    assert account is not None, login
    phone = Phone(house.enrolments.begin(account, TOTP, BoundBy.CAMPUS, "Test").shown["key"])
    account = house.directory.read(account.user.id)
    assert account is not None, login
    answer = Response({"code": phone.code()})
    besides = (
        ()
        if address is None
        else (house.reissue_addresses.change_to(account, address, BoundBy.CAMPUS),)
    )
    done = house.enrolments.complete(account, TOTP, BoundBy.CAMPUS, answer, besides=besides)
    assert isinstance(done, Bound), done
    return phone


@contextlib.contextmanager
def identity_provider(
    port: int,
    *,
    directory: Slapd,
    store: StoreServer,
    origin: str | None = None,
    key_type: str = "rsa-2048",
    more: Mentioned | None = None,
) -> Iterator[Idp]:
    """Write settings, make keys, serve; ``more`` replaces or adds top-level settings."""
    with folder("idp") as place:
        origin = origin or f"http://127.0.0.1:{port}"
        entity_id = f"{origin}/idp"
        settings = {**_settings(port, origin, entity_id, directory, store), **(more or {})}
        (place / "idp_mfa.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True))
        _here(place, create, "--type", key_type)
        with running(
            (*PROGRAM, "--config", str(place / "idp_mfa.yaml"), "serve"),
            log=place / "serve.out",
            ready=lambda: _ready(port),
        ) as pid:
            yield Idp(origin, port, entity_id, place, pid)


def _here(place: Path, command: click.Command, *words: str) -> Program:
    """Run a command that has to succeed within this process: to start another takes a second."""
    program = Program(place / "idp_mfa.yaml")
    left: object = None
    try:
        command.main(words, obj=program, standalone_mode=False)
    except SystemExit as ended:
        left = ended.code
    assert not left, (words, left)
    return program


def _command(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*PROGRAM, "--config", str(place / "idp_mfa.yaml"), *words),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def _ready(port: int) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    return False


def _settings(
    port: int, origin: str, entity_id: str, directory: Slapd, store: StoreServer
) -> dict[str, Any]:
    return {
        "base_url": origin,
        "policy": str(_CHECKOUT / "policies" / "default.yaml"),
        "server": {"bind": f"127.0.0.1:{port}", "workers": 2},
        "proxies": {"networks": ["127.0.0.1/32"], "header": "X-Forwarded-For"},
        "directory": {
            "ldap": {
                "uris": [directory.uri],
                "base_dn": directory.base_dn,
                "bind_dn": directory.service_dn,
                "bind_password_file": str(directory.password_file),
                "decoy_dn": DECOY,
                "canary_dn": CANARY,
            }
        },
        "store": {"url": store.url, **_PATIENT},
        "keys": {
            "sealing": "secrets/sealing",
            "signing": "secrets/signing",
            "pairwise_salt": "secrets/pairwise_salt",
            "limits": "secrets/limits",
            "addresses": "secrets/addresses",
        },
        "registry": {"folder": "registry"},
        "audit": {"file": "audit.jsonl"},
        "saml": {
            "entity_id": entity_id,
            "scopes": [SCOPE],
            "release": str(_CHECKOUT / "conf" / "release.yaml"),
            "names": {"ja": "試験大学", "en": "Test University"},
            "contacts": [{"kind": "technical", "name": "Desk", "mail": f"desk@{SCOPE}"}],
        },
        "totp": {"issuer": "Test"},
        "limits": WIDE,
    }
