"""The demo's people, and their factors as the directory keeps them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from idp_mfa.audit import new_reference
from idp_mfa.directory.sqlite import NewPerson, SqliteDirectory
from idp_mfa.factor import Factor, SharedKey
from idp_mfa.factors.image_matrix import NAME as MATRIX
from idp_mfa.factors.image_matrix import ImageMatrix
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.factors.totp import Totp, code_at, next_code_in
from idp_mfa.helpdesk import Actor
from idp_mfa.model import (
    Account,
    BoundBy,
    Clock,
    Credential,
    CredentialId,
    CredentialState,
    FactorName,
    Randomness,
)
from idp_mfa.pictures import by_id
from idp_mfa.ports import Change
from idp_mfa.token_stock import TokenStock

DOMAIN = "example.ac.jp"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody to sign in as, and the factors that are there at the start."""

    login: str
    affiliations: tuple[str, ...]
    groups: frozenset[str]
    factors: tuple[FactorName, ...] = (TOTP,)

    @property
    def password(self) -> str:
        """As contract and README say."""
        return f"demo-{self.login}"


PEOPLE = (
    DemoPerson("alice", ("student", "member"), frozenset({"student"})),
    DemoPerson("bob", ("student", "member"), frozenset({"student"}), ()),
    DemoPerson("dave", ("staff", "member"), frozenset({"staff"}), (TOTP, MATRIX)),
    DemoPerson("helen", ("staff", "member"), frozenset({"staff", "help-desk"})),
    DemoPerson("ivan", ("staff", "member"), frozenset({"staff", "identity-admins"})),
    DemoPerson("olga", ("staff", "member"), frozenset({"staff", "service-owners"})),
)


@dataclass(frozen=True, slots=True)
class Card:
    """What a newcomer needs to sign in as somebody; None where there is no such factor.

    ``pictures`` are those of the image matrix, in their order, by their English names.
    """

    user: str
    password: str
    groups: tuple[str, ...]
    totp_key: str | None
    pictures: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class PresentCode:
    """What the person's phone would show, and for how long."""

    code: str
    changes_in: timedelta


def settle(
    directory: SqliteDirectory,
    factors: Mapping[FactorName, Factor],
    *,
    clock: Clock,
    randomness: Randomness,
) -> None:
    """Everybody is there; what they changed in an earlier run stays."""
    for person in PEOPLE:
        added = directory.add_user(
            NewPerson(
                person.login,
                person.login.capitalize(),
                person.password.encode(),
                person.groups,
                {
                    "uid": (person.login,),
                    "cn": (person.login.capitalize(),),
                    "displayName": (person.login.capitalize(),),
                    "mail": (f"{person.login}@{DOMAIN}",),
                    "eduPersonAffiliation": person.affiliations,
                },
            )
        )
        for name in person.factors if added is not None else ():
            account = directory.find(person.login)
            if account is not None:
                _bind(directory, factors[name], account, clock=clock, randomness=randomness)


def stock_tokens(directory: SqliteDirectory, stock: TokenStock, randomness: Randomness) -> None:
    """A few hardware tokens that nobody has, the same in every run."""
    nobody = NewPerson(stock.login, "Token stock", randomness(32).hex().encode(), frozenset(), {})
    if directory.add_user(nobody) is None:
        return
    for number in range(1, 4):
        key = SharedKey(randomness(20), serial=f"DEMO-{number:04}")
        stock.put(key, Actor("demo", "demo"), new_reference(randomness))


def cards(directory: SqliteDirectory, totp: Totp) -> tuple[Card, ...]:
    """Everybody, with the key that is valid now."""
    return tuple(
        Card(
            person.login,
            person.password,
            tuple(sorted(person.groups)),
            _key(totp, directory.find(person.login)),
            _pictures(directory.find(person.login)),
        )
        for person in PEOPLE
    )


def present_code(directory: SqliteDirectory, login: str, at: datetime) -> PresentCode | None:
    """The code of this moment, or None for who is not there or has no key."""
    account = directory.find(login)
    if account is None:
        return None
    for credential in account.credentials.of(TOTP):
        return PresentCode(code_at(credential, at), next_code_in(at))
    return None


def _key(totp: Totp, account: Account | None) -> str | None:
    if account is None:
        return None
    for credential in account.credentials.of(TOTP):
        return totp.show_enrolment(account.user, credential).shown["key"]
    return None


def _pictures(account: Account | None) -> tuple[str, ...] | None:
    if account is None:
        return None
    for credential in account.credentials.of(MATRIX):
        return tuple(by_id()[one].name("en") for one in ImageMatrix().pattern(credential))
    return None


def _bind(
    directory: SqliteDirectory,
    factor: Factor,
    account: Account,
    *,
    clock: Clock,
    randomness: Randomness,
) -> None:
    now = clock()
    empty = Credential(
        id=CredentialId(base64.b32encode(randomness(10)).decode().lower()),
        factor=factor.name,
        state=CredentialState.UNFINISHED,
        label=f"Demo({now:%Y-%m})",
        bound_at=now,
        bound_by=BoundBy.IMPORT,
        generation=1,
        secret={},
    )
    begun = factor.begin_enrolment(account.user, empty, randomness).credential
    # No code is spent on it: the first one that a newcomer reads must work.
    active = replace(begun, state=CredentialState.ACTIVE)
    directory.change(account.user.id, account.credentials, (Change(None, active),))
