"""Who somebody is now, and what the policy says: read and judged anew for each request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, assert_never

from idp_mfa.model import Account, AccountState, AuthnRequest, Reference, Seen, User, Verification
from idp_mfa.policy.decide import decide
from idp_mfa.policy.facts import facts_of
from idp_mfa.policy.model import (
    Decided,
    Decision,
    Deny,
    EnrolFirst,
    Facts,
    Permit,
    Policy,
    StepUp,
    ZoneName,
)
from idp_mfa.policy.record import to_record
from idp_mfa.policy.ways import with_ways
from idp_mfa.session import Session, counting
from idp_mfa.signin.outcomes import Admitted
from idp_mfa.signin.parts import SignInParts
from idp_mfa.signin.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Recognised:
    """A live session, with what of it still counts."""

    account: Account
    session: Session


@dataclass(frozen=True, slots=True)
class Judgement:
    """A decision, and what it was made from."""

    policy: Policy
    facts: Facts
    decided: Decided

    @property
    def decision(self) -> Decision:
        """What is to be done now."""
        return self.decided.decision


Ask = Callable[[tuple[Verification, ...]], Judgement]


class RequestJudge:
    """The policy's ``Judge`` in one request; what it said last is there for the record."""

    def __init__(self, account: Account, ask: Ask) -> None:
        self._account = account
        self._ask = ask
        self._said: Judgement | None = None

    def __call__(self, user: User, verified: tuple[Verification, ...]) -> Decision:
        """Judge with what of it still counts."""
        if user.id != self._account.user.id:
            raise ValueError("a transaction's user is write-once")
        self._said = self._ask(counting(verified, self._account))
        return self._said.decision

    def for_record(self) -> dict[str, Any] | None:
        """What it said last, and why; None if nothing was asked."""
        said = self._said
        return None if said is None else to_record(said.policy, said.facts, said.decided)


@dataclass(frozen=True, slots=True)
class Recognition:
    """Reads accounts and sessions, and asks the policy."""

    parts: SignInParts

    def account(self, user: User) -> Account | None:
        """The account as it stands, if it may be used."""
        account = self.parts.directory.read(user.id)
        if account is None or account.standing.state is not AccountState.ACTIVE:
            return None
        return account

    def session(self, cookie: str | None) -> Recognised | None:
        """The live session of a cookie; one on which nothing stands any more is ended."""
        session = self.parts.sessions.open(cookie)
        if session is None:
            return None
        account = self.account(session.user)
        verified = () if account is None else counting(session.verified, account)
        if account is None or not verified:
            self.parts.sessions.end(cookie)
            return None
        return Recognised(account, replace(session, verified=verified))

    def judge(self, transaction: Transaction, account: Account, seen: Seen) -> RequestJudge:
        """The policy's judge of one transaction, with the facts of this very request."""
        began_at, reference = transaction.began_at, transaction.reference
        ask = self._asked(transaction.request, account, seen, began_at, reference)
        return RequestJudge(account, ask)

    def admit(
        self, request: AuthnRequest, session_cookie: str | None, seen: Seen
    ) -> Admitted | Deny | None:
        """Judge a page of our own with the address of its own request.

        None: somebody has to sign in, or to show more, before it can be opened.
        """
        recognised = self.session(session_cookie)
        if recognised is None:
            return None
        account, session = recognised.account, recognised.session
        decision = self.decided(request, account, session.verified, seen)
        match decision:
            case Permit(_, because):
                zones = self.parts.policy().zones
                zone = zones.get(ZoneName(because.zone))
                return Admitted(account, session, zone, because)
            case Deny():
                return decision
            case StepUp() | EnrolFirst():
                return None
            case never:
                assert_never(never)

    def decided(
        self,
        request: AuthnRequest,
        account: Account,
        verified: tuple[Verification, ...],
        seen: Seen,
    ) -> Decision:
        """What the policy says of a page of our own, if so much is verified."""
        return self._asked(request, account, seen, self.parts.clock(), None)(verified).decision

    def _asked(
        self,
        request: AuthnRequest,
        account: Account,
        seen: Seen,
        began_at: datetime,
        reference: Reference | None,
    ) -> Ask:
        parts = self.parts
        policy, at = parts.policy(), parts.clock()
        country = None if seen.address is None else parts.country_of(seen.address)

        def ask(verified: tuple[Verification, ...]) -> Judgement:
            facts = facts_of(
                policy,
                account,
                request,
                seen,
                verified,
                kinds=parts.kinds,
                country=country,
                began_at=began_at,
                at=at,
                counts=parts.counts,
                alone=parts.alone,
            )
            decided = decide(policy, facts)
            parts.beside.compare(decided.decision, facts, seen, reference)
            decision = with_ways(policy, facts, decided.decision, parts.kinds)
            return Judgement(policy, facts, replace(decided, decision=decision))

        return ask
