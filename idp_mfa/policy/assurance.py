"""Which authentication context classes a set of verifications really reaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from idp_mfa.model import (
    RECOVERY_CODE,
    Acr,
    Amr,
    FactorKind,
    FactorName,
    Verification,
)
from idp_mfa.policy.model import Assurance

REFEDS_MFA = Acr("https://refeds.org/profile/mfa")
GAKUNIN_AAL2 = Acr("https://www.gakunin.jp/profile/AAL2")
PASSWORD_PROTECTED_TRANSPORT = Acr(
    "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
)
PASSWORD_CLASS = Acr("urn:oasis:names:tc:SAML:2.0:ac:classes:Password")
UNSPECIFIED = Acr("urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified")

PASSWORD_KINDS = frozenset({FactorKind.KNOWLEDGE})
SHIPPED_FACTORS: Mapping[FactorName, frozenset[FactorKind]] = {
    FactorName("totp"): frozenset({FactorKind.POSSESSION}),
    FactorName("fido2"): frozenset({FactorKind.POSSESSION, FactorKind.KNOWLEDGE}),
    FactorName("image_matrix"): frozenset({FactorKind.KNOWLEDGE}),
    RECOVERY_CODE: frozenset(),
    FactorName("passcode"): frozenset(),
    FactorName("enrolment_passcode"): frozenset(),
}
"""The factors that policies may always name, and the kinds each can show at best.

A recovery code and the help desk's passcodes are of no kind: they count where a rule names them,
and never for a class.
"""


@dataclass(frozen=True, slots=True)
class Level:
    """A class and how many different kinds of factor it takes."""

    acr: Acr
    kinds: int


def levels(assurance: Assurance) -> tuple[Level, ...]:
    """The classes this site may assert, strongest first.

    REFEDS MFA and GakuNin AAL2 take two different kinds (REFEDS MFA 1.2 section 4; rule 1).
    """
    aal2 = (Level(GAKUNIN_AAL2, 2),) if assurance.gakunin_aal2 else ()
    return (
        Level(REFEDS_MFA, 2),
        *aal2,
        Level(PASSWORD_PROTECTED_TRANSPORT, 1),
        Level(PASSWORD_CLASS, 1),
        Level(UNSPECIFIED, 1),
    )


def kinds_asked(acr_values: Iterable[Acr], assurance: Assurance) -> int | None:
    """How many kinds the easiest of the classes takes; None if this site may assert none of them.

    0 where no class is asked.
    """
    asked = frozenset(acr_values)
    takes = [level.kinds for level in levels(assurance) if level.acr in asked]
    return min(takes, default=None if asked else 0)


def kinds_of(verified: Iterable[Verification]) -> frozenset[FactorKind]:
    """The different kinds that were shown; a mailed code or a network adds none."""
    return frozenset(kind for done in verified for kind in done.kinds)


def reached(verified: Iterable[Verification], assurance: Assurance) -> tuple[Acr, ...]:
    """The classes that these verifications reach, strongest first; none for none."""
    kinds = len(kinds_of(verified))
    return tuple(level.acr for level in levels(assurance) if kinds >= level.kinds)


def amr_of(verified: Iterable[Verification]) -> tuple[Amr, ...]:
    """The methods used (RFC 8176), with ``mfa`` only for two different kinds."""
    done = tuple(verified)
    names = dict.fromkeys(amr for one in done for amr in one.amr)
    if len(kinds_of(done)) > 1:
        names[Amr("mfa")] = None
    return tuple(names)
