"""The re-issue address: only one that its owner reads, written once, told to old and new."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from idp_mfa.letters import MailedCode, Notice, NoticeKind
from idp_mfa.mail.addresses import normalised
from idp_mfa.mailed_codes import Asker, CodeProblem, MailedCodes, NotMatched, Sent
from idp_mfa.model import Account, BoundBy, Credential, Reference, Seen
from idp_mfa.ports import ChangeAnswer, Throttled
from idp_mfa.reissue_address import (
    AddressProblem,
    AddressRules,
    ConfirmedAddress,
    ReissueAddresses,
)
from idp_mfa.store.memory import MemoryStore
from idp_mfa.store.memory_outbox import MemoryOutbox
from idp_mfa.throttle import Limits, Throttle
from tests.contracts.directory_sites import SqliteSite
from tests.contracts.store_acts import race

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
OWN, NEW = "hanako@home.example", "hanako@new.example"


def asker(secret: str = "browser one") -> Asker:
    return Asker(secret, Seen(ip_address("192.0.2.9"), ()), "ja", Reference("ABCD2345"))


@dataclass
class World:
    """One person, her directory and her mailboxes."""

    site: SqliteSite
    now: datetime = START
    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)

    def __post_init__(self) -> None:
        store = MemoryStore(lambda: self.now)
        codes = MailedCodes(
            store, self.outbox, Throttle(Limits(), bytes(32)), lambda: self.now, os.urandom
        )
        self.addresses = ReissueAddresses(
            codes=codes,
            credentials=self.site.directory,
            store=store,
            outbox=self.outbox,
            normalised=normalised,
            rules=AddressRules(("univ.example",)),
            clock=lambda: self.now,
            randomness=os.urandom,
        )
        self.site.person("hanako")

    @property
    def account(self) -> Account:
        found = self.site.directory.find("hanako")
        assert found is not None
        return found

    @property
    def record(self) -> Credential | None:
        return self.account.credentials.reissue_address

    def letters(self) -> list[MailedCode | Notice]:
        return [one.letter for one in self.outbox.take(99, self.now, timedelta(days=9))]

    def code(self, to: str, who: Asker | None = None) -> str:
        sent = self.addresses.send(self.account, who or asker(), to)
        assert isinstance(sent, Sent), sent
        (letter,) = (one for one in self.letters() if isinstance(one, MailedCode))
        assert letter.to == to
        return letter.code

    def register(self, to: str) -> None:
        self.addresses.confirm(self.account, asker(), self.code(to))
        done = self.addresses.write(self.account, asker(), BoundBy.FRESH_FACTOR)
        assert done == ConfirmedAddress(to)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(SqliteSite(tmp_path / "directory.sqlite"))


def test_an_address_is_written_once_its_owner_read_the_code(world: World) -> None:
    code = world.code(OWN)
    assert world.record is None
    assert world.addresses.write(world.account, asker(), BoundBy.CAMPUS) is None
    assert world.addresses.confirm(world.account, asker(), code) == ConfirmedAddress(OWN)
    assert world.record is None, "confirming writes nothing yet"
    world.addresses.write(world.account, asker(), BoundBy.CAMPUS)
    assert world.record is not None
    assert (world.record.secret["address"], world.record.bound_by) == (OWN, BoundBy.CAMPUS)
    assert world.account.credentials.has_none, "an address is no factor"
    assert world.account.credentials.active == ()


def test_a_first_address_is_not_paused_and_its_successor_is(world: World) -> None:
    world.register(OWN)
    assert world.record is not None
    assert "paused_until" not in world.record.secret
    world.register(NEW)
    until = datetime.fromisoformat(world.record.secret["paused_until"])
    assert until == world.now + timedelta(days=1)


def test_old_and_new_address_hear_of_it_and_neither_reads_the_other(world: World) -> None:
    world.register(OWN)
    world.letters()
    world.register(NEW)
    (notice,) = (one for one in world.letters() if isinstance(one, Notice))
    assert notice.kind is NoticeKind.ADDRESS_CHANGED
    assert notice.besides == (OWN,)
    assert notice.about == "h*****@new.example"


def test_another_browser_confirms_and_writes_nothing(world: World) -> None:
    code = world.code(OWN)
    answer = world.addresses.confirm(world.account, asker("another"), code)
    assert answer == NotMatched(CodeProblem.NONE_SENT)
    world.addresses.confirm(world.account, asker(), code)
    assert world.addresses.write(world.account, asker("another"), BoundBy.CAMPUS) is None
    assert world.record is None


def test_of_64_clicks_one_writes(world: World) -> None:
    world.addresses.confirm(world.account, asker(), world.code(OWN))
    account = world.account
    answers = race(lambda _: world.addresses.write(account, asker(), BoundBy.CAMPUS))
    assert answers.count(ConfirmedAddress(OWN)) == 1
    assert set(answers) <= {ConfirmedAddress(OWN), ChangeAnswer.LOST_RACE, None}
    assert len([one for one in world.letters() if isinstance(one, Notice)]) == 1
    assert world.outbox.pending(world.now + timedelta(days=1)) == ()


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", AddressProblem.MALFORMED),
        ("hanako", AddressProblem.MALFORMED),
        ("a@b.example, c@d.example", AddressProblem.MALFORMED),
        ("a@b.example\r\nBcc: c@d.example", AddressProblem.MALFORMED),
        ("a@[127.0.0.1]", AddressProblem.MALFORMED),
        ("花子@home.example", AddressProblem.MALFORMED),
        ("x" * 400 + "@home.example", AddressProblem.MALFORMED),
        ("hanako@univ.example", AddressProblem.SAME_PASSWORD),
        ("hanako@ST.Univ.Example", AddressProblem.SAME_PASSWORD),
        ("ｈａｎａｋｏ＠ｕｎｉｖ．ｅｘａｍｐｌｅ", AddressProblem.SAME_PASSWORD),
    ],
)
def test_what_is_no_address_or_opens_with_the_same_password_gets_nothing(
    world: World, typed: str, problem: AddressProblem
) -> None:
    assert world.addresses.send(world.account, asker(), typed) is problem
    assert world.letters() == []


def test_a_name_that_only_ends_alike_is_another_domain(world: World) -> None:
    assert isinstance(world.addresses.send(world.account, asker(), "hanako@notuniv.example"), Sent)


def test_the_same_address_again_is_told_so(world: World) -> None:
    world.register(OWN)
    assert world.addresses.send(world.account, asker(), OWN.upper()) is AddressProblem.UNCHANGED


def test_nobody_fills_a_strangers_mailbox(world: World) -> None:
    answers = [world.addresses.send(world.account, asker(str(n)), OWN) for n in range(5)]
    assert [isinstance(answer, Sent) for answer in answers] == [True] * 3 + [False] * 2
    assert isinstance(answers[-1], Throttled)


def test_what_was_confirmed_is_forgotten_after_half_an_hour(world: World) -> None:
    world.addresses.confirm(world.account, asker(), world.code(OWN))
    world.now += timedelta(minutes=31)
    assert world.addresses.write(world.account, asker(), BoundBy.CAMPUS) is None
    assert world.record is None


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        (" hanako@home.example ", OWN),
        ("ｈａｎａｋｏ＠ｈｏｍｅ．ｅｘａｍｐｌｅ", OWN),
        ("hanako+mfa@home.example", "hanako+mfa@home.example"),
        ("a@例え.jp", "a@xn--r8jz45g.jp"),
    ],
)
def test_addresses_are_taken_as_people_type_them(typed: str, address: str) -> None:
    assert normalised(typed) == address
