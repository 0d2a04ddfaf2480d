"""Which policy decides now: the newest version that this release can use.

Until a first one is activated, the settings' file is the policy; afterwards the versions are, and
the file is only where a text came from.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from idp_mfa.policy.load import Factors, load, strictest
from idp_mfa.policy.model import Policy
from idp_mfa.ports import PolicyShelf, PolicyVersion, PolicyVersions, Unavailable
from idp_mfa.yaml_document import Problem, Problems

_LOG = logging.getLogger("idp_mfa")
PART = "policies"
"""What ``Unavailable`` calls the versions."""
SHOWN = 12
"""So many characters of a digest name a policy to people."""
_READINGS_KEPT = 8


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A text, and where it stands."""

    path: str
    text: str


def digest(text: str) -> str:
    """What names a text among versions."""
    return hashlib.sha256(text.encode()).hexdigest()


class Readings:
    """Texts as policies, each read once; what is wrong with one is said once."""

    def __init__(self, factors: Factors) -> None:
        self._factors = factors
        self._read: dict[str, Policy | Problems] = {}
        self.strictest = strictest(factors)

    def of_file(self, file: PolicyFile) -> Policy | Problems:
        """A text that counts only when it is well written and its own tests pass."""
        return load(file.text, file.path, self._factors)

    def of(self, version: PolicyVersion, texts: Mapping[str, str]) -> Policy | Problems | None:
        """A version; None if its text was let go."""
        known = self._read.get(version.digest)
        if known is not None:
            return known
        text = texts.get(version.digest)
        if text is None:
            return None
        found = load(text, f"version {version.number} ({version.source})", self._factors)
        if isinstance(found, Problems):
            _LOG.error("policies: version %d cannot be used here: %s", version.number, found)
        kept = list(self._read.items())[-_READINGS_KEPT + 1 :]
        self._read = dict([*kept, (version.digest, found)])
        return found

    def fit(self, versions: PolicyVersions) -> bool:
        """Whether this release can use what is in force by them."""
        if not versions.versions:
            return True
        return isinstance(self.of(versions.versions[-1], versions.texts), Policy)


class Origin(Enum):
    """Where the policy in force comes from."""

    FILE = "file"
    ACTIVATED = "activated"
    BUILT_IN = "built in"
    """The strictest one: something was activated, and no copy of it can be used."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What decides now, and what is judged beside it; ``trouble`` is why it is the built-in one."""

    policy: Policy
    origin: Origin
    version: PolicyVersion | None = None
    shadow: Policy | None = None
    trouble: str = ""


class PolicyInForce:
    """Asked for each request; what it answers is the same object until something changes."""

    def __init__(
        self, shelf: PolicyShelf, readings: Readings, file: Callable[[], PolicyFile | Problems]
    ) -> None:
        self._shelf = shelf
        self._readings = readings
        self._file = file
        self._of_settings: InForce | Problems | None = None
        self._last: tuple[PolicyVersions, InForce] | None = None

    def now(self) -> InForce | Problems:
        """What decides now; problems if it is the settings' file, and that is not well.

        ``Unavailable`` on a node that has no version and cannot ask whether there is one: the file
        may be laxer.
        """
        try:
            versions = self._shelf.current()
        except Unavailable as error:
            if error.part != PART:
                raise
            return InForce(self._readings.strictest, Origin.BUILT_IN, trouble=error.why)
        last = self._last
        if last is not None and last[0] is versions:
            return last[1]
        found = self._found(versions)
        if isinstance(found, InForce):
            self._last = (versions, found)
        return found

    def text(self) -> PolicyFile | Problems:
        """The text of what decides now, for the tools; problems if there is none.

        The settings' file where nobody can say whether it is that.
        """
        try:
            found = self.now()
        except Unavailable:
            return self._file()
        if isinstance(found, Problems):
            return found
        if found.origin is Origin.BUILT_IN:
            message = f"the built-in policy decides, strictest of all: {found.trouble}"
            return Problems((Problem(found.policy.source, 1, 1, message),))
        if found.version is None:
            return self._file()
        name = f"version {found.version.number}"
        return PolicyFile(name, self._shelf.current().texts[found.version.digest])

    def overlooked(self) -> PolicyFile | None:
        """The settings' file, if it says something else than the activated version."""
        found, file = self.now(), self._file()
        if isinstance(found, Problems) or found.version is None or isinstance(file, Problems):
            return None
        return None if digest(file.text) == found.version.digest else file

    def _found(self, versions: PolicyVersions) -> InForce | Problems:
        shadow = None
        if versions.shadow is not None:
            reading = self._readings.of(versions.shadow, versions.texts)
            shadow = reading if isinstance(reading, Policy) else None
        if not versions.versions:
            found = self.of_settings()
            return found if isinstance(found, Problems) else replace(found, shadow=shadow)
        version = versions.versions[-1]
        policy = self._readings.of(version, versions.texts)
        if not isinstance(policy, Policy):
            trouble = f"version {version.number} cannot be used here"
            return InForce(self._readings.strictest, Origin.BUILT_IN, trouble=trouble)
        _LOG.info("policies: version %d is in force (%s)", version.number, version.digest[:SHOWN])
        return InForce(policy, Origin.ACTIVATED, version, shadow)

    def of_settings(self) -> InForce | Problems:
        """The settings' file, read once: an edit counts from the next start, as any other."""
        if self._of_settings is None:
            file = self._file()
            found = file if isinstance(file, Problems) else self._readings.of_file(file)
            self._of_settings = (
                found if isinstance(found, Problems) else InForce(found, Origin.FILE)
            )
        return self._of_settings
