"""From the YAML of the zones to zones; no prefix stands twice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_interface, ip_network
from zoneinfo import ZoneInfo

from idp_mfa.policy.model import OUTSIDE, UNKNOWN, Network, Zone, ZoneKind, ZoneName
from idp_mfa.policy.reading import Reader
from idp_mfa.policy.zones import unmapped_network
from idp_mfa.yaml_document import Entry, MappingNode, Node, Place

ZONE = ("kind", "networks", "owner", "note", "own_factor", "how_to_reach", "label")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_RESERVED = (OUTSIDE, UNKNOWN)

_Taken = dict[Network, tuple[ZoneName, Place]]


def read_zones(reader: Reader, node: Node, time_zone: ZoneInfo) -> tuple[Zone, ...]:
    """All zones of a policy; ``time_zone`` is that of the days on which networks expire."""
    if not isinstance(node, MappingNode):
        reader.refuse(node.place, "`zones` must be a mapping from names to zones")
        return ()
    taken: _Taken = {}
    return tuple(_zone(reader, entry, taken, time_zone) for entry in node.entries)


def _zone(reader: Reader, entry: Entry, taken: _Taken, time_zone: ZoneInfo) -> Zone:
    name = ZoneName(entry.key.text)
    if name in _RESERVED:
        reader.refuse(entry.key.place, f"`{name}` is what addresses in no zone are called")
    elif not _NAME.fullmatch(name):
        reader.refuse(entry.key.place, f"`{name}`: a zone's name is a-z, 0-9, `-` and `_`")
    keys = reader.mapping(entry.value, f"zone `{name}`", ZONE, required=("kind", "networks"))
    networks = _networks(reader, keys, name, taken, time_zone)
    return Zone(
        name=name,
        kind=_kind(reader, keys),
        networks=tuple(networks),
        owner=_text(reader, keys, "owner"),
        note=_text(reader, keys, "note"),
        own_factor="own_factor" in keys and reader.flag(keys["own_factor"].value, "`own_factor`"),
        how_to_reach=_by_language(reader, keys, "how_to_reach"),
        label=_by_language(reader, keys, "label"),
        ends={network: ends for network, ends in networks.items() if ends is not None},
    )


def _kind(reader: Reader, keys: Mapping[str, Entry]) -> ZoneKind:
    if "kind" not in keys:
        return ZoneKind.OTHER
    known = frozenset(kind.value for kind in ZoneKind)
    words = reader.words(keys["kind"].value, "`kind`", known)
    return ZoneKind(next(iter(words), ZoneKind.OTHER.value))


def _text(reader: Reader, keys: Mapping[str, Entry], key: str) -> str:
    return reader.text(keys[key].value, f"`{key}`") if key in keys else ""


def _by_language(reader: Reader, keys: Mapping[str, Entry], key: str) -> Mapping[str, str]:
    return reader.by_language(keys[key].value, f"`{key}`") if key in keys else {}


def _networks(
    reader: Reader,
    keys: Mapping[str, Entry],
    name: ZoneName,
    taken: _Taken,
    time_zone: ZoneInfo,
) -> Mapping[Network, datetime | None]:
    if "networks" not in keys:
        return {}
    found: dict[Network, datetime | None] = {}
    for item in reader.items(keys["networks"].value, "`networks`"):
        word, place, ends = _written(reader, item, time_zone)
        network = _network(reader, word, place)
        if network is None:
            continue
        if network in taken:
            other, first = taken[network]
            said = f"`{word}` stands in zone `{other}` already, line {first.line}"
            reader.refuse(place, said)
        taken.setdefault(network, (name, place))
        found[network] = ends
    return found


def _written(reader: Reader, node: Node, time_zone: ZoneInfo) -> tuple[str, Place, datetime | None]:
    """``192.0.2.0/24``, or ``{ network: 192.0.2.0/24, expires: 2027-03-31 }``."""
    if not isinstance(node, MappingNode):
        return reader.text(node, "a network"), node.place, None
    entries = reader.mapping(node, "a network", ("network", "expires"), required=("network",))
    if "network" not in entries:
        return "", node.place, None
    written = entries["network"].value
    ends = None
    if "expires" in entries:
        ends = reader.end_of_day(entries["expires"].value, "`expires`", time_zone)
    return reader.text(written, "a network"), written.place, ends


def _network(reader: Reader, word: str, place: Place) -> Network | None:
    try:
        return unmapped_network(ip_network(word))
    except ValueError:
        reader.refuse(place, f"`{word}` is no network{_meant(word)}")
        return None


def _meant(word: str) -> str:
    try:
        return f": bits are set beyond the prefix; did you mean `{ip_interface(word).network}`?"
    except ValueError:
        return "; write it as `192.0.2.0/24` or `2001:db8::/32`"
