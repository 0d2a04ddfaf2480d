"""The manual writes itself, in a site's own names, whole: pictures, words for them, and links."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from idp_mfa.assets import folder
from idp_mfa.model import FactorName
from idp_mfa.settings import Settings, load
from tests.manual.__main__ import made
from tests.manual.book import PAGE, PDF, Read
from tests.manual.desk import drawn
from tests.project.html_checker import complaints

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "help-desk.md"
NAME, BRAND = "Lakeside University", "#1F4E8C"


@dataclass(frozen=True, slots=True)
class Made:
    """A manual, and where it lies."""

    folder: Path
    read: Read

    @property
    def text(self) -> str:
        return (self.folder / PAGE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """In one language and with small pictures."""
    settings = load(folder("conf") / "idp_mfa.yaml")
    assert isinstance(settings, Settings), settings
    site = replace(settings.site, name={"en": NAME}, brand=BRAND)
    out = tmp_path_factory.mktemp("manual")
    everything = (*settings.factors, FactorName("image_matrix"))
    books = made(replace(settings, site=site, factors=everything), ["en"], out, 1)
    return Made(out / "en", books["en"])


def test_every_picture_is_there_seen_and_told(manual: Made) -> None:
    taken = {path.name: path.stat().st_size for path in manual.folder.glob("*.png")}
    assert set(manual.read.pictures) == set(taken)
    assert len(taken) >= 20
    # A page of one colour has no more than two thousand octets.
    assert {name: size for name, size in taken.items() if size < 10_000} == {}
    told = list(manual.read.pictures.values())
    assert all(len(words) > 20 for words in told), told
    assert len(set(told)) == len(told)


def test_every_link_leads_somewhere(manual: Made) -> None:
    # Those into the product were followed while it ran.
    for link in manual.read.links:
        if link.startswith("#"):
            assert link[1:] in manual.read.anchors, link
        elif "://" not in link:
            assert (manual.folder / link).is_file(), link
    assert {link for link in manual.read.links if link.endswith("/help")} == {
        "https://idp.example.ac.jp/help",
        "https://www.example.ac.jp/help",
    }


def test_it_is_the_sites_own_and_valid_and_printed(manual: Made, tmp_path: Path) -> None:
    assert NAME in manual.text
    assert f'fill="{BRAND}"' in manual.text
    assert "nothing is wrong" in manual.text
    assert complaints({"manual": manual.text}, tmp_path) == {}
    printed = (manual.folder / PDF).read_bytes()
    assert printed.startswith(b"%PDF-")
    assert len(printed) > 100_000


def test_the_help_desks_guide_shows_the_pictures_that_can_be_drawn_anew(tmp_path: Path) -> None:
    settings = load(folder("conf") / "idp_mfa.yaml")
    assert isinstance(settings, Settings), settings
    taken = {path.name: path.stat().st_size for path in drawn(settings, ["en"], tmp_path, 1)}
    assert {name for name, size in taken.items() if size < 10_000} == set()
    shown = re.findall(r"\]\(\.\./images/([a-z-]+\.png)\)", GUIDE.read_text(encoding="utf-8"))
    kept = {path.name for path in GUIDE.parents[1].glob("images/desk-*.png")}
    assert sorted(shown) == sorted(taken) == sorted(kept)
