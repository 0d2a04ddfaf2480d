"""The nouns of the policy: zones, rules, the facts they are asked about, and the four decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NewType, Protocol

from idp_mfa.model import (
    Acr,
    Because,
    BoundBy,
    Device,
    FactorKind,
    FactorName,
    Page,
    Refusal,
    ServiceId,
    User,
    Verification,
)

ZoneName = NewType("ZoneName", str)
OUTSIDE = ZoneName("outside")
"""Every readable address that is in no zone."""
UNKNOWN = ZoneName("unknown")
"""Every address that could not be read or came by no trusted proxy."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class ZoneKind(Enum):
    """What a zone is to the rules that code keeps (P6); policies name zones, not kinds."""

    CAMPUS = "campus"
    VPN = "vpn"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Zone:
    """A named list of networks, with whose it is and how people get there.

    ``own_factor`` says that the VPN asks a factor of its own; only then does a first set-up from
    it count as on campus. ``how_to_reach`` is keyed by language. ``ends`` is the moment from which
    a network counts no more: its addresses are ``unknown`` then, so that nothing becomes laxer.
    """

    name: ZoneName
    kind: ZoneKind
    networks: tuple[Network, ...]
    owner: str = ""
    label: Mapping[str, str] = field(default_factory=dict)
    """What people call it, by language; without one, its kind says what it is."""
    note: str = ""
    own_factor: bool = False
    how_to_reach: Mapping[str, str] = field(default_factory=dict)
    ends: Mapping[Network, datetime] = field(default_factory=dict)

    @property
    def first_set_up(self) -> bool:
        """Whether a password from here may bind a first factor (P6)."""
        return self.kind is ZoneKind.CAMPUS or (self.kind is ZoneKind.VPN and self.own_factor)


@dataclass(frozen=True, slots=True)
class Bound:
    """On what proof, and when, a usable credential was bound to its user."""

    by: BoundBy
    at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision may look at.

    ``attributes`` are those that the directory handed out: one that is not there is unknown, not
    empty. ``device`` is what the browser says, ``country`` an ISO 3166 code or None if it could not
    be told. ``enrolled`` maps each usable factor to the kinds it can show at best, ``bound`` to its
    credentials. ``fresh_after``: older verifications do not count (ForceAuthn, max_age).
    ``has_none`` is rule 2's "has none"; ``alone``: has nothing but what a site lets stand alone and
    what binds no other factor, which on portal.add-factor is as good as none.
    """

    user: User
    groups: frozenset[str]
    attributes: Mapping[str, tuple[str, ...]]
    service: ServiceId
    service_tags: frozenset[str]
    page: Page
    acr_values: tuple[Acr, ...]
    zone: ZoneName
    address: str | None
    country: str | None
    device: Device
    enrolled: Mapping[FactorName, frozenset[FactorKind]]
    bound: Mapping[FactorName, tuple[Bound, ...]]
    has_none: bool
    unreadable: bool
    verified: tuple[Verification, ...]
    fresh_after: datetime | None
    at: datetime
    alone: bool = False
    words: dict[str, frozenset[str]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What was found of each subject, kept because a hundred rules ask for the same."""

    @property
    def counting(self) -> tuple[Verification, ...]:
        """What was shown and is not too old to count at all."""
        if self.fresh_after is None:
            return self.verified
        return tuple(done for done in self.verified if done.at >= self.fresh_after)


