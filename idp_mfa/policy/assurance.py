"""Which authentication context classes a set of verifications really reaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from idp_mfa.model import (
    RECOVERY_CODE,
    Acr,
    Amr,
    FactorKind,
    FactorName,
    Verification,
)
from idp_mfa.policy.model import Assurance

PHISHING_RESISTANT = Acr("phr")
"""OpenID's Extended Authentication Profile ACR Values 1.0."""
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


WITHSTANDS_PHISHING = frozenset({FactorName("fido2")})
"""Their answers are bound to our own address; what is typed can be passed on by a false page."""

ONE_KIND = frozenset({PASSWORD_PROTECTED_TRANSPORT, PASSWORD_CLASS, UNSPECIFIED})
"""The classes that a password alone reaches."""


@dataclass(frozen=True, slots=True)
class Level:
    """A class, how many different kinds of factor it takes, and ``one_of`` which factors.

    Empty is any. A class of certain factors is asserted only where it is asked for: services that
    ask for nothing look for the classes that all of them know.
    """

    acr: Acr
    kinds: int
    one_of: frozenset[FactorName] = frozenset()


@lru_cache(maxsize=8)
def levels(assurance: Assurance) -> tuple[Level, ...]:
    """The classes this site may assert, strongest first.

    REFEDS MFA and GakuNin AAL2 take two different kinds (REFEDS MFA 1.2 section 4; rule 1); the
    phishing-resistant ones take besides that one of them withstands phishing.
    """
    named = assurance.refeds_phishing_resistant
    resistant = (PHISHING_RESISTANT,) if named is None else (named, PHISHING_RESISTANT)
    aal2 = (Level(GAKUNIN_AAL2, 2),) if assurance.gakunin_aal2 else ()
    return (
        *(Level(acr, 2, WITHSTANDS_PHISHING) for acr in resistant),
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


def factors_asked(acr_values: Iterable[Acr], assurance: Assurance) -> frozenset[FactorName]:
    """The factors of which one is needed for any of the classes; empty where others would do."""
    asked = frozenset(acr_values)
    takes = [level.one_of for level in levels(assurance) if level.acr in asked]
    return frozenset[FactorName]().union(*takes) if all(takes) else frozenset()


def kinds_of(verified: Iterable[Verification]) -> frozenset[FactorKind]:
    """The different kinds that were shown; a mailed code or a network adds none."""
    return frozenset(kind for done in verified for kind in done.kinds)


def classes(assurance: Assurance) -> frozenset[Acr]:
    """All classes that may be asked for, whether or not this site is certified for them."""
    return frozenset(level.acr for level in levels(replace(assurance, gakunin_aal2=True)))


@lru_cache(maxsize=8)
def of_several_kinds(assurance: Assurance) -> frozenset[Acr]:
    """Those of them that take more than one kind."""
    return classes(assurance) - ONE_KIND


def reached(verified: Iterable[Verification], assurance: Assurance) -> tuple[Acr, ...]:
    """The classes that these verifications reach, strongest first; none for none."""
    done = tuple(verified)
    kinds, factors = len(kinds_of(done)), {one.factor for one in done}
    return tuple(
        level.acr
        for level in levels(assurance)
        if kinds >= level.kinds and (not level.one_of or level.one_of & factors)
    )


def class_of(
    asked: Iterable[Acr], verified: Iterable[Verification], assurance: Assurance
) -> Acr | None:
    """The first class of those asked that is reached; none asked: the strongest of those all know.

    None: nothing of what was asked is reached.
    """
    really, wanted = reached(verified, assurance), tuple(asked)
    known = (level.acr for level in levels(assurance) if not level.one_of)
    return next((acr for acr in wanted or known if acr in really), None)


def amr_of(verified: Iterable[Verification]) -> tuple[Amr, ...]:
    """The methods used (RFC 8176), with ``mfa`` only for two different kinds."""
    done = tuple(verified)
    names = dict.fromkeys(amr for one in done for amr in one.amr)
    if len(kinds_of(done)) > 1:
        names[Amr("mfa")] = None
    return tuple(names)
