"""XML from outside: one hardened parser, whose checked element alone goes on.

No DTD, no entity, no network, no other encoding than UTF-8; size, depth and number of nodes have
limits; comments and processing instructions are refused in messages (advisories 36, 38, 41).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from lxml import etree

_DECLARED_ENCODING = re.compile(r"^<\?xml[^>]*\bencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")


class Malformed(Enum):
    """Why a document is not looked at."""

    TOO_LARGE = "too-large"
    NOT_UTF8 = "not-utf-8"
    NOT_XML = "not-xml"
    DOCTYPE = "doctype"
    TOO_DEEP = "too-deep"
    TOO_MANY_NODES = "too-many-nodes"
    COMMENT_OR_INSTRUCTION = "comment-or-instruction"
    MIXED_CONTENT = "mixed-content"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read: octets of text, levels, elements and attributes together.

    ``strict`` refuses comments, and text beside elements; where comments are taken, what is read
    on is the canonical form without them.
    """

    octets: int
    depth: int
    nodes: int
    namespaces: int
    strict: bool


MESSAGE = Limits(octets=256 * 1024, depth=64, nodes=4_000, namespaces=200, strict=True)
DOCUMENT = Limits(
    octets=64 * 1024 * 1024, depth=64, nodes=4_000_000, namespaces=400_000, strict=False
)


def parse(data: bytes, limits: Limits) -> etree._Element | Malformed:
    """The root of a document that keeps within the limits."""
    if len(data) > limits.octets:
        return Malformed.TOO_LARGE
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Malformed.NOT_UTF8
    declared = _DECLARED_ENCODING.match(text)
    if declared is not None and declared[1].lower() not in {"utf-8", "us-ascii"}:
        return Malformed.NOT_UTF8
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return Malformed.DOCTYPE
    if text.count("xmlns") > limits.namespaces:
        return Malformed.TOO_MANY_NODES
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        remove_blank_text=False,
    )
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError):
        return Malformed.NOT_XML
    return _beyond(root, limits) or root


def _beyond(root: etree._Element, limits: Limits) -> Malformed | None:
    nodes = depth = 0
    for event, node in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        match event:
            case "end":
                depth -= 1
            case "start":
                depth += 1
                nodes += 1 + len(node.attrib)
                if depth > limits.depth:
                    return Malformed.TOO_DEEP
                if nodes > limits.nodes:
                    return Malformed.TOO_MANY_NODES
                if limits.strict and _mixed(node):
                    return Malformed.MIXED_CONTENT
            case "comment" if not limits.strict:
                pass
            case _:
                return Malformed.COMMENT_OR_INSTRUCTION
    if limits.strict and _beside(root):
        return Malformed.COMMENT_OR_INSTRUCTION
    return None


def _mixed(node: etree._Element) -> bool:
    return bool((node.tail or "").strip()) or bool(len(node) and (node.text or "").strip())


def _beside(root: etree._Element) -> bool:
    return root.getprevious() is not None or root.getnext() is not None


def canonical(element: etree._Element) -> bytes:
    """Exclusive canonical form without comments: the octets that are read on."""
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
