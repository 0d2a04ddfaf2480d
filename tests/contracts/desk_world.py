"""The desk on a real directory, with people who call and people who answer."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from idp_mfa.audit import AuditRecord
from idp_mfa.audit_log import MemoryWindow, audit_trail
from idp_mfa.audit_log.lines import decode
from idp_mfa.audit_log.options import AuditOptions
from idp_mfa.desk.acts import Desk
from idp_mfa.desk.callers import Callers, Otherwise
from idp_mfa.desk.mending import Mending
from idp_mfa.desk.orders import Order, Proposals
from idp_mfa.desk.roles import Act, DeskOptions, Grant, Role, Warrant, member
from idp_mfa.desk.token_acts import TokenActs
from idp_mfa.devices import Devices
from idp_mfa.factor import HashAlgorithm, SharedKey
from idp_mfa.factors.recovery_code import PASSCODES
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.factors.totp import Totp
from idp_mfa.hardware_tokens import HardwareTokens
from idp_mfa.helpdesk import Actor, HelpDesk
from idp_mfa.letters import Notice, NoticeKind
from idp_mfa.mail.addresses import normalised
from idp_mfa.mailed_codes import MailedCodes
from idp_mfa.model import (
    REISSUE_ADDRESS,
    Account,
    BoundBy,
    Credential,
    CredentialId,
    CredentialState,
    FactorName,
    Reference,
)
from idp_mfa.ports import Change, ChangeAnswer
from idp_mfa.reissue_address import AddressRules, ReissueAddresses
from idp_mfa.session import SessionLimits, Sessions
from idp_mfa.store.memory import MemoryStore
from idp_mfa.store.memory_outbox import MemoryOutbox
from idp_mfa.throttle import Limits, Throttle
from idp_mfa.token_stock import Stocked, TokenStock
from tests.contracts.audit_acts import ADDRESSES, CHAIN
from tests.contracts.directory_sites import SqliteSite

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SECRET = bytes(32)
STOCK = "token-stock"
OPTIONS = DeskOptions((Grant(Role.DESK, "help-desk"),), ("finance",), STOCK)


def key(state: CredentialState = CredentialState.ACTIVE) -> Credential:
    secret = {"key": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}
    return Credential(
        CredentialId("key"), TOTP, state, "Test(2026-05)", START, BoundBy.CAMPUS, 1, secret
    )


ADDRESS = Credential(
    CredentialId("address"),
    REISSUE_ADDRESS,
    CredentialState.ACTIVE,
    "",
    START,
    BoundBy.CAMPUS,
    1,
    {"address": "old@home.example"},
)


RUN = Reference("RUN22222")


def token_key(serial: str) -> SharedKey:
    """The key of a token, as its vendor's file has it."""
    secret = hashlib.sha256(serial.encode()).digest()
    return SharedKey(secret, HashAlgorithm.SHA256, 8, 60, serial)


@dataclass
class World:
    """A directory with a caller and staff in it, and a desk with all of its parts."""

    place: Path
    now: datetime = START
    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)

    def __post_init__(self) -> None:
        self.site = SqliteSite(self.place / "directory.sqlite")
        self.store = MemoryStore(self.clock)
        self.throttle = Throttle(Limits(), SECRET)
        self.audit = audit_trail(
            AuditOptions(self.place / "audit.jsonl"), MemoryWindow(999), ADDRESSES, CHAIN
        )
        self.totp = Totp("Test")
        self.factors = {TOTP: self.totp, **{one.name: one for one in PASSCODES}}
        self.sessions = Sessions(self.store, self.clock, os.urandom, SessionLimits())
        helpdesk = HelpDesk(
            self.site.directory,
            self.site.directory,
            self.store,
            self.audit,
            self.throttle,
            Devices(self.store, os.urandom, SECRET),
            self.outbox,
            self.factors,
            self.clock,
            os.urandom,
        )
        codes = MailedCodes(self.store, self.outbox, self.throttle, self.clock, os.urandom)
        addresses = ReissueAddresses(
            codes=codes,
            credentials=self.site.directory,
            store=self.store,
            outbox=self.outbox,
            normalised=normalised,
            rules=AddressRules(("example.ac.jp",)),
            clock=self.clock,
            randomness=os.urandom,
        )
        self.stock = TokenStock(helpdesk, STOCK, TOTP, self.totp)
        self.callers = Callers(self.store, self.throttle, self.clock, os.urandom)
        self.desk = Desk(
            helpdesk,
            Mending(
                helpdesk,
                self.sessions,
                addresses,
                TokenActs(
                    self.stock,
                    HardwareTokens(
                        helpdesk, self.store, self.throttle, {TOTP: self.totp}, self.clock
                    ),
                ),
                timedelta(hours=8),
            ),
            self.callers,
            Proposals(self.store, self.clock, os.urandom),
        )
        for login in ("hanako", "taro", "helen", "ivan", STOCK):
            self.site.person(login)

    def clock(self) -> datetime:
        return self.now

    def account(self, login: str = "hanako") -> Account:
        found = self.site.directory.find(login)
        assert found is not None
        return found

    def holds(self, *records: Credential) -> None:
        account = self.account()
        changes = tuple(Change(None, one) for one in records)
        done = self.site.directory.change(account.user.id, account.credentials, changes)
        assert done is ChangeAnswer.DONE

    def states(self, factor: FactorName = TOTP) -> list[CredentialState]:
        return [one.state for one in self.account().credentials.records if one.factor == factor]

    def warrant(self, act: Act, by: str = "helen", *groups: str) -> Warrant:
        staff = self.account(by)
        found = member(
            Account(staff.user, frozenset({"help-desk"}), {}, staff.standing, staff.credentials),
            OPTIONS,
        )
        assert found is not None
        person = self.account()
        case = found.case(
            Account(
                person.user, frozenset(groups), {}, person.standing, person.credentials, "entry"
            )
        )
        assert case is not None
        return case.warrants[act]

    def fill(self, *serials: str) -> None:
        """Tokens for the stock, each with a key of its own."""
        for serial in serials:
            put = self.stock.put(token_key(serial), Actor("soak", "delivery"), RUN)
            assert put is Stocked.NEW

    def vouch(self, by: str = "helen") -> None:
        self.desk.vouch(self.account(by).user, self.account(), Otherwise.CARD, "card 123")

    def ask(self, act: Act, *groups: str, by: str = "helen", **more: object) -> object:
        warrant = self.warrant(act, by, *groups)
        generation = self.account().credentials.generation
        values = {"reason": "lost phone", "generation": generation, "factor": TOTP, **more}
        return self.desk.order(warrant, Order(act, **values))  # type: ignore[arg-type]

    def told(self) -> list[NoticeKind]:
        letters = self.outbox.take(99, self.now + timedelta(days=1), timedelta(days=9))
        return [one.letter.kind for one in letters if isinstance(one.letter, Notice)]

    def recorded(self) -> list[AuditRecord]:
        lines = (self.place / "audit.jsonl").read_text("ascii").splitlines()
        found = [decode(line, ADDRESSES) for line in lines]
        return [one for one in found if one is not None]

    def events(self) -> list[str]:
        return [one.event.value for one in self.recorded()]
