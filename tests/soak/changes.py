"""First set-ups and re-issues, in each of which a worker is killed at a random command."""

from __future__ import annotations

import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from idp_mfa.compose.house import House
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.model import Credential, Credentials
from idp_mfa.settings import Settings, load
from tests.faults.stand import CAMPUS, Stand, wait_until
from tests.faults.visitor import Visitor
from tests.servers import slapd
from tests.servers.idp import WIDE, phone_set_up
from tests.servers.proxy import Act, Proxy
from tests.simulators.person import Person
from tests.simulators.phone import STEP_SECONDS, Phone
from tests.simulators.user_agent import Page

MAIL: Mapping[str, Any] = {
    "mail": {"folder": "outbox"},
    "limits": {**WIDE, "mail_again_after": "0s", "mail_per_hour": 100, "mail_per_day": 100},
}
"""The stand's settings, so that codes come in files."""
NEWEST = 12
"""Mails among which somebody's newest is."""
KILLS = (Act.KILL_BEFORE, Act.KILL_AFTER)
MOST_STEPS = 40
COMMANDS = {"set-up": 90, "re-issue": 70}
"""About so many does each journey have on the store's road."""
MAIL_SECONDS = 6.0
PEOPLE_AT_ONCE = 25
LATER = timedelta(minutes=10)
"""By then every letter that a dead worker had in hand is due again."""
_CODE = re.compile(r"^(\d{6})\r?$", re.MULTILINE)
NOTICES = {"set-up": "factor-added", "re-issue": "key-reissued"}


