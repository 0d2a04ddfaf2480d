"""Where requests came from, as the record holds it: sealed, with marks to search by."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, date, datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network

from idp_mfa.audit import Network, Veiled
from idp_mfa.audit_log.address_keys import AddressKeys
from idp_mfa.model import Device, Randomness, Reference, Seen
from idp_mfa.sealed import open_under, seal_under
from idp_mfa.sealing_keys import octets_of, text_of

MARKED_PREFIXES = {4: (32, 24), 6: (128, 56)}
"""For each version of IP: the prefix of an address, and of the network that is marked with it."""
_MARK_BYTES = 12
_NONCE_BYTES = 12


class Addresses:
    """Seals where a request came from under the key of the day, and opens it.

    What is sealed is bound to its line: it does not open under another time or reference.
    """

    def __init__(self, keys: AddressKeys, randomness: Randomness) -> None:
        self._keys = keys
        self._randomness = randomness

    def veil(self, seen: Seen, at: datetime, reference: Reference) -> Veiled:
        """What stands on record; ``Unavailable`` without a key."""
        keys = self._keys.sealing(at.astimezone(UTC).date())
        text = None if seen.address is None else str(seen.address)
        plain = json.dumps([text, seen.walk, seen.device.value], separators=(",", ":")).encode()
        sealed = seal_under(
            keys.sealing, plain, bound=_bound(at, reference), nonce=self._randomness(_NONCE_BYTES)
        )
        address, network = (None, None) if text is None else _marks(keys.marking, text)
        return Veiled(keys.day, text_of(sealed), address, network)

    def unveil(self, veiled: Veiled, at: datetime, reference: Reference) -> Seen | None:
        """What was sealed; None in an exported copy, once the key is destroyed, or if altered."""
        keys = None if veiled.sealed is None else self._keys.opening(veiled.day)
        sealed = None if veiled.sealed is None else octets_of(veiled.sealed)
        if keys is None or sealed is None:
            return None
        plain = open_under(keys.sealing, sealed, bound=_bound(at, reference))
        if plain is None:
            return None
        address, walk, device = json.loads(plain)
        where = None if address is None else ip_address(address)
        return Seen(where, tuple(walk), Device(device))

    def is_from(self, veiled: Veiled, network: Network) -> bool:
        """Whether the marks say so; ``network`` is one address, an IPv4 /24 or an IPv6 /56."""
        mark = self.mark(network, veiled.day)
        whole, _ = MARKED_PREFIXES[network.version]
        theirs = veiled.address if network.prefixlen == whole else veiled.network
        return mark is not None and mark == theirs

    def mark(self, network: Network, day: date) -> str | None:
        """How an address, an IPv4 /24 or an IPv6 /56 is marked on a day; None without its keys."""
        keys = self._keys.opening(day)
        if keys is None:
            return None
        if network.prefixlen not in MARKED_PREFIXES[network.version]:
            raise ValueError(f"no mark is made of a /{network.prefixlen}")
        marks = _marks(keys.marking, str(network.network_address))
        return marks[MARKED_PREFIXES[network.version].index(network.prefixlen)]


def searchable(text: str) -> Network | None:
    """An address or a network as people write it, if there is a mark of such."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    return network if network.prefixlen in MARKED_PREFIXES[network.version] else None


@lru_cache(maxsize=4096)
def _marks(key: bytes, address: str) -> tuple[str, str]:
    version = ip_address(address).version
    _, part = MARKED_PREFIXES[version]
    network = ip_network((address, part), strict=False)
    return _mark(key, f"address {address}"), _mark(key, f"network {network}")


def _mark(key: bytes, text: str) -> str:
    return text_of(hmac.digest(key, text.encode("ascii"), hashlib.sha256)[:_MARK_BYTES])


def _bound(at: datetime, reference: Reference) -> bytes:
    return f"{at.astimezone(UTC).isoformat(timespec='microseconds')} {reference}".encode(
        "utf-8", "surrogatepass"
    )
