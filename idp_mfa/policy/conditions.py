"""The conditions a rule may name, and ``all``, ``any``, ``not`` that join them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from idp_mfa.policy.model import UNKNOWN, Condition, Facts, Matched, Truth
from idp_mfa.policy.subjects import DEVICE, ENROLLED, NONE, ZONE, Subject

_TRUE, _FALSE, _UNKNOWN = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
"""By short names, which are faster to look up: a decision asks for some hundred of them."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """True if one of the wanted words holds of the subject."""

    subject: Subject
    wanted: frozenset[str]

    def truth(self, facts: Facts) -> Truth:
        """True, false, or unknown for want of the subject's fact."""
        subject = self.subject
        try:
            found = facts.words[subject.name]
        except KeyError:
            found = facts.words[subject.name] = frozenset(subject.found(facts))
        if not self.wanted.isdisjoint(found):
            return _TRUE
        return _FALSE if subject.absent is None else subject.absent(facts, self.wanted)

    def match(self, facts: Facts) -> Matched:
        """The same truth, with the words that were found."""
        found = self.subject.found(facts)
        return Matched(self.subject.name, _words(self.wanted), _words(found), self.truth(facts))


@dataclass(frozen=True, slots=True)
class HasValue:
    """True if a directory attribute has one of the wanted values.

    One that the directory did not hand out is unknown: nobody can tell whether the user has none
    or it may not be read.
    """

    attribute: str
    wanted: frozenset[str]

    def truth(self, facts: Facts) -> Truth:
        """True, false, or unknown for want of the attribute."""
        found = facts.attributes.get(self.attribute)
        if found is None:
            return _UNKNOWN
        return _FALSE if self.wanted.isdisjoint(found) else _TRUE

    def match(self, facts: Facts) -> Matched:
        """The same truth, with the values that were found."""
        found = facts.attributes.get(self.attribute)
        shown = "not handed out by the directory" if found is None else _words(found)
        name = f"attribute {self.attribute}"
        return Matched(name, _words(self.wanted), shown, self.truth(facts))


@dataclass(frozen=True, slots=True)
class All:
    """True if every part is; nothing to ask is true."""

    parts: tuple[Condition, ...]

    def truth(self, facts: Facts) -> Truth:
        """Known as soon as one part is false."""
        so_far = _TRUE
        for part in self.parts:
            truth = part.truth(facts)
            if truth is _FALSE:
                return truth
            if truth is _UNKNOWN:
                so_far = truth
        return so_far

    def match(self, facts: Facts) -> Matched:
        """The same truth; every part is looked at."""
        parts = tuple(part.match(facts) for part in self.parts)
        return Matched("all", "", "", self.truth(facts), parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True if one part is."""

    parts: tuple[Condition, ...]

    def truth(self, facts: Facts) -> Truth:
        """Known as soon as one part is true."""
        so_far = _FALSE
        for part in self.parts:
            truth = part.truth(facts)
            if truth is _TRUE:
                return truth
            if truth is _UNKNOWN:
                so_far = truth
        return so_far

    def match(self, facts: Facts) -> Matched:
        """The same truth; every part is looked at."""
        parts = tuple(part.match(facts) for part in self.parts)
        return Matched("any", "", "", self.truth(facts), parts)


@dataclass(frozen=True, slots=True)
class Not:
    """True if its part is false; unknown stays unknown."""

    part: Condition

    def truth(self, facts: Facts) -> Truth:
        """The opposite."""
        return opposite(self.part.truth(facts))

    def match(self, facts: Facts) -> Matched:
        """The same truth, with its part's."""
        return Matched("not", "", "", self.truth(facts), (self.part.match(facts),))


def leaves(when: Condition) -> Iterator[Condition]:
    """The conditions in a condition that have no parts."""
    match when:
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield when


def musts(when: Condition) -> Iterator[Condition]:
    """Those of the leaves without which a condition cannot hold."""
    match when:
        case All(parts):
            for part in parts:
                yield from musts(part)
        case AnyOf() | Not():
            return
        case _:
            yield when


def looks_at_device(when: Condition) -> bool:
    """Whether anything in a condition is what a browser says of itself."""
    return any(isinstance(one, OneOf) and one.subject is DEVICE for one in leaves(when))


def all_of(truths: Iterable[Truth]) -> Truth:
    """Kleene's conjunction."""
    so_far = Truth.TRUE
    for truth in truths:
        if truth is Truth.FALSE:
            return Truth.FALSE
        if truth is Truth.UNKNOWN:
            so_far = Truth.UNKNOWN
    return so_far


def any_of(truths: Iterable[Truth]) -> Truth:
    """Kleene's disjunction."""
    so_far = Truth.FALSE
    for truth in truths:
        if truth is Truth.TRUE:
            return Truth.TRUE
        if truth is Truth.UNKNOWN:
            so_far = Truth.UNKNOWN
    return so_far


def opposite(truth: Truth) -> Truth:
    """Kleene's negation."""
    match truth:
        case Truth.TRUE:
            return Truth.FALSE
        case Truth.FALSE:
            return Truth.TRUE
        case Truth.UNKNOWN:
            return Truth.UNKNOWN


def _words(words: Collection[str]) -> str:
    return ", ".join(sorted(words)) if words else NONE


HAS_NONE = OneOf(ENROLLED, frozenset({NONE}))
"""What setting up first and a grace need besides their own condition."""
A_KNOWN_ZONE = Not(OneOf(ZONE, frozenset({UNKNOWN})))
"""What every skip and grace needs besides its own condition."""
