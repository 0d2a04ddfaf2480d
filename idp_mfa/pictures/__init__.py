"""The pictures of the image matrix, by their names and as drawings of the package lucide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast
from zipfile import ZipFile

from markupsafe import Markup

from idp_mfa.yaml_document import Problems, plain, read


@dataclass(frozen=True, slots=True)
class Picture:
    """One thing, the same in every language; ``kana`` is how its Japanese name is read."""

    id: str
    names: Mapping[str, str]
    kana: str

    def name(self, language: str) -> str:
        """Its name in a language."""
        return self.names[language]

    @property
    def reading(self) -> str | None:
        """How its Japanese name is read, where that is written in Chinese characters."""
        has_kanji = any("\u4e00" <= letter <= "\u9fff" for letter in self.names["ja"])
        return self.kana if has_kanji else None

    @property
    def drawing(self) -> Markup:
        """Its drawing."""
        return drawings()[self.id]


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures that a list of them names together."""

    names: Mapping[str, str]
    pictures: tuple[Picture, ...]

    def name(self, language: str) -> str:
        """Its name in a language."""
        return self.names[language]


@cache
def groups() -> tuple[Group, ...]:
    """All of them, in the order in which they are listed."""
    file = Path(__file__).with_name("pictures.yaml")
    document = read(file.read_text(encoding="utf-8"), file.name)
    if isinstance(document, Problems):
        raise TypeError(str(document))
    written = cast("dict[str, Any]", plain(document))
    return tuple(
        Group(
            group["names"],
            tuple(
                Picture(one["id"], {"ja": one["ja"], "en": one["en"]}, one["kana"])
                for one in group["pictures"]
            ),
        )
        for group in written["groups"]
    )


@cache
def by_id() -> Mapping[str, Picture]:
    """Each picture by its name in the drawings' package."""
    return {one.id: one for group in groups() for one in group.pictures}


@cache
def drawings() -> Mapping[str, Markup]:
    """Each picture as SVG: one colour, that of the text around it, and nothing for readers."""
    # Not by the package's own function, which opens its archive anew for each of them.
    with resources.as_file(resources.files("lucide") / "lucide.zip") as path, ZipFile(path) as kept:
        return {id: _inline(kept.read(f"{id}.svg").decode("utf-8")) for id in by_id()}


def _inline(drawn: str) -> Markup:
    _, _, lines = drawn.partition(">")
    shapes = lines.removesuffix("</svg>\n").removesuffix("</svg>")
    begins = '<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">'
    return Markup(f"{begins}{shapes}</svg>")  # noqa: S704  # nosec B704
