"""The manual as a page with its pictures beside it, and the same as PDF."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

from playwright.sync_api import Browser

from idp_mfa import locale
from idp_mfa.site import Site
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


def write(
    folder: Path, language: locale.Language, site: Site, origin: str, terminal: Mapping[str, str]
) -> Read:
    """The page for the pictures in ``folder``; ``terminal`` are commands and their answers."""
    sizes = {path.name: _size(path) for path in folder.glob("*.png")}
    text = (
        environment(language)
        .get_template("manual/manual.html")
        .render(
            language=language,
            others=[
                (one, locale.LANGUAGE_NAMES[one]) for one in locale.LANGUAGES if one != language
            ],
            site=site,
            origin=origin,
            sizes=sizes,
            terminal=terminal,
        )
    )
    (folder / PAGE).write_text(re.sub(r"\n\s*\n+", "\n", text), encoding="utf-8")
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
    """Width and height of a PNG (PNG specification, 11.2.2), in CSS pixels on twice as many."""
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width // 2, height // 2
