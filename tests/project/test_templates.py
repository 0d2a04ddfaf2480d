"""Each page, drawn in each state and language, keeps what every page owes its reader."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from idp_mfa import locale
from idp_mfa.model import Because, Cause, Refusal

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
STYLE = (ROOT / "idp_mfa" / "web" / "static" / "style.css").read_text(encoding="utf-8")
HOSTILE = '"><script>alert(1)</script>'
KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
REQUEST_PROBLEMS = [
    "unknown-service",
    "bad-signature",
    "unsigned",
    "expired-request",
    "wrong-destination",
    "unknown-endpoint",
    "replayed",
    "malformed",
    "duplicate-parameter",
    "unsupported",
]
ERRORS = [
    "not-found",
    "bad-request",
    "method",
    "too-large",
    "too-many",
    "unavailable",
    "internal",
    "forbidden",
]

Context = Mapping[str, object]


@cache
def environment(language: locale.Language) -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_translations(  # type: ignore[attr-defined]
        locale.translations(language), newstyle=True
    )
    return made


def every_page(language: locale.Language) -> Context:
    """What browser.py gives to each page."""
    other = next(code for code in locale.LANGUAGES if code != language)
    site = SimpleNamespace(
        name="Example University",
        short_name="Example",
        brand="#2E7D32",
        brand_ink="#FFFFFF",
        logo=None,
        contact_url="https://www.example.ac.jp/help",
        manual_url="https://www.example.ac.jp/manual",
        footer="Example University",
    )
    return {
        "language": language,
        "other_languages": [(other, locale.LANGUAGE_NAMES[other], f"?lang={other}")],
        "site": site,
        "host": "idp.example.ac.jp",
        "asset": lambda name: f"/static/{name}?v=1",
        "reference": None,
        "csrf": "",
        "version": 0,
    }


def states() -> Iterator[tuple[str, str, Context]]:
    """A name, a template and what its face gives it, for every state that a page can be in."""
    service = SimpleNamespace(name=HOSTILE, host="library.example.ac.jp", logo="/logo/1")
    user = SimpleNamespace(login="alice", display_name=HOSTILE)
    proof = {"csrf": "token", "version": 3, "reference": "7K3MQ9XT"}

    def because(cause: Cause, address: str | None = "203.0.113.10") -> Because:
        return Because("rule", "outside", address, cause)

    def problem(kind: str, left: int | None = 4, seconds: int | None = None) -> SimpleNamespace:
        return SimpleNamespace(kind=kind, left=left, seconds=seconds, issuer="OMU", minutes=None)

    password = {"action": "/a", "cancel_action": "/c", "service": service, "login": "", **proof}
    for error, signed_in_as in ((None, None), ("wrong", None), ("throttled", None), (None, "bob")):
        yield (
            f"password {error} {signed_in_as}",
            "signin/password.html",
            {**password, "error": error, "signed_in_as": signed_in_as, "wait": 125},
        )
    asked = {
        "action": "/a",
        "cancel_action": "/c",
        "choose_action": "/o",
        "service": service,
        "user": user,
        "others": True,
        **proof,
    }
    names = ["totp", "fido2", "image_matrix", "recovery_code", "made_up"]
    for cause in Cause:
        context = {**asked, "because": because(cause), "factors": names}
        yield f"choose {cause}", "signin/choose.html", context
    field = SimpleNamespace(
        name="code", input_mode="numeric", autocomplete="one-time-code", max_length=12
    )
    kinds = ("malformed", "wrong", "already-used", "no-credential", "unspent")
    problems = [None, *(problem(kind, 1, 17) for kind in kinds), *map(problem, kinds)]
    for factor in names:
        for error in problems:
            yield (
                f"challenge {factor} {error}",
                "signin/challenge.html",
                {
                    **asked,
                    "because": because(Cause.NETWORK, None),
                    "factor": factor,
                    "fields": () if factor == "fido2" else (field,),
                    "error": error,
                },
            )
    for refusal in Refusal:
        for again in (None, "/again"):
            yield (
                f"refused {refusal} {again}",
                "signin/refused.html",
                {
                    "refusal": refusal.value,
                    "message": None if again else HOSTILE,
                    "service": service,
                    "return_action": "/r",
                    "restart_action": again,
                    "zone_help": "Use the VPN.",
                    **proof,
                },
            )
    yield (
        "moved stale",
        "signin/moved.html",
        {"kind": "stale", "service": None, "continue_url": "/"},
    )
    yield "moved gone", "signin/moved.html", {"kind": "expired", "service": None, "start_url": None}
    for kind in ("other-browser", "answered"):
        context = {"kind": kind, "service": service, "restart_action": "/a", "start_url": "/s"}
        yield f"moved {kind}", "signin/moved.html", context
    yield "sign out", "signin/sign_out.html", {"user": user, "action": "/sign-out", **proof}
    yield "signed out", "signin/signed_out.html", {"service": None, "continue_url": "/"}
    error_page = {"request_problem": None, "continue_url": None, "resubmit": None, **proof}
    for kind in ERRORS:
        yield f"error {kind}", "error.html", {**error_page, "kind": kind, "retry_after": 10}
    for word in (*REQUEST_PROBLEMS, None):
        context = {**error_page, "kind": "request", "request_problem": word}
        yield f"error request {word}", "error.html", context
    resubmit = {"action": "/saml/sso", "fields": {"SAMLRequest": HOSTILE}}
    yield (
        "error resubmit",
        "error.html",
        {**error_page, "kind": "unavailable", "resubmit": resubmit, "retry_after": None},
    )
    fields = {"SAMLResponse": "PD94", "RelayState": HOSTILE}
    yield (
        "saml post",
        "saml/post.html",
        {"action": "https://sp.example/acs", "fields": fields, "service_name": "SP", "nonce": "n"},
    )
    tiles = [
        {"key": key, "url": "/x", "available": key != "ios"}
        for key in ("totp.setup", "totp.show", "reissue", "ios", "fido2", "matrix", "codes")
    ]
    bound = SimpleNamespace(
        factor="totp", label=HOSTILE, bound_at=datetime(2026, 11, 3, tzinfo=UTC)
    )
    home = {"tiles": tiles, "csrf": "token"}
    for someone, factors, sign_in in ((user, [bound], None), (user, [], None), (None, (), "/in")):
        context = {**home, "user": someone, "factors": factors, "sign_in_action": sign_in}
        yield f"home {someone} {factors}", "portal/home.html", context
    begin = {"user": user, "action": "/a", "replaces": True, "csrf": "token"}
    yield "totp begin", "portal/totp_begin.html", begin
    card = {
        **begin,
        "key": KEY,
        "key_groups": [KEY[at : at + 4] for at in range(0, len(KEY), 4)],
        "uri": f"otpauth://totp/OMU:alice?secret={KEY}&issuer=OMU",
        "qr_png": "data:image/png;base64,AAAA",
        "label": "OMU(2026-11)",
        "account": "alice",
        "issuer": "OMU",
    }
    late = problem("wrong", None)
    late.minutes = 4
    for error in (None, late, *(problem(kind, None) for kind in kinds)):
        yield f"totp setup {error}", "portal/totp_setup.html", {**card, "error": error}
    for target in ("/", "https://sp.example/", None):
        context = {"label": "OMU(2026-11)", "replaced": True, "continue_url": target}
        yield f"totp done {target}", "portal/totp_done.html", context
    refused = {"message": None, "how_to_reach": "Use the VPN.", "reference": "7K3MQ9XT"}
    yield "portal refused", "portal/refused.html", refused


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


def drawn(language: locale.Language, template: str, context: Context) -> str:
    page = environment(language).get_template(template)
    return page.render({**every_page(language), **context})


STATES = list(states())
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
            assert (found["src"] or "").startswith("/static/copy.js")
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
    }
    assert shown["username"]["autocomplete"] == "username"
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
            assert field["aria-describedby"] == "code-error", name
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
            or (template == "signin/refused.html" and "None" not in name)
        ]
        assert len(told) == len(set(told)) > len(Refusal) + len(ERRORS)


# -- style -----------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def tokens(scheme: str) -> dict[str, str]:
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    assert len(blocks) == 2
    wanted = blocks[:1] if scheme == "light" else blocks
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", "".join(wanted)))


GROUNDS = ("ground", "card", "cream", "tint")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable(scheme: str) -> None:
    colour = tokens(scheme)
    pairs = [(ink, on) for ink in ("ink", "ink-soft", "link", "refused", "done") for on in GROUNDS]
    pairs += [("action-ink", "action"), ("yellow-ink", "yellow")]
    weak = {(a, b): contrast(colour[a], colour[b]) for a, b in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fields_and_focus_are_seen(scheme: str) -> None:
    colour = tokens(scheme)
    pairs = [(edge, on) for edge in ("line", "link", "action", "refused") for on in GROUNDS]
    weak = {(a, b): contrast(colour[a], colour[b]) for a, b in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 3} == {}


def test_the_contrast_formula_is_the_standards() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_the_style_sheet_is_small_and_needs_nobody_else() -> None:
    assert len(STYLE.encode()) < 15_000
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert "outline: none" not in STYLE
    assert "outline: 0" not in STYLE
