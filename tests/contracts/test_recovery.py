"""Re-issuing on a real directory: one new key, by the newest code, in the browser that asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace

import pytest

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.factors.totp import Totp
from idp_mfa.letters import CodePurpose, MailedCode, Notice, NoticeKind
from idp_mfa.mailed_codes import Asker, CodeProblem, MailedCodes, Matched, NotMatched, Sent
from idp_mfa.model import (
    REISSUE_ADDRESS,
    Account,
    BoundBy,
    Credential,
    CredentialId,
    CredentialState,
    FactorName,
    Reference,
    Seen,
)
from idp_mfa.ports import Change, ChangeAnswer, Reservation, Throttled
from idp_mfa.recovery import (
    SHOWN_FOR,
    Confirmed,
    NotBegun,
    NotRecoverable,
    Recoveries,
    Reissued,
)
from idp_mfa.store.memory import MemoryStore
from idp_mfa.store.memory_outbox import MemoryOutbox
from idp_mfa.throttle import Limits, Throttle
from tests.contracts.directory_sites import SqliteSite
from tests.contracts.store_acts import race

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
OWN = "hanako@home.example"


def record(factor: FactorName, state: CredentialState, **secret: str) -> Credential:
    name = f"{factor}{state.value}".replace("_", "").replace("-", "")
    return Credential(CredentialId(name), factor, state, "old", START, BoundBy.CAMPUS, 1, secret)


KEY = record(TOTP, CredentialState.ACTIVE, key="JBSWY3DPEHPK3PXP")
ADDRESS = record(REISSUE_ADDRESS, CredentialState.ACTIVE, address=OWN)


def asker(secret: str = "browser one") -> Asker:
    return Asker(secret, Seen(ip_address("203.0.113.9"), ()), "ja", Reference("ABCD2345"))


@dataclass
class World:
    """One person in a directory of her own, and what reached her mailbox."""

    site: SqliteSite
    now: datetime = START
    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)

    def __post_init__(self) -> None:
        self.store = MemoryStore(lambda: self.now)
        self.codes = MailedCodes(
            self.store,
            self.outbox,
            Throttle(Limits(), bytes(32)),
            lambda: self.now,
            os.urandom,
        )
        self.recoveries = Recoveries(
            codes=self.codes,
            credentials=self.site.directory,
            store=self.store,
            outbox=self.outbox,
            factors={TOTP: Totp("Test")},
            clock=lambda: self.now,
            randomness=os.urandom,
        )
        self.site.person("hanako")

    @property
    def account(self) -> Account:
        found = self.site.directory.find("hanako")
        assert found is not None
        return found

    def holds(self, *records: Credential) -> None:
        changes = tuple(Change(None, one) for one in records)
        done = self.site.directory.change(self.account.user.id, self.account.credentials, changes)
        assert done is ChangeAnswer.DONE

    def mailed(self) -> list[str]:
        """The codes in the mailbox, oldest first."""
        letters = [one.letter for one in self.outbox.take(99, self.now, timedelta(days=9))]
        self.told = [one.kind for one in letters if isinstance(one, Notice)]
        codes = [one for one in letters if isinstance(one, MailedCode)]
        assert all(one.to == OWN for one in codes)
        return [one.code for one in codes]

    def send(self, who: Asker | None = None) -> str:
        sent = self.recoveries.send(self.account, who or asker())
        assert isinstance(sent, Sent), sent
        (code,) = self.mailed()
        return code

    def confirm(self, typed: str, who: Asker | None = None) -> object:
        return self.recoveries.confirm(self.account, who or asker(), typed)

    def keys(self) -> list[Credential]:
        return [one for one in self.account.credentials.active if one.factor == TOTP]

    def later(self, **span: int) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(SqliteSite(tmp_path / "directory.sqlite"))
    made.holds(KEY, ADDRESS)
    return made


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_the_four_steps_make_one_new_key(world: World) -> None:
    assert world.recoveries.stage(world.account, asker()) is NotBegun.NOT_BEGUN
    code = world.send()
    assert world.told == [NoticeKind.RECOVERY_STARTED]
    assert isinstance(world.recoveries.stage(world.account, asker()), Sent)
    assert isinstance(world.confirm(code), Confirmed)
    assert world.keys() == [KEY], "nothing has changed before the last click"
    done = world.recoveries.reissue(world.account, asker(), "Test(2026-11)")
    assert isinstance(done, Reissued)
    (key,) = world.keys()
    assert key.secret["key"] == done.enrolment.shown["key"] != KEY.secret["key"]
    assert key.bound_by is BoundBy.MAILED_CODE
    assert world.account.credentials.reissue_address == ADDRESS
    world.mailed()
    assert world.told == [NoticeKind.KEY_REISSUED]


def test_who_has_a_new_key_does_not_wait_for_what_was_guessed_at_the_old_one(world: World) -> None:
    throttle = world.recoveries.codes.throttle
    budgets = throttle.of_factors(world.account.user.id)
    while isinstance(world.store.reserve(budgets), Reservation):
        pass
    world.confirm(world.send())
    assert isinstance(world.store.reserve(budgets), Throttled), "until there is another key"
    assert isinstance(world.recoveries.reissue(world.account, asker(), "Test"), Reissued)
    assert isinstance(world.store.reserve(budgets), Reservation)


def test_the_last_page_opens_again_for_a_while_and_issues_nothing_anew(world: World) -> None:
    world.confirm(world.send())
    first = world.recoveries.reissue(world.account, asker(), "Test")
    again = world.recoveries.reissue(world.account, asker(), "Test")
    assert isinstance(first, Reissued)
    assert again == first == world.recoveries.stage(world.account, asker())
    assert world.recoveries.stage(world.account, asker("another")) is NotBegun.NOT_BEGUN
    world.now += SHOWN_FOR
    assert world.recoveries.stage(world.account, asker()) is NotBegun.NOT_BEGUN
    assert world.recoveries.reissue(world.account, asker(), "Test") is NotBegun.NOT_BEGUN
    assert len(world.keys()) == 1


def test_of_64_last_clicks_one_makes_a_key(world: World) -> None:
    world.confirm(world.send())
    account = world.account
    answers = race(lambda _: world.recoveries.reissue(account, asker(), "Test"))
    assert sum(isinstance(answer, Reissued) for answer in answers) == 1
    assert {answer for answer in answers if not isinstance(answer, Reissued)} <= {
        ChangeAnswer.LOST_RACE
    }
    assert len(world.keys()) == 1
    world.mailed()
    assert world.told == [NoticeKind.KEY_REISSUED]
    assert world.outbox.pending(world.now + timedelta(days=1)) == ()


def test_of_64_posts_of_the_code_one_is_taken(world: World) -> None:
    code, account = world.send(), world.account
    answers = race(
        lambda _: world.codes.check(CodePurpose.REISSUE, account.user.id, asker().secret, code)
    )
    assert sum(isinstance(answer, Matched) for answer in answers) <= 1
    assert isinstance(world.confirm(code), NotMatched)


def test_a_typo_in_a_code_that_has_expired_is_told_as_expired(world: World) -> None:
    code = world.send()
    world.later(minutes=31)
    answer = world.confirm(other_than(code))
    assert isinstance(answer, NotMatched)
    assert answer.why is CodeProblem.EXPIRED


def test_a_flood_of_codes_alarms_once_an_hour_and_refuses_nobody(world: World) -> None:
    record: list[AuditRecord] = []
    limits = Limits(mail_alarm_per_hour=2, mail_per_hour=9, mail_per_day=9)
    audit = SimpleNamespace(record=record.append)
    codes = replace(world.codes, throttle=Throttle(limits, bytes(32)), audit=audit)
    world.recoveries = replace(world.recoveries, codes=codes)
    for _ in range(4):
        world.send()
    assert [one.event for one in record] == [AuditEvent.MAIL_FLOOD]
    assert OWN not in repr(record)
    world.later(minutes=61)
    for _ in range(3):
        world.send()
    assert len(record) == 2


def test_a_code_works_once(world: World) -> None:
    code = world.send()
    assert isinstance(world.confirm(code), Confirmed)
    assert world.confirm(code) == NotMatched(CodeProblem.NONE_SENT)


def test_a_code_of_another_browser_is_known_and_not_taken(world: World) -> None:
    code = world.send(asker("the victim's"))
    world.send(asker("the thief's"))
    answer = world.confirm(code, asker("the thief's"))
    assert isinstance(answer, NotMatched)
    assert answer.why is CodeProblem.ANOTHER_BROWSER
    assert isinstance(world.confirm(code, asker("the victim's")), Confirmed)


def test_sending_again_voids_the_older_and_says_so(world: World) -> None:
    older = world.send()
    world.later(minutes=4)
    newer = world.send()
    answer = world.confirm(older)
    assert isinstance(answer, NotMatched)
    assert (answer.why, answer.newest_at) == (CodeProblem.NEWER_SENT, world.now)
    assert isinstance(world.confirm(newer), Confirmed)


def test_a_code_dies_after_half_an_hour(world: World) -> None:
    code = world.send()
    world.later(minutes=30)
    assert world.recoveries.stage(world.account, asker()) is NotBegun.NOT_BEGUN
    assert world.confirm(code) == NotMatched(CodeProblem.EXPIRED)
    world.now -= timedelta(seconds=1)
    assert isinstance(world.confirm(code), Confirmed)


def test_five_wrong_ones_void_the_right_one(world: World) -> None:
    code = world.send()
    left = [world.confirm(other_than(code)) for _ in range(5)]
    assert [answer.left for answer in left if isinstance(answer, NotMatched)] == [
        4,
        3,
        2,
        1,
        None,
    ]
    assert world.confirm(code) == NotMatched(CodeProblem.VOID)
    assert isinstance(world.confirm(world.send()), Confirmed)


def test_what_is_no_code_costs_no_try(world: World) -> None:
    code = world.send()
    for typed in ("", "12345", "1234567", "abcdef", "٣٤٥٦٧٨", "1" * 9999):
        assert world.confirm(typed) == NotMatched(CodeProblem.MALFORMED)
    assert isinstance(world.confirm(f" {code[:3]}-{code[3:]} "), Confirmed)


def test_twenty_wrong_codes_and_the_right_one_after_them_are_refused(world: World) -> None:
    code = world.send()
    for _ in range(20):
        world.confirm(other_than(code))
    assert isinstance(world.confirm(code), NotMatched)
    assert world.recoveries.reissue(world.account, asker(), "Test") is NotBegun.NOT_BEGUN
    assert world.keys() == [KEY]


def test_mails_are_few_to_one_person_whatever_the_browser(world: World) -> None:
    answers = [world.recoveries.send(world.account, asker(str(number))) for number in range(6)]
    assert [isinstance(answer, Sent) for answer in answers] == [True] * 3 + [False] * 3
    assert isinstance(answers[-1], Throttled)
    assert len(world.mailed()) == 3


def test_the_last_question_stays_open_for_half_an_hour_alone(world: World) -> None:
    world.confirm(world.send())
    world.later(minutes=30)
    assert world.recoveries.reissue(world.account, asker(), "Test") is NotBegun.NOT_BEGUN
    assert world.keys() == [KEY]


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ((ADDRESS,), NotRecoverable.NO_KEY),
        ((KEY,), NotRecoverable.NO_ADDRESS),
        ((record(TOTP, CredentialState.DISABLED, key="A"), ADDRESS), NotRecoverable.SHUT),
        ((record(TOTP, CredentialState.SUSPENDED, key="A"), ADDRESS), NotRecoverable.SHUT),
        ((KEY, record(TOTP, CredentialState.SUSPENDED, key="A"), ADDRESS), NotRecoverable.SHUT),
        ((record(TOTP, CredentialState.UNFINISHED, key="A"), ADDRESS), NotRecoverable.NO_KEY),
        (
            (
                KEY,
                replace(
                    ADDRESS,
                    secret={
                        "address": OWN,
                        "paused_until": (START + timedelta(hours=1)).isoformat(),
                    },
                ),
            ),
            NotRecoverable.PAUSED,
        ),
    ],
)
def test_the_road_is_closed_to_whom_a_mailbox_must_not_help(
    tmp_path: Path, records: tuple[Credential, ...], why: NotRecoverable
) -> None:
    world = World(SqliteSite(tmp_path / "directory.sqlite"))
    world.holds(*records)
    assert world.recoveries.send(world.account, asker()) is why
    assert world.mailed() == []
    assert world.confirm("123456") is why


def closed_meanwhile(world: World) -> None:
    account = world.account
    key = next(one for one in account.credentials.active if one.factor == TOTP)
    shut = replace(key, state=CredentialState.DISABLED, generation=key.generation + 1)
    world.site.directory.change(account.user.id, account.credentials, (Change(key, shut),))


def address_gone(world: World) -> None:
    account = world.account
    world.site.directory.change(account.user.id, account.credentials, (Change(ADDRESS, None),))


@pytest.mark.parametrize("happens", [closed_meanwhile, address_gone])
def test_what_closes_on_the_way_stays_closed(
    world: World, happens: Callable[[World], None]
) -> None:
    world.confirm(world.send())
    happens(world)
    assert isinstance(world.recoveries.reissue(world.account, asker(), "Test"), NotRecoverable)


def test_a_pause_ends(tmp_path: Path) -> None:
    world = World(SqliteSite(tmp_path / "directory.sqlite"))
    until = (START + timedelta(hours=1)).isoformat()
    world.holds(KEY, replace(ADDRESS, secret={"address": OWN, "paused_until": until}))
    world.later(hours=1)
    assert isinstance(world.recoveries.send(world.account, asker()), Sent)


def test_the_store_holds_no_code(world: World) -> None:
    code = world.send()
    assert all(code.encode() not in kept.value for kept in world.store._kept.values())
    assert code not in repr(world.outbox.take(9, world.now + timedelta(days=30), timedelta(1)))
