"""From an address to its zone: the longest prefix, in time that does not grow with the list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from ipaddress import IPv4Network, IPv6Address, ip_network

from idp_mfa.policy.model import (
    OUTSIDE,
    UNKNOWN,
    Address,
    Network,
    Policy,
    Zone,
    ZoneName,
    ZoneOf,
)

_MAPPED_PREFIX = 96
"""::ffff:0:0/96 holds the IPv4 addresses (RFC 4291 2.5.5.2)."""

_Table = tuple[tuple[int, Mapping[int, tuple[ZoneName, datetime | None]]], ...]
"""For each prefix length in use, longest first: the bits to drop, and what is left -> zone, end."""


def unmapped(address: Address) -> Address:
    """An IPv4-mapped IPv6 address as the IPv4 address it is."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def unmapped_network(network: Network) -> Network:
    """A network of IPv4-mapped IPv6 addresses as the IPv4 network it is."""
    if isinstance(network, IPv4Network) or network.prefixlen < _MAPPED_PREFIX:
        return network
    mapped = network.network_address.ipv4_mapped
    if mapped is None:
        return network
    return ip_network((mapped, network.prefixlen - _MAPPED_PREFIX))


def lookup(zones: Iterable[Zone]) -> ZoneOf:
    """The zone of each address: that of its longest prefix alone, else ``outside``.

    An address of a network that has ended is ``unknown``: a wider network or ``outside`` could ask
    less.
    At most one look per prefix length in use (33 for IPv4, 129 for IPv6), however many networks.
    """
    all_zones = tuple(zones)
    tables = {version: _table(all_zones, version) for version in (4, 6)}

    def zone_of(address: Address, at: datetime) -> ZoneName:
        plain = unmapped(address)
        number = int(plain)
        for drop, networks in tables[plain.version]:
            found = networks.get(number >> drop)
            if found is not None:
                name, ends = found
                return name if ends is None or at < ends else UNKNOWN
        return OUTSIDE

    return zone_of


def locate(policy: Policy, address: Address | None, at: datetime) -> ZoneName:
    """The zone of an address as it was seen at a moment; ``unknown`` for none."""
    return UNKNOWN if address is None else policy.zone_of(address, at)


def _table(zones: Iterable[Zone], version: int) -> _Table:
    by_drop: dict[int, dict[int, tuple[ZoneName, datetime | None]]] = {}
    for zone in zones:
        for written in zone.networks:
            network = unmapped_network(written)
            if network.version == version:
                drop = network.max_prefixlen - network.prefixlen
                found = (zone.name, zone.ends.get(written))
                by_drop.setdefault(drop, {})[int(network.network_address) >> drop] = found
    return tuple(sorted(by_drop.items()))
