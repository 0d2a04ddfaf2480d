"""Writes a file of countries as MaxMind makes them (MaxMind DB format 2.0), with a few networks."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, ip_network
from pathlib import Path

_BYTES_OF_DATA_BEGIN = 16
_MARK = b"\xab\xcd\xefMaxMind.com"
_STRING, _NUMBER_16, _NUMBER_32, _MAP, _NUMBER_64, _LIST = 2, 5, 6, 7, 9, 11
_LONGER_NUMBERS = {"node_count": _NUMBER_32, "build_epoch": _NUMBER_64}

Value = str | int | list[str] | Mapping[str, "Value"]


def write_country_file(path: Path, countries: Mapping[str, str]) -> None:
    """``countries`` maps networks to codes; the file takes its place at once."""
    nodes: list[list[tuple[str, int] | None]] = [[None, None]]
    data, offsets = b"", {}
    for code in sorted(set(countries.values())):
        offsets[code] = len(data)
        data += encoded({"country": {"iso_code": code}})
    for written, code in countries.items():
        network = ip_network(written)
        # IPv4 lives in the first of the IPv6 addresses, as in MaxMind's files.
        length = network.prefixlen + (96 if isinstance(network, IPv4Network) else 0)
        bits = f"{int(network.network_address):0128b}"[:length]
        at = 0
        for bit in bits[:-1]:
            found = nodes[at][int(bit)]
            if found is None or found[0] == "data":
                nodes.append([found, found])
                found = ("node", len(nodes) - 1)
                nodes[at][int(bit)] = found
            at = found[1]
        nodes[at][int(bits[-1])] = ("data", offsets[code])
    tree = b"".join(
        _pointer(side, len(nodes)).to_bytes(4, "big") for node in nodes for side in node
    )
    about = encoded(
        {
            "binary_format_major_version": 2,
            "binary_format_minor_version": 0,
            "build_epoch": 1_775_000_000,
            "database_type": "Test-Country",
            "description": {"en": "a few networks"},
            "ip_version": 6,
            "languages": ["en"],
            "node_count": len(nodes),
            "record_size": 32,
        }
    )
    beside = path.with_suffix(".new")
    beside.write_bytes(tree + bytes(_BYTES_OF_DATA_BEGIN) + data + _MARK + about)
    beside.replace(path)


def encoded(value: Value, key: str = "") -> bytes:
    """A value of the data section, and under which key it stands."""
    match value:
        case str():
            text = value.encode()
            return _head(_STRING, len(text)) + text
        case int():
            number = value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
            return _head(_LONGER_NUMBERS.get(key, _NUMBER_16), len(number)) + number
        case list():
            return _head(_LIST, len(value)) + b"".join(map(encoded, value))
        case _:
            pairs = (encoded(name) + encoded(inner, name) for name, inner in value.items())
            return _head(_MAP, len(value)) + b"".join(pairs)


def _head(kind: int, size: int) -> bytes:
    if size >= 29:
        raise ValueError("only short values are written here")
    return bytes([kind << 5 | size]) if kind <= _MAP else bytes([size, kind - 7])


def _pointer(side: tuple[str, int] | None, count: int) -> int:
    match side:
        case None:
            return count
        case ("node", number):
            return number
        case (_, offset):
            return count + _BYTES_OF_DATA_BEGIN + offset
