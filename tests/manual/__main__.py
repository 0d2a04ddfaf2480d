"""``python -m tests.manual``: an illustrated manual of a site, in Japanese and English.

It walks the journeys in Chromium with the names, colours and links of the settings, and writes a
folder for each language: ``index.html`` with its pictures, and ``manual.pdf``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from idp_mfa.assets import folder as assets_folder
from idp_mfa.locale import LANGUAGES, Language
from idp_mfa.settings import Settings, load
from idp_mfa.yaml_document import Problems
from tests.manual.book import PAGE, Book, Read, print_it
from tests.manual.desk import drawn
from tests.manual.journeys import Journeys, Pictures
from tests.manual.stand import Stand, stand
from tests.servers.idp import PROGRAM

_ROOT = Path(__file__).resolve().parents[2]
_POLICY = "policies/default.yaml"
_COMMANDS = (
    f"policy check {_POLICY}",
    f"policy explain --policy {_POLICY} --ip 203.0.113.10 --enrolled totp",
)


def made(
    settings: Settings, languages: Sequence[Language], out: Path, sharpness: int
) -> dict[Language, Read]:
    """The manual in each language; every link into the product is one that it answers."""
    books = {}
    with contextlib.ExitStack() as stack:
        # What the commands say that set the stand up is of no interest here.
        with contextlib.redirect_stdout(io.StringIO()):
            place = stack.enter_context(stand(settings))
        terminal = {f"idp-mfa {words}": _run(place, words) for words in _COMMANDS}
        for language in languages:
            folder = out / language
            folder.mkdir(parents=True, exist_ok=True)
            newcomer = place.newcomer(f"a12345{language[0]}")
            pictures = Pictures(folder, sharpness)
            Journeys(place, language, newcomer, pictures, settings.factors).walk_all()
            others = [one for one in languages if one != language]
            site = settings.site.in_language(language)
            book = Book(language, others, site, place.idp.origin, terminal, settings.factors)
            books[language] = book.write(folder)
            _tried(place, books[language])
            print_it(place.browser, folder)
    return books


def _run(place: Stand, words: str) -> str:
    """What a command answers, beside the stand's directory and store."""
    done = subprocess.run(
        (*PROGRAM, "--config", place.idp.folder / "idp_mfa.yaml", *words.split()),
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _tried(place: Stand, book: Read) -> None:
    """Each link to a page of ours, followed."""
    page = place.browser.new_page()
    for link in sorted(set(book.links)):
        if link.startswith(place.idp.origin):
            answer = page.goto(link)
            assert answer is not None, link
            assert answer.ok, (link, answer.status)
    page.close()


def main() -> int:
    """The whole of it, by the command line's words."""
    read = argparse.ArgumentParser(prog="python -m tests.manual", description=__doc__)
    read.add_argument("--settings", type=Path, default=assets_folder("conf") / "idp_mfa.yaml")
    read.add_argument("--out", type=Path, default=_ROOT / "var" / "manual")
    read.add_argument("--language", choices=get_args(Language), action="append")
    read.add_argument("--desk", action="store_true", help="the help desk's pictures instead")
    read.add_argument("--sharpness", type=int, choices=(1, 2), default=2)
    asked = read.parse_args()
    settings = load(asked.settings)
    if isinstance(settings, Problems):
        sys.stderr.write(f"{settings}\n")
        return 2
    if asked.desk:
        for picture in drawn(settings, asked.language or LANGUAGES, asked.out, asked.sharpness):
            sys.stdout.write(f"{picture}\n")
        return 0
    for language in made(settings, asked.language or LANGUAGES, asked.out, asked.sharpness):
        sys.stdout.write(f"{asked.out / language / PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
