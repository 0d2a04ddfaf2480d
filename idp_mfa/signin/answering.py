"""What leaves: the answer of a finished sign-in, judged once more, and the end of a session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import assert_never

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.letters import Notice, NoticeKind
from idp_mfa.model import (
    PASSWORD,
    Account,
    AuthnResult,
    Refusal,
    Seen,
    ServiceId,
    Verification,
)
from idp_mfa.policy.assurance import amr_of, kinds_of
from idp_mfa.session import Session, counting
from idp_mfa.signin.choosing import worked_last
from idp_mfa.signin.flow import (
    Authenticated,
    AwaitChoice,
    AwaitEnrolment,
    AwaitIdentity,
    AwaitResponse,
    Refused,
    Rejudged,
    advance,
)
from idp_mfa.signin.moving import Moves
from idp_mfa.signin.outcomes import Absent, At, BrowserCookies, Finished, Gone, Unfinished
from idp_mfa.signin.parts import SignInParts
from idp_mfa.signin.recognition import Recognition
from idp_mfa.signin.transaction import Transaction
from idp_mfa.signin.transactions import Transactions

_JUST_SET_UP = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Answers:
    """No answer leaves without its record."""

    parts: SignInParts
    transactions: Transactions
    recognition: Recognition
    moves: Moves

    def finish(self, at: At, cookies: BrowserCookies, seen: Seen) -> Finished | Unfinished | Absent:
        """Judge once more with the address of this very request, put on record, hand out.

        Fetching again within the time that answers are kept gives the same answer, unless the
        session that it opened was ended since: log-out is for sure. The directory is asked unless
        this request has just done so.
        """
        found = at.transaction
        match found.state:
            case Refused() as refused:
                return Finished(refused, found, BrowserCookies())
            case AwaitIdentity() | AwaitChoice() | AwaitResponse() | AwaitEnrolment():
                return Unfinished(found)
            case Authenticated(user, verified):
                pass
            case never:
                assert_never(never)
        if found.session is not None and not self.parts.sessions.lives(found.session):
            self.transactions.forget(found.id)
            return Gone()
        account = at.account or self.recognition.account(user)
        verified = () if account is None else counting(verified, account)
        if account is None or not verified:
            self.parts.record(
                AuditEvent.SIGN_IN_REFUSED, found, seen, user.id, why=Refusal.ACCOUNT.value
            )
            return Finished(Refused(Refusal.ACCOUNT), found, BrowserCookies())
        judge = self.recognition.judge(found, account, seen)
        state = advance(found.state, Rejudged(), judge)
        if not isinstance(state, Authenticated):
            moved = self.moves.move(found, Rejudged(), account, seen)
            return Unfinished(moved.transaction)
        session, cookie = self.parts.sessions.establish(
            cookies.session, user, verified, shared_computer=found.shared_computer
        )
        last = None if found.shared_computer else worked_last(verified, found.began_at)
        device = self._device(found, account, cookies.device, verified, seen)
        if found.session != session.handle and not self.transactions.swap(
            found, replace(found, session=session.handle)
        ):
            return Unfinished(found)
        result = AuthnResult(
            account=account,
            acr=state.acr,
            amr=amr_of(verified),
            authn_instant=min(done.at for done in verified),
            session_index=self.parts.sessions.index(session, found.request.service.id),
            because=state.because,
            reference=found.reference,
        )
        self.parts.record(
            AuditEvent.ASSERTION_ISSUED,
            found,
            seen,
            user.id,
            acr=result.acr,
            amr=tuple(result.amr),
            rule=state.because.rule,
            zone=state.because.zone,
            decision=judge.for_record(),
        )
        return Finished(result, found, BrowserCookies(cookie, device, last))

    def ended(
        self, session: Session | None, service: ServiceId | None, seen: Seen
    ) -> Session | None:
        """Put on record that a session was killed, if there was one."""
        if session is not None:
            self.parts.audit.record(
                AuditRecord(
                    self.parts.clock(),
                    AuditEvent.SESSION_ENDED,
                    new_reference(self.parts.randomness),
                    session.user.id,
                    service,
                    seen,
                )
            )
        return session

    def _device(
        self,
        found: Transaction,
        account: Account,
        cookie: str | None,
        verified: tuple[Verification, ...],
        seen: Seen,
    ) -> str | None:
        """A browser becomes known by a factor shown in it, on a computer that is nobody else's.

        Its owner hears of it.
        """
        user = found.user
        shown_here = any(done.factor != PASSWORD and done.at >= found.began_at for done in verified)
        if (
            user is None
            or found.shared_computer
            or found.session is not None
            or not shown_here
            or len(kinds_of(verified)) < 2
            or self.parts.devices.known(user.id, cookie) is not None
        ):
            return None
        if not self._is_expected(account):
            self.parts.outbox.put(
                Notice(NoticeKind.NEW_DEVICE, user.id, self.parts.clock(), seen, found.reference)
            )
        return self.parts.devices.remember(user.id, cookie)

    def _is_expected(self, account: Account) -> bool:
        """The first browser of somebody who has just set up a factor is no news to them."""
        since = self.parts.clock() - _JUST_SET_UP
        return not self.parts.devices.of(account.user.id) and all(
            one.bound_at > since for one in account.credentials.active
        )
