"""Templates are compiled before anybody waits for them, and once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from flask import Flask
from jinja2 import BaseLoader, Environment, FileSystemLoader

from idp_mfa import assets
from idp_mfa.cli.server import compile_pages
from idp_mfa.letters import CodePurpose, MailedCode
from idp_mfa.mail.writing import Writer
from idp_mfa.model import Reference, Seen, User, UserId
from idp_mfa.site import SiteOptions

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Watched(BaseLoader):
    """The shipped templates, and which were read."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self._shipped = FileSystemLoader(assets.folder("templates"))

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        self.read.append(template)
        return self._shipped.get_source(environment, template)

    def list_templates(self) -> list[str]:
        return self._shipped.list_templates()


@pytest.fixture
def loader() -> Watched:
    return Watched()


def test_no_page_of_a_sign_in_is_left_to_its_first_visitor(loader: Watched) -> None:
    app = Flask(__name__)
    app.jinja_loader = loader
    app.jinja_env.add_extension("jinja2.ext.i18n")
    compile_pages(app)
    of_a_sign_in = {
        name
        for name in loader.list_templates()
        if name.split("/")[0] in ("signin", "saml", "factors") or "/" not in name
    }
    assert {"signin/challenge.html", "factors/totp.html", "base.html"} <= of_a_sign_in
    assert of_a_sign_in <= set(loader.read)
    del loader.read[:]
    for name in of_a_sign_in:
        app.jinja_env.get_template(name)
    assert loader.read == []


def test_the_second_letter_reads_no_template(loader: Watched) -> None:
    writer = Writer("https://idp.example.ac.jp", SiteOptions(), "", loader)
    user = User(UserId("id"), "alice", "Alice")
    for language, code in (("ja", "135790"), ("en", "135790"), ("ja", "246801"), ("en", "246801")):
        letter = MailedCode(
            CodePurpose.REISSUE,
            user.id,
            AT,
            Seen(ip_address("192.0.2.1"), ()),
            Reference("ABCD2345"),
            language,
            "alice@example.org",
            code,
            AT + timedelta(minutes=30),
        )
        assert code in writer.write(letter, user, letter.to).text
    assert loader.read.count("mail/code.txt") == 2, "once a language"
    assert loader.read.count("mail/letter.html") == 2
