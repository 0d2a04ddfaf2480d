"""How a person walks through the pages in a real browser."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Page

from tests.servers.apache import what_came
from tests.simulators.person import Person

MOST_TABS = 25


@dataclass(slots=True)
class Walk:
    """One tab of one visitor."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def listen(self, origin: str) -> Walk:
        """Note what the browser complains of on pages of that origin: policies, scripts, styles."""

        def note(message: ConsoleMessage) -> None:
            here = self.page.url
            # A page that says "wrong code" has a status that Chromium counts as an error.
            status = "Failed to load" in message.text and message.location.get("url") == here
            if message.type == "error" and here.startswith(origin) and not status:
                self.complaints.append(f"{here}: {message.text}")

        self.page.on("console", note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return self

    def expect(self, mark: str) -> None:
        """Wait for a page by its name; the failure shows what stands there."""
        try:
            self.page.wait_for_selector(f"body[data-page='{mark}']", timeout=15_000)
        except Exception as error:
            text = self.page.locator("body").inner_text()[:600]
            raise AssertionError(f"no {mark} at {self.page.url}: {text}") from error

    def arrived(self) -> dict[str, str]:
        """Wait for the service's page; what it was told."""
        try:
            self.page.wait_for_selector("#what-came", timeout=15_000)
        except Exception as error:
            text = self.page.locator("body").inner_text()[:600]
            raise AssertionError(f"not at the service but {self.page.url}: {text}") from error
        return what_came(self.page.content())

    def go(self, url: str) -> None:
        """Leave by a script of the page one is on, so that the browser sees who sends it."""
        with self.page.expect_navigation():
            self.page.evaluate("url => location.assign(url)", url)

    def give_password(self, person: Person) -> None:
        """Type both and press Enter."""
        self.expect("signin.password")
        self.page.fill("input[name=username]", person.login)
        self.page.fill("input[name=password]", person.password)
        self.page.press("input[name=password]", "Enter")

    def give_code(self, person: Person) -> None:
        """Type the code and press Enter."""
        self.expect("signin.challenge")
        assert person.phone is not None
        self.page.fill("input[name=code]", person.phone.code())
        self.page.press("input[name=code]", "Enter")

    def tab_to(self, name: str) -> None:
        """Press Tab until the field or button of that name has the focus, and see that it shows."""
        for _ in range(MOST_TABS):
            if self.page.evaluate("document.activeElement?.name") == name:
                break
            self.page.keyboard.press("Tab")
        else:
            raise AssertionError(f"{name} cannot be reached by Tab on {self.page.url}")
        outline = self.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"the focus on {name} cannot be seen"