@dataclass(slots=True)
class Changed:
    """What happened; ``wrong`` is empty if no kill left anybody worse off."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    journeys: Counter[str] = field(default_factory=Counter)
    failed_steps: int = 0
    looks: int = 0
    notices: int = 0
    codes: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        journeys = ", ".join(f"{count} of {name}" for name, count in sorted(self.journeys.items()))
        kills = ", ".join(f"{count} {name}" for name, count in sorted(self.kills.items()))
        lines = (
            f"seed {self.seed}: {journeys} in {self.seconds:.0f} s",
            f"workers killed {sum(self.kills.values())} times: {kills}",
            f"steps that failed and were healed: {self.failed_steps}; "
            f"keys counted {self.looks} times",
            f"notices that reached each address: {self.notices}; "
            f"mailed codes, all on record: {self.codes}",
            *(f"WRONG: {each}" for each in self.wrong),
        )
        return "\n".join(lines)


class Changes:
    """One run on a stand that mails into a folder; the same seed kills at the same commands."""

    def __init__(self, site: Stand, kills: int, seed: int) -> None:
        self._site = site
        self._wanted = kills
        self._dice = random.Random(seed)
        self._done = Changed(seed)
        self._bare: list[Person] = []
        self._all: list[tuple[str, Person]] = []
        self._outbox = site.idp.folder / "outbox"

    def run(self) -> Changed:
        """Journey after journey until so many kills have struck, and then what was mailed."""
        began = time.monotonic()
        with near(self._site, now) as house:
            self._house = house
            while sum(self._done.kills.values()) < self._wanted and not self._done.wrong:
                kind = self._dice.choice(sorted(COMMANDS))
                person = self._somebody(kind)
                try:
                    self._journey(kind, person)
                except AssertionError as error:
                    self._done.wrong.append(f"{kind} of {person.login}: {error}")
        self._site.heal()
        with near(self._site, lambda: now() + LATER) as later:
            _carry_away(later)
        self._all_told()
        self._done.seconds = time.monotonic() - began
        return self._done

    # -- a journey and its kill --------------------------------------------------------------

    def _somebody(self, kind: str) -> Person:
        if not self._bare:
            self._bare.extend(self._site.people(PEOPLE_AT_ONCE, enrolled=False))
        person = self._bare.pop()
        if kind == "re-issue":
            person.phone = phone_set_up(self._house, person.login, own_address(person))
        self._all.append((kind, person))
        return person

    def _journey(self, kind: str, person: Person) -> None:
        road = self._road()
        number, act = self._dice.randint(1, COMMANDS[kind]), self._dice.choice(KILLS)
        if road is not self._site.store_road:
            number = number // 4 + 1
        struck = len(road.happened)
        visitor = self._site.visitor(CAMPUS if kind == "set-up" else None)
        walk = Walked(visitor, person, self._outbox, lambda: self._look(kind, person))
        road.at(number, act)
        try:
            (walk.sets_up if kind == "set-up" else walk.re_issues)()
        finally:
            road.well()
            self._site.visitors.remove(visitor)
            visitor.close()
        if len(road.happened) > struck:
            part = "store" if road is self._site.store_road else "directory"
            self._done.kills[f"{act.value} ({part})"] += 1
            wait_until(lambda: self._site.ready().status_code == 200)
        self._done.journeys[kind] += 1
        self._done.failed_steps += len(walk.failed)
        (key,) = active(self._credentials(person))
        assert person.phone is not None
        assert key.secret["key"] == person.phone.key, "the key that was shown is not the one kept"

    def _road(self) -> Proxy:
        if self._dice.random() < 0.7:
            return self._site.store_road
        return self._site.directory_roads[0]

    def _credentials(self, person: Person) -> Credentials:
        found = self._house.directory.find(person.login)
        assert found is not None
        account = self._house.directory.read(found.user.id)
        assert account is not None
        return account.credentials

    def _look(self, kind: str, person: Person) -> None:
        """After each step: a key at all times where there was one, and never a second one."""
        credentials = self._credentials(person)
        keys = active(credentials)
        self._done.looks += 1
        assert credentials.unreadable == 0
        assert len(keys) <= 1, "two keys are in force"
        assert keys or kind == "set-up", "no key is left"
        address = credentials.reissue_address
        if kind == "set-up":
            assert keys or address is None, "an address was written without its factor"
        assert address is None or address.secret["address"] == own_address(person)

    # -- afterwards --------------------------------------------------------------------------

    def _all_told(self) -> None:
        """Every change reached each address, and every code that was mailed is on record."""
        record = self._site.audit.read_text()
        mails = mails_in(self._outbox)
        subjects: dict[str, list[str]] = {}
        for mail in mails:
            subjects.setdefault(str(mail["To"]), []).append(str(mail["Subject"]))
        for kind, person in self._all:
            told = NOTICES[kind]
            user_id = self._user_id(person)
            lines = [line for line in record.splitlines() if user_id in line]
            if not any('"letter.sent"' in line and f'"{told}"' in line for line in lines):
                self._done.wrong.append(f"{person.login}: nobody was told of the {kind}")
            for address in (own_address(person), f"{person.login}@example.ac.jp"):
                if not any(_is(kind, one) for one in subjects.get(address, ())):
                    self._done.wrong.append(f"{address}: no mail tells of the {kind}")
                else:
                    self._done.notices += 1
            codes = sum(has_code(mail) for mail in mails if mail["To"] == own_address(person))
            sent = [
                line
                for line in lines
                if '"letter.sent"' in line and ('"reissue"' in line or '"confirm-address"' in line)
            ]
            if codes and not sent:
                self._done.wrong.append(f"{person.login}: a code was mailed without a record")
            self._done.codes += codes

    def _user_id(self, person: Person) -> str:
        (stable,) = self._site.directory.get(f"uid={person.login},{slapd.PEOPLE}", "entryUUID")
        return stable.decode()


@dataclass(slots=True)
class Walked:
    """Somebody who presses again when a step fails, and goes by what the page says."""

    visitor: Visitor
    person: Person
    outbox: Path
    look: Callable[[], None]
    failed: list[str] = field(default_factory=list)
    typed: set[str] = field(default_factory=set)
    page: Page = field(init=False)

    def sets_up(self) -> None:
        """From the portal's page to a key that works, with an address on the way."""
        for page in self._pages("/portal/totp"):
            match page.mark:
                case "portal.totp.begin":
                    self._press(page, "/begin")
                case "portal.totp.setup":
                    self._key_of(page)
                    self._press(page, "/complete", code=self._next_code())
                case "portal.totp.done" | "signin.challenge":
                    # The last one: it was bound, and only the answer was lost.
                    return
                case "portal.mail":
                    self._by_mail(page, "/send", address=own_address(self.person))
                case _:
                    self._other(page)

    def re_issues(self) -> None:
        """From the password to the page of the new key."""
        for page in self._pages("/portal/reissue"):
            match page.mark:
                case "portal.reissue.2":
                    self._by_mail(page, "/send")
                case "portal.reissue.3":
                    self._press(page, "/key")
                case "portal.reissue.4":
                    self._key_of(page)
                    return
                case _:
                    self._other(page)

    # -- inside ------------------------------------------------------------------------------

    def _pages(self, path: str) -> Iterator[Page]:
        url = f"{self.visitor.idp}{path}"
        self._do(lambda: self.visitor.open(url), lambda: self.visitor.open(url))
        for _ in range(MOST_STEPS):
            yield self.page
        raise AssertionError(f"it leads nowhere: {self.page!r}")

    def _do(self, act: Callable[[], Page], otherwise: Callable[[], Page]) -> None:
        self.page = self.visitor.tried(act, otherwise, self.failed)
        self.look()

    def _press(self, page: Page, action: str, **typed: str) -> None:
        forms = [one for one in page.tree.forms if one.action.endswith(action)]
        assert forms, f"no way to {action} on {page!r}"
        self._do(lambda: page.submit(forms[0], **typed), lambda: self.visitor.reload(page))

    def _other(self, page: Page) -> None:
        match page.mark:
            case "signin.password":
                self._do(lambda: self.person.give_password(page), lambda: self.visitor.reload(page))
            case "signin.moved" if page.tree.xpath("//form[@class='question']"):
                form = page.tree.xpath("//form[@class='question']")[0]
                self._do(lambda: page.submit(form), lambda: self.visitor.reload(page))
            case _:
                raise AssertionError(f"{page!r} leads nowhere")

    def _by_mail(self, page: Page, send: str, **typed: str) -> None:
        """Type the newest code, or have one sent: again too, if none comes."""
        waits = any("code" in one.fields for one in page.tree.forms)
        code = self._newest() if waits else None
        if code is not None:
            self.typed.add(code)
            self._press(page, "/code", code=code)
        else:
            self._press(page, send, **typed)

    def _newest(self) -> str | None:
        until = time.monotonic() + MAIL_SECONDS
        while time.monotonic() < until:
            for mail in reversed(mails_in(self.outbox, NEWEST)):
                found = _CODE.search(words(mail))
                if mail["To"] == own_address(self.person) and found:
                    if found[1] not in self.typed:
                        return found[1]
                    break
            time.sleep(0.05)
        return None

    def _next_code(self) -> str:
        """One that was not typed yet: whoever was interrupted waits for the next."""
        assert self.person.phone is not None
        while True:
            step = int(time.time()) // STEP_SECONDS
            for code in (self.person.phone.at(step), self.person.phone.at(step + 1)):
                if code not in self.typed:
                    self.typed.add(code)
                    return code
            time.sleep(1)

    def _key_of(self, page: Page) -> None:
        key = str(page.tree.xpath("string(//*[@data-totp-key]/@data-totp-key)"))
        if self.person.phone is None or self.person.phone.key != key:
            self.person.phone = Phone(key)


