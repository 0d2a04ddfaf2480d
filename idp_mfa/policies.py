"""Activating a policy, going back to an older one, and trying one beside that in force.

A bad text never replaces a good one: it has to be well written, and its own tests have to pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.model import Clock, Randomness
from idp_mfa.policy.in_force import SHOWN, PolicyFile, Readings
from idp_mfa.policy.model import Policy
from idp_mfa.ports import AuditLog, ChangeAnswer, PolicyShelf, PolicyVersion, PolicyVersions
from idp_mfa.yaml_document import Problems

SETTINGS = "settings"
"""Who is named for what was in force before anybody activated anything."""
MOST_VERSIONS = 200
MOST_TEXTS = 20
MOST_CHARACTERS = 4 * 1024 * 1024
"""Of all texts together; so many stay all the same: a shadow, what is in force, the one before."""
_ALWAYS_KEPT = 3


@dataclass(frozen=True, slots=True)
class Activated:
    """In force from now on, or judged beside what is; ``before`` is the version it replaces."""

    version: PolicyVersion
    policy: Policy
    before: PolicyVersion | None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing to do: what is in force has the same text."""

    version: PolicyVersion


@dataclass(frozen=True, slots=True)
class NotWell:
    """It is not well written, or its tests fail: nothing was changed."""

    problems: Problems


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Somebody else was first: nothing was changed, and ``by`` is in force."""

    by: PolicyVersion | None


class Missing(Enum):
    """Why there is nothing to go back to, or to end."""

    VERSION = "version"
    TEXT = "text"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Policies:
    """The use case behind ``idp-mfa policy activate`` and its siblings.

    ``file`` is the settings' own, which is in force before the first activation.
    """

    shelf: PolicyShelf
    readings: Readings
    file: Callable[[], PolicyFile | Problems]
    audit: AuditLog
    clock: Clock
    randomness: Randomness

    def history(self) -> PolicyVersions:
        """Every version, newest last, also what this release cannot use.

        Before the first activation it is the settings' file alone, if that is well.
        """
        return self._with_file(self.shelf.newest())

    def activate(
        self, file: PolicyFile, actor: str, *, reason: str = "", after: int | None = None
    ) -> Activated | Unchanged | NotWell | Overtaken:
        """Put a text in force on every node; ``after`` is the version that has to be in force."""
        policy = self.readings.of_file(file)
        if isinstance(policy, Problems):
            return NotWell(policy)
        read = self.shelf.newest()
        known = self._with_file(read)
        before = _last(known)
        if after is not None and (before is None or before.number != after):
            return Overtaken(before)
        if before is not None and before.digest == policy.version:
            if read.versions:
                return Unchanged(before)
            known = read
        version = self._next(known, policy.version, file.path, actor, reason)
        changed = _with(known, version, file.text)
        done = self._changed(read, changed, AuditEvent.POLICY_ACTIVATED, version)
        return done or Activated(version, policy, before)

    def roll_back(
        self, to: int | None, actor: str, *, reason: str = ""
    ) -> Activated | Unchanged | NotWell | Overtaken | Missing:
        """Put an older text in force again, as a new version; None is the one before."""
        read = self.shelf.newest()
        known = self._with_file(read)
        before = _last(known)
        if before is None:
            return Missing.VERSION
        wanted = before.number - 1 if to is None else to
        old = next((each for each in known.versions if each.number == wanted), None)
        if old is None:
            return Missing.VERSION
        if old.digest == before.digest:
            return Unchanged(before)
        policy = self.readings.of(old, known.texts)
        if policy is None:
            return Missing.TEXT
        if isinstance(policy, Problems):
            return NotWell(policy)
        version = replace(
            self._next(known, old.digest, old.source, actor, reason), again=old.number
        )
        changed = _with(known, version, known.texts[old.digest])
        done = self._changed(read, changed, AuditEvent.POLICY_ROLLED_BACK, version)
        return done or Activated(version, policy, before)

    def begin_shadow(
        self, file: PolicyFile, actor: str, *, reason: str = ""
    ) -> Activated | NotWell | Overtaken:
        """Judge a text beside the one in force, on every node; it replaces another shadow."""
        policy = self.readings.of_file(file)
        if isinstance(policy, Problems):
            return NotWell(policy)
        read = self.shelf.newest()
        shadow = replace(self._next(read, policy.version, file.path, actor, reason), number=0)
        changed = replace(read, texts={**read.texts, shadow.digest: file.text}, shadow=shadow)
        done = self._changed(read, changed, AuditEvent.POLICY_SHADOW_BEGAN, shadow)
        return done or Activated(shadow, policy, read.shadow)

    def end_shadow(self, actor: str) -> PolicyVersion | Overtaken | Missing:
        """Judge it no more."""
        read = self.shelf.newest()
        if read.shadow is None:
            return Missing.SHADOW
        ended = replace(read.shadow, actor=actor)
        done = self._changed(
            read, replace(read, shadow=None), AuditEvent.POLICY_SHADOW_ENDED, ended
        )
        return done or read.shadow

    def _with_file(self, read: PolicyVersions) -> PolicyVersions:
        """What is in force before the first activation is a version too: there is a way back."""
        if read.versions:
            return read
        file = self.file()
        policy = file if isinstance(file, Problems) else self.readings.of_file(file)
        if isinstance(file, Problems) or isinstance(policy, Problems):
            return read
        first = PolicyVersion(1, policy.version, file.path, SETTINGS, self.clock())
        return _with(read, first, file.text)

    def _next(
        self, known: PolicyVersions, digest: str, source: str, actor: str, reason: str
    ) -> PolicyVersion:
        before = _last(known)
        number = 1 if before is None else before.number + 1
        return PolicyVersion(number, digest, source, actor, self.clock(), reason)

    def _changed(
        self, read: PolicyVersions, after: PolicyVersions, event: AuditEvent, about: PolicyVersion
    ) -> Overtaken | None:
        """Nobody changes what could not be put on record; who was first alone is on record."""
        self.audit.ping()
        after = replace(_trimmed(after), revision=read.revision + 1)
        if self.shelf.change(read, after) is ChangeAnswer.LOST_RACE:
            return Overtaken(_last(self.shelf.newest()))
        detail: dict[str, str | int | bool | tuple[str, ...] | None] = {
            "number": about.number or None,
            "policy": about.digest[:SHOWN],
            "source": about.source,
            "reason": about.reason,
            "again": about.again,
        }
        reference = new_reference(self.randomness)
        self.audit.record(
            AuditRecord(self.clock(), event, reference, actor=about.actor, detail=detail)
        )
        return None


def _last(known: PolicyVersions) -> PolicyVersion | None:
    return known.versions[-1] if known.versions else None


def _with(known: PolicyVersions, version: PolicyVersion, text: str) -> PolicyVersions:
    """A shadow that comes into force is no shadow any more."""
    shadow = known.shadow
    return replace(
        known,
        versions=(*known.versions, version),
        texts={**known.texts, version.digest: text},
        shadow=None if shadow is not None and shadow.digest == version.digest else shadow,
    )


def _trimmed(known: PolicyVersions) -> PolicyVersions:
    """The newest versions, and of them the texts of the newest."""
    kept = known.versions[-MOST_VERSIONS:]
    shadow = () if known.shadow is None else (known.shadow.digest,)
    newest = dict.fromkeys((*shadow, *(each.digest for each in reversed(kept))))
    texts: dict[str, str] = {}
    characters = 0
    for digest in filter(known.texts.__contains__, list(newest)[:MOST_TEXTS]):
        characters += len(known.texts[digest])
        if len(texts) < _ALWAYS_KEPT or characters <= MOST_CHARACTERS:
            texts[digest] = known.texts[digest]
    return replace(known, versions=kept, texts=texts)
