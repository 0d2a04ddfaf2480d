"""Zones as pages speak of them: what one is to people in their language, and how it is reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from idp_mfa.policy.model import OUTSIDE, UNKNOWN, Policy, ZoneKind, ZoneName


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody is seen, or could go.

    ``kind`` is a ZoneKind's word, ``outside`` or ``unknown``; ``label`` and ``how_to_reach`` are
    empty where the policy says nothing.
    """

    name: str
    kind: str
    label: str = ""
    how_to_reach: str = ""
    address: str | None = None


def place(policy: Policy, name: str, language: str, address: str | None = None) -> Place:
    """A zone in a language; one that the policy no longer has is some other place."""
    if name in (OUTSIDE, UNKNOWN):
        return Place(name, name, address=address)
    zone = policy.zones.get(ZoneName(name))
    if zone is None:
        return Place(name, ZoneKind.OTHER.value, address=address)
    return Place(
        name,
        zone.kind.value,
        _text(zone.label, language),
        _text(zone.how_to_reach, language),
        address,
    )


def places(policy: Policy, names: Iterable[str], language: str) -> tuple[Place, ...]:
    """Those of the zones to which people can be sent."""
    return tuple(place(policy, name, language) for name in names if ZoneName(name) in policy.zones)


def told_apart(policy: Policy, names: Iterable[str], language: str) -> Mapping[str, Place]:
    """Zones by name, for pages on which several stand: two of one title are named instead."""
    found = {name: place(policy, name, language) for name in names}
    titles = Counter(one.label or one.kind for one in found.values())
    return {
        name: one if titles[one.label or one.kind] == 1 else replace(one, kind=_OTHER, label="")
        for name, one in found.items()
    }


_OTHER = ZoneKind.OTHER.value


def _text(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language) or next(iter(texts.values()), "")