@contextmanager
def near(site: Stand, clock: Callable[[], datetime]) -> Iterator[House]:
    """The same parts without the roads, and with a clock of its own."""
    settings = load(site.idp.folder / "idp_mfa.yaml")
    assert isinstance(settings, Settings), settings
    assert settings.directory.ldap is not None
    ldap = replace(settings.directory.ldap, uris=(site.directory.uri,))
    house = House(
        replace(
            settings,
            store=replace(settings.store, url=site.store.tcp_url),
            directory=replace(settings.directory, ldap=ldap),
        ),
        clock,
        os.urandom,
    )
    try:
        yield house
    finally:
        house.directory.close()
        house.store_server.close()


def now() -> datetime:
    return datetime.now(UTC)


def own_address(person: Person) -> str:
    return f"{person.login}@home.example"


def active(credentials: Credentials) -> tuple[Credential, ...]:
    """The keys that sign in."""
    return credentials.of(TOTP)


def mails_in(outbox: Path, most: int = 0) -> list[EmailMessage]:
    """The newest that were carried there, or all of them (0); oldest first."""
    found = []
    for file in sorted(outbox.glob("*.eml"))[-most:]:
        with suppress(FileNotFoundError):
            found.append(message_from_bytes(file.read_bytes(), policy=default))
    return found


def words(mail: EmailMessage) -> str:
    """Its text."""
    part = mail.get_body(("plain",))
    return "" if part is None else str(part.get_content())


def has_code(mail: EmailMessage) -> bool:
    """Whether it is one that carries a code."""
    return _CODE.search(words(mail)) is not None


def _is(kind: str, subject: str) -> bool:
    wanted = {
        "set-up": ("認証方法が追加されました", "A way to sign in was added"),
        "re-issue": ("セットアップキーが再発行されました", "Your set-up key was replaced"),
    }
    return subject.endswith(wanted[kind])


def _carry_away(house: House) -> None:
    """What waits is sent, whoever had it in hand."""
    postman = house.postman
    assert postman is not None
    while postman.round():
        pass
