"""The key card: one part, used wherever a set-up key is shown. The only door to segno."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

import segno

from idp_mfa.factor import Enrolment


@dataclass(frozen=True, slots=True)
class KeyCard:
    """A key as people and apps read it.

    ``qr_png`` is a data URI of a raster image: Apple's menu takes no SVG (facts.md 4.1).
    """

    key: str = field(repr=False)
    key_groups: tuple[str, ...] = field(repr=False)
    uri: str = field(repr=False)
    qr_png: str = field(repr=False)
    label: str
    account: str
    issuer: str

    def for_page(self) -> dict[str, Any]:
        """As the pages that show it take it."""
        return asdict(self)


def apple_link(enrolment: Enrolment, host: str) -> str:
    """The link by which Apple's passwords take a key; the issuer is the host that asks for codes.

    The device then asks which saved password of that host the codes belong to.
    """
    shown = enrolment.shown
    label = quote(shown["issuer"], safe="()")
    return (
        f"apple-otpauth://totp/{label}:{quote(shown['account'], safe='@')}"
        f"?secret={shown['key']}&issuer={quote(host)}&algorithm=SHA1&digits=6&period=30"
    )


def key_card(enrolment: Enrolment) -> KeyCard:
    """The card of a set-up under way, or of a key that is shown again."""
    shown = enrolment.shown
    key = shown["key"]
    return KeyCard(
        key=key,
        key_groups=tuple(key[at : at + 4] for at in range(0, len(key), 4)),
        uri=shown["uri"],
        qr_png=segno.make(shown["uri"], error="m").png_data_uri(scale=6, border=4),
        label=enrolment.credential.label,
        account=shown["account"],
        issuer=shown["issuer"],
    )
