"""From the YAML of a policy's tests to cases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from ipaddress import ip_address
from typing import TypeVar

from idp_mfa.model import PASSWORD, Acr, BoundBy, Device, FactorName, Page, Refusal, ServiceId
from idp_mfa.policy.cases import UNREADABLE, UNUSABLE, Case, Expected, Given, Outcome, Standing
from idp_mfa.policy.countries import COUNTRIES
from idp_mfa.policy.model import UNKNOWN, Address
from idp_mfa.policy.reading import Reader, duration, named
from idp_mfa.policy.subjects import NONE, Vocabulary
from idp_mfa.yaml_document import Entry, MappingNode, Node, ScalarNode

GIVEN = (
    "from",
    "at",
    "page",
    "service",
    "tags",
    "groups",
    "attributes",
    "country",
    "device",
    "asked",
    "enrolled",
    "bound",
    "verified",
)
_EXPECTED: Mapping[Outcome, tuple[str, ...]] = {
    Outcome.SKIP: ("class",),
    Outcome.GRACE: ("class",),
    Outcome.PERMIT: ("class",),
    Outcome.ASK: ("factors",),
    Outcome.ENROL: ("factors",),
    Outcome.DENY: ("why",),
}
_Member = TypeVar("_Member", bound=Enum)
_Entries = Mapping[str, Entry]


def read_cases(reader: Reader, node: Node, vocabulary: Vocabulary) -> tuple[Case, ...]:
    """All tests of a policy."""
    keys = ("name", "given", "expect")
    cases: list[Case] = []
    for item in reader.items(node, "`tests`"):
        entries = reader.mapping(item, "a test", keys, required=keys)
        if len(entries) == len(keys):
            name = reader.text(entries["name"].value, "a test's name")
            given = _given(reader, entries["given"].value, vocabulary)
            expected = _expected(reader, entries["expect"].value, vocabulary)
            cases.append(Case(name, given, expected, item.place))
    return tuple(cases)


def shown(text: str) -> tuple[FactorName, timedelta] | None:
    """``totp`` (just now) or ``totp:3m`` (so long ago), or None."""
    name, colon, ago = text.partition(":")
    age = duration(ago) if colon else timedelta()
    return None if age is None else (FactorName(name), age)


def _given(reader: Reader, node: Node, vocabulary: Vocabulary) -> Given:
    entries = reader.mapping(node, "`given`", GIVEN, required=("from",))
    enrolled = _words(
        reader, entries, "enrolled", vocabulary.factors | {NONE, UNREADABLE, UNUSABLE}
    )
    return Given(
        address=_address(reader, entries["from"].value) if "from" in entries else None,
        page=_member(reader, entries, "page", Page) or Page.SIGN_IN,
        service=ServiceId(_text(reader, entries, "service") or ""),
        service_tags=frozenset(_words(reader, entries, "tags")),
        groups=frozenset(_words(reader, entries, "groups")),
        attributes=_attributes(reader, entries),
        country=next(iter(_words(reader, entries, "country", COUNTRIES)), None),
        device=_member(reader, entries, "device", Device) or Device.UNKNOWN,
        asked=tuple(map(Acr, _words(reader, entries, "asked"))),
        enrolled=frozenset(map(FactorName, enrolled)) & vocabulary.factors,
        bound=_bound(reader, entries, vocabulary),
        standing=next((one for one in Standing if one.value in enrolled), Standing.CLEAR),
        verified=_verified(reader, entries, vocabulary),
        at=reader.moment(entries["at"].value, "`at`", vocabulary.time_zone)
        if "at" in entries
        else None,
    )


def _expected(reader: Reader, node: Node, vocabulary: Vocabulary) -> Expected:
    every = {key for keys in _EXPECTED.values() for key in keys}
    entries = reader.mapping(node, "`expect`", ("outcome", "rule", *sorted(every)), ("outcome",))
    outcome = _member(reader, entries, "outcome", Outcome) or Outcome.DENY
    for key in every & entries.keys() - set(_EXPECTED[outcome]):
        reader.refuse(entries[key].key.place, f"`{key}` says nothing about `{outcome.value}`")
    acr = _text(reader, entries, "class")
    factors = _words(reader, entries, "factors", vocabulary.factors)
    return Expected(
        outcome=outcome,
        factors=frozenset(map(FactorName, factors)) if "factors" in entries else None,
        acr=None if acr is None else Acr(acr),
        why=_member(reader, entries, "why", Refusal),
        rule=_text(reader, entries, "rule"),
    )


def _address(reader: Reader, node: Node) -> Address | None:
    if isinstance(node, ScalarNode) and node.text == UNKNOWN:
        return None
    try:
        return ip_address(node.text if isinstance(node, ScalarNode) else "")
    except ValueError:
        reader.refuse(node.place, "`from` must be an IP address, or `unknown`")
        return None


def _verified(
    reader: Reader, entries: _Entries, vocabulary: Vocabulary
) -> tuple[tuple[FactorName, timedelta], ...]:
    if "verified" not in entries:
        return Given(None).verified
    known = vocabulary.factors | {PASSWORD}
    done: list[tuple[FactorName, timedelta]] = []
    for word, place in reader.words(entries["verified"].value, "`verified`").items():
        one = shown(word)
        if one is None or one[0] not in known:
            reader.refuse(place, f"`{word}` must be a factor's name, or as `totp:3m` how long ago")
        else:
            done.append(one)
    return tuple(done)


def _attributes(reader: Reader, entries: _Entries) -> Mapping[str, tuple[str, ...]]:
    """What the directory handed out; ``[]`` is an attribute without a value."""
    if "attributes" not in entries:
        return {}
    node = entries["attributes"].value
    if not isinstance(node, MappingNode):
        reader.refuse(node.place, "`attributes` must be a mapping, such as `{ title: [staff] }`")
        return {}
    return {
        entry.key.text: tuple(reader.words(entry.value, f"attribute `{entry.key.text}`"))
        for entry in node.entries
    }


def _bound(
    reader: Reader, entries: _Entries, vocabulary: Vocabulary
) -> Mapping[FactorName, tuple[BoundBy, timedelta]]:
    """On what proof each factor was bound: ``{ totp: mailed-code }``, or ``mailed-code:3h``."""
    if "bound" not in entries:
        return {}
    known = {one.value: one for one in BoundBy}
    found: dict[FactorName, tuple[BoundBy, timedelta]] = {}
    each = reader.mapping(entries["bound"].value, "`bound`", vocabulary.factors)
    for factor, entry in each.items():
        word, colon, ago = reader.text(entry.value, f"`{factor}`").partition(":")
        age = duration(ago) if colon else timedelta()
        if word not in known or age is None:
            said = f"must be one of {named(known)}, or as `mailed-code:3h` how long ago"
            reader.refuse(entry.value.place, f"`{factor}` {said}")
        else:
            found[FactorName(factor)] = (known[word], age)
    return found


def _text(reader: Reader, entries: _Entries, key: str) -> str | None:
    return reader.text(entries[key].value, f"`{key}`") if key in entries else None


def _words(
    reader: Reader, entries: _Entries, key: str, known: frozenset[str] | None = None
) -> tuple[str, ...]:
    """The words in their order, or none."""
    return tuple(reader.words(entries[key].value, f"`{key}`", known)) if key in entries else ()


def _member(reader: Reader, entries: _Entries, key: str, members: type[_Member]) -> _Member | None:
    known = {str(one.value): one for one in members}
    words = reader.words(entries[key].value, f"`{key}`", frozenset(known)) if key in entries else {}
    return next((known[word] for word in words), None)
