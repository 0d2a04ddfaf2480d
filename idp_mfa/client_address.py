"""Where a request comes from: a right-to-left walk over listed proxies, or unknown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address

from idp_mfa.model import Seen
from idp_mfa.policy.model import Address, Network
from idp_mfa.policy.zones import unmapped, unmapped_network

MAX_HEADER_CHARACTERS = 2048
MAX_HOPS = 32
_SHOWN_CHARACTERS = 60
_BLANKS = " \t"
_UNIX_SOCKET = "unix socket"

_IPV4 = re.compile(r"([0-9.]+)(?::([0-9]{1,5}))?")
_BRACKETED_IPV6 = re.compile(r"\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\](?::([0-9]{1,5}))?")
_BARE_IPV6 = re.compile(r"[0-9A-Fa-f:.]+")
_MAX_PORT = 65535
_FORWARDED_PAIR = re.compile(
    r"[ \t]*([A-Za-z0-9!#$%&'*+.^_`|~-]+)="
    r"(?:([A-Za-z0-9!#$%&'*+.^_`|~-]+)|\"((?:[^\"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*)\")[ \t]*"
)
"""One pair of RFC 7239 section 4: token "=" (token | quoted-string)."""


class HeaderForm(Enum):
    """How a proxy's header is to be read."""

    LIST = "list"
    """X-Forwarded-For: hops in order, nearest last."""
    FORWARDED = "forwarded"
    """RFC 7239."""
    SINGLE = "single"
    """One address alone, as X-Real-IP; the nearest proxy sets it anew."""


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Whose word on the client's address counts, and in which header they give it.

    ``header`` None says that there is no proxy: the peer itself is the client, and forwarded
    headers are not looked at. ``unix_socket`` counts a peer on a Unix socket as listed.
    """

    networks: tuple[Network, ...] = ()
    header: str | None = None
    unix_socket: bool = False

    @property
    def form(self) -> HeaderForm:
        """How ``header`` is read."""
        match (self.header or "").lower():
            case "x-forwarded-for":
                return HeaderForm.LIST
            case "forwarded":
                return HeaderForm.FORWARDED
            case _:
                return HeaderForm.SINGLE

    def lists(self, address: Address) -> bool:
        """Whether an address is a listed proxy's."""
        return any(address in unmapped_network(network) for network in self.networks)


def see(peer: str | None, header_lines: Sequence[str], rule: TrustedProxies) -> Seen:
    """The client's address and the walk that found it; unknown wherever there is a doubt.

    ``peer`` is the other end of the connection ("" for a Unix socket); ``header_lines`` are the
    values of ``rule.header``, one for each time it came, in order.
    """
    nearest = _parsed(peer or "")
    named = _UNIX_SOCKET if peer == "" else _shown(peer or "")
    if rule.header is None:
        return Seen(nearest, (f"{nearest or named} peer, no proxy",))
    trusted = rule.lists(nearest) if nearest else peer == "" and rule.unix_socket
    if not trusted:
        return Seen(None, (f"{nearest or named} peer, not a listed proxy",))
    walk: tuple[str, ...] = (f"{nearest or named} peer, listed proxy",)
    hops = _hops(header_lines, rule.form)
    if isinstance(hops, str):
        return Seen(None, (*walk, hops))
    for hop in reversed(hops):
        address = _read_hop(hop, rule.form)
        if address is None:
            return Seen(None, (*walk, f"{_shown(hop)} unreadable"))
        if not rule.lists(address):
            return Seen(address, (*walk, f"{address} client"))
        walk = (*walk, f"{address} listed proxy")
    return Seen(None, (*walk, "no hop before the listed proxies"))


def _shown(raw: str) -> str:
    """What a client may have written, short and in printable ASCII."""
    return ascii(raw[:_SHOWN_CHARACTERS])


def _hops(header_lines: Sequence[str], form: HeaderForm) -> Sequence[str] | str:
    """The hops in order, nearest last, or why there are none."""
    joined = ",".join(header_lines)
    if not joined.strip(_BLANKS + ","):
        return "no forwarded header" if not header_lines else "empty forwarded header"
    if len(joined) > MAX_HEADER_CHARACTERS:
        return f"forwarded header longer than {MAX_HEADER_CHARACTERS} characters"
    match form:
        case HeaderForm.SINGLE:
            hops: Sequence[str] | None = [joined]
        case HeaderForm.LIST:
            hops = joined.split(",")
        case HeaderForm.FORWARDED:
            hops = _forwarded_hops(joined)
    if hops is None:
        return f"{_shown(joined)} unreadable"
    if len(hops) > MAX_HOPS:
        return f"more than {MAX_HOPS} hops"
    return [hop.strip(_BLANKS) for hop in hops]


def _forwarded_hops(joined: str) -> Sequence[str] | None:
    """The ``for`` of each element ("" where it has none or two), or None if it does not parse."""
    hops: list[str] = []
    named: list[str] = []
    at = 0
    while pair := _FORWARDED_PAIR.match(joined, at):
        name, token, quoted = pair.groups()
        if name.lower() == "for":
            named.append(token if token is not None else re.sub(r"\\(.)", r"\1", quoted))
        at = pair.end()
        separator = joined[at : at + 1]
        if separator in ("", ","):
            hops.append(named[0] if len(named) == 1 else "")
            named = []
        if separator == "":
            return hops
        if separator not in (",", ";"):
            return None
        at += 1
    return None


def _read_hop(hop: str, form: HeaderForm) -> Address | None:
    """An address with or without port and brackets; a bare IPv6 address not in Forwarded."""
    found = _IPV4.fullmatch(hop) or _BRACKETED_IPV6.fullmatch(hop)
    if found:
        return _parsed(found[1]) if int(found[2] or 0) <= _MAX_PORT else None
    if form is not HeaderForm.FORWARDED and _BARE_IPV6.fullmatch(hop):
        return _parsed(hop)
    return None


def _parsed(text: str) -> Address | None:
    """An address; one with a zone id (RFC 4007) belongs to a link, not to a network."""
    if "%" in text:
        return None
    try:
        return unmapped(ip_address(text))
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own (127.0.0.0/8, ::1, localhost)."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
