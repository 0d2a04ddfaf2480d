"""The postman: nothing is lost, nothing tried for ever, no word of a change that never was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.letters import (
    NOTICE_LIVES,
    Awaited,
    CodePurpose,
    Letter,
    Mail,
    MailedCode,
    Notice,
    NoticeKind,
    masked,
)
from idp_mfa.model import (
    REISSUE_ADDRESS,
    Account,
    AccountState,
    BoundBy,
    Credential,
    CredentialId,
    Credentials,
    CredentialState,
    FactorName,
    Reference,
    Seen,
    Standing,
    User,
    UserId,
)
from idp_mfa.ports import Unavailable, Undeliverable
from idp_mfa.postman import IN_HAND, PAUSES, SETTLED_AFTER, Postman
from idp_mfa.store.memory_outbox import MemoryOutbox

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
USER = User(UserId("u1"), "hanako", "Hanako")
SEEN = Seen(ip_address("203.0.113.9"), ())
OWN, STAFF = "hanako@home.example", "hanako@univ.example"


def credential(factor: str, generation: int, **secret: str) -> Credential:
    return Credential(
        CredentialId(f"{factor}-1"),
        FactorName(factor),
        CredentialState.ACTIVE,
        "",
        START,
        BoundBy.CAMPUS,
        generation,
        secret,
    )


ADDRESS = credential(REISSUE_ADDRESS, 1, address=OWN)
TOTP = credential("totp", 2)


@dataclass
class World:
    """A street: one person, a clock, and a mail server that does as it is told."""

    now: datetime = START
    records: tuple[Credential, ...] = (ADDRESS, TOTP)
    directory_mail: tuple[str, ...] = (STAFF,)
    gone: bool = False
    fails: Unavailable | Undeliverable | None = None
    sent: list[Mail] = field(default_factory=list)
    kept: list[AuditRecord] = field(default_factory=list)

    def read(self, user_id: UserId) -> Account | None:
        assert user_id == USER.id
        if self.gone:
            return None
        return Account(
            USER,
            frozenset(),
            {"mail": self.directory_mail},
            Standing(AccountState.ACTIVE),
            Credentials(self.records, 0, b"1", 1),
        )

    def send(self, mail: Mail) -> Undeliverable | None:
        if isinstance(self.fails, Unavailable):
            raise self.fails
        if self.fails is None:
            self.sent.append(mail)
        return self.fails

    def write(self, letter: Letter, user: User, to: str) -> Mail:
        code = letter.code if isinstance(letter, MailedCode) else ""
        return Mail(to, user.login, "ja", code, "")

    def record(self, record: AuditRecord) -> None:
        self.kept.append(record)

    def to(self) -> Sequence[str]:
        return sorted(mail.to for mail in self.sent)

    def told(self) -> Sequence[tuple[AuditEvent, object]]:
        return [(one.event, one.detail.get("why")) for one in self.kept]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox()


@pytest.fixture
def postman(world: World, outbox: MemoryOutbox) -> Postman:
    return Postman(
        outbox=outbox,
        directory=world,  # type: ignore[arg-type]
        mailer=world,  # type: ignore[arg-type]
        writer=world,
        audit=world,  # type: ignore[arg-type]
        clock=lambda: world.now,
        directory_attribute="mail",
    )


def code(**changes: object) -> MailedCode:
    made = MailedCode(
        CodePurpose.REISSUE,
        USER.id,
        START,
        SEEN,
        Reference("ABCD2345"),
        "ja",
        OWN,
        "135790",
        START + timedelta(minutes=30),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def notice(**changes: object) -> Notice:
    made = Notice(NoticeKind.FACTOR_ADDED, USER.id, START, SEEN, Reference("ABCD2345"))
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_code_goes_to_its_one_address(
    world: World, outbox: MemoryOutbox, postman: Postman
) -> None:
    outbox.put(code())
    assert postman.round() == 1
    assert (world.to(), world.sent[0].text) == ([OWN], "135790")
    assert postman.round() == 0
    assert world.told() == [(AuditEvent.LETTER_SENT, None)]


def test_a_notice_goes_to_every_address_once(
    world: World, outbox: MemoryOutbox, postman: Postman
) -> None:
    world.directory_mail = (STAFF, OWN.upper())
    outbox.put(notice(besides=("old@home.example",)))
    postman.round()
    assert world.to() == sorted({OWN, STAFF, "old@home.example"})


def test_the_record_holds_no_address_and_no_code(
    world: World, outbox: MemoryOutbox, postman: Postman
) -> None:
    outbox.put(code())
    postman.round()
    (kept,) = world.kept
    assert kept.reference == "ABCD2345"
    assert OWN not in str(kept)
    assert "135790" not in str(kept)


def test_a_server_that_is_away_is_asked_again_and_later_each_time(
    world: World, outbox: MemoryOutbox, postman: Postman
) -> None:
    world.fails = Unavailable("mail", "away")
    outbox.put(code(until=START + timedelta(days=1)))
    assert postman.round() == 1
    for pause in PAUSES:
        world.now += pause - timedelta(seconds=1)
        assert postman.round() == 0
        world.now += timedelta(seconds=1)
        assert postman.round() == 1
    world.fails = None
    world.now += PAUSES[-1]
    assert postman.round() == 1
    assert world.to() == [OWN]


def test_a_code_of_half_an_hour_has_at_least_three_tries(
    world: World, outbox: MemoryOutbox, postman: Postman
) -> None:
    world.fails = Unavailable("mail", "away")
    outbox.put(code())
    tries = 0
    while world.now < code().until:
        tries += postman.round()
        world.now += timedelta(seconds=1)
    assert tries >= 3


def test_a_code_that_is_worth_nothing_any_more_is_not_sent(
    world: World, outbox: MemoryOutbox, postman: Postman
) -> None:
    outbox.put(code())
    world.now = code().until
    postman.round()
    assert world.to() == []
    assert world.told() == [(AuditEvent.LETTER_NOT_SENT, "too-late")]
    world.now += timedelta(days=1)
    assert postman.round() == 0


def test_a_notice_is_given_up_after_days(
    world: World, outbox: MemoryOutbox, postman: Postman
) -> None:
    world.fails = Unavailable("mail", "away")
    outbox.put(notice())
    while world.now < START + NOTICE_LIVES + timedelta(hours=1):
        postman.round()
        world.now += timedelta(minutes=10)
    world.fails = None
    assert postman.round() == 0
    assert world.to() == []


def test_an_address_that_is_refused_is_on_record_and_done_with(
    world: World, outbox: MemoryOutbox, postman: Postman
) -> None:
    world.fails = Undeliverable.REFUSED
    outbox.put(code())
    postman.round()
    assert world.told() == [(AuditEvent.LETTER_NOT_SENT, "refused")]
    world.now += IN_HAND * 2
    assert postman.round() == 0


@pytest.mark.parametrize("who", ["gone", "without an address"])
def test_somebody_who_cannot_be_reached_holds_nothing_up(
    world: World, outbox: MemoryOutbox, postman: Postman, who: str
) -> None:
    world.gone = who == "gone"
    world.records, world.directory_mail = (TOTP,), ()
    outbox.put(notice())
    outbox.put(notice())
    assert postman.round() == 2
    assert world.told() == [(AuditEvent.LETTER_NOT_SENT, "no-address")] * 2


def test_a_postman_who_dies_leaves_his_letter_to_the_next(
    world: World, outbox: MemoryOutbox, postman: Postman
) -> None:
    outbox.put(code())
    assert outbox.take(1, world.now, IN_HAND)
    assert postman.round() == 0
    world.now += IN_HAND
    assert postman.round() == 1
    assert world.to() == [OWN]


# -- changes whose worker died -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("awaited", "told"),
    [
        (Awaited(TOTP.id, 2), True),
        (Awaited(TOTP.id, 1), True),
        (Awaited(TOTP.id, 3), False),
        (Awaited(CredentialId("never"), 1), False),
        (Awaited(CredentialId("removed"), None), True),
        (Awaited(TOTP.id, None), False),
    ],
)
def test_the_directory_says_whether_there_is_news(
    world: World, outbox: MemoryOutbox, postman: Postman, awaited: Awaited, told: bool
) -> None:
    outbox.intend(notice(), awaited)
    assert postman.round() == 0
    world.now += SETTLED_AFTER
    postman.round()
    assert world.to() == (sorted((OWN, STAFF)) if told else [])
    world.now += timedelta(days=1)
    assert postman.round() == 0


def test_while_the_directory_is_away_the_question_stays_open(
    world: World, outbox: MemoryOutbox, postman: Postman, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: UserId) -> Account | None:
        raise Unavailable("directory", "away")

    outbox.intend(notice(), Awaited(TOTP.id, 2))
    world.now += SETTLED_AFTER
    with monkeypatch.context() as patched:
        patched.setattr(world, "read", away)
        with pytest.raises(Unavailable):
            postman.round()
    postman.round()
    assert world.to() == sorted((OWN, STAFF))


@pytest.mark.parametrize(
    ("address", "shown"),
    [("hanako@home.example", "h*****@home.example"), ("a@b.c", "a*****@b.c")],
)
def test_a_masked_address_is_known_to_its_owner_alone(address: str, shown: str) -> None:
    assert masked(address) == shown
