"""Sign-ins and first set-ups while workers are killed and connections cut, by the dice."""

from __future__ import annotations

import base64
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from lxml import etree

from tests.faults.stand import CAMPUS, Stand
from tests.faults.visitor import Signed, Visitor
from tests.protocol.attacked import carried, filled
from tests.servers.proxy import Act, Proxy
from tests.simulators.person import Person
from tests.simulators.phone import STEP_SECONDS, Phone
from tests.simulators.service_provider import NAMES, read_response
from tests.simulators.user_agent import Page

CLIENTS = 4
SIGN_INS_A_FAULT = 10
PEOPLE_AT_ONCE = 50
SETTLE_SECONDS = 0.2
MOST_STEPS = 20
STRIKE_SECONDS = 8.0


@dataclass(slots=True)
class Report:
    """What happened; ``wrong`` is empty if the sign-in holds."""

    seed: int
    acts: Counter[str] = field(default_factory=Counter)
    sign_ins: int = 0
    set_ups: int = 0
    guesses_refused: int = 0
    replays_refused: int = 0
    failed_steps: int = 0
    checked_afterwards: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        acts = ", ".join(f"{count} {name}" for name, count in sorted(self.acts.items()))
        lines = (
            f"seed {self.seed}: {self.sign_ins} sign-ins and {self.set_ups} first set-ups in "
            f"{self.seconds:.0f} s",
            f"struck {sum(self.acts.values())} times: {acts}",
            f"steps that failed and were healed by one retry: {self.failed_steps}",
            f"wrong codes and passwords refused: {self.guesses_refused}; "
            f"used codes refused: {self.replays_refused}",
            f"factors that still work afterwards: {self.checked_afterwards}",
            *(f"WRONG: {each}" for each in self.wrong),
        )
        return "\n".join(lines)


