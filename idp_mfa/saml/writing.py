"""XML that is in exclusive canonical form by construction, so that signing needs no parser.

Exclusive XML Canonicalization 1.0: namespace declarations where a prefix is first used, then
attributes in order, every element with an end tag, text and attribute values escaped one way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from idp_mfa.saml.names import PREFIXES, XML

_IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_IN_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
)
_UNDECLARED = {"", "xml"}
_NAMESPACES = {**PREFIXES, "": "", "xml": XML}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PLAIN = re.compile(r"[\w !#-%'-;=?@\[-`{-~]*", re.ASCII)
"""What stands in text and in attributes alike just as it is: nearly all that we write."""


class Canonical(str):
    """XML that is canonical already: an element of ours, whole."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Element:
    """An element to be written: a prefix of names.PREFIXES in its name, text as plain strings."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: tuple[Element | str, ...] = ()


def representable(value: str) -> bool:
    """Whether XML 1.0 has a way to write it: no control characters, no lone surrogates."""
    return _NOT_XML.search(value) is None


def written(element: Element) -> Canonical:
    """The whole element."""
    start, children, end = parts(element)
    return Canonical("".join((start, *children, end)))


def parts(element: Element, declared: frozenset[str] = frozenset()) -> tuple[str, list[str], str]:
    """Start tag, each child, end tag; ``declared`` are the prefixes that an ancestor declares."""
    given = element.attributes
    shape = _shape(element.name, tuple(given), declared)
    attributes = [f' {name}="{_attribute(given[name])}"' for name in shape.attributes]
    children = [_child(child, shape.declared) for child in element.children]
    return "".join((shape.start, *attributes, ">")), children, shape.end


@dataclass(frozen=True, slots=True)
class _Shape:
    """What of an element depends on names alone, which are ours and few."""

    start: str
    attributes: tuple[str, ...]
    end: str
    declared: frozenset[str]


@lru_cache(maxsize=1024)
def _shape(name: str, attributes: tuple[str, ...], declared: frozenset[str]) -> _Shape:
    within = declared | {_prefix(each) for each in (name, *attributes)} - _UNDECLARED
    added = (f' xmlns:{prefix}="{PREFIXES[prefix]}"' for prefix in sorted(within - declared))
    # Those without a prefix first, then by namespace and local name.
    ordered = sorted(attributes, key=lambda each: (_namespace(each), each))
    return _Shape("".join((f"<{name}", *added)), tuple(ordered), f"</{name}>", within)


def _child(child: Element | str, declared: frozenset[str]) -> str:
    match child:
        case Canonical():
            # An element that was written to stand alone declares its own prefix; beneath an
            # ancestor that declares it as well, the canonical form would have it once.
            if _prefix(child[1 : child.index(" ")]) in declared:
                raise ValueError("a canonical element beneath its own prefix")
            return child
        case str():
            return _escaped(child, _IN_TEXT)
        case Element():
            start, children, end = parts(child, declared)
            return "".join((start, *children, end))


def _attribute(value: str) -> str:
    return _escaped(value, _IN_ATTRIBUTE)


def _escaped(value: str, escapes: Mapping[int, str]) -> str:
    if _PLAIN.fullmatch(value) is not None:
        return value
    if not representable(value):
        raise ValueError("text that XML cannot hold")
    return value.translate(escapes)


def _prefix(name: str) -> str:
    prefix, colon, _ = name.partition(":")
    return prefix if colon else ""


def _namespace(name: str) -> str:
    return _NAMESPACES[_prefix(name)]
