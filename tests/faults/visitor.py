"""A browser whose person presses again when a step fails: once, by the way that the page offers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urljoin

import requests

from tests.protocol.attacked import PLAIN, Attacker, carried, new_id
from tests.simulators.person import Person
from tests.simulators.user_agent import Page

MOST_STEPS = 25
PAUSE_SECONDS = 0.3


class NotHealed(AssertionError):  # noqa: N818 - what it says of the product
    """A step failed, and failed again."""


@dataclass(slots=True)
class Signed:
    """How a sign-in went: the codes typed, the last of which was taken, and what failed."""

    page: Page
    codes: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    answered_at: str | None = None
    """The address of the page that carried the answer."""


def failed(page: Page | None) -> bool:
    """Whether a person would say that it did not work."""
    return page is None or page.status >= 500


def way_on(page: Page) -> Page:
    """Press what a 503 page offers."""
    assert page.mark == "error", (page.url, page.status, page.text[:500])
    assert page.headers.get("Retry-After"), page.headers
    (link,) = page.tree.xpath("//a[@class='main']/@href") or (None,)
    if link is not None:
        return page.agent.send("GET", urljoin(page.url, link), None)
    return page.submit(page.tree.xpath("//form[@class='question']")[0])


_NOT_ARRIVED = "//a[contains(@href, '/saml/answer/')]/@href"
"""The way on for a browser that lost the answer."""


class Visitor(Attacker):
    """Follows redirects within the identity provider, like the attacker, and harms nobody."""

    page_address: str | None = None
    in_trouble = False
    """A step failed and was not yet tried again."""

    __eq__, __hash__ = object.__eq__, object.__hash__

    def tried(
        self, act: Callable[[], Page], otherwise: Callable[[], Page], noted: list[str]
    ) -> Page:
        """Do it; if that fails, go on once by the page's own way, or ``otherwise`` without one."""
        page = self._attempt(act)
        if not failed(page):
            assert page is not None
            return page
        self.in_trouble = True
        noted.append("no answer" if page is None else f"{page.status} {page.url}")
        time.sleep(PAUSE_SECONDS)
        first = page
        page = self._attempt(otherwise if first is None else lambda: way_on(first))
        self.in_trouble = False
        if failed(page):
            text = "no answer" if page is None else f"{page.status} {page.url}\n{page.words[:300]}"
            raise NotHealed(f"{noted[-1]}, then {text}")
        assert page is not None
        return page

    def sign_in(self, person: Person, start: Page | None = None) -> Signed:
        """From a service to its answer."""
        noted: list[str] = []
        if start is None:
            url = self.request_url()
            start = self.tried(lambda: self.open(url), lambda: self.open(url), noted)
        done = Signed(start, failed=noted)
        again: str | None = None
        for _ in range(MOST_STEPS):
            page = done.page
            if carried(page):
                done.answered_at = page.url
                return done
            before = len(noted)
            match page.mark:
                case "signin.password":
                    act: Callable[[], Page] = lambda page=page: person.give_password(page)  # noqa: E731
                case "signin.challenge":
                    assert person.phone is not None
                    code = person.phone.code() if again is None else again
                    done.codes.append(code)
                    act = lambda page=page, code=code: page.submit(  # noqa: E731
                        page.form_with("code"), code=code
                    )
                case "signin.moved" if page.tree.xpath("//form[@class='question']"):
                    act = lambda page=page: page.submit(  # noqa: E731
                        page.tree.xpath("//form[@class='question']")[0]
                    )
                case "signin.moved" if page.tree.xpath(_NOT_ARRIVED):
                    url = str(page.tree.xpath(_NOT_ARRIVED)[0])
                    act = lambda url=url: self.open(f"{self.idp}{url}")  # noqa: E731
                case other:
                    raise AssertionError(
                        (other, page.url, page.status, page.words[:500], noted, self.hops)
                    )
            was_code = page.mark == "signin.challenge"
            done.page = self.tried(act, lambda page=page: self.reload(page), noted)
            if page.mark == "signin.password" and done.page.status == 422:
                raise AssertionError(f"the right password of {person.login} was called wrong")
            # Who was interrupted types the same code again before waiting for another one.
            interrupted = len(noted) > before and was_code and again is None
            again = done.codes[-1] if interrupted else None
        raise AssertionError(f"it leads nowhere: {[hop.url for hop in self.hops[-6:]]}")

    def reload(self, page: Page) -> Page:
        """Load what did not come, or the page again whose form went nowhere."""
        return self.send("GET", self.page_address or page.url, None)

    def once(self, method: str, url: str, data: Mapping[str, str] | None) -> Page:
        """One request; where it went is what a reload loads, unless it was a form."""
        self.page_address = url if method.upper() == "GET" else None
        return Attacker.once(self, method, url, data)

    def request_url(self) -> str:
        """By which a service sends this browser here; reloading it is the same request."""
        xml = PLAIN.authn_request(
            datetime.now(UTC), id=new_id(), destination=f"{self.idp}/saml/sso"
        )
        return f"{self.idp}/saml/sso?{PLAIN.query(xml, 'state').decode()}"

    def _attempt(self, act: Callable[[], Page]) -> Page | None:
        try:
            return act()
        except requests.RequestException:
            return None
