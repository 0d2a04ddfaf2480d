"""Which zone an address is in: the longest prefix alone."""

from __future__ import annotations

import sys
from datetime import datetime
from ipaddress import IPv4Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.policy.model import Network, Zone, ZoneKind, ZoneName
from idp_mfa.policy.zones import locate, lookup
from tests.unit.policy_facts import NOW, policy

SKIP_CAMPUS = "  - { name: skip, when: { page: sign-in, zone: campus }, then: skip }"


@pytest.mark.parametrize(
    ("address", "zone"),
    [
        ("192.0.2.0", "campus"),
        ("192.0.2.63", "campus"),
        ("192.0.2.64", "guest"),
        ("192.0.2.127", "guest"),
        ("192.0.2.128", "campus"),
        ("192.0.3.0", "outside"),
        ("::ffff:192.0.2.1", "campus"),
        ("::ffff:192.0.2.65", "guest"),
        ("::192.0.2.1", "outside"),
        ("2001:db8:1:ffff::1", "campus"),
        ("2001:db8:2::1", "outside"),
        ("198.51.100.255", "vpn"),
        ("203.0.113.1", "outside"),
        ("0.0.0.0", "outside"),
        ("::", "outside"),
    ],
)
def test_an_address_is_in_the_zone_of_its_longest_prefix(address: str, zone: str) -> None:
    assert locate(policy(SKIP_CAMPUS), ip_address(address), NOW) == zone


def test_an_address_that_could_not_be_read_is_in_no_zone() -> None:
    assert locate(policy(SKIP_CAMPUS), None, NOW) == "unknown"


def test_a_network_of_mapped_addresses_is_the_ipv4_network() -> None:
    zone = Zone(ZoneName("a"), ZoneKind.CAMPUS, (ip_network("::ffff:192.0.2.0/120"),))
    assert lookup([zone])(ip_address("192.0.2.9"), NOW) == "a"
    assert lookup([zone])(ip_address("192.0.3.9"), NOW) == "outside"
    every = Zone(ZoneName("all"), ZoneKind.OTHER, (ip_network("::ffff:0:0/96"),))
    assert lookup([every, zone])(ip_address("192.0.3.9"), NOW) == "all"


LENT = """
version: 1
time_zone: Asia/Tokyo
zones:
  campus:
    kind: campus
    networks: [192.0.2.0/24, { network: 203.0.113.0/28, expires: 2026-04-01 }]
  guest: { kind: other, networks: [{ network: 192.0.2.64/26, expires: 2026-04-01 }] }
"""


@pytest.mark.parametrize(
    ("address", "moment", "zone"),
    [
        ("203.0.113.1", "2026-04-01 23:59:59+09:00", "campus"),
        ("203.0.113.1", "2026-04-02 00:00:00+09:00", "unknown"),
        ("203.0.113.16", "2026-04-02 00:00:00+09:00", "outside"),
        # the wider network could ask less
        ("192.0.2.64", "2026-04-01 23:59:59+09:00", "guest"),
        ("192.0.2.64", "2026-04-02 00:00:00+09:00", "unknown"),
        ("::ffff:192.0.2.64", "2026-04-02 00:00:00+09:00", "unknown"),
        ("192.0.2.63", "2027-04-02 00:00:00+09:00", "campus"),
    ],
)
def test_a_network_that_has_ended_is_unknown(address: str, moment: str, zone: str) -> None:
    at = datetime.fromisoformat(moment)
    assert locate(policy(SKIP_CAMPUS, LENT), ip_address(address), at) == zone


networks = st.builds(
    lambda number, prefix: ip_network((number >> (32 - prefix) << (32 - prefix), prefix)),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)


@given(
    st.lists(networks, unique=True, max_size=12),
    st.integers(0, 2**32 - 1),
)
def test_the_lookup_agrees_with_a_plain_search(found: list[IPv4Network], number: int) -> None:
    zones = [Zone(ZoneName(str(n)), ZoneKind.OTHER, (n,)) for n in found]
    address = ip_address(number)
    holding: list[Network] = [n for n in found if address in n]
    expected = str(max(holding, key=lambda n: n.prefixlen)) if holding else "outside"
    assert lookup(zones)(address, NOW) == expected


def test_the_work_of_a_lookup_does_not_grow_with_the_list() -> None:
    def calls(count: int) -> int:
        many = tuple(ip_network((i << 12, 20)) for i in range(count))
        zone_of = lookup([Zone(ZoneName("a"), ZoneKind.OTHER, many)])
        address = ip_address("255.0.0.1")
        events: list[str] = []
        sys.setprofile(lambda _frame, event, _what: events.append(event))
        zone_of(address, NOW)
        sys.setprofile(None)
        return len(events)

    assert calls(20_000) == calls(10)
