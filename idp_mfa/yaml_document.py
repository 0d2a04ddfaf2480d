"""YAML as a frozen tree that knows where each value stands; the only file that imports PyYAML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import yaml

MAX_CHARACTERS = 8 * 1024 * 1024
MAX_DEPTH = 32

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}")
_CONSTANTS: Mapping[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "false": False,
}

Value = str | int | float | bool | None
Plain = Value | list["Plain"] | dict[str, "Plain"]
"""A document as Python's own types."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; lines and columns count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a document and where; lines and columns count from 1."""

    file: str
    line: int
    column: int
    message: str

    @classmethod
    def at(cls, place: Place, message: str) -> Problem:
        """A problem with what stands at a place."""
        return cls(place.file, place.line, place.column, message)

    def __str__(self) -> str:
        """The form that editors and terminals can follow."""
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


@dataclass(frozen=True, slots=True)
class Problems:
    """All that is wrong with a document, in its own order; never empty."""

    found: tuple[Problem, ...]

    def __iter__(self) -> Iterator[Problem]:
        """One after the other."""
        return iter(self.found)

    def __str__(self) -> str:
        """One a line."""
        return "\n".join(map(str, self.found))


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """One value: ``text`` as written, ``value`` by the core schema of YAML 1.2.

    Only ``true``, ``false``, ``null``, ``~`` and decimal numbers are no strings, so that ``no``,
    ``on``, ``010`` and ``12:30`` stay what people see.
    """

    text: str
    value: Value
    place: Place


@dataclass(frozen=True, slots=True)
class ListNode:
    """A sequence."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Entry:
    """One key with its value."""

    key: ScalarNode
    value: Node


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A mapping; no key stands twice."""

    entries: tuple[Entry, ...]
    place: Place

    def get(self, key: str) -> Node | None:
        """The value under a key."""
        return next((e.value for e in self.entries if e.key.text == key), None)


Node = ScalarNode | ListNode | MappingNode


