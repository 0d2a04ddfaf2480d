"""A person with an authenticator: posts what the script of our pages would have posted."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

from lxml import html

from tests.simulators.authenticator import Authenticator
from tests.simulators.user_agent import Page


def asks(page: Page) -> bool:
    """Whether the page asks the browser for a passkey, or to make one."""
    return bool(page.tree.xpath("//form[@data-options]"))


def options_of(page: Page) -> str:
    """What the browser is asked."""
    return str(_form(page).get("data-options"))


def confirm(page: Page, device: Authenticator, **lies: Any) -> Page:
    """Answer the page's question, honestly unless told otherwise."""
    return post(page, device.get(options_of(page), **lies))


def post(page: Page, credential: str) -> Page:
    """Send the page's form with an answer of any question."""
    return page.submit(_form(page), credential=credential)


def confirm_without_name(page: Page, device: Authenticator, **lies: Any) -> Page:
    """Sign in from the password page by a passkey alone."""
    (form,) = (one for one in page.tree.forms if one.get("data-question"))
    question = urljoin(page.url, form.get("data-question"))
    asked = page.agent.once("POST", question, {"csrf": dict(form.form_values())["csrf"]})
    return page.submit(form, credential=device.get(asked.text, **lies))


def register(page: Page, device: Authenticator, **lies: Any) -> Page:
    """From the page that begins a registration to what comes of it."""
    assert page.mark == "portal.fido2.new", page
    created = begin(page)
    assert created.mark == "portal.fido2.create", created
    return post(created, device.create(options_of(created), **lies))


def begin(page: Page) -> Page:
    """Press the button that begins a registration."""
    (form,) = (one for one in page.tree.forms if (one.action or "").endswith("/begin"))
    return page.submit(form)


def _form(page: Page) -> html.FormElement:
    found = [one for one in page.tree.forms if one.get("data-options")]
    assert len(found) == 1, page
    return found[0]
