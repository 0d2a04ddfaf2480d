"""Policies as an admin writes them and requests as production has them, by chance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from random import Random
from typing import Any

from idp_mfa.model import (
    PASSWORD,
    Account,
    AccountState,
    AuthnRequest,
    BoundBy,
    Credential,
    CredentialId,
    Credentials,
    CredentialState,
    Device,
    FactorName,
    Page,
    Seen,
    Service,
    ServiceId,
    Standing,
    User,
    UserId,
    Verification,
)
from idp_mfa.policy.assurance import SHIPPED_FACTORS, levels
from idp_mfa.policy.cases import Given
from idp_mfa.policy.cases import Standing as Records
from idp_mfa.policy.model import Assurance
from tests.unit.policy_facts import KINDS, NOW

FACTORS = sorted(SHIPPED_FACTORS)
GROUPS = ["student", "staff", "guest"]
CLASSES = [level.acr for level in levels(Assurance(gakunin_aal2=True))]
SERVICES = ["https://sp.example/", "https://payroll.example/"]
TAGS = ["library", "payroll"]
AGES = ["30s", "5m", "2h", "3d"]
SPANS = {
    "30s": timedelta(seconds=30),
    "5m": timedelta(minutes=5),
    "2h": timedelta(hours=2),
    "3d": timedelta(days=3),
}
ADDRESSES = [
    "192.0.2.10",
    "192.0.2.70",
    "198.51.100.1",
    "203.0.113.9",
    "203.0.113.200",
    "2001:db8:1::5",
    "2001:db8:9::5",
    "::ffff:192.0.2.10",
    None,
]
ZONES = """
version: 1
time_zone: Asia/Tokyo
zones:
  campus: { kind: campus, networks: [192.0.2.0/24, "2001:db8:1::/48"] }
  guest: { kind: other, networks: [192.0.2.64/26] }
  vpn: { kind: vpn, networks: [198.51.100.0/24, { network: 203.0.113.0/28, expires: 2026-03-31 }] }
