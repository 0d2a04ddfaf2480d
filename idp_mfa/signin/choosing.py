"""Which factor is asked first, of those that are offered; the others are one step away."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from idp_mfa.model import PASSWORD, Device, FactorKind, FactorName, Seen, Verification

_KNOWLEDGE = frozenset({FactorKind.KNOWLEDGE})


def first_of(
    offered: Collection[FactorName],
    kinds: Mapping[FactorName, frozenset[FactorKind]],
    preference: Sequence[FactorName],
    seen: Seen,
) -> FactorName:
    """What worked in this browser last, else the site's order.

    Codes that are used up come last. A phone is asked for what one knows after what one has: the
    board of the image matrix is small there (SUMS C).
    """
    order = {name: place for place, name in enumerate(preference)}

    def rank(name: FactorName) -> tuple[bool, bool, bool, int, str]:
        shows = kinds.get(name, frozenset())
        small = seen.device is Device.PHONE and shows == _KNOWLEDGE
        return not shows, small, name != seen.last, order.get(name, len(order)), name

    return min(offered, key=rank)


def worked_last(verified: Sequence[Verification], began_at: datetime) -> FactorName | None:
    """The factor to ask first in this browser next time: of a kind, and shown in this sign-in."""
    shown = [
        done for done in verified if done.kinds and done.factor != PASSWORD and done.at >= began_at
    ]
    return max(shown, key=lambda done: done.at).factor if shown else None
