"""The style sheet: colours that can be read in light and dark, small, and nobody else's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STYLE = (ROOT / "idp_mfa" / "web" / "static" / "style.css").read_text(encoding="utf-8")
GROUNDS = ("ground", "card", "cream", "tint")


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
