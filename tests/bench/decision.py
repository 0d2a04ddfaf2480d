"""What one decision costs, in RSA-2048 signatures of the same moment."""

from __future__ import annotations

import math
import time
from ipaddress import ip_address, ip_network

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
from idp_mfa.policy.assurance import PASSWORD_KINDS, SHIPPED_FACTORS
from idp_mfa.policy.decide import decide
from idp_mfa.policy.facts import facts_of
from idp_mfa.policy.load import load
from idp_mfa.policy.model import OUTSIDE, Policy, StepUp
from tests.bench.unit import unit
from tests.unit.policy_facts import NOW

RULES = 100
NETWORKS = 10_000
TURNS = 300
"""Short ones: a busy machine leaves each size some of them in peace."""
_DECISIONS = 4
_TOTP = FactorName("totp")
_SEEN = Seen(ip_address("203.0.113.10"), ())
_REQUEST = AuthnRequest(Service(ServiceId("https://sp.example/"), {}, ""), Page.SIGN_IN, "/", {})
_VERIFIED = (Verification(PASSWORD, PASSWORD_KINDS, (), NOW),)
_ACCOUNT = Account(
    User(UserId("1"), "alice", "Alice"),
    frozenset({"staff", "library"}),
    {"title": ("professor",)},
    Standing(AccountState.ACTIVE),
    Credentials(
        (
            Credential(
                CredentialId("1"), _TOTP, CredentialState.ACTIVE, "", NOW, BoundBy.CAMPUS, 1, {}
            ),
        ),
        0,
        None,
    ),
)


def policy_of(rules: int, networks: int) -> Policy:
    """Rules with conditions of every sort, none of which decides but the last."""
    some = (
        "zone: campus, group: staff",
        "attribute: { title: dean }, not: { zone: campus }",
        "service: payroll, time: { days: [sat, sun] }",
        "any: [{ country: FR }, { group: guest }], enrolled: fido2",
        "bound: { by: mailed-code, within: 1d }, asked: none",
    )
    rows = "".join(
        f"  - {{ name: r{n}, when: {{ page: sign-in, {some[n % len(some)]} }}, then: "
        f"{{ require: [totp, fido2] }} }}\n"
        for n in range(rules - 1)
    )
    prefixes = ", ".join(str(ip_network((n << 8, 24))) for n in range(1, networks + 1))
    found = load(
        f"version: 1\nzones:\n  campus: {{ kind: campus, networks: [{prefixes}] }}\n"
        f"rules:\n{rows}  - {{ name: rest, when: {{}}, then: {{ require: [totp] }} }}\n",
        "bench",
    )
    if not isinstance(found, Policy):
        raise TypeError(str(found))
    return found


def decided(policy: Policy) -> None:
    """One judgement as production makes it: the zone found, facts gathered, decided."""
    facts = facts_of(
        policy,
        _ACCOUNT,
        _REQUEST,
        _SEEN,
        _VERIFIED,
        kinds=SHIPPED_FACTORS,
        country=None,
        began_at=NOW,
        at=NOW,
    )
    found = decide(policy, facts)
    if facts.zone != OUTSIDE or not isinstance(found.decision, StepUp):
        raise AssertionError(str(found.decision))


def decision_milliseconds(policy: Policy) -> float:
    """CPU of one judgement, of a few in a row."""
    decided(policy)
    began = time.thread_time_ns()
    for _ in range(_DECISIONS):
        decided(policy)
    return (time.thread_time_ns() - began) / _DECISIONS / 1e6


def in_signatures(*policies: Policy) -> tuple[float, ...]:
    """The price of a decision by each policy, of the calmest of many turns.

    Neighbours on a shared machine slow Python down more than RSA, and never make it faster. All
    are measured in each turn, so that one that is calm is calm for all.
    """
    signature = math.inf
    least = [math.inf for _ in policies]
    for _ in range(TURNS):
        signature = min(signature, unit(pairs=2) / 2)
        for number, policy in enumerate(policies):
            least[number] = min(least[number], decision_milliseconds(policy))
    return tuple(found / signature for found in least)


def by_networks() -> dict[int, float]:
    """The price by a hundred rules, by how many networks there are."""
    counts = (100, NETWORKS, 10 * NETWORKS)
    prices = in_signatures(*(policy_of(RULES, count) for count in counts))
    return dict(zip(counts, prices, strict=True))


def told(prices: dict[int, float]) -> str:
    """A line of ``make bench``."""
    few, many, most = prices.values()
    return (
        f"a decision by {RULES} rules: {many:.2f} signatures with {NETWORKS:,} networks, "
        f"{few:.2f} with 100, {most:.2f} with {10 * NETWORKS:,} (at most 0.33)"
    )
