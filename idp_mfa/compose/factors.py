"""The factors of these settings: ours, and those of packages that are installed besides."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import EntryPoint, entry_points

from idp_mfa.compose.reading import NotComposed
from idp_mfa.factor import Factor
from idp_mfa.factors.fido2 import NAME as FIDO2
from idp_mfa.factors.fido2 import Fido2
from idp_mfa.factors.image_matrix import NAME as MATRIX
from idp_mfa.factors.image_matrix import ImageMatrix
from idp_mfa.factors.recovery_code import NAME as RECOVERY_CODE
from idp_mfa.factors.recovery_code import PASSCODES, RECOVERY_CODES
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.factors.totp import Totp
from idp_mfa.key_folder import load_secret
from idp_mfa.model import FactorName
from idp_mfa.settings import Settings
from idp_mfa.yaml_document import Problem, Problems

GROUP = "idp_mfa.factors"
"""The entry points by which a package brings factors: a name, and what makes the factor."""


def factors_of(settings: Settings) -> dict[FactorName, Factor]:
    """The factors that settings name, in their order, and what the help desk hands out.

    A package's factor cannot take the name of one of ours.
    """
    made: Mapping[FactorName, Callable[[], Factor]] = {
        **_of_packages(),
        FIDO2: lambda: fido2_of(settings),
        TOTP: lambda: Totp(settings.totp.issuer),
        MATRIX: lambda: ImageMatrix(settings.image_matrix.uses, settings.image_matrix.age),
        RECOVERY_CODE: lambda: RECOVERY_CODES,
    }
    if unknown := [name for name in settings.factors if name not in made]:
        there = ", ".join(sorted(made))
        raise NotComposed(_wrong(f"{', '.join(unknown)} is not a factor; there is {there}"))
    return {
        **{name: made[name]() for name in settings.factors},
        **{one.name: one for one in PASSCODES},
    }


def fido2_of(settings: Settings) -> Fido2:
    """Passkeys, bound to our own host; their user handles open with a key that never changes."""

    def handle_key() -> bytes:
        salt = load_secret(settings.keys.pairwise_salt)
        return hmac.digest(salt, b"idp_mfa user handle", "sha256")

    return Fido2(
        settings.rp_id, settings.site.short_name, settings.base_url.rstrip("/"), handle_key
    )


def _of_packages() -> dict[FactorName, Callable[[], Factor]]:
    """What other packages bring; nothing of them is imported before settings name it."""
    return {FactorName(one.name): partial(_made_by, one) for one in entry_points(group=GROUP)}


def _made_by(point: EntryPoint) -> Factor:
    factor: Factor = point.load()()
    if factor.name != point.name:
        raise NotComposed(_wrong(f"{point.value} makes {factor.name!r} and not {point.name!r}"))
    return factor


def _wrong(message: str) -> Problems:
    return Problems((Problem("settings", 1, 1, f"factors: {message}"),))
