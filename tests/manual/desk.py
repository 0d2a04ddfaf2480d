"""The help desk's first day in pictures, for docs/howto/help-desk.md."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from idp_mfa.desk.roles import DeskOptions, Grant, Role
from idp_mfa.locale import Language
from idp_mfa.settings import Settings
from tests.browser.walk import Walk
from tests.manual.journeys import ON_CAMPUS, PHONE, Pictures
from tests.manual.stand import Stand, stand
from tests.servers.chromium import Visitor, visit
from tests.simulators.person import Person

GROUP = "help-desk"
SCREEN = {"viewport": {"width": 760, "height": 900}}
"""A window beside the telephone's."""
PICTURES = ("desk-first-page", "desk-story", "desk-person", "desk-number", "desk-now", "desk-lists")


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
            self.pictures.take("desk-first-page", page)
            page.press("input[name=reference]", "Enter")
            walk.expect("desk.story")
            self.pictures.take("desk-story", page)
            page.locator("main a[href*='/admin/person/']").first.click()
            walk.expect("desk.person")
            page.fill("input[name=number]", self._number())
            page.press("input[name=number]", "Enter")
            page.wait_for_selector("input[name=number]", state="detached")
            page.locator("details[data-act=reset] summary").click()
            self.pictures.take("desk-person", page)
            for name, path in (("desk-now", "now"), ("desk-lists", "lists?list=one-device")):
                page.goto(f"{self.place.idp.origin}/admin/{path}")
                self.pictures.take(name, page)

    def _wrong_code(self) -> str:
        assert self.caller.phone is not None
        with self._tab(PHONE) as walk:
            page = walk.page
            page.goto(f"{self.place.idp.origin}/portal/activity")
            walk.give_password(self.caller)
            walk.expect("signin.challenge")
            page.fill("input[name=code]", self.caller.phone.at(1))
            page.press("input[name=code]", "Enter")
            page.wait_for_selector("[aria-invalid=true]")
            return page.locator("[data-reference]").inner_text()

    def _number(self) -> str:
        with self._tab(PHONE) as walk:
            page = walk.page
            page.goto(f"{self.place.idp.origin}/portal/caller")
            walk.give_password(self.caller)
            walk.give_code(self.caller)
            walk.expect("portal.caller")
            page.click("form.question button")
            page.wait_for_selector("[data-number]")
            self.pictures.take("desk-number", page)
            return page.locator("[data-number]").inner_text()

    @contextmanager
    def _tab(self, screen: Mapping[str, object], address: str | None = None) -> Iterator[Walk]:
        sharp = {**screen, "device_scale_factor": self.pictures.sharpness}
        with visit(self.place.browser, Visitor(self.language, sharp, address=address)) as context:
            yield Walk(context.new_page())


def drawn(
    settings: Settings, languages: Sequence[Language], out: Path, sharpness: int
) -> Sequence[Path]:
    """The pictures of each language in a folder of its own, by name."""
    roles = DeskOptions((Grant(Role.DESK, GROUP),))
    made = []
    with contextlib.ExitStack() as stack:
        with contextlib.redirect_stdout(io.StringIO()):
            place = stack.enter_context(stand(replace(settings, desk=roles)))
            people = {
                name: place.somebody(name, *groups)
                for name, groups in (("hanako", ("students",)), ("taro", (GROUP, "staff")))
            }
        for language in languages:
            folder = out / language
            folder.mkdir(parents=True, exist_ok=True)
            pictures = Pictures(folder, sharpness)
            Call(place, language, pictures, people["hanako"], people["taro"]).walk_all()
            made += [folder / f"{name}.png" for name in PICTURES]
    return made
