"""How letters are worded: one text template a kind; its HTML is the same text, set in type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import assert_never
from urllib.parse import urlsplit

from jinja2 import BaseLoader, Environment, StrictUndefined, select_autoescape

from idp_mfa import locale
from idp_mfa.letters import Letter, Mail, MailedCode, Notice
from idp_mfa.locale import LANGUAGES, Language
from idp_mfa.model import User
from idp_mfa.site import SiteOptions

_HEADERS = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
"""So that no out-of-office reply comes back (RFC 3834 5)."""
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Writer:
    """Words letters in the name of a site; nothing in them comes from a request's own text."""

    base_url: str
    site: SiteOptions
    subject_prefix: str
    loader: BaseLoader

    def write(self, letter: Letter, user: User, to: str) -> Mail:
        """The mail to one address."""
        language = _language(letter.language)
        text = _environment(self.loader, language).get_template(_template(letter))
        drawn = text.render(
            letter=letter,
            about=_one_line(letter.about) if isinstance(letter, Notice) else "",
            user=user,
            at=self._moment(letter.at, language),
            until=self._moment(letter.until, language),
            site=self.site.in_language(language),
            base_url=self.base_url,
            host=urlsplit(self.base_url).hostname,
        )
        subject, _, body = drawn.strip().partition("\n")
        body = body.strip() + "\n"
        return Mail(
            to,
            f"{self.subject_prefix}{subject.strip()}",
            language,
            body,
            self._html(letter, language, subject, body),
            _HEADERS,
        )

    def _html(self, letter: Letter, language: Language, subject: str, body: str) -> str:
        code = letter.code if isinstance(letter, MailedCode) else None
        page = _environment(self.loader, language).get_template("mail/letter.html")
        return page.render(
            language=language,
            subject=subject,
            code=code,
            # Nothing else becomes a link, whatever somebody called a factor.
            links=(f"{self.base_url}/", self.site.contact_url),
            paragraphs=[part.strip().splitlines() for part in body.split("\n\n") if part.strip()],
        )

    def _moment(self, at: datetime, language: Language) -> str:
        return locale.moment(at, language, self.site.timezone)


@lru_cache(maxsize=8)
def _environment(loader: BaseLoader, language: Language) -> Environment:
    """Kept, with the templates that it compiled: a letter's words cost as much again each time."""
    made = Environment(
        loader=loader,
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(  # type: ignore[attr-defined]
        locale.translations(language), newstyle=True
    )
    return made


def _template(letter: Letter) -> str:
    match letter:
        case Notice():
            return "mail/notice.txt"
        case MailedCode():
            return "mail/code.txt"
        case never:
            assert_never(never)


def _one_line(text: str) -> str:
    """What somebody typed, as it may stand in a sentence."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain[:_LONGEST_NAME]


def _language(wanted: str) -> Language:
    return next((language for language in LANGUAGES if language == wanted), "ja")
