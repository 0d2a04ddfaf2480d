"""A simulated day in which strangers try one user's password, at the sign-in itself.

The use cases are the shipped ones, on the store in memory, the embedded directory and a clock that
is moved by hand; each minute the owner comes in her known browser, on campus, and in a new browser.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from string import Template

from idp_mfa import assets
from idp_mfa.audit import AuditRecord
from idp_mfa.compose import House
from idp_mfa.directory.options import SqliteOptions
from idp_mfa.directory.sqlite import NewPerson, SqliteDirectory
from idp_mfa.enrolment import Bound
from idp_mfa.factor import Response
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.key_folder import create_secret
from idp_mfa.model import (
    AuthnRequest,
    AuthnResult,
    BoundBy,
    Page,
    Seen,
    Service,
    ServiceId,
)
from idp_mfa.sealing_keys import create_ring
from idp_mfa.settings import Settings, load
from idp_mfa.signin.flow import AwaitResponse
from idp_mfa.signin.outcomes import (
    At,
    Begun,
    BrowserCookies,
    Finished,
    PasswordNotAccepted,
    PasswordThrottled,
    Typed,
)
from idp_mfa.store.memory import MemoryStore
from tests.servers.foreground import folder
from tests.simulators.phone import STEP_SECONDS, Phone

ADDRESSES = 10_000
MINUTES = 24 * 60
CAMPUS = "192.0.2.10"
HOME = "203.0.113.10"
LOGIN, PASSWORD = "alice", b"a password of her own"
_FIRST_ADDRESS = IPv4Address("10.0.0.0")
_LIFE = timedelta(minutes=9)
"""After which a stranger begins a new sign-in, before the old one ends by itself."""
_TRIES = 20
_REQUEST = AuthnRequest(
    Service(ServiceId("https://service.example/sp"), {"en": "Service"}, "service.example"),
    Page.SIGN_IN,
    "/saml/answer",
    {},
)


@dataclass(slots=True)
class Siege:
    """What happened; ``shut_out`` is empty if no stranger locked anybody out."""

    addresses: int
    guesses: int = 0
    looked_at: int = 0
    refused_unseen: int = 0
    known_browser: int = 0
    campus: int = 0
    new_browser: Counter[str] = field(default_factory=Counter)
    longest_wait: timedelta = timedelta()
    shut_out: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        new = ", ".join(f"{count} x {what}" for what, count in sorted(self.new_browser.items()))
        return (
            f"{self.guesses} passwords from {self.addresses} addresses in a simulated day "
            f"({self.seconds:.0f} s): {self.looked_at} looked at, "
            f"{self.refused_unseen} refused unseen\n"
            f"the owner, every minute: {self.known_browser} times in by her known browser, "
            f"{self.campus} times on campus; by a new browser outside: {new}, "
            f"told to wait {self.longest_wait} at most\n"
            + "\n".join(f"SHUT OUT: {each}" for each in self.shut_out)
        )


class Hand:
    """A clock that is moved by hand, to where the host's own stands at first."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(second=0, microsecond=0)

    def __call__(self) -> datetime:
        return self.now


