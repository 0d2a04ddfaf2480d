"""The cells of a policy in English words, and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from itertools import combinations
from typing import Any

from idp_mfa.model import Device
from idp_mfa.policy.assurance import GAKUNIN_AAL2, REFEDS_MFA
from idp_mfa.policy.cases import Standing
from idp_mfa.policy.cells import Cell, Dimension, Space
from idp_mfa.policy.dated import span
from idp_mfa.policy.dimensions import Holding

_Values = frozenset[Any]
_Set = frozenset[str]

_CLASSES: Mapping[str, str] = {REFEDS_MFA: "REFEDS MFA", GAKUNIN_AAL2: "GakuNin AAL2"}
_STANDINGS = {
    Standing.UNUSABLE: "only factors that cannot be used (disabled, suspended)",
    Standing.UNREADABLE: "a factor that cannot be read",
}
_SMALL = 8
"""Of so many words every mixture is tried as a description; of more, two at once at most."""


def in_words(space: Space, cell: Cell[Any]) -> str:
    """Whom and what a cell is about: ``people in students who have no factor, from outside``."""
    limited = [one for one in space if cell.values[one.name] != frozenset(one.values)]
    who = [_about(one, cell) for one in limited if one.name == "group"]
    who += [_about(one, cell) for one in limited if _is_attribute(one)]
    who += [_about(one, cell) for one in limited if one.name in ("enrolled", "bound")]
    what = [_about(one, cell) for one in limited if one.name in _WHAT]
    return ", ".join([" ".join(["people", *who]) if who else "everybody", *what])


def in_json(space: Space, cell: Cell[Any]) -> dict[str, object]:
    """The values of a cell; a dimension in which it has every value is left out."""
    return {
        one.name: [_plain(value) for value in one.values if value in cell.values[one.name]]
        for one in space
        if cell.values[one.name] != frozenset(one.values)
    }


def either(words: Iterable[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def place(zone: str) -> str:
    """A zone as people say it."""
    match zone:
        case "unknown":
            return "an address that cannot be told"
        case _:
            return zone


# -- one dimension ---------------------------------------------------------------------------


def _about(dimension: Dimension, cell: Cell[Any]) -> str:
    values = [one for one in dimension.values if one in cell.values[dimension.name]]
    if _is_attribute(dimension):
        return _attribute(dimension, values)
    return {**_WHO, **_WHAT}[dimension.name](dimension, values)


def _is_attribute(dimension: Dimension) -> bool:
    return dimension.name.startswith("attribute ")


def _groups(dimension: Dimension, values: list[Any]) -> str:
    return _belonging("in", "not in", values, dimension.values)


def _attribute(dimension: Dimension, values: list[Any]) -> str:
    known = [one for one in values if one is not None]
    every = [one for one in dimension.values if one is not None]
    parts = ["is not handed out by the directory"] if None in values else []
    if len(known) == len(every):
        parts.append("is handed out")
    elif known:
        parts.append(_belonging("is", "is not", known, every))
    return f"whose {dimension.name.removeprefix('attribute ')} {either(parts)}"


def _holdings(dimension: Dimension, values: list[Holding]) -> str:
    parts = ["no factor"] if any(one.has_none and not one.enrolled for one in values) else []
    clear = [one.enrolled for one in values if one.enrolled and one.standing is Standing.CLEAR]
    every = [
        one.enrolled
        for one in dimension.values
        if isinstance(one, Holding) and one.enrolled and one.standing is Standing.CLEAR
    ]
    if clear and len(clear) == len(every):
        parts.append("a factor")
    elif clear:
        parts.append(_factors(clear, every))
    for one in values:
        if one.standing is not Standing.CLEAR:
            besides = f" besides {either(sorted(one.enrolled))}" if one.enrolled else ""
            parts.append(f"{_STANDINGS[one.standing]}{besides}")
    return f"who have {either(parts)}"


def _factors(found: Sequence[_Set], every: Sequence[_Set]) -> str:
    match _described(found, every):
        case None:
            return either(f"exactly {' and '.join(sorted(one))}" for one in found)
        case some, none if not some:
            return f"only {either(sorted(frozenset[str]().union(*every) - none))}"
        case some, none:
            without = f" but not {either(sorted(none))}" if none else ""
            return f"{either(sorted(some))}{without}"


def _belonging(yes: str, no: str, found: Sequence[_Set], every: Collection[Any]) -> str:
    """``in students or staff but not in guests``."""
    match _described(found, list(every)):
        case None:
            exactly = (" and ".join(sorted(one)) or "none of them" for one in found)
            return f"{yes} exactly {either(exactly)}"
        case some, none:
            parts = [f"{yes} {either(sorted(some))}"] if some else []
            parts += [f"{no} {either(sorted(none))}"] if none else []
            return " but ".join(parts)


def _described(found: Sequence[_Set], every: Sequence[_Set]) -> tuple[_Set, _Set] | None:
    """The fewest words of which sets have one, and of which none, that tell them from others."""
    words = sorted(frozenset[str]().union(*every))
    most = len(words) if len(words) <= _SMALL else 2
    for size in range(1, most + 1):
        for mixed in combinations(words, size):
            for some, none in _parted(mixed):
                chosen = (one for one in every if (not some or one & some) and not one & none)
                if set(chosen) == set(found):
                    return some, none
    return None


def _parted(words: tuple[str, ...]) -> Iterator[tuple[_Set, _Set]]:
    for size in range(len(words), -1, -1):
        for some in map(frozenset, combinations(words, size)):
            yield some, frozenset(words) - some


def _bound(dimension: Dimension, values: list[Any]) -> str:
    return f"with factors bound {either(dimension.told.get(one, '') for one in values)}"


def _pages(_dimension: Dimension, values: list[Any]) -> str:
    return f"for {either(page.value for page in values)}"


def _zones(_dimension: Dimension, values: list[tuple[str, ...]]) -> str:
    def told(zones: tuple[str, ...]) -> str:
        before, now = zones[0], zones[-1]
        return place(now) if before == now else f"what was {place(before)} and is {place(now)}"

    return f"from {either(map(told, values))}"


def _countries(_dimension: Dimension, values: list[str | None]) -> str:
    names = {None: "a country that cannot be told", "": "any other country"}
    return f"in {either(names.get(one, str(one)) for one in values)}"


def _devices(_dimension: Dimension, values: list[Device]) -> str:
    names = {Device.UNKNOWN: "a device that cannot be told"}
    return f"on {either(names.get(one, f'a {one.value}') for one in values)}"


def _times(dimension: Dimension, values: list[datetime]) -> str:
    return (
        f"when it is {either(dimension.told[one] or 'none of the times named' for one in values)}"
    )


def _classes(_dimension: Dimension, values: list[tuple[str, ...]]) -> str:
    asked = [_CLASSES.get(acr, acr) for classes in values for acr in classes]
    parts = [f"where {either(asked)} is asked"] if asked else []
    return either([*parts, *(["where no class is asked"] if () in values else [])])


def _services(dimension: Dimension, values: Sequence[_Set]) -> str:
    if frozenset() in values:
        left: list[Any] = [one for one in dimension.values if one not in values]
        others = sorted({word for one in left for word in one})
        return f"to services other than {either(others)}"
    return f"to {either(' and '.join(sorted(one)) for one in values)}"


def _shown(_dimension: Dimension, values: list[timedelta | None]) -> str:
    ages = [one for one in values if one is not None]
    parts = ["with the password alone"] if None in values else []
    if ages:
        parts.append(f"with what was shown {either(span(one) for one in ages)} ago")
    return either(parts)


_Words = Callable[[Dimension, list[Any]], str]
_WHO: dict[str, _Words] = {"group": _groups, "enrolled": _holdings, "bound": _bound}
_WHAT: dict[str, _Words] = {
    "page": _pages,
    "zone": _zones,
    "country": _countries,
    "device": _devices,
    "time": _times,
    "service": _services,
    "asked": _classes,
    "verified": _shown,
}


def _plain(value: Any) -> object:
    match value:
        case Holding(enrolled, standing):
            return {"factors": sorted(enrolled), "standing": standing.value}
        case frozenset():
            return sorted(value)
        case tuple():
            return [_plain(one) for one in value]
        case timedelta():
            return span(value)
        case Enum():
            return value.value
        case _:
            return value
