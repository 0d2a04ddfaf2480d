"""All addresses there are, cut where a policy's zones begin and end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, summarize_address_range

from idp_mfa.policy.model import Address, Network, Policy, ZoneName
from idp_mfa.policy.zones import unmapped_network

_FAMILIES = ((IPv4Address, 2**32), (IPv6Address, 2**128))


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring addresses that are in the same zone of each policy."""

    first: Address
    last: Address
    zones: tuple[ZoneName, ...]

    @property
    def networks(self) -> tuple[Network, ...]:
        """The same in networks."""
        return tuple(summarize_address_range(self.first, self.last))


def spans(policies: Sequence[Policy], at: datetime) -> Iterator[Span]:
    """Every address, IPv4 first, with its zone in each policy at a moment."""
    for family, size in _FAMILIES:
        edges = {0}
        for network in _networks(policies):
            if network.version == family(0).version:
                edges |= {int(network.network_address), int(network.broadcast_address) + 1}
        begins = sorted(edges - {size})
        for begin, end in zip(begins, (*begins[1:], size), strict=True):
            first, last = family(begin), family(end - 1)
            yield Span(first, last, tuple(policy.zone_of(first, at) for policy in policies))


def _networks(policies: Sequence[Policy]) -> Iterator[Network]:
    for policy in policies:
        for zone in policy.zones.values():
            yield from map(unmapped_network, zone.networks)
