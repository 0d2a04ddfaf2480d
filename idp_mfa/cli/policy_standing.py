"""Which policy is in force, in words for the console."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from idp_mfa.compose import House
from idp_mfa.policies import SETTINGS
from idp_mfa.policy.in_force import PART, SHOWN, InForce, Origin
from idp_mfa.ports import PolicyVersion, Unavailable
from idp_mfa.yaml_document import Problems


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides; ``soon`` if somebody should look at it."""

    says: str
    soon: bool


def standing(house: House) -> Standing:
    """``Unavailable`` if no policy of the site's own decides, or not the newest."""
    in_force = house.policy_in_force.now()
    if isinstance(in_force, Problems):
        raise Unavailable(PART, str(in_force))
    policy = in_force.policy
    size = f"{len(policy.rules)} rules, {len(policy.zones)} zones"
    shadow = "" if in_force.shadow is None else "; a shadow is judged beside it"
    match in_force.origin:
        case Origin.BUILT_IN:
            raise Unavailable(PART, f"the built-in one, strictest of all: {in_force.trouble}")
        case Origin.FILE:
            said = f"{policy.source} ({policy.version[:SHOWN]}): {size}; nothing was activated"
            return Standing(said + shadow, soon=False)
        case Origin.ACTIVATED:
            return _activated(house, in_force, size, shadow)


def _activated(house: House, in_force: InForce, size: str, shadow: str) -> Standing:
    version = in_force.version
    if version is None:
        raise ValueError("what was activated has a version")
    newest = house.shared_policies.newest().versions[-1]
    if newest.number != version.number:
        why = f"version {newest.number} cannot be used by this release; {version.number} decides"
        raise Unavailable(PART, why)
    file = house.policy_in_force.overlooked()
    said = f"{named(version)}: {size}{shadow}"
    if file is None:
        return Standing(said, soon=False)
    edited = f"; {file.path} has another text, which does not count until it is activated"
    forgotten = Path(file.path).resolve() == Path(version.source).resolve()
    return Standing(said + edited, soon=forgotten)


def named(version: PolicyVersion) -> str:
    """A version with who put it in force, and when."""
    by = "the settings" if version.actor == SETTINGS else version.actor
    return (
        f"version {version.number} ({version.digest[:SHOWN]}), by {by} on "
        f"{version.at:%Y-%m-%d %H:%M} UTC"
    )
