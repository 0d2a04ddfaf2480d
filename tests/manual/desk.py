"""The help desk's first day in pictures, for docs/howto/help-desk.md."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from playwright.sync_api import Page

from idp_mfa.desk.roles import DeskOptions, Grant, Role
from idp_mfa.locale import Language
from idp_mfa.settings import Settings
from tests.browser.walk import Walk
from tests.manual.journeys import ON_CAMPUS, PHONE, Pictures, from_the_service
from tests.manual.stand import Stand, stand
from tests.servers.chromium import Visitor, visit
from tests.simulators.person import Person

GROUP = "help-desk"
SCREEN = {"viewport": {"width": 760, "height": 900}}
"""A window beside the telephone's."""
PICTURES = (
    *("desk-first-page", "desk-story", "desk-rules", "desk-number", "desk-caller", "desk-reset"),
    *("desk-passcode", "desk-now", "desk-lists"),
)
_CARD = ".card"
_NEVER = 1
"""A time step (RFC 6238) of long ago."""


@dataclass(slots=True)
class Call:
    """One call in a language: a wrong code, its story, who calls, and the reset."""

    place: Stand
    language: Language
    pictures: Pictures
    caller: Person
    staff: Person

    def walk_all(self) -> None:
        """The caller's phone first, then the desk's window."""
        reference = self._wrong_code()
        with self._tab(SCREEN, ON_CAMPUS) as walk:
            page = walk.page
            page.goto(f"{self.place.idp.origin}/admin")
            walk.give_password(self.staff)
            walk.give_code(self.staff)
            walk.expect("desk.home")
            page.fill("input[name=reference]", reference)
            self._part("desk-first-page", page, _CARD, _CARD)
            page.press("input[name=reference]", "Enter")
            walk.expect("desk.story")
            self._part("desk-story", page, "h1", "li[data-event='factor.rejected'] > div")
            decided = "li[data-event='password.accepted'] > div"
            page.locator(f"{decided} summary").click()
            self._part("desk-rules", page, decided, decided)
            page.locator("main a[href*='/admin/person/']").first.click()
            walk.expect("desk.person")
            self._make_sure_who_calls(walk)
            self._reset(walk)
            for name, path in (("desk-now", "now"), ("desk-lists", "lists?list=one-device")):
                page.goto(f"{self.place.idp.origin}/admin/{path}")
                self._part(name, page, _CARD, _CARD)

    def _wrong_code(self) -> str:
        """Of an entry in the app that is not this one."""
        assert self.caller.phone is not None
        with self._tab(PHONE) as walk:
            from_the_service(self.place, walk.page)
            self._send_code(walk, self.caller, self.caller.phone.at(_NEVER))
            walk.page.wait_for_selector("[aria-invalid=true]")
            return walk.page.locator("[data-reference]").inner_text()

    def _send_code(self, walk: Walk, person: Person, code: str) -> None:
        walk.give_password(person)
        walk.expect("signin.challenge")
        walk.page.fill("input[name=code]", code)
        walk.page.press("input[name=code]", "Enter")

    def _make_sure_who_calls(self, walk: Walk) -> None:
        page, form = walk.page, "form[action$='/caller']"
        page.fill("input[name=number]", self._number())
        self._part("desk-caller", page, f"h2:has(+ p + {form})", f"{form} + details summary")
        page.press("input[name=number]", "Enter")
        page.wait_for_selector("input[name=number]", state="detached")

    def _number(self) -> str:
        with self._tab(PHONE) as walk:
            page = walk.page
            page.goto(f"{self.place.idp.origin}/portal/caller")
            walk.give_password(self.caller)
            walk.give_code(self.caller)
            walk.expect("portal.caller")
            page.click("form.question button")
            page.wait_for_selector("[data-number]")
            self._part("desk-number", page, "h1", ".notice")
            return page.locator("[data-number]").inner_text()

    def _reset(self, walk: Walk) -> None:
        page, form = walk.page, "details[data-act=reset]"
        page.locator(f"{form} summary").click()
        page.fill(f"{form} input[name=reason]", _REASONS[self.language])
        self._part("desk-reset", page, form, form)
        page.click(f"{form} button.main")
        walk.expect("desk.done")
        self._part("desk-passcode", page, _CARD, _CARD)

    def others(self, people: Sequence[Person]) -> None:
        """A few more sign-ins of these minutes, each code twice."""
        for person in people:
            assert person.phone is not None
            code = person.phone.code()
            for _ in range(2):
                with self._tab(PHONE) as walk:
                    walk.page.goto(f"{self.place.idp.origin}/portal/activity")
                    self._send_code(walk, person, code)
                    walk.page.wait_for_selector("[aria-invalid=true], [data-sessions]")

    def _part(self, name: str, page: Page, first: str, last: str) -> None:
        self.pictures.part(f"{name}-{self.language}", page, first, last)

    @contextmanager
    def _tab(self, screen: Mapping[str, object], address: str | None = None) -> Iterator[Walk]:
        sharp = {**screen, "device_scale_factor": self.pictures.sharpness}
        with visit(self.place.browser, Visitor(self.language, sharp, address=address)) as context:
            yield Walk(context.new_page())


_REASONS: Mapping[Language, str] = {"ja": "スマートフォンを紛失", "en": "Lost the phone"}
_PEOPLE: Mapping[Language, tuple[str, str]] = {"ja": ("hanako", "taro"), "en": ("naomi", "ken")}
"""Who calls and who answers; what is known of a caller outlasts the pictures of one language."""


def drawn(
    settings: Settings, languages: Sequence[Language], out: Path, sharpness: int
) -> Sequence[Path]:
    """The pictures of each language in one folder, by name and language."""
    roles = DeskOptions((Grant(Role.DESK, GROUP),))
    out.mkdir(parents=True, exist_ok=True)
    made = []
    with contextlib.ExitStack() as stack:
        with contextlib.redirect_stdout(io.StringIO()):
            place = stack.enter_context(stand(replace(settings, desk=roles)))
            others = [place.somebody(name, "students") for name in ("akira", "midori")]
            people = {
                language: (
                    place.somebody(_PEOPLE[language][0], "students"),
                    place.somebody(_PEOPLE[language][1], GROUP, "staff"),
                )
                for language in languages
            }
        for language in languages:
            call = Call(place, language, Pictures(out, sharpness), *people[language])
            if language == languages[0]:
                call.others(others)
            call.walk_all()
            made += [out / f"{name}-{language}.png" for name in PICTURES]
    return made
