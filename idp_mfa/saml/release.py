"""A site's release file: read from YAML, with every mistake told by its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from idp_mfa.saml.attributes import COMPUTED, AttributeType, Release, ReleaseRow, Source
from idp_mfa.yaml_document import (
    Entry,
    ListNode,
    MappingNode,
    Node,
    Problem,
    Problems,
    ScalarNode,
    plain,
    read,
)


def shipped_types() -> Mapping[str, AttributeType]:
    """The map that comes with the program."""
    text = files("idp_mfa.saml").joinpath("attributes.yaml").read_text("utf-8")
    node = read(text, "attributes.yaml")
    if not isinstance(node, MappingNode):
        raise TypeError(str(node))
    types = {}
    for entry in node.entries:
        row = plain(entry.value)
        if not isinstance(row, dict):
            raise TypeError(entry.key.text)
        name = row.get("name") or f"urn:oid:{row['oid']}"
        types[entry.key.text] = AttributeType(str(name), row.get("scoped") is True)
    return types


def read_release(node: Node, scopes: Sequence[str]) -> Release | Problems:
    """The sources and release rows of a site, or everything that is wrong with them.

    ``sources`` maps an attribute to ``{from, scope}`` or ``{values, scope}``; ``release`` lists
    rows of ``{to, attributes}``. The scope is ours where none is said.
    """
    reader = _Reader(shipped_types(), tuple(scopes), [])
    release = reader.release(node)
    return Problems(tuple(reader.problems)) if reader.problems else release


@dataclass(frozen=True, slots=True)
class _Reader:
    types: Mapping[str, AttributeType]
    scopes: tuple[str, ...]
    problems: list[Problem]

    def release(self, node: Node) -> Release:
        top = self._mapping(node, ("sources", "release"))
        sources = {
            entry.key.text: self._source(entry.value)
            for entry in self._entries(top.get("sources"))
            if self._known(entry.key, self.types.keys() - COMPUTED)
        }
        rows = [self._row(item, sources) for item in self._items(top.get("release"))]
        return Release(self.types, sources, tuple(rows), self.scopes)

    def _source(self, node: Node) -> Source:
        row = self._mapping(node, ("from", "values", "scope"))
        if ("from" in row) == ("values" in row):
            self._refuse(node, "give either `from` or `values`")
        scope = self._texts(row.get("scope")) or self.scopes[:1]
        if scope[0] not in self.scopes:
            self._refuse(row["scope"], f"`{scope[0]}` is no scope of this site")
        return Source(self._texts(row.get("from")), self._texts(row.get("values")), scope[0])

    def _row(self, node: Node, sources: Mapping[str, Source]) -> ReleaseRow:
        row = self._mapping(node, ("to", "attributes"))
        attributes = self._items(row.get("attributes"))
        for item in attributes:
            if isinstance(item, ScalarNode) and self._known(item, self.types.keys()):
                if item.text not in sources and item.text not in COMPUTED:
                    self._refuse(item, f"`{item.text}` has no source")
            elif not isinstance(item, ScalarNode):
                self._refuse(item, "an attribute's name is wanted here")
        to = frozenset(self._texts(row.get("to")))
        if not to:
            self._refuse(node, "`to` names no service; for all of them write `to: everyone`")
        return ReleaseRow(to, tuple(i.text for i in attributes if isinstance(i, ScalarNode)))

    def _known(self, key: ScalarNode, names: Iterable[str]) -> bool:
        names = list(names)
        if key.text in names:
            return True
        close = difflib.get_close_matches(key.text, names, 1)
        hint = f"; did you mean `{close[0]}`?" if close else ""
        self._refuse(key, f"`{key.text}` is no attribute that can stand here{hint}")
        return False

    def _mapping(self, node: Node, allowed: tuple[str, ...]) -> dict[str, Node]:
        if not isinstance(node, MappingNode):
            self._refuse(node, f"a mapping with {', '.join(allowed)} is wanted here")
            return {}
        for entry in node.entries:
            if entry.key.text not in allowed:
                self._refuse(
                    entry.key, f"`{entry.key.text}` is not known; {', '.join(allowed)} are"
                )
        return {e.key.text: e.value for e in node.entries if e.key.text in allowed}

    def _entries(self, node: Node | None) -> tuple[Entry, ...]:
        if node is None:
            return ()
        if not isinstance(node, MappingNode):
            self._refuse(node, "a mapping is wanted here")
            return ()
        return node.entries

    def _items(self, node: Node | None) -> tuple[Node, ...]:
        if node is None:
            return ()
        if not isinstance(node, ListNode):
            self._refuse(node, "a list is wanted here")
            return ()
        return node.items

    def _texts(self, node: Node | None) -> tuple[str, ...]:
        match node:
            case None:
                return ()
            case ScalarNode():
                return (node.text,)
            case ListNode(items=items):
                for item in items:
                    if not isinstance(item, ScalarNode):
                        self._refuse(item, "a text is wanted here")
                return tuple(item.text for item in items if isinstance(item, ScalarNode))
            case MappingNode():
                self._refuse(node, "a text or a list of texts is wanted here")
                return ()

    def _refuse(self, node: Node, message: str) -> None:
        self.problems.append(Problem.at(node.place, message))
