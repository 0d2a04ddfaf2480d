"""The client's address: what a proxy chain may say, and everything that must stay unknown."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.client_address import MAX_HOPS, TrustedProxies, see

PROXIES = (ip_network("10.0.0.0/24"), ip_network("2001:db8:ffff::/64"))
LIST = TrustedProxies(PROXIES, "X-Forwarded-For")
FORWARDED = TrustedProxies(PROXIES, "Forwarded")
SINGLE = TrustedProxies(PROXIES, "X-Real-IP")
BARE = TrustedProxies()
SOCKET = TrustedProxies(PROXIES, "X-Forwarded-For", unix_socket=True)
PROXY = "10.0.0.1"


def seen(peer: str | None, lines: list[str], rule: TrustedProxies) -> str | None:
    address = see(peer, lines, rule).address
    return None if address is None else str(address)


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["192.0.2.1, 203.0.113.9"], "203.0.113.9"),
        (["192.0.2.1,203.0.113.9,10.0.0.7"], "203.0.113.9"),
        (["192.0.2.1", "203.0.113.9"], "203.0.113.9"),
        (["192.0.2.1", "203.0.113.9", "10.0.0.2, 10.0.0.3"], "203.0.113.9"),
        (["203.0.113.9:51000"], "203.0.113.9"),
        (["[2001:db8::7]:51000"], "2001:db8::7"),
        (["[2001:db8::7]"], "2001:db8::7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["2001:DB8:0:0::7"], "2001:db8::7"),
        (["\t203.0.113.9  "], "203.0.113.9"),
        (["::ffff:203.0.113.9"], "203.0.113.9"),
        (["[::ffff:203.0.113.9]:1"], "203.0.113.9"),
        (["203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9"),
        (["203.0.113.9, 2001:db8:ffff::2"], "203.0.113.9"),
        (["rubbish, 203.0.113.9"], "203.0.113.9"),
        # Advisory 1 (CVE-2024-47070): nothing of this may become the proxy's own address.
        ([], None),
        ([""], None),
        ([" "], None),
        (["", ""], None),
        ([","], None),
        (["a"], None),
        (["a, 10.0.0.1"], None),
        (["10.0.0.1"], None),
        (["10.0.0.1:1"], None),
        (["::ffff:10.0.0.1"], None),
        (["10.0.0.1", "10.0.0.2"], None),
        (["203.0.113.9,"], None),
        (["203.0.113.9, ,10.0.0.2"], None),
        (["192.0.2.1, rubbish"], None),
        (["unknown"], None),
        (["_hidden"], None),
        (["192.0.2.1 203.0.113.9"], None),
        (["203.0.113.9;10.0.0.2"], None),
        (["203.0.113.256"], None),
        (["203.0.113.09"], None),
        (["203.0.113"], None),
        (["203.0.113.9/32"], None),
        (["203.0.113.9:"], None),
        (["203.0.113.9:65536"], None),
        (["203.0.113.9:port"], None),
        (["3405803785"], None),
        (["0xcb007109"], None),
        (["[203.0.113.9]"], None),
        (["[2001:db8::7"], None),
        (["2001:db8::7]"], None),
        (["fe80::1%eth0"], None),
        (["[fe80::1%25eth0]"], None),
        (["２０３.0.113.9"], None),
        (["203.0.113.9\n"], None),
        (["203.0.113.9\x00"], None),
        (["203.0.113.9\u00a0"], None),
        (["'203.0.113.9'"], None),
        (['"203.0.113.9"'], None),
        (["for=203.0.113.9"], None),
        (["192.0.2.1," * 1000 + "203.0.113.9"], None),
        (["192.0.2.1," + " " * 3000 + "203.0.113.9"], None),
        (["192.0.2.1," * MAX_HOPS + "203.0.113.9"], None),
    ],
)
def test_x_forwarded_for(lines: list[str], address: str | None) -> None:
    assert seen(PROXY, lines, LIST) == address


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["for=203.0.113.9"], "203.0.113.9"),
        (["For=203.0.113.9;proto=https;by=10.0.0.1"], "203.0.113.9"),
        (["proto=https ; FOR=203.0.113.9"], "203.0.113.9"),
        (["for=192.0.2.1, for=203.0.113.9, for=10.0.0.7"], "203.0.113.9"),
        (["for=192.0.2.1", "for=203.0.113.9"], "203.0.113.9"),
        (['for="[2001:db8::7]:4711"'], "2001:db8::7"),
        (['for="203.0.113.9:80"'], "203.0.113.9"),
        (['for="\\203.0.113.9"'], "203.0.113.9"),
        (['for=192.0.2.1;host="a,for=192.0.2.7", for=203.0.113.9'], "203.0.113.9"),
        ([], None),
        ([""], None),
        (["203.0.113.9"], None),
        (["for=unknown"], None),
        (["for=_hidden"], None),
        (["for="], None),
        (["proto=https"], None),
        (["for=192.0.2.1, proto=https"], None),
        (["for=192.0.2.1;for=203.0.113.9"], None),
        (["for=192.0.2.1,"], None),
        (["for=2001:db8::7"], None),
        (['for="2001:db8::7"'], None),
        (['for="203.0.113.9'], None),
        (['for=192.0.2.1;x="', 'for="[2001:db8::1]"'], None),
        (["for=203.0.113.9 for=10.0.0.2"], None),
        (["for = 203.0.113.9"], None),
        (["for=10.0.0.2"], None),
        (['for="fe80::1%eth0"'], None),
    ],
)
def test_forwarded(lines: list[str], address: str | None) -> None:
    assert seen(PROXY, lines, FORWARDED) == address


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["[2001:db8::7]:1"], "2001:db8::7"),
        (["192.0.2.1", "203.0.113.9"], None),
        (["192.0.2.1, 203.0.113.9"], None),
        (["10.0.0.1"], None),
        ([], None),
    ],
)
def test_a_header_of_one_address(lines: list[str], address: str | None) -> None:
    assert seen(PROXY, lines, SINGLE) == address


@pytest.mark.parametrize("rule", [LIST, FORWARDED, SINGLE, SOCKET])
@pytest.mark.parametrize("peer", ["192.0.2.1", "203.0.113.9", "10.0.1.1", "x", "10.0.0.1%lo"])
def test_a_peer_that_is_no_listed_proxy_is_unknown_whatever_it_says(
    peer: str, rule: TrustedProxies
) -> None:
    assert seen(peer, ["192.0.2.1"], rule) is None
    assert seen(peer, ["for=192.0.2.1"], rule) is None
    assert seen(peer, [], rule) is None


def test_a_mapped_peer_is_the_proxy_it_is() -> None:
    assert seen("::ffff:10.0.0.1", ["203.0.113.9"], LIST) == "203.0.113.9"


def test_a_network_written_as_mapped_lists_the_ipv4_proxies() -> None:
    rule = TrustedProxies((ip_network("::ffff:10.0.0.0/120"),), "X-Forwarded-For")
    assert seen("10.0.0.9", ["203.0.113.9"], rule) == "203.0.113.9"
    assert seen("10.0.1.9", ["203.0.113.9"], rule) is None


def test_a_unix_socket_is_trusted_only_where_the_rule_says_so() -> None:
    assert seen("", ["203.0.113.9"], SOCKET) == "203.0.113.9"
    assert seen("", ["203.0.113.9"], LIST) is None
    assert seen(None, ["203.0.113.9"], SOCKET) is None
    assert seen("", [], BARE) is None


def test_without_proxies_the_peer_counts_and_headers_do_not() -> None:
    assert seen("203.0.113.9", ["192.0.2.1"], BARE) == "203.0.113.9"
    assert seen("::ffff:203.0.113.9", [], BARE) == "203.0.113.9"
    assert seen("fe80::1%eth0", [], BARE) is None
    assert seen(None, ["192.0.2.1"], BARE) is None


def test_the_walk_names_each_hop_nearest_first() -> None:
    assert see(PROXY, ["192.0.2.1, 203.0.113.9:4, 10.0.0.7"], LIST).walk == (
        "10.0.0.1 peer, listed proxy",
        "10.0.0.7 listed proxy",
        "203.0.113.9 client",
    )
    assert see("203.0.113.9", ["192.0.2.1"], LIST).walk == ("203.0.113.9 peer, not a listed proxy",)


def test_the_walk_holds_no_more_of_what_a_client_wrote_than_a_log_can_bear() -> None:
    walk = see(PROXY, ["\x1b[31m漢字" + "x" * 1000], LIST).walk
    assert all(len(hop) < 160 and hop.isascii() and hop.isprintable() for hop in walk)


@given(st.lists(st.text(max_size=30), max_size=4), st.sampled_from([LIST, FORWARDED, SINGLE]))
def test_whatever_comes_the_proxys_own_address_is_never_the_clients(
    lines: list[str], rule: TrustedProxies
) -> None:
    address = see(PROXY, lines, rule).address
    assert address is None or not rule.lists(address)


@given(st.lists(st.sampled_from(["192.0.2.1", "10.0.0.5", "a", "", "::1"]), max_size=6))
def test_what_a_client_prepends_changes_nothing(forged: list[str]) -> None:
    assert see(PROXY, [*forged, "203.0.113.9", "10.0.0.7"], LIST).address == ip_address(
        "203.0.113.9"
    )
