"""Every text of every page is there in each language, once, with the same placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from idp_mfa import locale

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
CATALOGUES = ROOT / "idp_mfa" / "locale"
PLACEHOLDER = re.compile(r"%\((\w+)\)")

Key = tuple[str, ...]


def said() -> Iterator[tuple[Key, str]]:
    """Each msgid (with its plural) in the templates, and where it stands."""
    for path in sorted(TEMPLATES.rglob("*.*")):
        with path.open("rb") as source:
            for line, text, _, _ in extract(
                "jinja2.ext:babel_extract", source, options={"silent": "false"}
            ):
                parts = text if isinstance(text, tuple) else (text,)
                key = tuple(part for part in parts if isinstance(part, str))
                yield key, f"{path.relative_to(ROOT)}:{line}"


def catalogue(language: str) -> Catalog:
    with (CATALOGUES / f"{language}.po").open("rb") as source:
        return read_po(source, locale=language)


def key(message: Message) -> Key:
    return tuple(message.id) if isinstance(message.id, tuple | list) else (message.id,)


def translated(language: str) -> dict[Key, str]:
    return {
        key(message): message.string if isinstance(message.string, str) else message.string[0]
        for message in catalogue(language)
        if message.id and not message.fuzzy
    }


OTHERS = [language for language in locale.LANGUAGES if language != "en"]


def test_templates_speak_through_the_catalogue() -> None:
    assert len(dict(said())) > 100


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated(language: str) -> None:
    known = translated(language)
    assert {where: text for text, where in said() if not known.get(text)} == {}


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_translated_that_no_page_says(language: str) -> None:
    used = {text for text, _ in said()}
    catalog = catalogue(language)
    assert [text for text in translated(language) if text not in used] == []
    assert list(catalog.obsolete) == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_fills_in_what_its_original_does(language: str) -> None:
    differing = [
        text
        for text, words in translated(language).items()
        if set(PLACEHOLDER.findall(words)) != set(PLACEHOLDER.findall(text[-1]))
    ]
    assert differing == []


def test_a_page_gets_the_words_of_its_language() -> None:
    english, japanese = locale.translations("en"), locale.translations("ja")
    assert english.gettext("Enter your one-time code") == "Enter your one-time code"
    assert japanese.gettext("Enter your one-time code") == "ワンタイムパスワードを入力してください"
    one, many = "Try again in about %(num)s second.", "Try again in about %(num)s seconds."
    assert [english.ngettext(one, many, n) for n in (1, 2)] == [one, many]
    assert japanese.ngettext(one, many, 1) == "約%(num)s秒後に、もう一度お試しください。"


@pytest.mark.parametrize(
    ("header", "cookie", "expected"),
    [
        (None, None, "ja"),
        ("", None, "ja"),
        ("en", None, "en"),
        ("ja-JP,ja;q=0.9,en-US;q=0.8", None, "ja"),
        ("en-GB;q=0.8, JA;q=0.9", None, "ja"),
        ("en;q=0.3,ja;q=0.2", None, "en"),
        ("fr-FR,fr;q=0.9", None, "en"),
        ("fr,*;q=0.1", None, "ja"),
        ("ja;q=0, en;q=0.1", None, "en"),
        ("ja;q=nan, en;q=0.1", None, "en"),
        ("ja;level=1, en;q=0.1", None, "en"),
        (",;;=,-,\x00," * 1000, None, "en"),
        ("ja", "en", "en"),
        ("en", "ja", "ja"),
        ("en", "tlh", "en"),
        ("en", "", "en"),
    ],
)
def test_the_language_is_the_users_choice_then_the_browsers(
    header: str | None, cookie: str | None, expected: str
) -> None:
    assert locale.choose(header, cookie) == expected
