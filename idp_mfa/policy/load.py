"""From YAML to a checked policy, or everything that is wrong with it, with its place."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from idp_mfa.model import Acr, FactorKind, FactorName, Page
from idp_mfa.policy.assurance import SHIPPED_FACTORS, classes
from idp_mfa.policy.case_reading import read_cases
from idp_mfa.policy.cases import Case, try_all
from idp_mfa.policy.conditions import All, HasValue, OneOf, leaves
from idp_mfa.policy.model import Assurance, Policy, Require, Rule, Zone
from idp_mfa.policy.reading import Reader
from idp_mfa.policy.rules import read_rule
from idp_mfa.policy.subjects import GROUP, PAGE, UTC, Vocabulary
from idp_mfa.policy.zone_reading import read_zones
from idp_mfa.policy.zones import lookup
from idp_mfa.yaml_document import ListNode, Node, Problems, ScalarNode, read

FORMAT = 1
ASSURANCE = ("gakunin_aal2", "refeds_phishing_resistant")
KEYS = ("version", "time_zone", "assurance", "zones", "rules", "tests")
_IDENTIFIER = re.compile(r"https://[!-~]{1,240}")
_STRICTEST_FRESH = timedelta(minutes=5)

Factors = Mapping[FactorName, frozenset[FactorKind]]
"""The factors that a policy may name, and the kinds each can show at best."""


@dataclass(frozen=True, slots=True)
class Untried:
    """A well-written policy with its tests, which were not tried yet."""

    policy: Policy
    cases: tuple[Case, ...]
    factors: Factors


def load(text: str, source: str, factors: Factors = SHIPPED_FACTORS) -> Policy | Problems:
    """A policy fit to decide: well written, and its own tests pass.

    ``source`` names the text in problems; ``factors`` are those installed, besides the shipped.
    """
    untried = load_untried(text, source, factors)
    if isinstance(untried, Problems):
        return untried
    tried = try_all(untried.policy, untried.cases, untried.factors)
    wrong = tuple(one.problem for one in tried if one.problem is not None)
    return Problems(wrong) if wrong else untried.policy


def load_untried(text: str, source: str, factors: Factors = SHIPPED_FACTORS) -> Untried | Problems:
    """A well-written policy, whether or not its tests pass."""
    document = read(text, source)
    if isinstance(document, Problems):
        return document
    reader = Reader()
    known = {**SHIPPED_FACTORS, **factors}
    entries = reader.mapping(document, "a policy", KEYS, required=("version", "rules"))
    nodes = {key: entry.value for key, entry in entries.items()}
    if "version" in nodes:
        reader.number(nodes["version"], "`version`", range(FORMAT, FORMAT + 1))
    time_zone = UTC
    if "time_zone" in nodes:
        time_zone = reader.time_zone(nodes["time_zone"], "`time_zone`")
    zones = read_zones(reader, nodes["zones"], time_zone) if "zones" in nodes else ()
    assurance = _assurance(reader, nodes["assurance"]) if "assurance" in nodes else Assurance()
    vocabulary = Vocabulary(
        frozenset(zone.name for zone in zones),
        frozenset(known),
        frozenset(classes(assurance)),
        time_zone,
    )
    rules = _rules(reader, nodes["rules"], vocabulary) if "rules" in nodes else ()
    cases = read_cases(reader, nodes["tests"], vocabulary) if "tests" in nodes else ()
    if reader.problems:
        return Problems(tuple(sorted(reader.problems, key=lambda p: (p.line, p.column))))
    return Untried(_policy(text, source, zones, rules, assurance), cases, known)


def strictest(factors: Factors = SHIPPED_FACTORS) -> Policy:
    """The policy in force while there is no good copy of the site's own: two kinds or nothing.

    It knows no zone, and every page but the sign-in and the portal's first asks anew.
    """
    possession = frozenset(
        name for name, kinds in factors.items() if FactorKind.POSSESSION in kinds
    )
    entry = OneOf(PAGE, frozenset({Page.SIGN_IN.value, Page.PORTAL_HOME.value}))
    anew = Require(possession, fresh=_STRICTEST_FRESH, kinds=2)
    rules = (
        Rule("Two kinds of factor", entry, Require(possession, kinds=2), 1),
        Rule("Two kinds of factor, shown just now", All(()), anew, 2),
    )
    return Policy("strictest", "built in", {}, rules, lookup(()))


def _policy(
    text: str, source: str, zones: tuple[Zone, ...], rules: tuple[Rule, ...], assurance: Assurance
) -> Policy:
    version = hashlib.sha256(text.encode()).hexdigest()
    by_name = {zone.name: zone for zone in zones}
    found = tuple(one for rule in rules for one in leaves(rule.when))
    attributes = frozenset(one.attribute for one in found if isinstance(one, HasValue))
    named = (one.wanted for one in found if isinstance(one, OneOf) and one.subject is GROUP)
    groups = frozenset[str]().union(*named)
    return Policy(version, source, by_name, rules, lookup(zones), assurance, attributes, groups)


def _rules(reader: Reader, node: Node, vocabulary: Vocabulary) -> tuple[Rule, ...]:
    rules: dict[str, Rule] = {}
    items = reader.items(node, "`rules`")
    for item in items:
        rule = read_rule(reader, item, vocabulary)
        if rule is not None and rule.name in rules:
            line = rules[rule.name].line
            reader.refuse(item.place, f"rule {rule.name!r} stands here twice, first in line {line}")
        if rule is not None:
            rules.setdefault(rule.name, rule)
    if isinstance(node, ListNode) and not items:
        reader.refuse(node.place, "`rules` names nothing: everybody would be denied")
    return tuple(rules.values())


def _assurance(reader: Reader, node: Node) -> Assurance:
    entries = reader.mapping(node, "`assurance`", ASSURANCE)
    certified, named = entries.get("gakunin_aal2"), entries.get("refeds_phishing_resistant")
    return Assurance(
        certified is not None and reader.flag(certified.value, "`gakunin_aal2`"),
        None if named is None else _named_class(reader, named.value),
    )


def _named_class(reader: Reader, node: Node) -> Acr | None:
    """The identifier of a class that is none of those known; an empty text is none yet."""
    what = "`refeds_phishing_resistant`"
    if isinstance(node, ScalarNode) and node.value == "":
        return None
    found = reader.text(node, what)
    if not found:
        return None
    if _IDENTIFIER.fullmatch(found) is None:
        reader.refuse(node.place, f"{what} must be an https address, as REFEDS published it")
    elif found in classes(Assurance()):
        reader.refuse(node.place, f"{what} must be another class than those known: `{found}`")
    return Acr(found)
