"""What conditions are about: each a row, with the words that hold of a request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from idp_mfa.model import PASSWORD, Device, Page
from idp_mfa.policy.countries import COUNTRIES
from idp_mfa.policy.model import OUTSIDE, UNKNOWN, Facts, Truth

NONE = "none"
"""The word for an empty fact: nothing enrolled, no class asked."""
UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a policy has to choose words from: its own zones, the factors and classes there are.

    ``time_zone`` is that of its dates and times where they say none.
    """

    zones: frozenset[str]
    factors: frozenset[str]
    classes: frozenset[str]
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


def _if_zone_is_known(facts: Facts, _wanted: frozenset[str]) -> Truth:
    return Truth.UNKNOWN if facts.zone == UNKNOWN else Truth.FALSE


def _if_device_is_known(facts: Facts, _wanted: frozenset[str]) -> Truth:
    return Truth.UNKNOWN if facts.device is Device.UNKNOWN else Truth.FALSE


def _if_country_is_known(facts: Facts, _wanted: frozenset[str]) -> Truth:
    return Truth.UNKNOWN if facts.country is None else Truth.FALSE


def _if_records_are_readable(facts: Facts, wanted: frozenset[str]) -> Truth:
    return Truth.UNKNOWN if facts.unreadable and wanted != {NONE} else Truth.FALSE


def _enrolled(facts: Facts) -> Collection[str]:
    if facts.alone and facts.page is Page.PORTAL_ADD_FACTOR:
        return (NONE, *facts.enrolled)
    return (NONE, *facts.enrolled) if facts.has_none else facts.enrolled


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
    words=lambda vocabulary: vocabulary.classes | {NONE},
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

SUBJECTS: Mapping[str, Subject] = {
    subject.name: subject
    for subject in (ZONE, PAGE, GROUP, SERVICE, ASKED, DEVICE, COUNTRY, ENROLLED, VERIFIED)
}
