"""Keys of many people brought in, by processes that are killed: none is lost, and none is twice."""

from __future__ import annotations

import base64
import io
import multiprocessing
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pskc import PSKC

from idp_mfa.audit import AuditEvent
from idp_mfa.audit_log import MemoryWindow, audit_trail
from idp_mfa.audit_log.lines import decode
from idp_mfa.audit_log.options import AuditOptions, Sync
from idp_mfa.directory.sqlite import NewPerson
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.factors.totp import Totp
from idp_mfa.helpdesk import Actor
from idp_mfa.importing import FoundKey, Imports, Mailing, Taken
from idp_mfa.key_files import Found, oath_ldap, shibboleth, token_csv
from idp_mfa.key_files.pskc import PreSharedKey, read
from idp_mfa.model import Reference
from idp_mfa.store.memory_outbox import MemoryOutbox
from tests.contracts.audit_acts import ADDRESSES, CHAIN
from tests.contracts.directory_sites import SqliteSite
from tests.servers.foreground import folder

SECRET = bytes(range(16))
_SOON = 0.02


@dataclass(frozen=True, slots=True)
class BroughtIn:
    """What became of the keys of one format."""

    format: str
    keys: int
    kills: int
    there: int
    lost: int
    twice: int
    unrecorded: int
    told_as_there: int
    seconds: float

    @property
    def right(self) -> bool:
        """Each key is there once, and on record."""
        return not (self.lost or self.twice or self.unrecorded) and self.there == self.keys

    def __str__(self) -> str:
        return (
            f"{self.format}: {self.keys:,} keys, killed {self.kills} times and resumed: "
            f"{self.there:,} there, {self.lost} lost, {self.twice} twice, "
            f"{self.unrecorded} not on record; the last run found "
            f"{self.told_as_there:,} there already ({self.seconds:.0f} s)"
        )


def brought_in(keys: int, kills: int) -> Iterator[BroughtIn]:
    """So many people's keys from each format, the process killed so often on the way."""
    logins = [f"user{number:05}" for number in range(keys)]
    with folder("import") as place:
        people = place / "people.db"
        _add(SqliteSite(people), logins)
        for name, made in FORMATS.items():
            ours = place / name
            ours.mkdir()
            shutil.copyfile(people, ours / people.name)
            yield _one(name, made, ours, logins, kills)


def _add(site: SqliteSite, logins: Sequence[str]) -> None:
    with site.directory.kept_open():
        for login in logins:
            site.directory.add_user(NewPerson(login, login, b"x", frozenset(), {}))


def _one(
    name: str,
    made: Callable[[Mapping[str, bytes]], Sequence[Found]],
    place: Path,
    logins: Sequence[str],
    kills: int,
) -> BroughtIn:
    began = time.monotonic()
    secrets = {login: os.urandom(20) for login in logins}
    found = made(secrets)
    for kill in range(1, kills + 1):
        _killed(place, found, len(found) * kill // (kills + 1))
    told = Counter(_take(place, found))
    directory = SqliteSite(place / "people.db").directory
    with directory.kept_open():
        active = [
            (account.user.login, one)
            for account in map(directory.find, secrets)
            if account is not None
            for one in account.credentials.active
        ]
    held = Counter((login, one.secret["key"]) for login, one in active)
    recorded = {
        line.detail["credential"]
        for line in map(decode, (place / "audit.jsonl").read_text("ascii").splitlines())
        if line is not None and line.event is AuditEvent.FACTOR_BOUND
    }
    wanted = {
        (login, base64.b32encode(secret).decode().rstrip("=")) for login, secret in secrets.items()
    }
    return BroughtIn(
        name,
        len(logins),
        kills,
        len(held),
        len(wanted - held.keys()),
        sum(count - 1 for count in held.values()) + len(held.keys() - wanted),
        sum(one.id not in recorded for _, one in active),
        told[Taken.THERE_ALREADY],
        time.monotonic() - began,
    )


def _killed(place: Path, found: Sequence[Found], at_most: int) -> None:
    """A run that is killed (SIGKILL) in the middle of some key."""
    done = multiprocessing.Value("i", 0)

    def run() -> None:
        for _ in _take(place, found, done):
            pass

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    while child.is_alive() and done.value < at_most:
        time.sleep(_SOON)
    child.kill()
    child.join()


def _take(place: Path, found: Sequence[Found], done: object = None) -> list[Taken]:
    # Who is killed loses nothing that the kernel has: no time is spent on waiting for the disk.
    options = AuditOptions(place / "audit.jsonl", sync=Sync.WRITE)
    imports = Imports(
        directory=(directory := SqliteSite(place / "people.db").directory),
        credentials=directory,
        audit=audit_trail(options, MemoryWindow(10), ADDRESSES, CHAIN),
        outbox=MemoryOutbox(),
        takers={TOTP: Totp("OMU")},
        factor=TOTP,
        label="OMU",
        clock=lambda: datetime.now(UTC),
        randomness=os.urandom,
    )
    became = []
    with directory.kept_open():
        for one in found:
            assert isinstance(one, FoundKey), one
            by, reference = Actor("soak", "soak"), Reference("RUN22222")
            became.append(imports.take(one, by, reference, Mailing.TELL))
            if done is not None:
                done.value += 1  # type: ignore[attr-defined]
    return became


def _csv(secrets: Mapping[str, bytes]) -> Sequence[Found]:
    rows = "".join(f"{login},{secret.hex()}\n" for login, secret in secrets.items())
    return token_csv.read(f"login,hex\n{rows}".encode(), {})


def _shibboleth(secrets: Mapping[str, bytes]) -> Sequence[Found]:
    text = "\n".join(
        f"dn: uid={login},ou=people\nuid: {login}\n"
        f"tokenSeeds: {base64.b32encode(secret).decode()}\n"
        for login, secret in secrets.items()
    )
    return shibboleth.read(text.encode(), "uid")


def _oath_ldap(secrets: Mapping[str, bytes]) -> Sequence[Found]:
    text = "".join(
        f"dn: uid={login},ou=people\nuid: {login}\noathTOTPToken: cn={login},ou=tokens\n\n"
        f"dn: cn={login},ou=tokens\noathSecret:: {base64.b64encode(secret).decode()}\n\n"
        for login, secret in secrets.items()
    )
    return oath_ldap.read(text.encode(), "uid")


def _pskc(secrets: Mapping[str, bytes]) -> Sequence[Found]:
    container = PSKC()
    container.encryption.setup_preshared_key(key=SECRET, algorithm="aes128-cbc")
    for login, secret in secrets.items():
        container.add_key(
            id=login,
            serial=login,
            algorithm="urn:ietf:params:xml:ns:keyprov:pskc:totp",
            secret=secret,
            response_length=6,
            time_interval=30,
            key_userid=f"uid={login}",
        )
    out = io.BytesIO()
    container.write(out)
    return read(out.getvalue(), PreSharedKey(SECRET), {})


FORMATS = {"csv": _csv, "shibboleth": _shibboleth, "oath-ldap": _oath_ldap, "pskc": _pskc}