class Truth(Enum):
    """A condition is true, false, or unknown for want of a fact."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Matched:
    """What a condition says of the facts, and why, in data that explain() puts in words."""

    condition: str
    wanted: str
    found: str
    truth: Truth
    parts: tuple[Matched, ...] = ()


class Condition(Protocol):
    """A small matcher: pure, total, and able to say what it saw."""

    def truth(self, facts: Facts) -> Truth:
        """True, false or unknown."""
        ...

    def match(self, facts: Facts) -> Matched:
        """The same truth, with what every part of the condition saw."""
        ...


@dataclass(frozen=True, slots=True)
class Skip:
    """Permit with what is verified already; it needs a condition that is plainly true."""


@dataclass(frozen=True, slots=True)
class Require:
    """Ask one of these factors.

    ``fresh``: shown no longer ago than this; ``kinds``: so many different kinds in all, counting
    what is verified already.
    """

    factors: frozenset[FactorName]
    fresh: timedelta | None = None
    kinds: int = 1


@dataclass(frozen=True, slots=True)
class Refuse:
    """Deny, with a message keyed by language."""

    message: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Enrol:
    """Who has no factor binds one of these first; it needs a condition that is plainly true.

    It lets nobody in, and P6 says from where a first factor may be bound, whatever a policy says.
    """

    factors: frozenset[FactorName]


@dataclass(frozen=True, slots=True)
class Grace:
    """Let who has no factor sign in with what is verified, before a moment.

    Only for the page sign-in and where no class of more than one kind is asked; it needs a
    condition that is plainly true.
    """

    until: datetime


Outcome = Skip | Require | Refuse | Enrol | Grace


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the policy: first match wins."""

    name: str
    when: Condition
    then: Outcome
    line: int


@dataclass(frozen=True, slots=True)
class Assurance:
    """Which classes this site may assert; ``gakunin_aal2`` only where it is certified.

    ``refeds_phishing_resistant`` is the identifier of REFEDS MFA 2's second class, None until the
    site fills it in.
    """

    gakunin_aal2: bool = False
    refeds_phishing_resistant: Acr | None = None


ZoneOf = Callable[[Address, datetime], ZoneName]
"""The zone of an address at a moment: longest prefix, in time that does not grow with the list."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy, checked: ``version`` is a digest of its text.

    ``attributes`` and ``groups`` are the directory's that its rules look at.
    """

    version: str
    source: str
    zones: Mapping[ZoneName, Zone]
    rules: tuple[Rule, ...]
    zone_of: ZoneOf
    assurance: Assurance = Assurance()
    attributes: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


# -- decisions -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Permit:
    """Go on; ``acr`` is a class that was really reached."""

    acr: Acr
    because: Because


@dataclass(frozen=True, slots=True)
class StepUp:
    """Show one of these factors; never empty."""

    offered: frozenset[FactorName]
    because: Because


@dataclass(frozen=True, slots=True)
class EnrolFirst:
    """Bind one of these factors first."""

    allowed: frozenset[FactorName]
    because: Because


@dataclass(frozen=True, slots=True)
class Deny:
    """No; ``message`` is the rule's own, keyed by language."""

    why: Refusal
    because: Because
    message: Mapping[str, str] = field(default_factory=dict)


Decision = Permit | StepUp | EnrolFirst | Deny


class Effect(Enum):
    """What became of a rule."""

    PASSED_OVER = "passed over"
    JOINED = "joined with the next match"
    """It must hold besides what decides: a require or a set-up whose condition is unknown, and a
    require that looks at the device."""
    DECIDED = "decided"


@dataclass(frozen=True, slots=True)
class Step:
    """What one rule said of the facts, and what became of it.

    ``when`` is what was asked: the rule's own condition, and that the zone is known if it skips.
    """

    rule: Rule
    when: Condition
    facts: Facts = field(repr=False)
    effect: Effect

    @property
    def matched(self) -> Matched:
        """Condition by condition; put together when it is asked for, because few sign-ins are."""
        return self.when.match(self.facts)


Trace = tuple[tuple[Rule, Condition, Effect], ...]
"""Each rule that was looked at, what was asked of the facts, and what became of it."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision with each rule that was looked at on the way; explain() reads nothing else."""

    decision: Decision
    facts: Facts = field(repr=False)
    trace: Trace

    @property
    def steps(self) -> tuple[Step, ...]:
        """The rules that were looked at; put together when asked for, because few sign-ins are."""
        return tuple(Step(rule, when, self.facts, effect) for rule, when, effect in self.trace)
