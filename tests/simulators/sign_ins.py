"""Many sign-ins on record, as ``idp-mfa serve`` writes them, without anybody signing in."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.audit_log.addresses import Addresses
from idp_mfa.audit_log.lines import encode
from idp_mfa.model import (
    PASSWORD,
    BoundBy,
    Device,
    FactorName,
    Page,
    Seen,
    ServiceId,
    User,
    UserId,
    Verification,
)
from idp_mfa.policy.assurance import PASSWORD_KINDS, SHIPPED_FACTORS
from idp_mfa.policy.decide import decide
from idp_mfa.policy.model import Bound, Facts, Policy
from idp_mfa.policy.record import to_record
from idp_mfa.policy.zones import locate

TOTP = FactorName("totp")
_NETWORKS = ("192.0.2.0", "198.51.100.0", "203.0.113.0")


@dataclass(frozen=True, slots=True)
class SignIns:
    """Sign-ins of a seed: the same people, places and times for the same seed."""

    policy: Policy
    began: datetime
    people: int = 5000
    seed: int = 1

    def records(self, count: int) -> Iterator[AuditRecord]:
        """So many, one each second: each with the line that has its first judgement."""
        chance = random.Random(self.seed)
        for number in range(count):
            yield self._record(chance, self.began + timedelta(seconds=number))

    def lines(self, count: int, addresses: Addresses) -> Iterator[str]:
        """The same as lines."""
        return (encode(record, addresses) for record in self.records(count))

    def _record(self, chance: random.Random, at: datetime) -> AuditRecord:
        person = chance.randrange(self.people)
        network = chance.choices(_NETWORKS, (5, 1, 4))[0]
        address: IPv4Address | None = IPv4Address(int(ip_address(network)) + person % 256)
        if chance.random() < 0.002:
            address = None
        seen = Seen(address, ("127.0.0.1 peer, listed proxy", f"{address} client"))
        facts = self._facts(person, chance, seen, at)
        decided = decide(self.policy, facts)
        return AuditRecord(
            at,
            AuditEvent.PASSWORD_ACCEPTED,
            new_reference(chance.randbytes),
            facts.user.id,
            facts.service,
            seen,
            decision=to_record(self.policy, facts, decided),
        )

    def _facts(self, person: int, chance: random.Random, seen: Seen, at: datetime) -> Facts:
        enrolled = {} if person % 10 == 0 else {TOTP: SHIPPED_FACTORS[TOTP]}
        bound = {name: (Bound(BoundBy.CAMPUS, self.began),) for name in enrolled}
        return Facts(
            user=User(UserId(f"5f1c6e0e-9d2b-103e-8c9a-{person:012}"), "", ""),
            groups=frozenset(_groups(person)),
            attributes={"title": ("professor",) if person % 7 == 0 else ()},
            service=ServiceId(f"https://sp{chance.randrange(40)}.example.ac.jp/shibboleth"),
            service_tags=frozenset({"internal"} if chance.random() < 0.5 else ()),
            page=Page.SIGN_IN,
            acr_values=(),
            zone=locate(self.policy, seen.address, at),
            address=None if seen.address is None else str(seen.address),
            country=None,
            device=chance.choice((Device.PHONE, Device.COMPUTER)),
            enrolled=enrolled,
            bound=bound,
            has_none=not enrolled,
            unreadable=False,
            verified=(Verification(PASSWORD, PASSWORD_KINDS, (), at),),
            fresh_after=None,
            at=at,
        )


def _groups(person: int) -> Sequence[str]:
    return ("staff",) if person % 4 == 0 else ("students",)


def at_other_times(records: Iterator[AuditRecord], by: timedelta) -> Iterator[AuditRecord]:
    """The same sign-ins, later."""
    return (replace(record, at=record.at + by) for record in records)
