"""The story behind a reference code, for the help desk: what happened, why, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from flask import Response, request

from idp_mfa.browser import Route
from idp_mfa.desk.story import Step, Story, told
from idp_mfa.desk.trace import clauses
from idp_mfa.desk_door import PAGE, DeskDoor
from idp_mfa.model import PORTAL, Account, Reference, ServiceId
from idp_mfa.policy.decide import decide
from idp_mfa.policy.model import OUTSIDE, UNKNOWN, Policy
from idp_mfa.policy.places import told_apart
from idp_mfa.policy.record import VERSION_LETTERS, Recorded
from idp_mfa.ports import AuditLog, Directory, Unavailable

_STORY = f"{PAGE}/story"
_LATELY = 3000
"""Records that are looked through for parts that were away."""


class StoryPages:
    """Reasons, never secrets: what is on record holds none, and of that only what is named."""

    def __init__(
        self,
        *,
        door: DeskDoor,
        audit: AuditLog,
        directory: Directory,
        policy: Callable[[], Policy],
        service_name: Callable[[ServiceId, str], str],
    ) -> None:
        self._door = door
        self._browser = door.browser
        self._audit = audit
        self._directory = directory
        self._policy = policy
        self._service_name = service_name

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        return (
            Route(_STORY, "desk.story.open", self.open, ("POST",)),
            Route(_STORY, "desk.story.back", lambda: self._browser.see_other(PAGE)),
            Route(f"{_STORY}/<id>", "desk.story", self.page),
        )

    def open(self) -> Response:
        """From the field for a code to its page."""
        inside = self._door.acting(PAGE)
        if isinstance(inside, Response):
            return inside
        typed = request.form.get("reference", "")
        code = "".join(one for one in typed.upper() if one.isascii() and one.isalnum())[:16]
        return self._browser.see_other(f"{_STORY}/{code}" if code else PAGE)

    def page(self, id: str) -> Response:
        """One timeline, and one thing to do."""
        inside = self._door.enter(f"{_STORY}/{quote(id, safe='')}")
        if isinstance(inside, Response):
            return inside
        reference = Reference(id)
        story = told(reference, self._audit.story(reference), self._lately())
        people = [] if story is None else [self._directory.read(one) for one in story.people]
        known: list[Account] = [one for one in people if one is not None]
        if story is None or len(known) < len(people) or not inside.member.may_read(known):
            # Of somebody else's people it is not even said that there is a story.
            return self._browser.page(
                "admin/no_story.html",
                404,
                user=inside.admitted.account.user,
                home_url=PAGE,
                csrf=self._door.csrf(),
            )
        for person in known:
            self._door.looked(inside, person, story.reference)
        return self._browser.page(
            "admin/story.html",
            user=inside.admitted.account.user,
            people=[one.user for one in known],
            person_urls=[f"{PAGE}/person/{quote(one.user.id, safe='')}" for one in known],
            code=story.steps[0].reference,
            steps=[self._row(step) for step in story.steps],
            advice=story.advice.value,
            well=None if story.health is None else story.health.well,
            away={} if story.health is None else story.health.away,
            words=self._words(story),
            home_url=PAGE,
            csrf=self._door.csrf(),
        )

    def _lately(self) -> tuple[Any, ...]:
        try:
            return tuple(self._audit.recent(_LATELY))
        except Unavailable:
            return ()

    def _row(self, step: Step) -> Mapping[str, object]:
        decided = step.decided
        return {
            "event": step.event.value,
            "at": self._browser.second(step.at),
            "service": None if step.service in (None, PORTAL) else step.service,
            "address": step.address,
            "walk": step.walk,
            "actor": step.actor,
            "told": step.told,
            "decided": None if decided is None else self._decided(decided),
        }

    def _decided(self, one: Recorded) -> Mapping[str, object]:
        policy = self._policy()
        again = decide(policy, one.facts)
        same = policy.version[:VERSION_LETTERS] == one.policy
        return {
            "outcome": one.verdict.outcome.value,
            "rule": one.verdict.rule,
            "zone": one.facts.zone,
            "factors": sorted(one.verdict.factors),
            "enrolled": sorted(one.facts.enrolled),
            "trace": clauses(again) if same else None,
            "cause": again.decision.because.cause.value,
        }

    def _words(self, story: Story) -> Mapping[str, object]:
        """What zones, services, countries and moments are called in the reader's language."""
        policy, language = self._policy(), self._browser.language()
        then = (step.decided.facts.zone for step in story.steps if step.decided is not None)
        zones = dict.fromkeys((*policy.zones, OUTSIDE, UNKNOWN, *then))
        return {
            "zones": told_apart(policy, zones, language),
            "service": lambda id: self._service_name(id, language),
            "country": self._browser.country,
            "moment": self._browser.moment,
        }