class Chaos:
    """One run on a stand; the same seed strikes the same commands with the same acts."""

    def __init__(self, site: Stand, faults: int, seed: int) -> None:
        self._site = site
        self._faults = faults
        self._wanted = faults * SIGN_INS_A_FAULT
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._report = Report(seed)
        self._struck = 0
        self._begun = 0
        self._all_struck = threading.Event()
        self._visitors: set[Visitor] = set()
        self._codes: set[tuple[str, str]] = set()
        self._enrolled: list[Person] = []
        self._bare: list[Person] = []
        self._bound: list[Person] = []
        self._certificate = base64.b64decode(
            etree.fromstring(site.idp.metadata()).findtext(".//ds:X509Certificate", "", NAMES)
        )

    def run(self) -> Report:
        """All of it, and afterwards whether everybody's factor still works."""
        began = time.monotonic()
        striker = threading.Thread(target=self._strike)
        clients = [
            threading.Thread(target=self._client, args=(random.Random(f"{self._report.seed} {n}"),))
            for n in range(CLIENTS)
        ]
        for thread in (striker, *clients):
            thread.start()
        for thread in (*clients, striker):
            thread.join()
        self._site.heal()
        self._check_afterwards()
        self._report.seconds = time.monotonic() - began
        return self._report

    # -- the faults --------------------------------------------------------------------------

    def _strike(self) -> None:
        try:
            while self._struck < self._faults and not self._report.wrong:
                if self._begun < self._struck * SIGN_INS_A_FAULT:
                    time.sleep(0.02)
                    continue
                road = self._road()
                act = self._dice.choice(list(Act))
                before = len(road.happened)
                road.at(self._dice.randint(1, 25), act)
                until = time.monotonic() + STRIKE_SECONDS
                while len(road.happened) == before and time.monotonic() < until:
                    time.sleep(0.01)
                if len(road.happened) == before:
                    road.well()
                    continue
                self._struck += 1
                part = "store" if road is self._site.store_road else "directory"
                self._report.acts[f"{part}: {act.value}"] += 1
                # The next one only when everybody is on their feet: one fault, one retry.
                time.sleep(SETTLE_SECONDS)
                while any(each.in_trouble for each in list(self._visitors)):
                    time.sleep(0.02)
                time.sleep(SETTLE_SECONDS)
        finally:
            self._all_struck.set()

    def _road(self) -> Proxy:
        # The second server of the directory stays well: one failed is what "several" are for.
        if self._dice.random() < 0.8:
            return self._site.store_road
        return self._site.directory_roads[0]

    # -- the people --------------------------------------------------------------------------

    def _client(self, dice: random.Random) -> None:
        try:
            while not self._report.wrong:
                with self._lock:
                    if self._all_struck.is_set() and self._begun >= self._wanted:
                        return
                    self._begun += 1
                    person = self._next(self._enrolled, enrolled=True)
                    sets_up = self._begun % SIGN_INS_A_FAULT == 0
                    bare = self._next(self._bare, enrolled=False) if sets_up else None
                self._one(dice, person, bare)
        except Exception as error:
            self._report.wrong.append(f"{type(error).__name__}: {error}")

    def _next(self, people: list[Person], *, enrolled: bool) -> Person:
        if not people:
            people.extend(self._site.people(PEOPLE_AT_ONCE, enrolled=enrolled))
        return people.pop()

    def _one(self, dice: random.Random, person: Person, bare: Person | None) -> None:
        self._visit(None, lambda visitor: self._sign_in(visitor, person))
        match dice.randrange(10):
            case 0:
                self._visit(None, lambda visitor: self._replay(visitor, person))
            case 1:
                self._visit(None, lambda visitor: self._guess(visitor, person))
            case 2:
                self._visit(CAMPUS, lambda visitor: self._wrong_password(visitor, person))
        if bare is not None:
            self._visit(CAMPUS, lambda visitor: self._set_up(visitor, bare))

    def _visit(self, address: str | None, act: Callable[[Visitor], None]) -> None:
        visitor = self._site.visitor(address)
        self._visitors.add(visitor)
        try:
            act(visitor)
        finally:
            self._visitors.discard(visitor)
            self._site.visitors.remove(visitor)
            visitor.close()

    def _sign_in(self, visitor: Visitor, person: Person) -> None:
        done = visitor.sign_in(person)
        self._answered(person, done)
        with self._lock:
            self._report.sign_ins += 1
            self._report.failed_steps += len(done.failed)

    def _answered(self, person: Person, done: Signed) -> None:
        octets = base64.b64decode(filled(done.page, "SAMLResponse")["SAMLResponse"])
        read = read_response(octets, self._certificate)
        if read.statuses != ["Success"]:
            raise AssertionError(f"{person.login}: {read.statuses}")
        if not done.codes:
            raise AssertionError(f"{person.login} was not asked for a code")
        with self._lock:
            if (person.login, done.codes[-1]) in self._codes:
                raise AssertionError(f"{person.login}: a code was taken twice")
            self._codes.add((person.login, done.codes[-1]))

    def _replay(self, visitor: Visitor, person: Person) -> None:
        """The code that was taken a moment ago."""
        used = next(code for login, code in self._codes if login == person.login)
        self._refused(visitor, person, used)
        with self._lock:
            self._report.replays_refused += 1

    def _guess(self, visitor: Visitor, person: Person) -> None:
        """A code that is none of the present ones."""
        assert person.phone is not None
        now = int(time.time()) // STEP_SECONDS
        right = {person.phone.at(now + step) for step in range(-3, 4)}
        self._refused(visitor, person, next(c for c in ("123456", "654321") if c not in right))
        with self._lock:
            self._report.guesses_refused += 1

    def _refused(self, visitor: Visitor, person: Person, code: str) -> None:
        page = self._at_code(visitor, person)
        answer = self._tried(visitor, lambda: page.submit(page.form_with("code"), code=code), page)
        if carried(answer) or answer.mark not in ("signin.challenge", "signin.moved"):
            raise AssertionError(f"{person.login}: {code} led to {answer.words[:600]}")

    def _at_code(self, visitor: Visitor, person: Person) -> Page:
        url = visitor.request_url()
        page = visitor.tried(lambda: visitor.open(url), lambda: visitor.open(url), [])
        for _ in range(MOST_STEPS):
            match page.mark:
                case "signin.challenge":
                    return page
                case "signin.password":
                    page = self._tried(visitor, lambda page=page: person.give_password(page), page)
                case "signin.moved":
                    page = self._tried(visitor, lambda page=page: _only_form(page), page)
                case other:
                    raise AssertionError((other, page.status, page.words[:300]))
        raise AssertionError("it leads nowhere")

    def _wrong_password(self, visitor: Visitor, person: Person) -> None:
        wrong = Person(person.login, "wrong", person.phone)
        url = visitor.request_url()
        page = visitor.tried(lambda: visitor.open(url), lambda: visitor.open(url), [])
        if page.mark == "signin.moved":
            page = self._tried(visitor, lambda: _only_form(page), page)
        answer = self._tried(visitor, lambda: wrong.give_password(page), page)
        if carried(answer) or answer.mark not in ("signin.password", "signin.moved"):
            raise AssertionError(f"{person.login}: a wrong password led to {answer.mark}")
        with self._lock:
            self._report.guesses_refused += 1

    def _set_up(self, visitor: Visitor, person: Person) -> None:
        """On campus, from the portal's page to a key that works."""
        start = f"{visitor.idp}/portal/totp"
        noted: list[str] = []
        page = visitor.tried(lambda: visitor.open(start), lambda: visitor.open(start), noted)
        for _ in range(MOST_STEPS):
            match page.mark:
                case "signin.password":
                    act = lambda page=page: person.give_password(page)  # noqa: E731
                case "signin.moved":
                    act = lambda page=page: _only_form(page)  # noqa: E731
                case "portal.totp.begin" if person.phone is None:
                    act = lambda page=page: _only_form(page)  # noqa: E731
                case "portal.totp.setup":
                    (key,) = page.tree.xpath("//*[@data-totp-key]")
                    shown = "".join(key.text_content().split())
                    if person.phone is None or person.phone.key != shown:
                        person.phone = Phone(shown)
                    act = lambda page=page: page.submit(  # noqa: E731
                        page.form_with("code"),
                        code=person.phone.code(),  # type: ignore[union-attr]
                    )
                case "portal.totp.done" | "portal.totp.begin" | "signin.challenge":
                    # The last two: it was bound, and only the answer was lost.
                    with self._lock:
                        self._bound.append(person)
                        self._report.set_ups += 1
                        self._report.failed_steps += len(noted)
                    return
                case other:
                    raise AssertionError((other, page.url, page.status, page.words[:300]))
            page = visitor.tried(act, lambda page=page: visitor.reload(page), noted)
        raise AssertionError("it leads nowhere")

    def _tried(self, visitor: Visitor, act: Callable[[], Page], page: Page) -> Page:
        noted: list[str] = []
        answer = visitor.tried(act, lambda: visitor.reload(page), noted)
        with self._lock:
            self._report.failed_steps += len(noted)
        return answer

    # -- afterwards --------------------------------------------------------------------------

    def _check_afterwards(self) -> None:
        """Everybody who set a phone up can sign in with it, and has one key."""
        for person in self._bound:
            if self._report.wrong:
                return
            try:
                self._visit(None, lambda visitor, person=person: self._still(visitor, person))
            except AssertionError as error:
                self._report.wrong.append(f"{person.login}, set up before: {error}")

    def _still(self, visitor: Visitor, person: Person) -> None:
        self._answered(person, visitor.sign_in(person))
        self._report.checked_afterwards += 1


def _only_form(page: Page) -> Page:
    forms = page.tree.xpath("//form[@class='question']")
    if not forms:
        raise AssertionError(f"{page.status} {page.url} leads nowhere: {page.words[:600]}")
    return page.submit(forms[0])
