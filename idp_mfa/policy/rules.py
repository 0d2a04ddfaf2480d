"""From a rule's YAML to its condition and outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from idp_mfa.model import FactorName, Page
from idp_mfa.policy.conditions import (
    ENROLLED,
    NONE,
    PAGE,
    SUBJECTS,
    ZONE,
    All,
    AnyOf,
    Not,
    OneOf,
    Vocabulary,
)
from idp_mfa.policy.model import UNKNOWN, Condition, Outcome, Refuse, Require, Rule, Skip
from idp_mfa.policy.reading import Reader, named, suggestion
from idp_mfa.yaml_document import Entry, ListNode, MappingNode, Node, Place, ScalarNode

JOINTS = ("all", "any", "not")
OUTCOMES = ("skip", "require", "deny")
MAX_KINDS = 2

SKIPPABLE = frozenset({Page.SIGN_IN, Page.PORTAL_HOME, Page.PORTAL_REISSUE, Page.PORTAL_ACTIVITY})
"""Pages on which nothing is shown, bound or removed that a fresh factor has to guard.

Re-issuing asks for the mailed code on its own page. Adding a factor can be skipped only for people
who have none.
"""

_SPELLINGS: Mapping[str, str] = {
    **{name: name for name in (*JOINTS, *SUBJECTS)},
    **{other: name for name, subject in SUBJECTS.items() for other in subject.also_called},
}


def read_rule(reader: Reader, node: Node, vocabulary: Vocabulary) -> Rule | None:
    """One row of the policy."""
    keys = ("name", "when", "then")
    entries = reader.mapping(node, "a rule", keys, required=keys)
    if len(entries) < len(keys):
        return None
    problems_before = len(reader.problems)
    name = reader.text(entries["name"].value, "a rule's name")
    when = _condition(reader, entries["when"].value, vocabulary)
    then = _outcome(reader, entries["then"].value, vocabulary)
    if then is None:
        return None
    if isinstance(then, Skip) and len(reader.problems) == problems_before:
        _guard_skip(reader, when, entries["when"].value.place)
    return Rule(name, when, then, node.place.line)


# -- conditions ------------------------------------------------------------------------------


def _condition(reader: Reader, node: Node, vocabulary: Vocabulary) -> Condition:
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
            return Not(_condition(reader, entry.value, vocabulary))
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
    return tuple(_condition(reader, item, vocabulary) for item in items)


# -- outcomes --------------------------------------------------------------------------------


def _outcome(reader: Reader, node: Node, vocabulary: Vocabulary) -> Outcome | None:
    match node:
        case ScalarNode(text="skip"):
            return Skip()
        case ScalarNode(text="deny"):
            return Refuse()
        case MappingNode() if node.get("require") is not None:
            return _require(reader, node, vocabulary)
        case MappingNode() if (message := node.get("deny")) is not None:
            reader.mapping(node, "an outcome that denies", ("deny",))
            return Refuse(reader.by_language(message, "`deny`"))
        case _:
            reader.refuse(
                node.place,
                "`then` must be `skip`, `deny`, `{ require: [...] }` or `{ deny: {...} }`",
            )
            return None


def _require(reader: Reader, node: MappingNode, vocabulary: Vocabulary) -> Require:
    entries = reader.mapping(node, "an outcome that requires", ("require", "fresh", "kinds"))
    words = reader.some_words(entries["require"].value, "`require`", vocabulary.factors)
    fresh = reader.duration(entries["fresh"].value, "`fresh`") if "fresh" in entries else None
    kinds = 1
    if "kinds" in entries:
        kinds = reader.number(entries["kinds"].value, "`kinds`", range(1, MAX_KINDS + 1))
    return Require(frozenset(map(FactorName, words)), fresh, kinds)


# -- what no rule may skip -------------------------------------------------------------------


def _guard_skip(reader: Reader, when: Condition, place: Place) -> None:
    """An unknown zone never skips, nor does a page that shows or changes a factor."""
    if any(one.subject is ZONE and UNKNOWN in one.wanted for one in _leaves(when)):
        reader.refuse(place, "a rule that skips cannot name the zone `unknown`: unknown means ask")
    musts = tuple(_musts(when))
    pages = [one.wanted for one in musts if one.subject is PAGE]
    if not pages:
        reader.refuse(place, "a rule that skips must name its pages (`page: sign-in`)")
        return
    may = {page.value for page in SKIPPABLE}
    if any(one.subject is ENROLLED and one.wanted == {NONE} for one in musts):
        may.add(Page.PORTAL_ADD_FACTOR.value)
    never = frozenset.intersection(*pages) - may
    if never:
        reader.refuse(place, f"{named(never)} cannot be skipped: ask for a factor there")


def _musts(when: Condition) -> Iterable[OneOf]:
    """The conditions without which a rule cannot hold."""
    match when:
        case OneOf():
            yield when
        case All(parts):
            for part in parts:
                yield from _musts(part)


def _leaves(when: Condition) -> Iterable[OneOf]:
    match when:
        case OneOf():
            yield when
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from _leaves(part)
        case Not(part):
            yield from _leaves(part)
