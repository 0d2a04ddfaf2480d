"""A day of sign-ins that nobody made: the desk and the admins of a new demo have something to see.

Each is judged by the policy in force, so that replaying and explaining work on it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.model import (
    PASSWORD,
    Account,
    AuthnRequest,
    FactorKind,
    FactorName,
    Page,
    Randomness,
    Refusal,
    Seen,
    Service,
    ServiceId,
    Verification,
)
from idp_mfa.policy.assurance import PASSWORD_KINDS
from idp_mfa.policy.decide import decide
from idp_mfa.policy.facts import facts_of
from idp_mfa.policy.model import Decided, Facts, Permit, Policy
from idp_mfa.policy.record import to_record

CAMPUS, VPN, HOME, CAFE = "192.0.2.10", "198.51.100.20", "203.0.113.10", "203.0.113.77"
Detail = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class _Visit:
    """``ago`` is when it began, in minutes before now; ``wrong`` what was typed before the end."""

    ago: int
    login: str
    address: str
    wrong: tuple[Detail, ...] = ()
    gave_up: bool = False


def _wrong(diagnosis: str, **more: str | int) -> Detail:
    return {"why": "wrong", "diagnosis": diagnosis, **more}


_CLOCK = _wrong("clock", ahead_seconds=-360)
_OLD = _wrong("old-key")
_TYPO: Detail = {"why": "wrong"}
_USED: Detail = {"why": "already-used", "diagnosis": "already-used"}
_VISITS = (
    _Visit(705, "ivan", CAMPUS),
    _Visit(690, "helen", CAMPUS),
    _Visit(664, "alice", HOME),
    _Visit(611, "dave", VPN),
    _Visit(598, "alice", CAMPUS),
    _Visit(540, "bob", CAMPUS),
    _Visit(485, "dave", CAFE, (_CLOCK, _CLOCK), gave_up=True),
    _Visit(470, "dave", CAFE, (_CLOCK,)),
    _Visit(431, "olga", HOME, (_TYPO,)),
    _Visit(377, "alice", CAFE, (_OLD, _OLD, _OLD), gave_up=True),
    _Visit(362, "alice", CAFE, (_OLD,)),
    _Visit(300, "bob", CAFE),
    _Visit(288, "bob", HOME),
    _Visit(241, "ivan", HOME),
    _Visit(183, "olga", CAMPUS),
    _Visit(122, "helen", VPN),
    _Visit(64, "dave", HOME, (_USED,)),
    _Visit(21, "alice", HOME),
)


@dataclass(frozen=True, slots=True)
class Day:
    """What a day is made of; ``kinds`` are what each factor may show."""

    policy: Policy
    find: Callable[[str], Account | None]
    service: Service
    kinds: Mapping[FactorName, frozenset[FactorKind]]
    randomness: Randomness

    def records(self, now: datetime) -> Iterator[AuditRecord]:
        """The half day before now, oldest first."""
        for visit in _VISITS:
            account = self.find(visit.login)
            if account is not None:
                yield from self._visit(visit, account, now - timedelta(minutes=visit.ago))

    def _visit(self, visit: _Visit, account: Account, at: datetime) -> Iterator[AuditRecord]:
        reference = new_reference(self.randomness)
        seen = Seen(
            ip_address(visit.address), ("127.0.0.1 peer, listed proxy", f"{visit.address} client")
        )
        request = AuthnRequest(self.service, Page.SIGN_IN, "", {})

        def line(
            event: AuditEvent,
            seconds: int,
            decided: tuple[Facts, Decided] | None = None,
            **detail: str | int | tuple[str, ...],
        ) -> AuditRecord:
            moment = at + timedelta(seconds=seconds)
            known = None if event is AuditEvent.SIGN_IN_BEGAN else account.user.id
            said = None if decided is None else to_record(self.policy, *decided)
            return AuditRecord(
                moment,
                event,
                reference,
                known,
                ServiceId(self.service.id),
                seen,
                detail=detail,
                decision=said,
            )

        def judged(verified: tuple[Verification, ...], seconds: int) -> tuple[Facts, Decided]:
            moment = at + timedelta(seconds=seconds)
            facts = facts_of(
                self.policy,
                account,
                request,
                seen,
                verified,
                kinds=self.kinds,
                country=None,
                began_at=at,
                at=moment,
            )
            return facts, decide(self.policy, facts)

        password = Verification(PASSWORD, PASSWORD_KINDS, (), at + timedelta(seconds=9))
        shown: tuple[Verification, ...] = (password,)
        first = judged(shown, 9)
        yield line(AuditEvent.SIGN_IN_BEGAN, 0)
        yield line(AuditEvent.PASSWORD_ACCEPTED, 9, first)
        seconds, last = 10, first
        if not isinstance(first[1].decision, Permit) and account.credentials.of(TOTP):
            for left, wrong in zip(range(4, 0, -1), visit.wrong, strict=False):
                seconds += 12
                yield line(
                    AuditEvent.FACTOR_REJECTED, seconds, None, factor=TOTP, left=left, **wrong
                )
            if visit.gave_up:
                yield line(
                    AuditEvent.SIGN_IN_REFUSED, seconds + 30, None, why=Refusal.CANCELLED.value
                )
                return
            seconds += 14
            moment = at + timedelta(seconds=seconds)
            code = Verification(TOTP, frozenset({FactorKind.POSSESSION}), (), moment)
            yield line(AuditEvent.FACTOR_ACCEPTED, seconds, None, factor=TOTP)
            shown = (password, code)
            last = judged(shown, seconds)
        match last[1].decision:
            case Permit(acr, because):
                yield line(
                    AuditEvent.ASSERTION_ISSUED,
                    seconds + 1,
                    last,
                    acr=acr,
                    amr=tuple(method for one in shown for method in one.amr),
                    rule=because.rule,
                    zone=because.zone,
                )
            case _:
                why = Refusal.NO_FACTOR_ENROLLED.value
                yield line(AuditEvent.SIGN_IN_REFUSED, seconds + 1, last, why=why)
