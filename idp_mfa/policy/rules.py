"""From a rule's YAML to its condition and outcome."""

from __future__ import annotations

from typing import assert_never

from idp_mfa.model import FactorName, Page
from idp_mfa.policy.condition_reading import read_condition
from idp_mfa.policy.conditions import HAS_NONE, OneOf, leaves, looks_at_device, musts
from idp_mfa.policy.model import (
    UNKNOWN,
    Condition,
    Enrol,
    Grace,
    Outcome,
    Refuse,
    Require,
    Rule,
    Skip,
)
from idp_mfa.policy.reading import Reader, named, suggestion
from idp_mfa.policy.subjects import PAGE, ZONE, Vocabulary
from idp_mfa.yaml_document import MappingNode, Node, Place, ScalarNode

OUTCOMES = ("skip", "require", "enrol", "grace", "deny")
MAX_KINDS = 2

_SHORT_OUTCOMES = {
    "skip": "skip",
    "allow": "skip",
    "permit": "skip",
    "bypass": "skip",
    "deny": "deny",
    "refuse": "deny",
    "block": "deny",
}
_OUTCOMES_SAID = (
    "`then` must be `skip`, `deny`, `{ require: [...] }`, `{ enrol: [...] }`, `{ grace: {...} }`"
    " or `{ deny: {...} }`"
)

SKIPPABLE = frozenset(
    {
        *(Page.SIGN_IN, Page.PORTAL_HOME, Page.PORTAL_ACTIVITY),
        *(Page.PORTAL_REISSUE, Page.PORTAL_REPLACE),
    }
)
"""Pages on which nothing is shown, bound or removed that a fresh factor has to guard.

Re-issuing asks for the mailed code on its own page. Replacing is off unless a site's settings turn
it on, and then for a network of the campus alone. Adding a factor can be skipped only for people
who have none.
"""
GRACED = frozenset({Page.SIGN_IN})
"""Where people without a factor may be let in for a while."""
ENROLLING = frozenset({Page.SIGN_IN, Page.DESK, Page.SERVICES})
"""Where people without a factor may be sent to set one up: not on the pages where that is done."""


def read_rule(reader: Reader, node: Node, vocabulary: Vocabulary) -> Rule | None:
    """One row of the policy."""
    keys = ("name", "when", "then")
    entries = reader.mapping(node, "a rule", keys, required=keys)
    if len(entries) < len(keys):
        return None
    problems_before = len(reader.problems)
    name = reader.text(entries["name"].value, "a rule's name")
    when = read_condition(reader, entries["when"].value, vocabulary)
    then = _outcome(reader, entries["then"].value, vocabulary)
    if then is None:
        return None
    if len(reader.problems) == problems_before:
        _guard(reader, when, then, entries["when"].value.place)
    return Rule(name, when, then, node.place.line)


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
        case MappingNode() if node.get("enrol") is not None:
            entries = reader.mapping(node, "an outcome that enrols", ("enrol",))
            words = reader.some_words(entries["enrol"].value, "`enrol`", vocabulary.factors)
            return Enrol(frozenset(map(FactorName, words)))
        case MappingNode() if (grace := node.get("grace")) is not None:
            reader.mapping(node, "an outcome that gives grace", ("grace",))
            return _grace(reader, grace, vocabulary)
        case ScalarNode(text=word) if word:
            near = suggestion(word, _SHORT_OUTCOMES) or f"; {_OUTCOMES_SAID}"
            reader.refuse(node.place, f"`then: {word}` is no outcome{near}")
            return None
        case MappingNode(entries=(entry, *_)):
            near = suggestion(entry.key.text, {one: one for one in OUTCOMES})
            reader.refuse(
                entry.key.place,
                f"`{entry.key.text}` is no outcome{near or '; ' + _OUTCOMES_SAID}",
            )
            return None
        case _:
            reader.refuse(node.place, _OUTCOMES_SAID)
            return None


def _grace(reader: Reader, node: Node, vocabulary: Vocabulary) -> Grace | None:
    """``{ until: 2027-03-31 }``, whose day is the last."""
    entries = reader.mapping(node, "`grace`", ("until",), required=("until",))
    if "until" not in entries:
        return None
    until = reader.end_of_day(entries["until"].value, "`until`", vocabulary.time_zone)
    return None if until is None else Grace(until)


def _require(reader: Reader, node: MappingNode, vocabulary: Vocabulary) -> Require:
    entries = reader.mapping(node, "an outcome that requires", ("require", "fresh", "kinds"))
    words = reader.some_words(entries["require"].value, "`require`", vocabulary.factors)
    fresh = reader.duration(entries["fresh"].value, "`fresh`") if "fresh" in entries else None
    kinds = 1
    if "kinds" in entries:
        kinds = reader.number(entries["kinds"].value, "`kinds`", range(1, MAX_KINDS + 1))
    return Require(frozenset(map(FactorName, words)), fresh, kinds)


# -- what no rule may let pass ---------------------------------------------------------------


def _guard(reader: Reader, when: Condition, then: Outcome, place: Place) -> None:
    """Neither an unknown zone nor what a browser says may let anybody through with less."""
    match then:
        case Require() | Refuse():
            return
        case Skip():
            doing, may = "skips", SKIPPABLE
        case Grace():
            doing, may = "gives a grace period", GRACED
        case Enrol():
            doing, may = "has a factor set up first", ENROLLING
        case never:
            assert_never(never)
    parts = [one for one in leaves(when) if isinstance(one, OneOf)]
    if any(one.subject is ZONE and UNKNOWN in one.wanted for one in parts):
        said = f"a rule that {doing} cannot name the zone `unknown`: unknown means ask"
        reader.refuse(place, said)
    if looks_at_device(when):
        said = f"a rule that {doing} cannot look at `device`: a browser may say what it likes"
        reader.refuse(place, said)
    found = [one for one in musts(when) if isinstance(one, OneOf)]
    pages = [one.wanted for one in found if one.subject is PAGE]
    if not pages:
        reader.refuse(place, f"a rule that {doing} must name its pages (`page: sign-in`)")
        return
    never_on = frozenset.intersection(*pages) - {page.value for page in may}
    if isinstance(then, Skip) and HAS_NONE in found:
        never_on -= {Page.PORTAL_ADD_FACTOR.value}
    if never_on and isinstance(then, Skip):
        reader.refuse(place, f"{named(never_on)} cannot be skipped: ask for a factor there")
    elif never_on:
        reader.refuse(place, f"a rule that {doing} cannot do so on {named(never_on)}")
