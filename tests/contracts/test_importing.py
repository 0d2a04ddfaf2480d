"""Keys brought in: each once, however often it is tried and whoever tries it at the same time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from idp_mfa.audit import AuditEvent
from idp_mfa.devices import Devices
from idp_mfa.factor import Accepted, Challenge, HashAlgorithm, Rejected, Response, SharedKey
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.factors.totp import Totp, code_at
from idp_mfa.hardware_tokens import HardwareTokens, NotResynchronised, Resynchronised
from idp_mfa.helpdesk import Actor, HelpDesk
from idp_mfa.importing import FoundKey, Imports, Mailing, Taken
from idp_mfa.model import Account, BoundBy, Credential, CredentialState, Reference
from idp_mfa.ports import Change, ChangeAnswer, Directory, Throttled
from idp_mfa.store.memory import MemoryStore
from idp_mfa.store.memory_outbox import MemoryOutbox
from idp_mfa.throttle import Limits, Throttle
from tests.contracts.directory_sites import (
    LdapSite,
    Site,
    SqliteSite,
    account,
    bind,
    credential,
)
from tests.contracts.test_doctor import Kept
from tests.servers.slapd import slapd
from tests.simulators.hardware_token import oathtool

KEY = bytes(range(20))
BY, REFERENCE = Actor("ivan", "we move"), Reference("RUN22222")
START = datetime(2026, 11, 22, 9, 0, 7, tzinfo=UTC)
TAKER = Totp("OMU")


@pytest.fixture(params=["sqlite", "ldap"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "sqlite":
        made: Site = SqliteSite(tmp_path / "directory.sqlite")
        for login in ("alice", "bob"):
            made.person(login)
        yield made
        return
    with slapd() as server:
        site = LdapSite(server)
        yield site
        site.close()


@dataclass
class Desk:
    """What an import works with, and a clock that a test moves."""

    site: Site
    now: datetime = START
    audit: Kept = field(default_factory=Kept)
    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)

    def __post_init__(self) -> None:
        self.store = MemoryStore(lambda: self.now)
        self.imports = self.imports_of(self.site.directory)
        throttle = Throttle(Limits(), bytes(32))
        helpdesk = HelpDesk(
            self.site.directory,
            self.site.directory,
            self.store,
            self.audit,  # type: ignore[arg-type]
            throttle,
            Devices(self.store, os.urandom, bytes(32)),
            self.outbox,
            {},
            lambda: self.now,
            os.urandom,
        )
        self.tokens = HardwareTokens(
            helpdesk, self.store, throttle, {TOTP: TAKER}, lambda: self.now
        )

    def imports_of(self, directory: Directory) -> Imports:
        return Imports(
            directory=directory,
            credentials=self.site.directory,
            audit=self.audit,  # type: ignore[arg-type]
            outbox=self.outbox,
            takers={TOTP: TAKER},
            factor=TOTP,
            label="OMU",
            clock=lambda: self.now,
            randomness=os.urandom,
        )

    def take(self, login: str, key: SharedKey, mailing: Mailing = Mailing.TELL) -> Taken:
        return self.imports.take(FoundKey("line 1", login, key), BY, REFERENCE, mailing)

    def token(self, login: str = "alice") -> Credential:
        (found,) = account(self.site.directory, login).credentials.of(TOTP)
        return found

    def resynchronise(self, first: str, second: str) -> object:
        theirs = account(self.site.directory, "alice")
        return self.tokens.resynchronise(theirs, self.token(), (first, second), BY)


def answer(held: Credential, code: str, at: datetime) -> Accepted | Rejected:
    return TAKER.verify(Challenge(TOTP), Response({"code": code}), (held,), at)


@pytest.mark.parametrize("algorithm", list(HashAlgorithm))
@pytest.mark.parametrize("digits", [6, 8])
@pytest.mark.parametrize("period", [30, 60])
def test_codes_of_a_token_are_accepted_for_their_own_time_alone(
    algorithm: HashAlgorithm, digits: int, period: int, tmp_path: Path
) -> None:
    site = SqliteSite(tmp_path / "directory.sqlite")
    site.person("alice")
    desk = Desk(site)
    key = SharedKey(os.urandom(32), algorithm, digits, period, "T1")
    assert desk.take("alice", key) is Taken.NEW
    held, step = desk.token(), timedelta(seconds=period)
    assert (held.label, held.bound_by, held.state) == (
        "T1",
        BoundBy.IMPORT,
        CredentialState.ACTIVE,
    )
    code = oathtool(key, START)
    for steps, is_right in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        done = answer(held, f"{code[:3]} {code[3:]}", START + steps * step)
        assert isinstance(done, Accepted) is is_right, steps
    accepted = answer(held, code, START)
    assert isinstance(accepted, Accepted)
    assert accepted.spend is not None
    assert isinstance(answer(held, code[:-1], START), Rejected)


def test_a_key_is_taken_once_told_to_its_owner_and_on_record(site: Site) -> None:
    desk = Desk(site)
    assert desk.imports.look(FoundKey("line 1", "alice", SharedKey(KEY))) is Taken.NEW
    assert not account(site.directory, "alice").credentials.records
    for expected in (Taken.NEW, Taken.THERE_ALREADY, Taken.THERE_ALREADY):
        assert desk.take("alice", SharedKey(KEY)) is expected
    assert len(account(site.directory, "alice").credentials.active) == 1
    assert desk.outbox.waiting().letters == 1
    (line,) = desk.audit.lines
    assert (line.event, line.actor, line.reference) == (AuditEvent.FACTOR_BOUND, "ivan", REFERENCE)
    assert line.detail["reason"] == "we move"
    assert KEY.hex() not in str(line)
    assert desk.take("bob", SharedKey(KEY), Mailing.SILENT) is Taken.NEW
    assert desk.outbox.waiting().letters == 1
    assert desk.take("nobody", SharedKey(KEY)) is Taken.NOBODY


def test_several_tokens_of_one_person_are_all_taken_up_to_a_limit(site: Site) -> None:
    desk = Desk(site)
    keys = [SharedKey(bytes([number]) * 20) for number in range(6)]
    done = [desk.take("alice", key) for key in keys]
    assert done == [*[Taken.NEW] * 5, Taken.TOO_MANY]


@pytest.mark.parametrize(
    "state", [CredentialState.ACTIVE, CredentialState.DISABLED, CredentialState.SUSPENDED]
)
def test_nothing_is_put_beside_a_key_of_their_own_or_one_that_was_shut_off(
    state: CredentialState, site: Site
) -> None:
    desk = Desk(site)
    bind(site.directory, "alice", replace(credential(), state=state))
    assert desk.take("alice", SharedKey(KEY)) is Taken.HAS_ANOTHER
    desk.take("bob", SharedKey(KEY))
    before = account(site.directory, "bob")
    (held,) = before.credentials.active
    shut = replace(held, state=state, bound_by=BoundBy.IMPORT, generation=2)
    assert (
        site.directory.change(before.user.id, before.credentials, (Change(held, shut),))
        is ChangeAnswer.DONE
    )
    other = desk.take("bob", SharedKey(bytes(20)))
    assert other is (Taken.NEW if state is CredentialState.ACTIVE else Taken.HAS_ANOTHER)
    assert desk.take("bob", SharedKey(KEY)) is Taken.THERE_ALREADY


def test_of_imports_at_the_same_time_each_key_is_there_once(site: Site) -> None:
    desks = [Desk(site) for _ in range(4)]
    keys = [SharedKey(bytes([number]) * 20) for number in range(4)]
    gate = threading.Barrier(4)

    def run(desk: Desk) -> None:
        gate.wait()
        for key in keys:
            while desk.take("alice", key) is Taken.CHANGED_MEANWHILE:
                pass

    threads = [threading.Thread(target=run, args=(desk,)) for desk in desks]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    held = account(site.directory, "alice").credentials
    assert not held.unreadable
    assert sorted(one.secret["key"] for one in held.active) == sorted(
        {one.secret["key"] for one in held.active}
    )
    assert len(held.active) == 4


class Lagging:
    """A site in which people are found as they stood some time ago."""

    def __init__(self, site: Site) -> None:
        self._there = site.directory
        self._past = {login: account(self._there, login) for login in ("alice", "bob")}

    def find(self, login: str) -> Account | None:
        return self._past.get(login)

    def __getattr__(self, name: str) -> object:
        return getattr(self._there, name)


def test_a_replica_that_lags_behind_is_not_believed(site: Site) -> None:
    desk, late = Desk(site), Desk(site)
    late.imports = late.imports_of(Lagging(site))  # type: ignore[arg-type]
    assert desk.take("alice", SharedKey(KEY)) is Taken.NEW
    assert late.take("alice", SharedKey(KEY)) is Taken.THERE_ALREADY
    assert late.outbox.waiting().letters == 0, "nothing was changed"
    assert len(account(site.directory, "alice").credentials.active) == 1
    assert desk.take("bob", SharedKey(KEY)) is Taken.NEW
    late.imports = late.imports_of(Lagging(site))  # type: ignore[arg-type]
    before = account(site.directory, "bob")
    (held,) = before.credentials.active
    gone = site.directory.change(before.user.id, before.credentials, (Change(held, None),))
    assert gone is ChangeAnswer.DONE
    assert late.take("bob", SharedKey(KEY)) is Taken.NEW
    assert len(account(site.directory, "bob").credentials.active) == 1


# -- a token whose clock went off ----------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    site = SqliteSite(tmp_path / "directory.sqlite")
    site.person("alice")
    made = Desk(site)
    assert made.take("alice", TOKEN) is Taken.NEW
    return made


TOKEN = SharedKey(bytes(range(32)), HashAlgorithm.SHA256, 8, 60, "T1")


@pytest.mark.parametrize("hours", [-20, -1, 1, 20])
def test_two_codes_find_a_tokens_time_again(hours: int, desk: Desk) -> None:
    off = timedelta(hours=hours, seconds=13)
    first, second = (oathtool(TOKEN, START + off + timedelta(seconds=60 * n)) for n in (0, 1))
    assert isinstance(answer(desk.token(), second, START), Rejected)
    desk.now = START + timedelta(seconds=60)
    done = desk.resynchronise(first, second)
    assert isinstance(done, Resynchronised)
    line = desk.audit.lines[-1]
    assert line.event is AuditEvent.FACTOR_RESYNCHRONISED
    assert abs(int(str(line.detail["drift_seconds"])) - off.total_seconds()) <= 120
    later = START + timedelta(minutes=5)
    assert isinstance(answer(desk.token(), oathtool(TOKEN, later + off), later), Accepted)
    assert isinstance(answer(desk.token(), oathtool(TOKEN, later), later), Rejected)
    assert code_at(desk.token(), later) == oathtool(TOKEN, later + off)


def test_codes_that_were_used_or_are_not_two_in_a_row_find_nothing(desk: Desk) -> None:
    codes = [oathtool(TOKEN, START + timedelta(seconds=60 * n)) for n in range(4)]
    for first, second in (
        (codes[0], codes[2]),
        (codes[1], codes[0]),
        (codes[0], codes[0]),
        ("", ""),
        (codes[0], codes[1][:6]),
    ):
        assert desk.resynchronise(first, second) is NotResynchronised.WRONG_CODES
        desk.now += timedelta(hours=2)
    desk.now = START
    assert isinstance(desk.resynchronise(codes[1], codes[2]), Resynchronised)
    assert desk.resynchronise(codes[1], codes[2]) is NotResynchronised.ALREADY_USED
    assert desk.resynchronise(codes[0], codes[1]) is NotResynchronised.ALREADY_USED


def test_nobody_guesses_at_it_for_long(desk: Desk) -> None:
    done = [desk.resynchronise("00000000", "11111111") for _ in range(30)]
    assert isinstance(done[-1], Throttled)


def test_a_disabled_token_is_not_brought_back_by_it(desk: Desk) -> None:
    before, held = account(desk.site.directory, "alice"), desk.token()
    shut = replace(held, state=CredentialState.DISABLED, generation=2)
    desk.site.directory.change(before.user.id, before.credentials, (Change(held, shut),))
    theirs = account(desk.site.directory, "alice")
    codes = tuple(oathtool(TOKEN, START + timedelta(seconds=60 * n)) for n in (0, 1))
    done = desk.tokens.resynchronise(theirs, shut, codes, BY)  # type: ignore[arg-type]
    assert done is NotResynchronised.NO_TOKEN