"""


def policy_text(chance: Random) -> str:
    """A policy with up to eight rules; some cannot be loaded, as some that people write cannot."""
    rules = [
        {"name": f"rule {number}", "when": when(chance), "then": then(chance)}
        for number in range(chance.randint(1, 8))
    ]
    if chance.random() < 0.8:
        rest = {"require": some(chance, FACTORS)}
        rules.append({"name": "rest", "when": {}, "then": rest})
    aal2 = f"assurance: {{ gakunin_aal2: {json.dumps(chance.random() < 0.5)} }}\n"
    return f"{ZONES}{aal2}rules: {json.dumps(rules)}\n"


def when(chance: Random, depth: int = 0) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    if depth == 0 and chance.random() < 0.7:
        parts["page"] = some(chance, ["sign-in"] * 6 + ["portal.home", "desk"])
    for _ in range(chance.randint(0, 2)):
        name = chance.choice([*LEAVES, *(JOINTS if depth < 2 else ())])
        parts[name] = LEAVES[name](chance) if name in LEAVES else joint(chance, name, depth)
    return parts


def joint(chance: Random, name: str, depth: int) -> Any:
    if name == "not":
        return when(chance, depth + 1)
    return [when(chance, depth + 1) for _ in range(chance.randint(1, 2))]


JOINTS = ("all", "any", "not")
LEAVES: Mapping[str, Any] = {
    "zone": lambda c: some(c, ["campus", "guest", "vpn", "outside"]),
    "group": lambda c: some(c, GROUPS),
    "service": lambda c: some(c, [*SERVICES, *TAGS]),
    "asked": lambda c: some(c, ["none", *CLASSES]),
    "device": lambda c: some(c, ["phone", "tablet", "computer"]),
    "country": lambda c: some(c, ["JP", "FR"]),
    "enrolled": lambda c: some(c, ["none", "none", *FACTORS]),
    "attribute": lambda c: {c.choice(["title", "o"]): some(c, GROUPS)},
    "time": lambda c: c.choice(
        [
            {"days": ["wed", "thu"]},
            {"from": "22:00", "to": "06:00"},
            {"from": "08:00", "to": "19:00"},
        ]
    ),
    "bound": lambda c: c.choice(
        [
            some(c, [one.value for one in BoundBy]),
            {"by": c.choice(list(BoundBy)).value, "within": c.choice(AGES)},
            {"factor": some(c, FACTORS), "within": c.choice(AGES)},
        ]
    ),
    "verified": lambda c: c.choice(
        [
            some(c, [PASSWORD, *FACTORS]),
            {"factor": some(c, [PASSWORD, *FACTORS]), "within": c.choice(AGES)},
        ]
    ),
}


def then(chance: Random) -> Any:
    kind = chance.choice(
        ["skip", "skip", "require", "require", "require", "enrol", "grace", "deny"]
    )
    match kind:
        case "skip" | "deny":
            return kind
        case "require":
            more = {"fresh": chance.choice(AGES)} if chance.random() < 0.3 else {}
            return {"require": some(chance, FACTORS), "kinds": chance.randint(1, 2), **more}
        case "enrol":
            return {"enrol": some(chance, FACTORS)}
        case _:
            return {"grace": {"until": chance.choice(["2026-04-02", "2027-03-31", "2027-03-31"])}}


def some(chance: Random, words: list[Any]) -> list[Any]:
    return chance.sample(words, chance.randint(1, min(3, len(words))))


@dataclass(frozen=True, slots=True)
class Asked:
    """One request twice: as production has it, and as ``explain`` is told of it."""

    account: Account
    request: AuthnRequest
    seen: Seen
    country: str | None
    verified: tuple[Verification, ...]
    given: Given
    at: datetime


def request(chance: Random) -> Asked:
    """Anybody, from anywhere, for anything; ForceAuthn and max_age are not explain's to be told."""
    at = NOW + timedelta(hours=chance.randint(0, 200))
    active = chance.sample(FACTORS, chance.choice([0, 0, 1, 2, 3]))
    bound = {
        FactorName(name): (chance.choice(list(BoundBy)), SPANS[chance.choice(AGES)])
        for name in active
    }
    records = chance.choice([*[Records.CLEAR] * 6, Records.UNREADABLE, Records.UNUSABLE])
    shown = [(PASSWORD, timedelta())] * chance.choice([0, *[1] * 9]) + [
        (FactorName(name), SPANS[chance.choice(AGES)])
        for name in chance.sample(FACTORS, chance.randint(0, 2))
    ]
    address = chance.choice(ADDRESSES)
    where = None if address is None else ip_address(address)
    given = Given(
        address=where,
        page=chance.choice([*[Page.SIGN_IN] * 6, Page.PORTAL_HOME, Page.DESK]),
        service=ServiceId(chance.choice(SERVICES)),
        service_tags=frozenset(chance.sample(TAGS, chance.randint(0, 1))),
        groups=frozenset(chance.sample(GROUPS, chance.randint(0, 2))),
        attributes={
            name: tuple(chance.sample(GROUPS, chance.randint(0, 2)))
            for name in chance.sample(["title", "o"], chance.randint(0, 2))
        },
        country=chance.choice([None, "JP", "FR", "KR"]) if where else None,
        device=chance.choice(list(Device)),
        asked=tuple(chance.sample(CLASSES, chance.choice([0, 0, 1, 2]))),
        enrolled=frozenset(bound),
        bound=bound,
        standing=records,
        verified=tuple(shown),
        at=at,
    )
    return Asked(
        account=account(given, bound, at),
        request=AuthnRequest(
            service=Service(given.service, {}, "sp.example", tags=given.service_tags),
            page=given.page,
            resume="/",
            context={},
            acr_values=given.asked,
        ),
        seen=Seen(where, (), given.device),
        country=given.country,
        verified=tuple(Verification(name, KINDS[name], (), at - ago) for name, ago in shown),
        given=given,
        at=at,
    )


def account(
    given: Given, bound: Mapping[FactorName, tuple[BoundBy, timedelta]], at: datetime
) -> Account:
    records = [
        credential(name, CredentialState.ACTIVE, by, at - ago) for name, (by, ago) in bound.items()
    ]
    if given.standing is Records.UNUSABLE:
        records.append(
            credential(FactorName("totp"), CredentialState.SUSPENDED, BoundBy.CAMPUS, at)
        )
    unreadable = int(given.standing is Records.UNREADABLE)
    return Account(
        user=User(UserId("test"), "test", "test"),
        groups=given.groups,
        attributes=given.attributes,
        standing=Standing(AccountState.ACTIVE),
        credentials=Credentials(tuple(records), unreadable, None),
    )


def credential(name: FactorName, state: CredentialState, by: BoundBy, at: datetime) -> Credential:
    return Credential(CredentialId(f"{name} {state.value}"), name, state, "", at, by, 1, {})