class _Mark(Protocol):
    """PyYAML's own, of either of its parsers; counts from 0."""

    line: int
    column: int


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet; ``keys`` is None for a sequence."""

    place: Place
    keys: dict[str, Place] | None
    values: list[Node]
    names: list[ScalarNode]
    pending: ScalarNode | None = None


def read(text: str, file: str) -> Node | Problems:
    """The tree of a document, or everything that is wrong with it; an empty one is a mapping.

    Refused: duplicate keys, keys that are no strings, tags, anchors and aliases (with them merge
    keys and expansion bombs), a second document, more than 32 levels, more than 8 Mi characters.
    """
    if len(text) > MAX_CHARACTERS:
        return Problems((Problem(file, 1, 1, f"longer than {MAX_CHARACTERS} characters"),))
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
            if builder.too_deep:
                break
    except yaml.MarkedYAMLError as error:
        builder.problems.append(Problem.at(_place(file, error.problem_mark), _words(error)))
    except (yaml.YAMLError, UnicodeError):
        builder.problems.append(Problem(file, 1, 1, "holds characters that no YAML text may hold"))
    if builder.problems:
        return Problems(tuple(sorted(builder.problems, key=lambda p: (p.line, p.column))))
    return builder.root or MappingNode((), Place(file, 1, 1))


def plain(node: Node) -> Plain:
    """The same document as dictionaries, lists and scalars."""
    match node:
        case ScalarNode():
            return node.value
        case ListNode():
            return [plain(item) for item in node.items]
        case MappingNode():
            return {entry.key.text: plain(entry.value) for entry in node.entries}


def over(node: Node, below: Node) -> Node:
    """Two documents as one, mapping by mapping: what the first says goes before the second."""
    if not isinstance(node, MappingNode) or not isinstance(below, MappingNode):
        return node
    said = {entry.key.text for entry in node.entries}
    theirs = {entry.key.text: entry for entry in below.entries}
    together = tuple(
        replace(entry, value=over(entry.value, theirs[entry.key.text].value))
        if entry.key.text in theirs
        else entry
        for entry in node.entries
    )
    return replace(
        node, entries=(*together, *(one for key, one in theirs.items() if key not in said))
    )


def place(node: Node, path: Sequence[str | int]) -> Place:
    """Where the value under a path stands, or the nearest thing above it that is there.

    A path ends at a key's own place, because that is what a person looks for.
    """
    found = node.place
    for step in path:
        match node, step:
            case MappingNode(), str():
                entry = next((e for e in node.entries if e.key.text == step), None)
                if entry is None:
                    return found
                node, found = entry.value, entry.key.place
            case ListNode(), int() if 0 <= step < len(node.items):
                node = node.items[step]
                found = node.place
            case _:
                return found
    return found


class _Builder:
    """Builds the tree from events, without recursion, and goes on after a problem."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self.too_deep = False
        self._open: list[_Open] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """The next event of the parser."""
        at = _place(self.file, event.start_mark)
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents == 2:
                    self._refuse(at, "a second document (`---`); one file holds one")
            case yaml.AliasEvent():
                self._refuse(at, f"`*{event.anchor}`: aliases are not used here; write it out")
                self._add(ScalarNode("", None, at))
            case yaml.ScalarEvent():
                self._mark(event, at)
                self._add(_scalar(event, at))
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._mark(event, at)
                self._begin(at, {} if isinstance(event, yaml.MappingStartEvent) else None)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._add(_closed(self._open.pop()))

    def _begin(self, at: Place, keys: dict[str, Place] | None) -> None:
        if len(self._open) == MAX_DEPTH:
            self.too_deep = True
            self._refuse(at, f"nested deeper than {MAX_DEPTH} levels")
        self._open.append(_Open(at, keys, [], []))

    def _add(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        inside = self._open[-1]
        if inside.keys is None:
            inside.values.append(node)
        elif inside.pending is None:
            inside.pending = self._key(node, inside.keys)
        else:
            inside.names.append(inside.pending)
            inside.values.append(node)
            inside.pending = None

    def _key(self, node: Node, keys: dict[str, Place]) -> ScalarNode:
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
            shown = f"`{node.text}`" if isinstance(node, ScalarNode) else "a collection"
            self._refuse(node.place, f"{shown} is no text and cannot be a key; quote it")
            return ScalarNode("", "", node.place)
        first = keys.setdefault(node.text, node.place)
        if first is not node.place:
            self._refuse(node.place, f"`{node.text}` stands here twice, first in line {first.line}")
        return node

    def _mark(self, event: yaml.NodeEvent, at: Place) -> None:
        if event.anchor is not None:
            self._refuse(at, f"`&{event.anchor}`: anchors are not used here; write it out")
        if getattr(event, "tag", None) is not None:
            self._refuse(at, "tags (`!`) are not used here")

    def _refuse(self, at: Place, message: str) -> None:
        self.problems.append(Problem.at(at, message))


def _closed(done: _Open) -> Node:
    if done.keys is None:
        return ListNode(tuple(done.values), done.place)
    entries = (Entry(*pair) for pair in zip(done.names, done.values, strict=True))
    return MappingNode(tuple(entries), done.place)


def _scalar(event: yaml.ScalarEvent, at: Place) -> ScalarNode:
    text: str = event.value
    if not event.implicit[0]:
        return ScalarNode(text, text, at)
    if text in _CONSTANTS:
        return ScalarNode(text, _CONSTANTS[text], at)
    if _WHOLE_NUMBER.fullmatch(text):
        return ScalarNode(text, int(text), at)
    if _DECIMAL_NUMBER.fullmatch(text):
        return ScalarNode(text, float(text), at)
    return ScalarNode(text, text, at)


def _place(file: str, mark: _Mark | None) -> Place:
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)


def _words(error: yaml.MarkedYAMLError) -> str:
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return f"this is no YAML: {said}"
