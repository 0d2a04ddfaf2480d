"""How the nouns that outlive a request are written into the store: plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from idp_mfa.model import (
    Amr,
    Because,
    Cause,
    CredentialId,
    FactorKind,
    FactorName,
    User,
    UserId,
    Verification,
    WaysOn,
)

Json = dict[str, Any]


def user_to_json(user: User) -> Json:
    """A user, as a sign-in carries it."""
    return {"id": user.id, "login": user.login, "name": user.display_name}


def user_from_json(value: Mapping[str, Any]) -> User:
    """The reverse of ``user_to_json``."""
    return User(UserId(value["id"]), value["login"], value["name"])


def verifications_to_json(verified: tuple[Verification, ...]) -> list[Json]:
    """What was shown, with times in UTC to the microsecond."""
    return [
        {
            "factor": done.factor,
            "kinds": sorted(kind.value for kind in done.kinds),
            "amr": list(done.amr),
            "at": done.at.isoformat(),
            "credential": done.credential_id,
        }
        for done in verified
    ]


def verifications_from_json(values: list[Json]) -> tuple[Verification, ...]:
    """The reverse of ``verifications_to_json``."""
    return tuple(
        Verification(
            FactorName(value["factor"]),
            frozenset(FactorKind(kind) for kind in value["kinds"]),
            tuple(Amr(amr) for amr in value["amr"]),
            datetime.fromisoformat(value["at"]),
            None if value["credential"] is None else CredentialId(value["credential"]),
        )
        for value in values
    )


def because_to_json(because: Because) -> Json:
    """The reason that a decision carries."""
    return {
        "rule": because.rule,
        "zone": because.zone,
        "address": because.address,
        "cause": because.cause.value,
        "elsewhere": list(because.ways.elsewhere),
        "set_up": list(because.ways.set_up),
        "factors": list(because.ways.factors),
    }


def because_from_json(value: Mapping[str, Any]) -> Because:
    """The reverse of ``because_to_json``."""
    ways = WaysOn(
        tuple(value.get("elsewhere", ())),
        tuple(value.get("set_up", ())),
        tuple(map(FactorName, value.get("factors", ()))),
    )
    return Because(value["rule"], value["zone"], value["address"], Cause(value["cause"]), ways)
