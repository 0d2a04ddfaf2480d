"""From the YAML under ``when`` to a condition."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import time

from idp_mfa.model import PASSWORD, BoundBy, FactorName
from idp_mfa.policy.conditions import All, AnyOf, HasValue, Not, OneOf
from idp_mfa.policy.dated import (
    DAYS,
    WORD_OF_BOUND,
    WORD_OF_TIME,
    WORD_OF_VERIFIED,
    During,
    WasBound,
    WasVerified,
)
from idp_mfa.policy.model import Condition
from idp_mfa.policy.reading import Reader, suggestion
from idp_mfa.policy.subjects import SUBJECTS, Vocabulary
from idp_mfa.yaml_document import Entry, ListNode, MappingNode, Node

JOINTS = ("all", "any", "not")
WORD_OF_ATTRIBUTE = "attribute"

_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
"""An attribute's short name (RFC 4512 1.4), without options."""
_SECRET_ATTRIBUTES = frozenset(
    {"userpassword", "unicodepwd", "krbprincipalkey", "sambantpassword", "sambalmpassword"}
)
_ALSO_CALLED = {
    "attributes": WORD_OF_ATTRIBUTE,
    "ldap": WORD_OF_ATTRIBUTE,
    "hours": WORD_OF_TIME,
    "when": WORD_OF_TIME,
    "schedule": WORD_OF_TIME,
    "bound_by": WORD_OF_BOUND,
    "recovered": WORD_OF_BOUND,
}
_Read = Callable[[Reader, Node, Vocabulary], Condition]


def read_condition(reader: Reader, node: Node, vocabulary: Vocabulary) -> Condition:
    """The keys of a mapping, all of which have to hold."""
    if not isinstance(node, MappingNode):
        reader.refuse(node.place, "conditions must be a mapping, such as `{ zone: campus }`")
        return All(())
    parts = tuple(_part(reader, entry, vocabulary) for entry in node.entries)
    return parts[0] if len(parts) == 1 else All(parts)


def _part(reader: Reader, entry: Entry, vocabulary: Vocabulary) -> Condition:
    name = entry.key.text
    match name:
        case "all":
            return All(_parts(reader, entry, vocabulary))
        case "any":
            return AnyOf(_parts(reader, entry, vocabulary))
        case "not":
            return Not(read_condition(reader, entry.value, vocabulary))
        case _ if name in _SPECIAL and not (
            name in SUBJECTS and not isinstance(entry.value, MappingNode)
        ):
            return _SPECIAL[name](reader, entry.value, vocabulary)
        case _ if name in SUBJECTS:
            subject = SUBJECTS[name]
            known = subject.words(vocabulary) if subject.words else None
            return OneOf(subject, reader.some_words(entry.value, f"`{name}`", known))
        case _:
            near = suggestion(name, _SPELLINGS)
            reader.refuse(entry.key.place, f"`{name}` is not a condition{near}")
            return All(())


def _parts(reader: Reader, entry: Entry, vocabulary: Vocabulary) -> tuple[Condition, ...]:
    items = reader.items(entry.value, f"`{entry.key.text}`")
    if isinstance(entry.value, ListNode) and not items:
        reader.refuse(entry.value.place, f"`{entry.key.text}` names nothing")
    return tuple(read_condition(reader, item, vocabulary) for item in items)


