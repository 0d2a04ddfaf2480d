"""XML that is in exclusive canonical form by construction, so that signing needs no parser.

Exclusive XML Canonicalization 1.0: namespace declarations where a prefix is first used, then
attributes in order, every element with an end tag, text and attribute values escaped one way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from idp_mfa.saml.names import PREFIXES, XML

_IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_IN_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
)
_UNDECLARED = {"", "xml"}
_NAMESPACES = {**PREFIXES, "": "", "xml": XML}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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
    within = (
        declared | {_prefix(name) for name in (element.name, *element.attributes)} - _UNDECLARED
    )
    start = [f"<{element.name}"]
    start += (f' xmlns:{prefix}="{PREFIXES[prefix]}"' for prefix in sorted(within - declared))
    start += (f' {name}="{_attribute(value)}"' for name, value in _ordered(element.attributes))
    children = [_child(child, within) for child in element.children]
    return "".join((*start, ">")), children, f"</{element.name}>"


def _ordered(attributes: Mapping[str, str]) -> list[tuple[str, str]]:
    """Those without a prefix first, then by namespace and local name."""
    return sorted(attributes.items(), key=lambda pair: (_namespace(pair[0]), pair[0]))


def _child(child: Element | str, declared: frozenset[str]) -> str:
    match child:
        case Canonical():
            # An element that was written to stand alone declares its own prefix; beneath an
            # ancestor that declares it as well, the canonical form would have it once.
            if _prefix(child[1 : child.index(" ")]) in declared:
                raise ValueError("a canonical element beneath its own prefix")
            return child
        case str():
            return _checked(child).translate(_IN_TEXT)
        case Element():
            start, children, end = parts(child, declared)
            return "".join((start, *children, end))


def _attribute(value: str) -> str:
    return _checked(value).translate(_IN_ATTRIBUTE)


def _checked(value: str) -> str:
    if not representable(value):
        raise ValueError("text that XML cannot hold")
    return value


def _prefix(name: str) -> str:
    prefix, colon, _ = name.partition(":")
    return prefix if colon else ""


def _namespace(name: str) -> str:
    return _NAMESPACES[_prefix(name)]
