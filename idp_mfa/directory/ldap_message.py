"""LDAP messages as octets (RFC 4511): a search, a bind, and what a server answers to them.

ldap3 makes a tree of ASN.1 objects of every request and copies every answer several times, which
costs more than all else that a search does; three searches and a bind are in every sign-in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

LARGEST = 16 * 1024 * 1024
"""Octets of one answer: no entry of a person is longer."""

OCTETS = 0x04
SEQUENCE = 0x30

BIND_RESPONSE = 0x61
SEARCH_ENTRY = 0x64
SEARCH_DONE = 0x65
SEARCH_REFERENCE = 0x73
INTERMEDIATE = 0x79

Scope = Literal["BASE", "SUBTREE"]

_SCOPES: Mapping[Scope, int] = {"BASE": 0, "SUBTREE": 2}
_BOOLEAN, _INTEGER, _ENUMERATED, _SET = 0x01, 0x02, 0x0A, 0x31


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: attribute names in lower case, values as they came."""

    dn: str
    values: Mapping[str, tuple[bytes, ...]]

    def first(self, name: str) -> bytes | None:
        """The first value of an attribute, or None."""
        return next(iter(self.values.get(name.lower(), ())), None)


@dataclass(frozen=True, slots=True)
class Message:
    """An answer: to which request, of which kind, and its content."""

    number: int
    kind: int
    content: bytes


# -- what is asked ---------------------------------------------------------------------------


def bind_request(number: int, dn: str, password: bytes) -> bytes:
    """A simple bind; ValueError for one that a server would take for nobody's (RFC 4513 5.1.2)."""
    if not dn or not password:
        raise ValueError("a bind needs a name and a password")
    version = element(_INTEGER, b"\x03")
    content = version + element(OCTETS, dn.encode()) + element(0x80, password)
    return _message(number, element(0x60, content))


def search_request(
    number: int,
    base: str,
    filter_: bytes,
    attributes: Sequence[str],
    *,
    scope: Scope,
    size_limit: int,
) -> bytes:
    """A search that follows no alias, ``filter_`` as octets; no attributes asks for none."""
    content = (
        element(OCTETS, base.encode()),
        element(_ENUMERATED, bytes((_SCOPES[scope],))),
        element(_ENUMERATED, b"\x00"),
        _number(size_limit),
        _number(0),
        element(_BOOLEAN, b"\x00"),
        filter_,
        _selection(tuple(attributes)),
    )
    return _message(number, element(0x63, b"".join(content)))


@lru_cache(maxsize=64)
def _selection(attributes: tuple[str, ...]) -> bytes:
    # 1.1 is the attribute that no entry has (RFC 4511 4.5.1.8).
    names = attributes or ("1.1",)
    return element(SEQUENCE, b"".join(element(OCTETS, name.encode()) for name in names))


def _message(number: int, operation: bytes) -> bytes:
    return element(SEQUENCE, _number(number) + operation)


def _number(number: int) -> bytes:
    return element(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1))


def element(tag: int, content: bytes) -> bytes:
    """A tag, a length and what it is the length of (X.690 8.1)."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + content


# -- what is answered ------------------------------------------------------------------------


def whole(received: bytes) -> int | None:
    """Where the first message of these octets ends; None while more of it is to come."""
    if len(received) < 6:
        return None
    start, length = _length(received, 0)
    if received[0] != SEQUENCE or length > LARGEST:
        raise ValueError("no message, or one that is too long")
    return start + length if len(received) >= start + length else None


def message_of(octets: bytes) -> Message:
    """One whole message; controls are not looked at."""
    start, _ = _length(octets, 0)
    number, at = _read(octets, start, _INTEGER)
    start, length = _length(octets, at)
    return Message(int.from_bytes(number), octets[at], octets[start : start + length])


def result_code(content: bytes) -> int:
    """The code that every result begins with (RFC 4511 4.1.9)."""
    code, _ = _read(content, 0, _ENUMERATED)
    return int.from_bytes(code)


def entry_of(content: bytes) -> Entry:
    """What a SearchResultEntry holds."""
    name, at = _read(content, 0, OCTETS)
    attributes, _ = _read(content, at, SEQUENCE)
    values: dict[str, tuple[bytes, ...]] = {}
    at = 0
    while at < len(attributes):
        attribute, at = _read(attributes, at, SEQUENCE)
        kind, inner = _read(attribute, 0, OCTETS)
        found, _ = _read(attribute, inner, _SET)
        values[kind.decode("ascii").lower()] = _values(found)
    return Entry(name.decode(), values)


def _values(octets: bytes) -> tuple[bytes, ...]:
    values, at = [], 0
    while at < len(octets):
        value, at = _read(octets, at, OCTETS)
        values.append(value)
    return tuple(values)


def _read(octets: bytes, at: int, tag: int) -> tuple[bytes, int]:
    """The content of an element that must be of this kind, and where the next one begins."""
    start, length = _length(octets, at)
    end = start + length
    if octets[at] != tag or end > len(octets):
        raise ValueError("an element that is cut off or of another kind")
    return octets[start:end], end


def _length(octets: bytes, at: int) -> tuple[int, int]:
    """Where an element's content begins, and its length."""
    length = octets[at + 1]
    if length < 0x80:
        return at + 2, length
    start = at + 2 + (length & 0x7F)
    if not 0x81 <= length <= 0x84:
        raise ValueError("a length of no definite form")
    return start, int.from_bytes(octets[at + 2 : start])