def _attribute(reader: Reader, node: Node, _vocabulary: Vocabulary) -> Condition:
    """``{ title: [staff] }``; of several attributes all have to hold."""
    if not isinstance(node, MappingNode) or not node.entries:
        reader.refuse(node.place, "`attribute` must be a mapping, such as `{ title: [staff] }`")
        return All(())
    parts: list[Condition] = []
    for entry in node.entries:
        name = entry.key.text
        if not _ATTRIBUTE.fullmatch(name):
            reader.refuse(entry.key.place, f"`{name}`: an attribute's name is a-z, 0-9 and `-`")
        elif name.lower() in _SECRET_ATTRIBUTES:
            reader.refuse(entry.key.place, f"`{name}` is a secret, and no rule may look at it")
        values = reader.some_words(entry.value, f"attribute `{name}`")
        parts.append(HasValue(name, values))
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _time(reader: Reader, node: Node, vocabulary: Vocabulary) -> Condition:
    """``{ days: [mon, fri], from: "08:00", to: "18:00", zone: Asia/Tokyo }``."""
    entries = reader.mapping(node, "`time`", ("days", "from", "to", "zone"))
    if isinstance(node, MappingNode) and entries.keys().isdisjoint({"days", "from", "to"}):
        reader.refuse(node.place, "`time` needs `days`, or `from` and `to`")
    for one, other in (("from", "to"), ("to", "from")):
        if one in entries and other not in entries:
            reader.refuse(entries[one].key.place, f"`{one}` needs `{other}` besides")
    words = (
        reader.some_words(entries["days"].value, "`days`", frozenset(DAYS))
        if "days" in entries
        else frozenset(DAYS)
    )
    start, end = (
        reader.time_of_day(entries[key].value, f"`{key}`") if key in entries else time()
        for key in ("from", "to")
    )
    if start == end and "from" in entries and "to" in entries:
        reader.refuse(entries["to"].value.place, "`to` is the same time as `from`: leave both out")
    zone = (
        reader.time_zone(entries["zone"].value, "`zone` of `time`")
        if "zone" in entries
        else vocabulary.time_zone
    )
    days = frozenset(DAYS.index(word) for word in words & frozenset(DAYS))
    return During(days, start, end, zone)


def _bound(reader: Reader, node: Node, vocabulary: Vocabulary) -> Condition:
    """``mailed-code``, a list of such words, or ``{ by: ..., factor: ..., within: 1d }``."""
    if not isinstance(node, MappingNode):
        return WasBound(_proofs(reader, node, "`bound`"), frozenset(), None)
    entries = reader.mapping(node, "`bound`", ("by", "factor", "within"))
    if not entries:
        reader.refuse(node.place, "`bound` needs `by`, `factor` or `within`")
    by = _proofs(reader, entries["by"].value, "`by`") if "by" in entries else frozenset()
    factors = (
        reader.some_words(entries["factor"].value, "`factor`", vocabulary.factors)
        if "factor" in entries
        else frozenset()
    )
    within = reader.duration(entries["within"].value, "`within`") if "within" in entries else None
    return WasBound(by, frozenset(map(FactorName, factors)), within)


def _proofs(reader: Reader, node: Node, what: str) -> frozenset[BoundBy]:
    known = {one.value: one for one in BoundBy}
    words = reader.some_words(node, what, frozenset(known))
    return frozenset(known[word] for word in words if word in known)


def _verified(reader: Reader, node: Node, vocabulary: Vocabulary) -> Condition:
    """``{ factor: totp, within: 5m }``, beside the short form that takes words."""
    keys = ("factor", "within")
    entries = reader.mapping(node, "`verified`", keys, required=keys)
    if len(entries) < len(keys):
        return All(())
    known = vocabulary.factors | {PASSWORD}
    factors = reader.some_words(entries["factor"].value, "`factor`", known)
    within = reader.duration(entries["within"].value, "`within`")
    return All(()) if within is None else WasVerified(frozenset(map(FactorName, factors)), within)


_SPECIAL: Mapping[str, _Read] = {
    WORD_OF_ATTRIBUTE: _attribute,
    WORD_OF_TIME: _time,
    WORD_OF_BOUND: _bound,
    WORD_OF_VERIFIED: _verified,
}
CONDITIONS = frozenset(SUBJECTS) | frozenset(_SPECIAL)
"""Every word that a condition may begin with, besides the joints."""

_SPELLINGS: Mapping[str, str] = {
    **{name: name for name in (*JOINTS, *CONDITIONS)},
    **{other: name for name, subject in SUBJECTS.items() for other in subject.also_called},
    **_ALSO_CALLED,
}
