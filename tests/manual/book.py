"""The manual as a page with its pictures beside it, and the same as PDF."""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from playwright.sync_api import Browser

from idp_mfa import locale
from idp_mfa.site import Site
from tests.manual.journeys import WIDTH
from tests.project.page_states import environment

PAGE = "index.html"
PDF = "manual.pdf"


class Read(HTMLParser):
    """The links, anchors and pictures of a manual."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.pictures: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(found["href"])
        if "id" in found:
            self.anchors.add(found["id"])
        if tag == "img":
            self.pictures[found["src"]] = found["alt"]


@dataclass(frozen=True, slots=True)
class Book:
    """What the page says beside its pictures.

    ``others`` are the languages that it links to; ``terminal`` are commands and their answers,
    ``offered`` the site's factors.
    """

    language: locale.Language
    others: Sequence[locale.Language]
    site: Site
    origin: str
    terminal: Mapping[str, str]
    offered: Collection[str]

    def write(self, folder: Path) -> Read:
        """The page for the pictures in ``folder``."""
        sizes = {path.name: _size(path) for path in folder.glob("*.png")}
        drawn = environment(self.language).get_template("manual/manual.html")
        text = drawn.render(
            language=self.language,
            others=[(one, locale.LANGUAGE_NAMES[one]) for one in self.others],
            site=self.site,
            origin=self.origin,
            sizes=sizes,
            terminal=self.terminal,
            offered=self.offered,
        )
        text = re.sub(r"\n\s*\n+", "\n", text)
        (folder / PAGE).write_text(text, encoding="utf-8")
        return Read(text)


def print_it(browser: Browser, folder: Path) -> None:
    """The page as PDF, on A4."""
    page = browser.new_page()
    page.goto((folder / PAGE).absolute().as_uri())
    page.pdf(
        path=folder / PDF,
        format="A4",
        print_background=True,
        tagged=True,
        outline=True,
        margin={"top": "16mm", "bottom": "16mm", "left": "15mm", "right": "15mm"},
    )
    page.close()


def _size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG (PNG specification, 11.2.2) in the CSS pixels of a phone."""
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return WIDTH, round(height * WIDTH / width)
