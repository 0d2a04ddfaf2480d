"""Filters: from the form that people write (RFC 4515) to the octets of a search (RFC 4511)."""

from __future__ import annotations

import re

from idp_mfa.directory.ldap_message import OCTETS, SEQUENCE, element

_COMPOUNDS = {"&": 0xA0, "|": 0xA1, "!": 0xA2}
_COMPARISONS = {"=": 0xA3, ">=": 0xA5, "<=": 0xA6, "~=": 0xA8}
_SUBSTRINGS, _PRESENT, _EXTENSIBLE = 0xA4, 0x87, 0xA9

_COMPOUND = re.compile(r"\s*\(\s*([&|!])")
_CLOSED = re.compile(r"\s*\)")
_ITEM = re.compile(
    r"\s*\(\s*([A-Za-z0-9.;-]*)(:dn)?(?::([A-Za-z0-9.-]+))?(:=|~=|>=|<=|=)([^()]*)\)"
)
_ESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2})?")


def octets_of(text: str) -> bytes:
    """A filter in its written form (RFC 4515); ValueError for what is none."""
    octets, end = _filter(text, 0)
    if text[end:].strip():
        raise ValueError("text after the end of a filter")
    return octets


def _filter(text: str, at: int) -> tuple[bytes, int]:
    compound = _COMPOUND.match(text, at)
    if compound is None:
        item = _ITEM.match(text, at)
        if item is None:
            raise ValueError("a filter that cannot be read")
        return _item(*item.groups()), item.end()
    parts, at = [], compound.end()
    while (closed := _CLOSED.match(text, at)) is None:
        part, at = _filter(text, at)
        parts.append(part)
    if compound[1] == "!" and len(parts) != 1:
        raise ValueError("a negation of not exactly one filter")
    return element(_COMPOUNDS[compound[1]], b"".join(parts)), closed.end()


def _item(name: str, dn: str | None, rule: str | None, comparison: str, value: str) -> bytes:
    attribute = name.encode()
    if comparison == ":=":
        return _extensible(attribute, dn, rule, value)
    if not name or dn or rule:
        raise ValueError("a comparison without an attribute, or with a rule it has no use for")
    if comparison == "=" and value == "*":
        return element(_PRESENT, attribute)
    if comparison == "=" and "*" in value:
        first, *middle, last = value.split("*")
        pieces = ((0x80, first), *((0x81, each) for each in middle), (0x82, last))
        parts = b"".join(element(tag, _value(piece)) for tag, piece in pieces if piece)
        return element(_SUBSTRINGS, element(OCTETS, attribute) + element(SEQUENCE, parts))
    if "*" in value:
        raise ValueError("an asterisk that is not escaped")
    octets = element(OCTETS, attribute) + element(OCTETS, _value(value))
    return element(_COMPARISONS[comparison], octets)


def _extensible(attribute: bytes, dn: str | None, rule: str | None, value: str) -> bytes:
    if not attribute and not rule:
        raise ValueError("a match without an attribute or a rule")
    parts = (
        element(0x81, rule.encode()) if rule else b"",
        element(0x82, attribute) if attribute else b"",
        element(0x83, _value(value)),
        element(0x84, b"\xff") if dn else b"",
    )
    return element(_EXTENSIBLE, b"".join(parts))


def _value(text: str) -> bytes:
    return _ESCAPED.sub(_unescaped, text.encode())


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[1] is None:
        raise ValueError("a backslash without two hexadecimal digits")
    return bytes((int(found[1], 16),))
