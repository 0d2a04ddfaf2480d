"""Entries of a directory as LDIF (RFC 2849), read alone: an export is a list of them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from idp_mfa.key_files import NotThisFormat

_BEGINS_ANEW = ("version", "search", "result", "#")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; ``attributes`` by their names in small letters, without options."""

    dn: str
    attributes: Mapping[str, Sequence[bytes]]

    def text(self, name: str) -> str:
        """The first value of an attribute, or an empty text."""
        values = self.attributes.get(name.lower(), ())
        return values[0].decode("utf-8", "replace").strip() if values else ""


def entries(text: bytes) -> Sequence[Entry]:
    """All entries of a file; ``NotThisFormat`` if it is something else."""
    found = []
    for block in _blocks(text.replace(b"\r\n", b"\n")):
        values = [_value(line) for line in block if not line.startswith(b"#")]
        if not values or values[0][0] != "dn":
            # What is before the first entry says of itself what it is.
            if all(name in _BEGINS_ANEW for name, _ in values):
                continue
            raise NotThisFormat("not LDIF: an entry does not begin with its dn")
        attributes: dict[str, list[bytes]] = {}
        for name, value in values[1:]:
            attributes.setdefault(name, []).append(value)
        found.append(Entry(values[0][1].decode("utf-8", "replace"), attributes))
    if not found:
        raise NotThisFormat("not LDIF: there is no entry in it")
    return found


def same_dn(dn: str) -> str:
    """Two names of one entry, as exports write them, are the same after this."""
    return ",".join(part.strip() for part in dn.casefold().split(","))


def _blocks(text: bytes) -> Iterator[list[bytes]]:
    block: list[bytes] = []
    for line in text.split(b"\n"):
        if line.startswith(b" ") and block:
            block[-1] += line[1:]
        elif line:
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _value(line: bytes) -> tuple[str, bytes]:
    name, found, value = line.partition(b":")
    if not found:
        raise NotThisFormat("not LDIF: a line has no colon")
    described = name.decode("utf-8", "replace").partition(";")[0].strip().lower()
    if described == "version" or not value.startswith(b":"):
        if value.startswith(b"<"):
            raise NotThisFormat("values in other files are not read")
        return described, value.strip()
    try:
        return described, base64.b64decode(value[1:].strip(), validate=True)
    except binascii.Error:
        raise NotThisFormat(f"{described} is no base64") from None
