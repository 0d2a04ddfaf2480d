"""What an LDAP server says, octet for octet, for servers that exist in tests alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def element(tag: int, content: bytes) -> bytes:
    """One element of BER, its length in the definite form."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + content


def number_of(request: bytes) -> int:
    """The message id of a request."""
    start = 2 + (request[1] & 0x7F if request[1] & 0x80 else 0)
    return int.from_bytes(request[start + 2 : start + 2 + request[start + 1]])


def message(number: int, operation: bytes) -> bytes:
    """One message."""
    return element(0x30, element(0x02, number.to_bytes(4)) + operation)


def entry(dn: str, values: Mapping[str, Sequence[bytes]]) -> bytes:
    """A SearchResultEntry."""
    attributes = b"".join(
        element(0x30, element(0x04, name.encode()) + element(0x31, _octets(several)))
        for name, several in values.items()
    )
    return element(0x64, element(0x04, dn.encode()) + element(0x30, attributes))


def done(code: int = 0) -> bytes:
    """A SearchResultDone."""
    return element(0x65, _result(code))


def bound(code: int = 0) -> bytes:
    """A BindResponse."""
    return element(0x61, _result(code))


def _result(code: int) -> bytes:
    return element(0x0A, bytes((code,))) + element(0x04, b"") + element(0x04, b"")


def _octets(values: Sequence[bytes]) -> bytes:
    return b"".join(element(0x04, value) for value in values)
