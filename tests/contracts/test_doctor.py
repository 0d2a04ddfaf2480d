"""The code doctor at the yellow screen: what it says, when it is silent, and what it costs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pyotp
import pytest

from idp_mfa import assets
from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.devices import Devices
from idp_mfa.diagnosis import (
    AlreadyUsed,
    ClockOff,
    Diagnosis,
    LeftSetUp,
    OldKey,
    OurClockOff,
    UnfinishedSetUp,
)
from idp_mfa.enrolment import Bound, Enrolments
from idp_mfa.factor import Rejection, Response
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.factors.totp import Totp
from idp_mfa.letters import Notice, NoticeKind
from idp_mfa.model import (
    Account,
    AuthnRequest,
    BoundBy,
    CredentialState,
    Page,
    Refusal,
    Seen,
    Service,
    ServiceId,
)
from idp_mfa.policy.load import load
from idp_mfa.policy.model import Policy
from idp_mfa.ports import Unavailable
from idp_mfa.session import SessionLimits, Sessions
from idp_mfa.signin.flow import Refused
from idp_mfa.signin.outcomes import (
    AnswerNotAccepted,
    AnswerThrottled,
    At,
    Begun,
    BrowserCookies,
    Finished,
    Stale,
    Typed,
)
from idp_mfa.signin.parts import SignInParts
from idp_mfa.signin.service import SignIn
from idp_mfa.signin.transactions import SignInLimits
from idp_mfa.store.memory import MemoryStore
from idp_mfa.store.memory_outbox import MemoryOutbox
from idp_mfa.throttle import Limits, Throttle
from tests.contracts.directory_sites import SqliteSite

OUTSIDE = Seen(ip_address("203.0.113.10"), ())
KEY = b"k" * 32
START = datetime(2026, 11, 22, 9, 0, 7, tzinfo=UTC)
STEP = timedelta(seconds=30)
WRONG = "000000"


@dataclass
class Kept:
    """A record that a test can read."""

    lines: list[AuditRecord] = field(default_factory=list)

    def record(self, record: AuditRecord) -> None:
        self.lines.append(record)

    def ping(self) -> None:
        """Always there."""

    def story(self, reference: object) -> Sequence[AuditRecord]:
        return [line for line in self.lines if line.reference == reference]

    def recent(self, limit: int) -> Sequence[AuditRecord]:
        return self.lines[:-limit:-1]


@dataclass
class House:
    """A sign-in off campus, with a clock that a test moves; ``loose`` gives many tries."""

    place: Path
    limits: Limits = field(default_factory=Limits)
    now: datetime = START

    def __post_init__(self) -> None:
        self.site = SqliteSite(self.place / "people.db", lambda: self.now)
        self.store, self.record = MemoryStore(lambda: self.now), Kept()
        self.outbox = MemoryOutbox()
        self.throttle = Throttle(self.limits, KEY)
        totp = Totp("T")
        file = assets.folder("policies") / "default.yaml"
        policy = load(file.read_text("utf-8"), str(file), {TOTP: totp.may_show})
        assert isinstance(policy, Policy)
        self.enrolments = Enrolments(
            credentials=self.site.directory,
            store=self.store,
            factors={TOTP: totp},
            throttle=self.throttle,
            outbox=MemoryOutbox(),
            clock=lambda: self.now,
            randomness=os.urandom,
        )
        self.signin = SignIn(
            SignInParts(
                directory=self.site.directory,
                credentials=self.site.directory,
                store=self.store,
                audit=self.record,
                sessions=Sessions(self.store, lambda: self.now, os.urandom, SessionLimits()),
                policy=lambda: policy,
                factors={TOTP: totp},
                preference=(TOTP,),
                throttle=self.throttle,
                devices=Devices(self.store, os.urandom, KEY),
                outbox=self.outbox,
                clock=lambda: self.now,
                randomness=os.urandom,
                limits=SignInLimits(),
            )
        )

    def account(self, login: str) -> Account:
        found = self.site.directory.find(login)
        assert found is not None
        return found

    def begins(self, login: str) -> str:
        """A set-up is begun; its key."""
        begun = self.enrolments.begin(self.account(login), TOTP, BoundBy.CAMPUS, "T(2026-11)")
        return str(begun.shown["key"])  # type: ignore[union-attr]

    def completes(self, login: str, key: str) -> None:
        done = self.enrolments.complete(
            self.account(login), TOTP, BoundBy.CAMPUS, Response({"code": self.code(key)})
        )
        assert isinstance(done, Bound)
        # What proved it is no code any more.
        self.now += 2 * STEP

    def enrolled(self, login: str) -> str:
        """Somebody with a key in force."""
        self.site.person(login)
        key = self.begins(login)
        self.completes(login, key)
        return key

    def code(self, key: str, off: timedelta = timedelta(0)) -> str:
        return pyotp.TOTP(key).at(self.now + off)

    @property
    def told(self) -> list[Notice]:
        """What waits to be mailed."""
        queued = self.outbox.take(99, self.now + timedelta(days=999), timedelta(0))
        return [one.letter for one in queued if isinstance(one.letter, Notice)]

    def asked(self, login: str, *, shared: bool = False) -> Asked:
        """A sign-in that has come as far as the yellow screen."""
        service = Service(ServiceId("https://sp.example/"), {}, "sp.example")
        begun = self.signin.begin(AuthnRequest(service, Page.SIGN_IN, "/answer", {}), OUTSIDE)
        assert isinstance(begun, Begun)
        at = self.signin.identify(
            begun.transaction.id,
            begun.binding,
            begun.transaction.version,
            typed=Typed(login, f"demo-{login}".encode(), shared_computer=shared),
            device_cookie=None,
            seen=OUTSIDE,
        )
        assert isinstance(at, At), at
        return Asked(self, at)

    def diagnoses(self) -> list[object]:
        """What the record says of wrong codes."""
        of = [one for one in self.record.lines if one.event is AuditEvent.FACTOR_REJECTED]
        return [one.detail["diagnosis"] for one in of]


@dataclass
class Asked:
    """The yellow screen of one sign-in."""

    house: House
    at: At

    def types(self, code: str) -> object:
        return self.house.signin.respond(
            self.at.transaction.id,
            self.at.binding,
            self.at.transaction.version,
            response=Response({"code": code}),
            device_cookie=None,
            seen=OUTSIDE,
        )

    def arrives(self, code: str, device: str | None = None) -> str | None:
        """The code is right, and the service is told; what this browser is known by."""
        moved = self.types(code)
        assert isinstance(moved, At), moved
        done = self.house.signin.finish(moved, BrowserCookies(None, device), OUTSIDE)
        assert isinstance(done, Finished), done
        return done.cookies.device

    def told(self, code: str) -> Diagnosis | None:
        answer = self.types(code)
        assert isinstance(answer, AnswerNotAccepted), answer
        return answer.diagnosis


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_code_of_nothing_is_only_wrong(house: House) -> None:
    house.enrolled("alice")
    assert house.asked("alice").told(WRONG) is None
    assert house.diagnoses() == [None]


def test_five_digits_are_told_by_their_number(house: House) -> None:
    house.enrolled("alice")
    answer = house.asked("alice").types("12345")
    assert isinstance(answer, AnswerNotAccepted)
    assert (answer.rejected.why, answer.diagnosis) == (Rejection.MALFORMED, None)


def test_a_clock_is_blamed_at_the_second_code_that_is_off_by_the_same(house: House) -> None:
    key = house.enrolled("alice")
    screen, late = house.asked("alice"), timedelta(minutes=-6)
    assert screen.told(house.code(key, late)) is None
    house.now += STEP
    blamed = screen.told(house.code(key, late))
    assert isinstance(blamed, ClockOff)
    assert (blamed.ahead, blamed.minutes) == (late, 6)
    assert house.diagnoses() == [None, "clock"]


def test_the_same_code_twice_is_one_code(house: House) -> None:
    key = house.enrolled("alice")
    screen, code = house.asked("alice"), house.code(key, timedelta(minutes=6))
    assert screen.told(code) is None
    house.now += STEP
    assert screen.told(code) is None, "whoever guessed it would learn that it will be right"


def test_two_codes_that_are_off_by_different_times_blame_no_clock(house: House) -> None:
    key = house.enrolled("alice")
    screen = house.asked("alice")
    for minutes in (6, -20, 13):
        assert screen.told(house.code(key, timedelta(minutes=minutes))) is None


def test_what_one_sign_in_showed_helps_no_other(house: House) -> None:
    key = house.enrolled("alice")
    assert house.asked("alice").told(house.code(key, timedelta(minutes=6))) is None
    house.now += STEP
    assert house.asked("alice").told(house.code(key, timedelta(minutes=6))) is None


def test_a_code_that_signed_in_minutes_ago_was_used(house: House) -> None:
    key = house.enrolled("alice")
    code = house.code(key)
    assert isinstance(house.asked("alice").types(code), At)
    house.now += timedelta(minutes=3)
    told = house.asked("alice").told(code)
    assert isinstance(told, AlreadyUsed)
    assert timedelta(0) < told.retry_in <= STEP


def test_the_key_before_the_last_change_is_an_old_one(house: House) -> None:
    old = house.enrolled("alice")
    replaced_at = house.now
    house.completes("alice", house.begins("alice"))
    house.now += timedelta(days=29)
    assert house.asked("alice").told(house.code(old)) == OldKey(replaced_at)
    house.now += timedelta(days=1)
    assert house.asked("alice").told(house.code(old)) is None


def test_a_set_up_that_lacks_its_last_step_and_one_that_was_begun_anew(house: House) -> None:
    house.enrolled("alice")
    first = house.begins("alice")
    assert house.asked("alice").told(house.code(first)) == UnfinishedSetUp()
    second = house.begins("alice")
    assert house.asked("alice").told(house.code(first)) == LeftSetUp()
    house.completes("alice", second)
    assert house.asked("alice").told(house.code(first)) == LeftSetUp()
    states = [one.state for one in house.account("alice").credentials.factors]
    assert states.count(CredentialState.ACTIVE) == 1


def test_a_set_up_that_was_left_is_shown_and_finished_no_more(house: House) -> None:
    house.enrolled("alice")
    first, second = house.begins("alice"), house.begins("alice")
    begun = house.enrolments.under_way(house.account("alice"), TOTP)
    assert begun is not None
    assert begun.shown["key"] == second
    typed = Response({"code": house.code(first)})
    done = house.enrolments.complete(house.account("alice"), TOTP, BoundBy.CAMPUS, typed)
    assert not isinstance(done, Bound)
    house.completes("alice", second)
    assert house.enrolments.under_way(house.account("alice"), TOTP) is None


def test_it_costs_a_try_like_any_other_and_says_nothing_when_locked(house: House) -> None:
    old = house.enrolled("alice")
    key = house.begins("alice")
    house.completes("alice", key)
    screen, code = house.asked("alice"), house.code(old)
    lefts = []
    for _ in range(4):
        answer = screen.types(code)
        assert isinstance(answer, AnswerNotAccepted)
        lefts.append(answer.left)
    assert lefts == [4, 3, 2, 1]
    ended = screen.types(code)
    assert isinstance(ended, At)
    assert isinstance(ended.transaction.state, Refused)
    assert ended.transaction.state.why is Refusal.LOCKED
    assert isinstance(house.asked("alice").types(code), AnswerThrottled)


def test_a_double_click_never_wakes_it(house: House) -> None:
    key = house.enrolled("alice")
    screen, code = house.asked("alice"), house.code(key)
    assert isinstance(screen.types(code), At)
    assert isinstance(screen.types(code), Stale)
    assert house.diagnoses() == []


def test_an_acceptable_code_that_was_used_is_no_matter_for_it(house: House) -> None:
    key = house.enrolled("alice")
    code = house.code(key)
    house.asked("alice").types(code)
    again = house.asked("alice").types(code)
    assert isinstance(again, AnswerNotAccepted)
    assert (again.rejected.why, again.diagnosis) == (Rejection.ALREADY_USED, None)


class Forgetful(MemoryStore):
    """A store that cannot be read for a moment."""

    away = False

    def get(self, key: str) -> bytes | None:
        if self.away and key.startswith("step:"):
            raise Unavailable("store", "away")
        return super().get(key)


def test_a_store_that_is_away_makes_it_silent_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.contracts.test_doctor.MemoryStore", Forgetful)
    house = House(tmp_path)
    old = house.enrolled("alice")
    house.completes("alice", house.begins("alice"))
    screen = house.asked("alice")
    house.store.away = True  # type: ignore[attr-defined]
    assert screen.told(house.code(old)) is None


def test_when_many_are_off_by_the_same_our_own_clock_is_suspected(tmp_path: Path) -> None:
    house = House(tmp_path, Limits(clock_people=3))
    keys = {login: house.enrolled(login) for login in ("alice", "dave", "helen", "ivan")}
    house.now += timedelta(minutes=10)
    off = timedelta(seconds=-150)
    for login in ("alice", "dave"):
        for _ in range(2):
            assert house.asked(login).told(house.code(keys[login], off)) is None
    assert house.asked("helen").told(house.code(keys["helen"], off + STEP)) == OurClockOff(2)
    assert house.asked("ivan").told(house.code(keys["ivan"], off)) == OurClockOff(2)
    alarms = [one for one in house.record.lines if one.event is AuditEvent.CLOCK_SUSPECTED]
    assert [one.detail["ahead_seconds"] for one in alarms] == [-120]
    house.now += timedelta(minutes=6)
    assert house.asked("ivan").told(house.code(keys["ivan"], off)) is None


def test_the_owner_hears_of_a_new_browser_unless_all_is_new(house: House) -> None:
    key = house.enrolled("alice")
    for times in (0, 1, 2):
        house.asked("alice").arrives(house.code(key))
        assert [one.kind for one in house.told] == [NoticeKind.NEW_DEVICE] * times
        house.now += timedelta(minutes=2)
    house.now += timedelta(days=300)
    house.asked("alice").arrives(house.code(key))
    assert len(house.told) == 3, "known browsers are forgotten, the key is old: that is news"


def test_a_known_browser_and_a_shared_computer_are_no_news(house: House) -> None:
    key = house.enrolled("alice")
    house.now += timedelta(days=2)
    device = house.asked("alice").arrives(house.code(key))
    house.now += timedelta(minutes=2)
    house.asked("alice").arrives(house.code(key), device)
    house.now += timedelta(minutes=2)
    house.asked("alice", shared=True).arrives(house.code(key))
    assert len(house.told) == 1


def test_retired_keys_are_purged_when_something_is_changed(house: House) -> None:
    house.enrolled("alice")
    house.completes("alice", house.begins("alice"))
    house.now += timedelta(days=31)
    house.completes("alice", house.begins("alice"))
    kept = house.account("alice").credentials.factors
    assert sorted(one.state.value for one in kept) == ["active", "retired"]
