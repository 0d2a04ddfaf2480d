"""Whose identity provider this is: the institution's names, colour and links."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

_ORIGIN = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?")


READABLE = 4.5
"""The contrast that text needs (WCAG 2.2, 1.4.3)."""

WHITE = "#ffffff"
NEAR_BLACK = "#1c1a14"
"""The colour of text in the style sheet."""

_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """The institution's own names, colour and links, each text keyed by language."""

    name: Mapping[str, str] = field(default_factory=lambda: {"en": "Example University"})
    short_name: str = "Example"
    portal_name: Mapping[str, str] = field(
        default_factory=lambda: {
            "ja": "二要素認証管理システム",
            "en": "Two-factor authentication portal",
        }
    )
    brand: str = "#2E7D32"
    brand_ink: str = "#FFFFFF"
    factor_brand: str = "#FFD84D"
    logo: str | None = None
    contact_url: str = ""
    manual_url: str = ""
    footer: Mapping[str, str] = field(default_factory=dict)
    timezone: str = "Asia/Tokyo"
    network_hosts: Mapping[str, str] = field(default_factory=dict)
    """Origins of ours that answer by IPv4 (``v4``) or by IPv6 (``v6``) alone, for /network."""

    def __post_init__(self) -> None:
        for name, origin in self.network_hosts.items():
            if name not in ("v4", "v6"):
                raise ValueError("network_hosts are v4 and v6")
            if not _ORIGIN.fullmatch(origin):
                raise ValueError("network_hosts must be https:// and a host alone")
        try:
            ZoneInfo(self.timezone)
        except (ValueError, KeyError):
            raise ValueError("timezone must be a name such as Asia/Tokyo") from None

    @property
    def contrast(self) -> float | None:
        """Of the text on the password page's band; None for a colour not written #RRGGBB.

        That text is white if ``brand_ink`` is, else near black.
        """
        ink = WHITE if self.brand_ink.lower() in ("#fff", "#ffffff", "white") else NEAR_BLACK
        return _contrast(self.brand, ink)

    @property
    def factor_contrast(self) -> float | None:
        """The same for pages that ask a factor, on which text is near black."""
        return _contrast(self.factor_brand, NEAR_BLACK)

    def in_language(self, language: str) -> Site:
        """For a page in one language; a text that is missing there is told in another."""
        return Site(
            name=_text(self.name, language) or self.short_name,
            short_name=self.short_name,
            brand=self.brand,
            brand_ink=self.brand_ink,
            factor_brand=self.factor_brand,
            logo=self.logo,
            contact_url=self.contact_url,
            manual_url=self.manual_url,
            footer=_text(self.footer, language),
        )


@dataclass(frozen=True, slots=True)
class Site:
    """The same in one language, for the templates."""

    name: str
    short_name: str
    brand: str
    brand_ink: str
    factor_brand: str
    logo: str | None
    contact_url: str
    manual_url: str
    footer: str


def _text(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language) or next(iter(texts.values()), "")


def _contrast(ground: str, ink: str) -> float | None:
    brand, text = _luminance(ground), _luminance(ink)
    if brand is None or text is None:
        return None
    low, high = sorted((brand, text))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float | None:
    """Relative luminance (WCAG 2.2)."""
    if not _COLOUR.fullmatch(colour):
        return None
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    )
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)
