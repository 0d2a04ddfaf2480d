"""The conditions a rule may name: each a row of SUBJECTS, and ``all``, ``any``, ``not``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from idp_mfa.model import PASSWORD, Page
from idp_mfa.policy.assurance import levels
from idp_mfa.policy.model import (
    OUTSIDE,
    UNKNOWN,
    Assurance,
    Condition,
    Facts,
    Matched,
    Truth,
)

NONE = "none"
"""The word for an empty fact: nothing enrolled, no class asked."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a policy has to choose words from: its own zones and the factors there are."""

    zones: frozenset[str]
    factors: frozenset[str]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a condition is about.

    ``found`` are the words that hold; ``absent`` is the truth of a condition none of whose words
    was found: UNKNOWN where a fact is missing. ``words`` None takes any word.
    ``also_called`` are names by which people look for it.
    """

    name: str
    found: Callable[[Facts], frozenset[str]]
    absent: Callable[[Facts, frozenset[str]], Truth]
    words: Callable[[Vocabulary], frozenset[str]] | None = None
    also_called: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OneOf:
    """True if one of the wanted words holds of the subject."""

    subject: Subject
    wanted: frozenset[str]

    def match(self, facts: Facts) -> Matched:
        """True, false, or unknown for want of the subject's fact."""
        found = self.subject.found(facts)
        truth = Truth.TRUE
        if found.isdisjoint(self.wanted):
            truth = self.subject.absent(facts, self.wanted)
        return Matched(self.subject.name, _words(self.wanted), _words(found), truth)


@dataclass(frozen=True, slots=True)
class All:
    """True if every part is; nothing to ask is true."""

    parts: tuple[Condition, ...]

    def match(self, facts: Facts) -> Matched:
        """Every part is looked at, so that an explanation can show each."""
        parts = tuple(part.match(facts) for part in self.parts)
        return Matched("all", "", "", all_of(part.truth for part in parts), parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True if one part is."""

    parts: tuple[Condition, ...]

    def match(self, facts: Facts) -> Matched:
        """Every part is looked at, so that an explanation can show each."""
        parts = tuple(part.match(facts) for part in self.parts)
        return Matched("any", "", "", any_of(part.truth for part in parts), parts)


@dataclass(frozen=True, slots=True)
class Not:
    """True if its part is false; unknown stays unknown."""

    part: Condition

    def match(self, facts: Facts) -> Matched:
        """The opposite."""
        part = self.part.match(facts)
        return Matched("not", "", "", opposite(part.truth), (part,))


def all_of(truths: Iterable[Truth]) -> Truth:
    """Kleene's conjunction."""
    seen = set(truths)
    if Truth.FALSE in seen:
        return Truth.FALSE
    return Truth.UNKNOWN if Truth.UNKNOWN in seen else Truth.TRUE


def any_of(truths: Iterable[Truth]) -> Truth:
    """Kleene's disjunction."""
    seen = set(truths)
    if Truth.TRUE in seen:
        return Truth.TRUE
    return Truth.UNKNOWN if Truth.UNKNOWN in seen else Truth.FALSE


def opposite(truth: Truth) -> Truth:
    """Kleene's negation."""
    match truth:
        case Truth.TRUE:
            return Truth.FALSE
        case Truth.FALSE:
            return Truth.TRUE
        case Truth.UNKNOWN:
            return Truth.UNKNOWN


def _words(words: frozenset[str]) -> str:
    return ", ".join(sorted(words)) if words else NONE


def _certain(_facts: Facts, _wanted: frozenset[str]) -> Truth:
    return Truth.FALSE


def _if_zone_is_known(facts: Facts, _wanted: frozenset[str]) -> Truth:
    return Truth.UNKNOWN if facts.zone == UNKNOWN else Truth.FALSE


def _if_records_are_readable(facts: Facts, wanted: frozenset[str]) -> Truth:
    return Truth.UNKNOWN if facts.unreadable and wanted != {NONE} else Truth.FALSE


def _enrolled(facts: Facts) -> frozenset[str]:
    return frozenset({NONE}) if facts.has_none else frozenset(facts.enrolled)


def _asked(facts: Facts) -> frozenset[str]:
    return frozenset(facts.acr_values) or frozenset({NONE})


ZONE = Subject(
    "zone",
    found=lambda facts: frozenset({facts.zone}),
    absent=_if_zone_is_known,
    words=lambda vocabulary: vocabulary.zones | {OUTSIDE, UNKNOWN},
    also_called=("network", "networks", "ip", "address", "from"),
)
PAGE = Subject(
    "page",
    found=lambda facts: frozenset({facts.page.value}),
    absent=_certain,
    words=lambda _vocabulary: frozenset(page.value for page in Page),
    also_called=("path", "url"),
)
GROUP = Subject(
    "group",
    found=lambda facts: facts.groups,
    absent=_certain,
    also_called=("role", "member", "member_of"),
)
SERVICE = Subject(
    "service",
    found=lambda facts: facts.service_tags | {facts.service},
    absent=_certain,
    also_called=("sp", "entity_id", "client", "tag"),
)
ASKED = Subject(
    "asked",
    found=_asked,
    absent=_certain,
    words=lambda _vocabulary: frozenset(
        {NONE, *(level.acr for level in levels(Assurance(gakunin_aal2=True)))}
    ),
    also_called=("acr", "class", "authn_context", "requested"),
)
ENROLLED = Subject(
    "enrolled",
    found=_enrolled,
    absent=_if_records_are_readable,
    words=lambda vocabulary: vocabulary.factors | {NONE},
    also_called=("factor", "has", "registered"),
)
VERIFIED = Subject(
    "verified",
    found=lambda facts: frozenset(done.factor for done in facts.counting),
    absent=_certain,
    words=lambda vocabulary: vocabulary.factors | {PASSWORD},
    also_called=("shown", "done", "authenticated"),
)

SUBJECTS: Mapping[str, Subject] = {
    subject.name: subject for subject in (ZONE, PAGE, GROUP, SERVICE, ASKED, ENROLLED, VERIFIED)
}
