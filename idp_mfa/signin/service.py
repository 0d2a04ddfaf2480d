"""Moves transactions: reads, judges, verifies and swaps; the flow itself stands in flow.py.

Each method is one request of one browser. Of two racing requests the store lets exactly one move
the transaction; the other sees where it stands now and loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.factor import (
    Accepted,
    Challenge,
    CredentialSpend,
    Factor,
    Rejected,
    Rejection,
    Response,
    Spend,
    StepSpend,
    step_key,
)
from idp_mfa.model import (
    PASSWORD,
    Account,
    AccountState,
    Amr,
    AuthnRequest,
    AuthnResult,
    Clock,
    FactorKind,
    FactorName,
    Randomness,
    Refusal,
    Seen,
    ServiceId,
    TransactionId,
    User,
    UserId,
    Verification,
)
from idp_mfa.policy.assurance import amr_of
from idp_mfa.policy.decide import decide
from idp_mfa.policy.facts import facts_of
from idp_mfa.policy.model import Decision, Deny, EnrolFirst, Permit, Policy, StepUp
from idp_mfa.ports import (
    AuditLog,
    Change,
    ChangeAnswer,
    CredentialStore,
    Directory,
    PasswordAnswer,
    StateStore,
    Throttled,
    Unavailable,
)
from idp_mfa.session import Session, Sessions, counting
from idp_mfa.signin.flow import (
    Abandoned,
    Authenticated,
    AwaitChoice,
    AwaitEnrolment,
    AwaitIdentity,
    AwaitResponse,
    Event,
    FactorChosen,
    FactorVerified,
    Identified,
    Judge,
    OutOfTurn,
    Refused,
    Rejudged,
    State,
    advance,
)
from idp_mfa.signin.outcomes import (
    Absent,
    Admitted,
    AnswerNotAccepted,
    At,
    Begun,
    Finished,
    Gone,
    OtherBrowser,
    PasswordNotAccepted,
    PasswordThrottled,
    Stale,
    Unfinished,
)
from idp_mfa.signin.transaction import Transaction
from idp_mfa.signin.transactions import SignInLimits, Transactions, browser_of
from idp_mfa.throttle import Throttle


@dataclass(frozen=True, slots=True)
class SignInParts:
    """What the sign-in works with; ``preference`` orders the factors that are asked first."""

    directory: Directory
    credentials: CredentialStore
    store: StateStore
    audit: AuditLog
    sessions: Sessions
    policy: Callable[[], Policy]
    factors: Mapping[FactorName, Factor]
    preference: tuple[FactorName, ...]
    throttle: Throttle
    clock: Clock
    randomness: Randomness
    limits: SignInLimits

    @property
    def kinds(self) -> Mapping[FactorName, frozenset[FactorKind]]:
        """What each installed factor can show at best."""
        return {name: factor.may_show for name, factor in self.factors.items()}


class SignIn:
    """The use case that every face calls: SAML, OIDC, the portal and the desk alike."""

    def __init__(self, parts: SignInParts) -> None:
        self._parts = parts
        self._transactions = Transactions(parts.store, parts.clock, parts.randomness, parts.limits)

    # -- beginning ---------------------------------------------------------------------------

    def begin(self, request: AuthnRequest, seen: Seen) -> Begun:
        """Store a request that a protocol face has checked."""
        begun = self._transactions.new(request)
        self._record(
            AuditEvent.SIGN_IN_BEGAN,
            begun.transaction,
            seen,
            page=request.page.value,
            asked=tuple(request.acr_values),
            force_authn=request.force_authn,
            is_passive=request.is_passive,
        )
        self._transactions.put(begun.transaction)
        return begun

    def begin_again(self, id: TransactionId, seen: Seen) -> Begun | Absent:
        """A sign-in of this browser's own for the same request: nothing else is taken over."""
        transaction = self._transactions.load(id)
        if transaction is None:
            return Gone()
        if transaction.finished:
            return OtherBrowser(id, transaction.request.service, answered=True)
        return self.begin(transaction.request, seen)

    # -- looking -----------------------------------------------------------------------------

    def look(self, id: TransactionId, binding: str | None) -> Transaction | Absent:
        """The transaction, if this browser is the one that it is bound to."""
        return self._transactions.look(id, binding)

    def arrive(
        self, id: TransactionId, binding: str | None, session_cookie: str | None, seen: Seen
    ) -> At | Absent:
        """The browser comes to its page: a live session may answer, a passive request must."""
        found = self.look(id, binding)
        if not isinstance(found, Transaction):
            return found
        if not isinstance(found.state, AwaitIdentity):
            return At(found)
        request = found.request
        at = At(found)
        recognised = None if request.force_authn else self._recognise(session_cookie)
        if recognised is not None:
            account, session = recognised
            self._record(AuditEvent.SESSION_RECOGNISED, found, seen, account.user.id)
            moved = self._identified(
                found,
                Identified(account.user, session.verified),
                account,
                seen,
                shared_computer=session.shared_computer,
            )
            if isinstance(moved, Stale):
                again = self.look(id, binding)
                return At(again) if isinstance(again, Transaction) else again
            at = moved
        if request.is_passive and not at.transaction.finished:
            ended = self._end(at.transaction, Refusal.INTERACTION_REQUIRED, seen)
            return At(ended, at.binding)
        return at

    # -- moving ------------------------------------------------------------------------------

    def identify(
        self,
        id: TransactionId,
        binding: str | None,
        version: int,
        *,
        login: str,
        password: bytes,
        seen: Seen,
        shared_computer: bool,
    ) -> At | Stale | PasswordNotAccepted | PasswordThrottled | Absent:
        """The password step: a try is spent on the stable id, then the directory is asked."""
        found = self.look(id, binding)
        if not isinstance(found, Transaction):
            return found
        if not isinstance(found.state, AwaitIdentity) or found.version != version:
            return Stale(found)
        parts = self._parts
        account = parts.directory.find(login)
        user_id = None if account is None else account.user.id
        reservation = parts.store.reserve(parts.throttle.password(id, user_id, login))
        if isinstance(reservation, Throttled):
            self._record(AuditEvent.LIMIT_REACHED, found, seen, user_id, factor=PASSWORD)
            return PasswordThrottled(found, reservation.until - parts.clock())
        try:
            answer = parts.directory.authenticate(account, password)
        except Unavailable:
            # Nothing was learnt by this try: an outage must not lock people out afterwards.
            parts.store.refund(reservation)
            raise
        if (
            account is None
            or answer is not PasswordAnswer.RIGHT
            or account.standing.state is not AccountState.ACTIVE
        ):
            why = "account" if answer is PasswordAnswer.RIGHT else answer.value
            self._record(AuditEvent.PASSWORD_REJECTED, found, seen, user_id, why=why)
            return PasswordNotAccepted(found)
        parts.store.refund(reservation)
        done = Verification(
            PASSWORD, frozenset({FactorKind.KNOWLEDGE}), (Amr("pwd"),), parts.clock()
        )
        self._record(AuditEvent.PASSWORD_ACCEPTED, found, seen, user_id)
        return self._identified(
            found,
            Identified(account.user, (done,)),
            account,
            seen,
            shared_computer=shared_computer,
        )

    def choose(
        self, id: TransactionId, binding: str | None, version: int, factor: FactorName, seen: Seen
    ) -> At | Stale | Absent:
        """Ask another of the offered factors."""
        found = self.look(id, binding)
        if not isinstance(found, Transaction):
            return found
        choice = choice_of(found)
        if choice is None or found.version != version or factor not in choice.offered:
            return Stale(found)
        account = self._account(choice.user)
        if account is None:
            return At(self._end(found, Refusal.ACCOUNT, seen))
        self._record(AuditEvent.FACTOR_CHOSEN, found, seen, choice.user.id, factor=factor)
        return self._move(found, FactorChosen(self._ask(factor, account)), account, seen)

    def respond(
        self, id: TransactionId, binding: str | None, version: int, response: Response, seen: Seen
    ) -> At | Stale | AnswerNotAccepted | Absent:
        """The factor step: spend a try, ask the factor, let the store close the race, move."""
        found = self.look(id, binding)
        if not isinstance(found, Transaction):
            return found
        state = found.state
        if not isinstance(state, AwaitResponse) or found.version != version:
            return Stale(found)
        parts, user, factor = self._parts, state.choice.user, state.challenge.factor
        account = self._account(user)
        if account is None:
            return At(self._end(found, Refusal.ACCOUNT, seen))
        reservation = parts.store.reserve(parts.throttle.second_factor(id, user.id))
        if isinstance(reservation, Throttled):
            self._record(AuditEvent.LIMIT_REACHED, found, seen, user.id, factor=factor)
            return At(self._end(found, Refusal.LOCKED, seen))
        answer = parts.factors[factor].verify(
            state.challenge, response, account.credentials.of(factor), parts.clock()
        )
        if isinstance(answer, Accepted) and not self._spent(account, answer.spend):
            answer = Rejected(Rejection.ALREADY_USED, answer.retry_in)
        if isinstance(answer, Rejected):
            self._record(
                AuditEvent.FACTOR_REJECTED,
                found,
                seen,
                user.id,
                factor=factor,
                why=answer.why.value,
                left=reservation.left,
            )
            if reservation.left == 0:
                return At(self._end(found, Refusal.LOCKED, seen))
            return AnswerNotAccepted(found, answer, reservation.left)
        parts.store.refund(reservation)
        if not counting(state.choice.verified, account):
            return At(self._end(found, Refusal.ACCOUNT, seen))
        self._record(
            AuditEvent.FACTOR_ACCEPTED,
            found,
            seen,
            user.id,
            factor=factor,
            credential=answer.verification.credential_id,
        )
        return self._move(found, FactorVerified(answer.verification), account, seen)

    def cancel(self, id: TransactionId, binding: str | None, seen: Seen) -> At | Absent:
        """The user goes back to the service without signing in."""
        found = self.look(id, binding)
        if not isinstance(found, Transaction):
            return found
        return At(self._end(found, Refusal.CANCELLED, seen))

    # -- answering ---------------------------------------------------------------------------

    def finish(
        self, id: TransactionId, binding: str | None, session_cookie: str | None, seen: Seen
    ) -> Finished | Unfinished | Absent:
        """Judge once more with the address of this very request, put on record, hand out.

        Fetching again within the time that answers are kept gives the same answer, unless the
        session that it opened was ended since: log-out is for sure.
        """
        found = self.look(id, binding)
        if not isinstance(found, Transaction):
            return found
        match found.state:
            case Refused() as refused:
                return Finished(refused, found, None)
            case AwaitIdentity() | AwaitChoice() | AwaitResponse() | AwaitEnrolment():
                return Unfinished(found)
            case Authenticated(user, verified):
                pass
            case never:
                assert_never(never)
        if found.session is not None and not self._parts.sessions.lives(found.session):
            self._transactions.forget(id)
            return Gone()
        account = self._account(user)
        verified = () if account is None else counting(verified, account)
        if account is None or not verified:
            self._record(
                AuditEvent.SIGN_IN_REFUSED, found, seen, user.id, why=Refusal.ACCOUNT.value
            )
            return Finished(Refused(Refusal.ACCOUNT), found, None)
        state = advance(found.state, Rejudged(), self._judge(found, account, seen))
        if not isinstance(state, Authenticated):
            moved = self._move(found, Rejudged(), account, seen)
            return Unfinished(moved.transaction)
        session, cookie = self._parts.sessions.establish(
            session_cookie, user, verified, shared_computer=found.shared_computer
        )
        if found.session != session.handle and not self._transactions.swap(
            found, replace(found, session=session.handle)
        ):
            return Unfinished(found)
        result = AuthnResult(
            account=account,
            acr=state.acr,
            amr=amr_of(verified),
            authn_instant=min(done.at for done in verified),
            session_index=self._parts.sessions.index(session, found.request.service.id),
            because=state.because,
            reference=found.reference,
        )
        self._record(
            AuditEvent.ASSERTION_ISSUED,
            found,
            seen,
            user.id,
            acr=result.acr,
            amr=tuple(result.amr),
            rule=state.because.rule,
            zone=state.because.zone,
        )
        return Finished(result, found, cookie)

    def log_out(self, session_cookie: str | None, seen: Seen) -> Session | None:
        """End the session of this browser, on every node at once."""
        return self._ended(self._parts.sessions.end(session_cookie), None, seen)

    def log_out_by_index(
        self, session_index: str, service: ServiceId, seen: Seen
    ) -> Session | None:
        """End the session that a service names in a signed request."""
        return self._ended(self._parts.sessions.end_by_index(session_index), service, seen)

    # -- pages of our own --------------------------------------------------------------------

    def admit(
        self, request: AuthnRequest, session_cookie: str | None, seen: Seen
    ) -> Admitted | Deny | None:
        """Judge a page of our own with the address of its own request.

        None: somebody has to sign in, or to show more, before it can be opened.
        """
        recognised = self._recognise(session_cookie)
        if recognised is None:
            return None
        account, session = recognised
        now = self._parts.clock()
        policy = self._parts.policy()
        facts = facts_of(
            policy,
            account,
            request,
            seen,
            session.verified,
            kinds=self._parts.kinds,
            began_at=now,
            at=now,
        )
        decision = decide(policy, facts).decision
        match decision:
            case Permit():
                return Admitted(account, session, policy.zones.get(facts.zone))
            case Deny():
                return decision
            case StepUp() | EnrolFirst():
                return None
            case never:
                assert_never(never)

    # -- inside ------------------------------------------------------------------------------

    def _recognise(self, session_cookie: str | None) -> tuple[Account, Session] | None:
        session = self._parts.sessions.open(session_cookie)
        if session is None:
            return None
        account = self._account(session.user)
        verified = () if account is None else counting(session.verified, account)
        if account is None or not verified:
            self._parts.sessions.end(session_cookie)
            return None
        return account, replace(session, verified=verified)

    def _ended(
        self, session: Session | None, service: ServiceId | None, seen: Seen
    ) -> Session | None:
        if session is not None:
            self._parts.audit.record(
                AuditRecord(
                    self._parts.clock(),
                    AuditEvent.SESSION_ENDED,
                    new_reference(self._parts.randomness),
                    session.user.id,
                    service,
                    seen,
                )
            )
        return session

    def _account(self, user: User) -> Account | None:
        account = self._parts.directory.read(user.id)
        if account is None or account.standing.state is not AccountState.ACTIVE:
            return None
        return account

    def _judge(self, transaction: Transaction, account: Account, seen: Seen) -> Judge:
        policy, at = self._parts.policy(), self._parts.clock()

        def judge(user: User, verified: tuple[Verification, ...]) -> Decision:
            if user.id != account.user.id:
                raise ValueError("a transaction's user is write-once")
            facts = facts_of(
                policy,
                account,
                transaction.request,
                seen,
                counting(verified, account),
                kinds=self._parts.kinds,
                began_at=transaction.began_at,
                at=at,
            )
            return decide(policy, facts).decision

        return judge

    def _identified(
        self,
        before: Transaction,
        event: Identified,
        account: Account,
        seen: Seen,
        *,
        shared_computer: bool,
    ) -> At | Stale:
        # A new binding, so that whoever knew the old one is left with nothing.
        binding = self._transactions.new_binding()
        draft = replace(before, shared_computer=shared_computer, browser=browser_of(binding))
        moved = self._move(before, event, account, seen, draft)
        return At(moved.transaction, binding) if isinstance(moved, At) else moved

    def _move(
        self,
        before: Transaction,
        event: Event,
        account: Account,
        seen: Seen,
        draft: Transaction | None = None,
    ) -> At | Stale:
        judge = self._judge(before, account, seen)
        state = advance(before.state, event, judge)
        if isinstance(state, OutOfTurn):
            return Stale(before)
        state = self._first_question(state, account, judge)
        after = self._transactions.swap(before, replace(draft or before, state=state))
        if after is None:
            return Stale(self._transactions.load(before.id) or before)
        if isinstance(state, Refused):
            self._record(
                AuditEvent.SIGN_IN_REFUSED,
                after,
                seen,
                account.user.id,
                why=state.why.value,
                rule=None if state.because is None else state.because.rule,
            )
        return At(after)

    def _first_question(self, state: State, account: Account, judge: Judge) -> State:
        # The preferred factor is asked at once; the others stay one step away.
        if not isinstance(state, AwaitChoice):
            return state
        order = {name: place for place, name in enumerate(self._parts.preference)}
        factor = min(state.offered, key=lambda name: (order.get(name, len(order)), name))
        asked = advance(state, FactorChosen(self._ask(factor, account)), judge)
        return state if isinstance(asked, OutOfTurn) else asked

    def _ask(self, factor: FactorName, account: Account) -> Challenge:
        return self._parts.factors[factor].challenge(
            account.credentials.of(factor), self._parts.randomness
        )

    def _end(self, before: Transaction, why: Refusal, seen: Seen) -> Transaction:
        state = advance(before.state, Abandoned(why), _never_asked)
        if isinstance(state, OutOfTurn):
            return before
        after = self._transactions.swap(before, replace(before, state=state))
        if after is None:
            return self._transactions.load(before.id) or before
        user = before.user
        self._record(
            AuditEvent.SIGN_IN_REFUSED,
            after,
            seen,
            None if user is None else user.id,
            why=why.value,
        )
        return after

    def _spent(self, account: Account, spend: Spend) -> bool:
        match spend:
            case None:
                return True
            case StepSpend(credential_id, number, remembered):
                return self._parts.store.raise_to(
                    step_key(account.user.id, credential_id), number, remembered
                )
            case CredentialSpend(old, new):
                answer = self._parts.credentials.change(
                    account.user.id, account.credentials, (Change(old, new),)
                )
                return answer is ChangeAnswer.DONE
            case never:
                assert_never(never)

    def _record(
        self,
        event: AuditEvent,
        transaction: Transaction,
        seen: Seen,
        user: UserId | None = None,
        **detail: str | int | bool | tuple[str, ...] | None,
    ) -> None:
        self._parts.audit.record(
            AuditRecord(
                self._parts.clock(),
                event,
                transaction.reference,
                user,
                transaction.request.service.id,
                seen,
                detail=detail,
            )
        )


def choice_of(transaction: Transaction) -> AwaitChoice | None:
    """The open choice of a transaction, asked or not yet asked."""
    match transaction.state:
        case AwaitChoice() as choice:
            return choice
        case AwaitResponse(choice, _):
            return choice
        case _:
            return None


def _never_asked(user: User, verified: tuple[Verification, ...]) -> Decision:
    raise ValueError(f"ending a sign-in asks no decision: {user.id}, {len(verified)}")