class Record:
    """Counts what is put on record."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()

    def record(self, record: AuditRecord) -> None:
        self.events[record.event.value] += 1


@dataclass(slots=True)
class Stranger:
    """One address, and the sign-in that is open there."""

    seen: Seen
    begun: Begun
    tries: int = 0


class Remembered:
    """The directory, asked once for each account: nobody is changed on this day."""

    def __init__(self, directory: SqliteDirectory) -> None:
        self.authenticate = directory.authenticate
        self.find = functools.cache(directory.find)
        self.read = functools.cache(directory.read)


class Day:
    """The house, its owner and her besiegers."""

    def __init__(self, place: Path) -> None:
        self._clock = Hand()
        self._record = Record()
        self._store = MemoryStore(self._clock)
        self._house = House(_settings(place), self._clock, os.urandom)
        # The store in memory goes by the same clock: there is nothing to check it by.
        parts = {"store": self._store, "audit": self._record, "checked_clock": self._clock}
        vars(self._house).update(parts)
        self._phone = self._move_in()
        vars(self._house).update(watched=Remembered(self._house.directory))
        self._signin = self._house.sign_in
        self._strangers: dict[int, Stranger] = {}
        self._device: str | None = None

    def pass_by(self, guesses_a_minute: int) -> Siege:
        """The whole day."""
        siege = Siege(ADDRESSES)
        began = time.monotonic()
        self._device = self._comes(HOME, None)
        assert self._device is not None
        before = Counter(self._record.events)
        for minute in range(MINUTES):
            for n in range(guesses_a_minute):
                self._guess((minute * guesses_a_minute + n) % ADDRESSES)
            siege.guesses += guesses_a_minute
            self._clock.now += timedelta(minutes=1)
            self._owner_comes(siege, minute)
        after = self._record.events - before
        siege.looked_at = after["password.rejected"]
        siege.refused_unseen = after["limit.reached"] - siege.new_browser["wait"]
        siege.seconds = time.monotonic() - began
        return siege

    # -- the strangers -----------------------------------------------------------------------

    def _guess(self, number: int) -> None:
        stranger = self._strangers.get(number)
        if stranger is None or self._is_over(stranger):
            if stranger is not None:
                # What a store does by itself, which memory does when it is asked.
                self._store.take(f"transaction:{stranger.begun.transaction.id}")
            seen = Seen(_FIRST_ADDRESS + number, ())
            stranger = self._strangers[number] = Stranger(seen, self._begun(seen))
        stranger.tries += 1
        begun = stranger.begun
        found = self._signin.identify(
            begun.transaction.id,
            begun.binding,
            0,
            typed=Typed(LOGIN, b"guess %d" % stranger.tries, shared_computer=False),
            device_cookie=None,
            seen=stranger.seen,
        )
        assert isinstance(found, PasswordNotAccepted | PasswordThrottled), found

    def _is_over(self, stranger: Stranger) -> bool:
        age = self._clock() - stranger.begun.transaction.began_at
        return age >= _LIFE or stranger.tries >= _TRIES

    # -- the owner ---------------------------------------------------------------------------

    def _owner_comes(self, siege: Siege, minute: int) -> None:
        match self._enters(HOME, self._device):
            case At():
                siege.known_browser += 1
            case other:
                siege.shut_out.append(f"minute {minute}, her known browser: {other}")
        match self._enters(CAMPUS, None):
            case At():
                siege.campus += 1
            case other:
                siege.shut_out.append(f"minute {minute}, campus: {other}")
        elsewhere = f"198.18.{minute >> 8}.{minute & 255}"
        match self._identified(elsewhere, None)[1]:
            case At():
                siege.new_browser["at the code"] += 1
            case PasswordThrottled(_, wait):
                siege.new_browser["wait"] += 1
                siege.longest_wait = max(siege.longest_wait, wait)
            case other:
                siege.shut_out.append(f"minute {minute}, a new browser: {other}")

    def _comes(self, address: str, device: str | None) -> str | None:
        """All the way; what the browser is known by afterwards."""
        at = self._enters(address, device)
        assert isinstance(at, At), at
        finished = self._finished
        assert finished is not None
        return finished.cookies.device or device

    def _enters(self, address: str, device: str | None) -> object:
        """Signs in; an ``At`` if an answer leaves, else where it ended."""
        self._finished: Finished | None = None
        seen = Seen(ip_address(address), ())
        begun, found = self._identified(address, device)
        if not isinstance(found, At):
            return found
        binding = found.binding or begun.binding
        if isinstance(found.transaction.state, AwaitResponse):
            step = int(self._clock().timestamp()) // STEP_SECONDS
            found = self._signin.respond(
                found.transaction.id,
                binding,
                found.transaction.version,
                response=Response({"code": self._phone.at(step)}),
                device_cookie=device,
                seen=seen,
            )
            if not isinstance(found, At):
                return found
        done = self._signin.finish(found, BrowserCookies(None, device), seen)
        if not isinstance(done, Finished) or not isinstance(done.outcome, AuthnResult):
            return done
        self._finished = done
        return found

    def _identified(self, address: str, device: str | None) -> tuple[Begun, object]:
        seen = Seen(ip_address(address), ())
        begun = self._begun(seen)
        typed = Typed(LOGIN, PASSWORD, shared_computer=False)
        return begun, self._signin.identify(
            begun.transaction.id, begun.binding, 0, typed=typed, device_cookie=device, seen=seen
        )

    def _begun(self, seen: Seen) -> Begun:
        begun = self._signin.begin(_REQUEST, seen)
        assert isinstance(begun, Begun), begun
        return begun

    def _move_in(self) -> Phone:
        house = self._house
        assert house.directory.add_user(
            NewPerson(LOGIN, "Alice", PASSWORD, frozenset({"students"}), {})
        )
        self._clock.now += timedelta(minutes=1)
        account = house.directory.find(LOGIN)
        assert account is not None
        begun = house.enrolments.begin(account, TOTP, BoundBy.CAMPUS, "Test")
        phone = Phone(begun.shown["key"])
        account = house.directory.read(account.user.id)
        assert account is not None
        code = phone.at(int(self._clock().timestamp()) // STEP_SECONDS)
        done = house.enrolments.complete(account, TOTP, BoundBy.CAMPUS, Response({"code": code}))
        assert isinstance(done, Bound), done
        self._clock.now += timedelta(minutes=1)
        return phone


def besieged(guesses_a_minute: int) -> Siege:
    """A day under so many guesses a minute."""
    with _place() as place:
        return Day(place).pass_by(guesses_a_minute)


@contextlib.contextmanager
def _place() -> Iterator[Path]:
    with folder("siege") as place:
        yield place


def _settings(place: Path) -> Settings:
    """The shipped defaults on embedded parts, with what the settings name in its place."""
    conf = assets.folder("conf")
    values = {
        "base_url": "http://127.0.0.1:1",
        "contact_url": "http://127.0.0.1:1/",
        "entity_id": "urn:x-idp-mfa:siege",
        "policy": str(assets.folder("policies") / "default.yaml"),
        "release": str(conf / "release.yaml"),
        "store_url": "redis://127.0.0.1:1",
    }
    quoted = {name: json.dumps(value) for name, value in values.items()}
    text = Template((conf / "demo.yaml").read_text("utf-8")).substitute(quoted)
    file = place / "idp_mfa.yaml"
    file.write_text(text, "utf-8")
    settings = load(file)
    assert isinstance(settings, Settings), settings
    for each in dataclasses.fields(settings.keys):
        path: Path = getattr(settings.keys, each.name)
        if each.name == "sealing":
            create_ring(path, "siege", os.urandom)
        elif each.name != "signing":
            create_secret(path, os.urandom)
    # Few and cheap hashes: what is measured is the limits, not Argon2.
    quick = SqliteOptions(place / "directory.sqlite", argon2_memory_kib=64, argon2_iterations=1)
    return replace(settings, directory=replace(settings.directory, sqlite=quick))
