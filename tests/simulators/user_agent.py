"""A browser without JavaScript, over plain HTTP: cookies, redirects, forms, an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from lxml import html

MOST_HOPS = 20
_SAML_FIELDS = frozenset({"SAMLRequest", "SAMLResponse"})


@dataclass(frozen=True, slots=True)
class Hop:
    """One request and the head of its answer."""

    method: str
    url: str
    status: int
    location: str | None
    sent: Mapping[str, str]

    def parameter(self, name: str) -> str | None:
        """A parameter of the address or, failing that, of the form that was sent."""
        asked = parse_qs(urlsplit(self.url).query)
        return next(iter(asked.get(name, ())), self.sent.get(name))


@dataclass(slots=True, repr=False)
class Page:
    """Where the agent stands now."""

    agent: UserAgent
    url: str
    status: int
    headers: Mapping[str, str]
    text: str

    def __repr__(self) -> str:
        """What a failed assertion needs to know of it, which pytest cuts in the middle."""
        return f"<{self.mark} {self.status}: {self.refusal or self.words[:100]} at {self.url}>"

    @property
    def tree(self) -> html.HtmlElement:
        """The parsed page."""
        octets = (self.text or "<p></p>").encode()
        parser = html.HTMLParser(encoding="utf-8")
        return html.document_fromstring(octets, base_url=self.url, parser=parser)

    @property
    def mark(self) -> str | None:
        """The page's name (``data-page``)."""
        return self.tree.find("body").get("data-page")

    @property
    def factor(self) -> str | None:
        """The factor that is asked (``data-factor``)."""
        return self.tree.find("body").get("data-factor")

    @property
    def words(self) -> str:
        """What a reader sees, with runs of white space made one."""
        return " ".join(self.tree.find("body").text_content().split())

    @property
    def refusal(self) -> str:
        """What it says is wrong, if something is."""
        said = self.tree.xpath("//*[@role='alert' or @class='error']")
        return " ".join(" ".join(each.text_content() for each in said).split())

    def form_with(self, field_name: str) -> html.FormElement:
        """The form that holds a field of that name."""
        for form in self.tree.forms:
            if field_name in form.fields:
                return form
        raise AssertionError(f"no form with {field_name!r} on {self.url}: {self.words[:500]}")

    def submit(self, form: html.FormElement, **filled: str) -> Page:
        """Send a form as a browser does: every field it has, with those filled in."""
        values = dict(form.form_values())
        action = urljoin(self.url, form.action or self.url)
        return self.agent.send(form.method, action, {**values, **filled})

    def press(self, name: str, value: str) -> Page:
        """Press the button of that name and value."""
        for button in self.tree.iterfind(f".//button[@name='{name}']"):
            if button.get("value") == value:
                form = next(button.iterancestors("form"))
                return self.submit(form, **{name: value})
        raise AssertionError(f"no button {name}={value} on {self.url}: {self.words[:500]}")


@dataclass(slots=True)
class UserAgent:
    """One browser profile.

    ``address`` is sent to ``idp`` as X-Forwarded-For, for a proxy would; None sends none.
    """

    idp: str
    address: str | None = None
    language: str = "en"
    hops: list[Hop] = field(default_factory=list)
    session: requests.Session = field(default_factory=requests.Session)

    def open(self, url: str) -> Page:
        """Type an address; follow where it leads, over redirects and pages that post on."""
        self.hops.clear()
        return self.send("GET", url, None)

    def send(self, method: str, url: str, data: Mapping[str, str] | None) -> Page:
        """One request and all that it leads to without a person's act."""
        page = self.once(method, url, data)
        for _ in range(MOST_HOPS):
            if location := page.headers.get("Location"):
                page = self.once("GET", urljoin(page.url, location), None)
            elif (form := _posts_on(page)) is not None:
                action = urljoin(page.url, form.action)
                page = self.once("POST", action, dict(form.form_values()))
            else:
                return page
        raise AssertionError(f"going round in circles: {[hop.url for hop in self.hops[-5:]]}")

    def once(self, method: str, url: str, data: Mapping[str, str] | None) -> Page:
        """One request and its answer, followed nowhere."""
        headers = {"Accept-Language": self.language}
        if self.address is not None and url.startswith(self.idp):
            headers["X-Forwarded-For"] = self.address
        answer = self.session.request(
            method, url, data=data, headers=headers, allow_redirects=False, timeout=30
        )
        location = answer.headers.get("Location")
        self.hops.append(Hop(method.upper(), url, answer.status_code, location, data or {}))
        answer.encoding = "utf-8"
        return Page(self, answer.url, answer.status_code, answer.headers, answer.text)

    def carried(self, name: str) -> Hop:
        """The last request that carried a parameter of that name."""
        return next(hop for hop in reversed(self.hops) if hop.parameter(name) is not None)

    def forget(self, cookie: str) -> None:
        """Delete a cookie of that name, wherever it is from."""
        for each in [one for one in self.session.cookies if one.name == cookie]:
            self.session.cookies.clear(each.domain, each.path, each.name)

    def close(self) -> None:
        """Drop connections."""
        self.session.close()


def _posts_on(page: Page) -> html.FormElement | None:
    """The form that a script, or the one button for those without, would send."""
    if "html" not in page.headers.get("Content-Type", ""):
        return None
    return next((form for form in page.tree.forms if _SAML_FIELDS & set(form.fields)), None)
