"""How we see a visitor's connection: open to everybody, before and without a sign-in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

from flask import Response

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.browser import Browser, Route
from idp_mfa.model import Clock, FactorKind, FactorName, Randomness, Reference, Seen
from idp_mfa.policy.facts import CountryOf, nowhere
from idp_mfa.policy.model import Decision, Deny, EnrolFirst, Permit, Policy, StepUp
from idp_mfa.policy.ordinary import asked_here, asks_nothing, ordinary
from idp_mfa.policy.places import place, places
from idp_mfa.ports import AuditLog, StateStore, Throttled, Unavailable
from idp_mfa.throttle import Throttle

_OTHER = {4: "v6", 6: "v4"}


@dataclass(frozen=True, slots=True)
class Looks:
    """Where a look is put on record, and how often."""

    audit: AuditLog
    store: StateStore
    throttle: Throttle
    clock: Clock
    randomness: Randomness


class NetworkPage:
    """Address, place, what is asked there, and how to reach a place where nothing is."""

    def __init__(
        self,
        *,
        browser: Browser,
        policy: Callable[[], Policy],
        kinds: Mapping[FactorName, frozenset[FactorKind]],
        hosts: Mapping[str, str],
        looks: Looks,
        country_of: CountryOf = nowhere,
    ) -> None:
        self._browser = browser
        self._policy = policy
        self._kinds = kinds
        self._country_of = country_of
        self._hosts = hosts
        self._looks = looks

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        return (Route("/network", "network", self.show),)

    def show(self) -> Response:
        """What is seen; neither a cookie nor anything of the visitor's is read or kept."""
        seen, policy, language = self._browser.seen(), self._policy(), self._browser.language()
        facts = ordinary(
            policy,
            seen,
            kinds=self._kinds,
            country=None if seen.address is None else self._country_of(seen.address),
            at=self._looks.clock(),
        )
        skipping = asks_nothing(policy, facts)
        asked = _asked(asked_here(policy, facts))
        return self._browser.page(
            "network.html",
            place=place(policy, facts.zone, language, facts.address),
            family=None if seen.address is None else seen.address.version,
            asked=asked,
            road=_road(seen),
            elsewhere=places(policy, (name for name in skipping if name != facts.zone), language),
            skipping={one.kind for one in places(policy, skipping, language)},
            other_protocols=self._other_protocols(seen, language),
            reference=self._on_record(seen, facts.zone, asked),
        )

    def _other_protocols(self, seen: Seen, language: str) -> list[tuple[str, str]]:
        """The protocols by which the visitor did not come, and where to look by them."""
        wanted = self._hosts if seen.address is None else (_OTHER[seen.address.version],)
        return [
            (name, f"{self._hosts[name].rstrip('/')}/network?lang={language}")
            for name in wanted
            if name in self._hosts
        ]

    def _on_record(self, seen: Seen, zone: str, asked: str) -> Reference | None:
        """A code by which the desk finds what was seen; none where it cannot be kept just now."""
        looks = self._looks
        reference = new_reference(looks.randomness)
        try:
            if isinstance(looks.store.reserve(looks.throttle.looks(seen)), Throttled):
                return None
            looks.audit.record(
                AuditRecord(
                    looks.clock(),
                    AuditEvent.NETWORK_SHOWN,
                    reference,
                    seen=seen,
                    detail={"zone": zone, "asked": asked},
                )
            )
        except Unavailable:
            return None
        return reference


def _asked(decision: Decision) -> str:
    match decision:
        case Permit():
            return "nothing"
        case StepUp() | EnrolFirst():
            return "factor"
        case Deny():
            return "denied"
        case never:
            assert_never(never)


def _road(seen: Seen) -> str:
    """How the address was found, or why not, in one word that names nobody on the way."""
    if seen.address is None:
        return "not-ours" if len(seen.walk) == 1 else "unreadable"
    return "direct" if len(seen.walk) == 1 else "relayed"
