"""What composing reads, and says when it cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader

from idp_mfa import assets
from idp_mfa.yaml_document import Problem, Problems

if TYPE_CHECKING:
    pass


T = TypeVar("T")


class NotComposed(Exception):  # noqa: N818 - it says what did not happen
    """The configuration cannot be used; ``problems`` says why, line by line."""

    def __init__(self, problems: Problems) -> None:
        super().__init__(str(problems))
        self.problems = problems


def usable(found: T | Problems) -> T:
    """What was read, if it could be."""
    if isinstance(found, Problems):
        raise NotComposed(found)
    return found


def text_of(path: Path) -> str:
    """A file of the configuration."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(str(path), 1, 1, f"cannot be read: {type(error).__name__}")
        raise NotComposed(Problems((problem,))) from None


def templates(own: Path | None) -> BaseLoader:
    """Ours, and before them the site's own."""
    shipped = FileSystemLoader(assets.folder("templates"))
    return shipped if own is None else ChoiceLoader([FileSystemLoader(own), shipped])
