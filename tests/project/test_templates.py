"""Each page, drawn in each state and language, keeps what every page owes its reader."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from idp_mfa import locale
from idp_mfa.model import Refusal
from tests.project.page_states import ERRORS, KEY, STATES, TEMPLATES, Context, drawn, environment

STATIC = TEMPLATES.parent / "idp_mfa" / "web" / "static"


class Read(HTMLParser):
    """What a browser would make of a page."""

    VOID = frozenset({"meta", "link", "input", "img", "path", "circle", "rect", "br"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.forms: list[tuple[dict[str, str | None], dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        assert len(found) == len(attributes), f"an attribute twice: {tag} {attributes}"
        self.tags.append((tag, found))
        if tag == "form":
            self.forms.append((found, {}))
        if tag in ("input", "button") and "form" in self.open:
            self.forms[-1][1][found.get("name") or ""] = found.get("value")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, text: str) -> None:
        self.text += text

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


SCRIPTS = {f"/static/{path.name}" for path in STATIC.glob("*.js")}
PAGES = pytest.mark.parametrize(
    ("template", "context"), [state[1:] for state in STATES], ids=[state[0] for state in STATES]
)
LANGUAGES = pytest.mark.parametrize("language", locale.LANGUAGES)


def test_every_template_compiles() -> None:
    made = environment("ja")
    names = [name for name in made.list_templates() if name.endswith(".html")]
    assert names
    for name in names:
        made.get_template(name)


def test_every_page_is_drawn_here() -> None:
    pages = {
        str(path.relative_to(TEMPLATES))
        for path in TEMPLATES.rglob("*.html")
        if '{% extends "base.html" %}' in path.read_text(encoding="utf-8")
    }
    assert pages <= {template for _, template, _ in STATES}


@LANGUAGES
@PAGES
def test_a_page_is_whole_and_named(
    language: locale.Language, template: str, context: Context
) -> None:
    text = drawn(language, template, context)
    page = Read(text)
    assert page.open == []
    ids = [found["id"] for _, found in page.tags if "id" in found]
    assert len(ids) == len(set(ids))
    for found in page.all("html"):
        assert found["lang"] == language
    for found in page.all("body"):
        assert re.fullmatch(r"[a-z0-9.-]+", found["data-page"] or "")
        assert found.get("data-factor") == context.get("factor")
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    assert "https://www.example.ac.jp/help" in [found.get("href") for found in page.all("a")]
    assert "https://www.example.ac.jp/manual" in [found.get("href") for found in page.all("a")]
    assert "idp.example.ac.jp" in page.text
    if context.get("reference"):
        assert any("data-reference" in found for found in page.all("code"))


@LANGUAGES
@PAGES
def test_what_others_wrote_stays_text(
    language: locale.Language, template: str, context: Context
) -> None:
    assert "<script>alert" not in drawn(language, template, context)


@PAGES
def test_a_page_lives_with_the_content_security_policy(template: str, context: Context) -> None:
    page = Read(drawn("ja", template, context))
    for tag, found in page.tags:
        assert tag != "style"
        assert "style" not in found
        assert not [name for name in found if name.startswith("on")]
        assert not (found.get("href") or "").startswith("javascript:")
    for found in page.all("script"):
        if template == "saml/post.html":
            assert found == {"nonce": "n"}
        else:
            assert (found["src"] or "").partition("?")[0] in SCRIPTS
    for found in (*page.all("img"), *page.all("link")):
        assert re.match(r"/(?!/)|data:", found.get("src") or found.get("href") or "")


@PAGES
def test_every_field_is_labelled_and_explained(template: str, context: Context) -> None:
    page = Read(drawn("en", template, context))
    ids = {found["id"] for _, found in page.tags if "id" in found}
    labels = {found["for"] for found in page.all("label")}
    for found in page.all("input"):
        if found["type"] != "hidden":
            assert found["id"] in labels
    for _, found in page.tags:
        assert set((found.get("aria-describedby") or "").split()) <= ids
        assert set((found.get("aria-labelledby") or "").split()) <= ids
    for found in page.all("img"):
        assert "alt" in found


@PAGES
def test_a_form_that_changes_something_posts_its_proof(template: str, context: Context) -> None:
    page = Read(drawn("en", template, context))
    for form, fields in page.forms:
        if form.get("role") == "search":
            assert form["method"] == "get"
            continue
        assert form["method"] == "post"
        if context.get("csrf") and form["action"] in ("/a", "/c", "/again", "/sign-out"):
            assert fields.get("csrf") == "token"
        if "version" in context and template in ("signin/challenge.html", "signin/choose.html"):
            assert fields.get("version") == "3"


def test_managers_and_phones_know_the_fields() -> None:
    shown = {
        found["name"]: found
        for _, template, context in STATES
        if template in ("signin/password.html", "signin/challenge.html")
        for found in Read(drawn("ja", template, context)).all("input")
        if found["type"] != "hidden"
    }
    # By the second word a browser offers a passkey where a name would be typed (WebAuthn L3 5.1.4).
    assert shown["username"]["autocomplete"] == "username webauthn"
    assert shown["password"]["autocomplete"] == "current-password"
    assert shown["password"]["type"] == "password"
    assert shown["code"]["autocomplete"] == "one-time-code"
    assert shown["code"]["inputmode"] == "numeric"
    assert shown["shared_computer"]["type"] == "checkbox"


def test_a_wrong_answer_is_told_beside_its_field() -> None:
    for name, template, context in STATES:
        if template == "signin/challenge.html" and context["error"] and context["fields"]:
            text = drawn("ja", template, context)
            field = next(f for f in Read(text).all("input") if f["name"] == "code")
            assert field["aria-invalid"] == "true", name
            assert field["aria-describedby"] == "code-error why", name
            assert "<title>エラー" in text, name


def test_the_key_can_be_copied_without_blanks() -> None:
    context = next(context for name, _, context in STATES if name == "totp setup None")
    text = drawn("ja", "portal/totp_setup.html", context)
    found = re.search(r"<code[^>]*data-totp-key[^>]*>(.*?)</code>", text, re.DOTALL)
    assert found is not None
    assert re.sub(r"<[^>]*>", "", found[1]) == KEY
    assert "登録商標" in text


def test_each_refusal_and_error_has_words_of_its_own() -> None:
    for language in locale.LANGUAGES:
        told = [
            re.sub(r"\s+", " ", Read(drawn(language, template, context)).text)
            for name, template, context in STATES
            if template == "error.html"
            or (template == "signin/refused.html" and name.endswith(" again"))
        ]
        assert len(told) == len(set(told)) > len(Refusal) + len(ERRORS)
