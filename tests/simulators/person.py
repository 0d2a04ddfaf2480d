"""A person signing in: types what a page asks for, and knows where to look for a code."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulators.phone import Phone
from tests.simulators.user_agent import Page


@dataclass(slots=True)
class Person:
    """A login, its password, and the phone if there is one."""

    login: str
    password: str
    phone: Phone | None = None

    @property
    def principal_name(self) -> str:
        """What services are told (eduPersonPrincipalName)."""
        return f"{self.login}@example.ac.jp"

    def give_password(self, page: Page) -> Page:
        """Fill in the password page."""
        assert page.mark == "signin.password", (page.url, page.status, page.words[:500])
        form = page.form_with("password")
        return page.submit(form, username=self.login, password=self.password)

    def give_code(self, page: Page) -> Page:
        """Type the code that the phone shows into the yellow page."""
        assert page.mark == "signin.challenge", (page.url, page.status, page.words[:500])
        assert page.factor == "totp"
        assert self.phone is not None
        return page.submit(page.form_with("code"), code=self.phone.code())

    def sign_in(self, page: Page) -> Page:
        """Everything that is asked, in its order."""
        if page.mark == "signin.password":
            page = self.give_password(page)
        if page.mark == "signin.challenge":
            page = self.give_code(page)
        return page
