"""The conditions a rule may name: each a row of SUBJECTS, and ``all``, ``any``, ``not``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from idp_mfa.model import PASSWORD, Device, Page
from idp_mfa.policy.assurance import levels
from idp_mfa.policy.countries import COUNTRIES
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
UTC = ZoneInfo("UTC")
_TRUE, _FALSE, _UNKNOWN = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
"""By short names, which are faster to look up: a decision asks for some hundred of them."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a policy has to choose words from: its own zones and the factors there are.

    ``time_zone`` is that of its dates and times where they say none.
    """

    zones: frozenset[str]
    factors: frozenset[str]
    time_zone: ZoneInfo = UTC


@dataclass(frozen=True, slots=True)
class Subject:
    """What a condition is about.

    ``found`` are the words that hold; ``absent`` is the truth of a condition none of whose words
    was found: UNKNOWN where a fact is missing, and FALSE if there is no ``absent``. ``words`` None
    takes any word.
    ``also_called`` are names by which people look for it.
    """

    name: str
    found: Callable[[Facts], Collection[str]]
    absent: Callable[[Facts, frozenset[str]], Truth] | None = None
    words: Callable[[Vocabulary], frozenset[str]] | None = None
    also_called: tuple[str, ...] = ()


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


def _if_zone_is_known(facts: Facts, _wanted: frozenset[str]) -> Truth:
    return Truth.UNKNOWN if facts.zone == UNKNOWN else Truth.FALSE


def _if_device_is_known(facts: Facts, _wanted: frozenset[str]) -> Truth:
    return Truth.UNKNOWN if facts.device is Device.UNKNOWN else Truth.FALSE


def _if_country_is_known(facts: Facts, _wanted: frozenset[str]) -> Truth:
    return Truth.UNKNOWN if facts.country is None else Truth.FALSE


def _if_records_are_readable(facts: Facts, wanted: frozenset[str]) -> Truth:
    return Truth.UNKNOWN if facts.unreadable and wanted != {NONE} else Truth.FALSE


def _enrolled(facts: Facts) -> Collection[str]:
    return (NONE,) if facts.has_none else facts.enrolled


def _asked(facts: Facts) -> Collection[str]:
    return facts.acr_values or (NONE,)


ZONE = Subject(
    "zone",
    found=lambda facts: (facts.zone,),
    absent=_if_zone_is_known,
    words=lambda vocabulary: vocabulary.zones | {OUTSIDE, UNKNOWN},
    also_called=("network", "networks", "ip", "address", "from"),
)
PAGE = Subject(
    "page",
    found=lambda facts: (facts.page.value,),
    words=lambda _vocabulary: frozenset(page.value for page in Page),
    also_called=("path", "url"),
)
GROUP = Subject(
    "group",
    found=lambda facts: facts.groups,
    also_called=("role", "member", "member_of"),
)
SERVICE = Subject(
    "service",
    found=lambda facts: facts.service_tags | {facts.service},
    also_called=("sp", "entity_id", "client", "tag"),
)
ASKED = Subject(
    "asked",
    found=_asked,
    words=lambda _vocabulary: frozenset(
        {NONE, *(level.acr for level in levels(Assurance(gakunin_aal2=True)))}
    ),
    also_called=("acr", "class", "authn_context", "requested"),
)
DEVICE = Subject(
    "device",
    found=lambda facts: () if facts.device is Device.UNKNOWN else (facts.device.value,),
    absent=_if_device_is_known,
    words=lambda _vocabulary: frozenset({one.value for one in Device} - {Device.UNKNOWN.value}),
    also_called=("browser", "os", "user_agent"),
)
COUNTRY = Subject(
    "country",
    found=lambda facts: () if facts.country is None else (facts.country,),
    absent=_if_country_is_known,
    words=lambda _vocabulary: COUNTRIES,
    also_called=("nation", "geo", "geoip"),
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
    found=lambda facts: {done.factor for done in facts.counting},
    words=lambda vocabulary: vocabulary.factors | {PASSWORD},
    also_called=("shown", "done", "authenticated"),
)

HAS_NONE = OneOf(ENROLLED, frozenset({NONE}))
"""What setting up first and a grace need besides their own condition."""
A_KNOWN_ZONE = Not(OneOf(ZONE, frozenset({UNKNOWN})))
"""What every skip and grace needs besides its own condition."""

SUBJECTS: Mapping[str, Subject] = {
    subject.name: subject
    for subject in (ZONE, PAGE, GROUP, SERVICE, ASKED, DEVICE, COUNTRY, ENROLLED, VERIFIED)
}
