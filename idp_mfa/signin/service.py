"""Moves transactions: reads, judges, verifies and swaps; the flow itself stands in flow.py.

Each method is one request of one browser. Of two racing requests the store lets exactly one move
the transaction; the other sees where it stands now and loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from idp_mfa.audit import AuditEvent
from idp_mfa.diagnosis import ClockOff, word_of
from idp_mfa.factor import Accepted, Challenge, CounterSpend, Rejected, Rejection, Response
from idp_mfa.model import (
    PASSWORD,
    AccountState,
    Amr,
    AuthnRequest,
    FactorKind,
    FactorName,
    Refusal,
    Seen,
    ServiceId,
    TransactionId,
    User,
    Verification,
)
from idp_mfa.policy.model import Deny
from idp_mfa.ports import PasswordAnswer, Throttled, Unavailable
from idp_mfa.session import Session, answers_for, carried, counting
from idp_mfa.signin.answering import Answers
from idp_mfa.signin.doctor import Doctor
from idp_mfa.signin.flow import (
    AwaitChoice,
    AwaitEnrolment,
    AwaitIdentity,
    AwaitResponse,
    FactorChosen,
    FactorVerified,
    Identified,
)
from idp_mfa.signin.moving import Moves
from idp_mfa.signin.outcomes import (
    Absent,
    Admitted,
    AnswerNotAccepted,
    AnswerThrottled,
    At,
    Begun,
    BrowserCookies,
    Finished,
    Gone,
    OtherBrowser,
    PageDenied,
    PasskeyNotAccepted,
    PasswordNotAccepted,
    PasswordThrottled,
    SetAside,
    Stale,
    Typed,
    Unfinished,
)
from idp_mfa.signin.parts import SignInParts
from idp_mfa.signin.recognition import Recognition
from idp_mfa.signin.transaction import Transaction
from idp_mfa.signin.transactions import Transactions
from idp_mfa.signin.tries import Tries
from idp_mfa.signin.waiting import Waiting
from idp_mfa.signin.without_name import WithoutName


class SignIn:
    """The use case that every face calls: SAML, OIDC, the portal and the desk alike."""

    def __init__(self, parts: SignInParts) -> None:
        self._parts = parts
        self._recognition = Recognition(parts)
        self._tries = Tries(parts)
        self._doctor = Doctor(parts)
        self._transactions = Transactions(parts.store, parts.clock, parts.randomness, parts.limits)
        self._moves = Moves(parts, self._transactions, self._recognition)
        self._answers = Answers(parts, self._transactions, self._recognition, self._moves)
        self._without_name = (
            None if parts.nameless is None else WithoutName(parts, parts.nameless, self._moves)
        )
        self._waiting = Waiting(parts, self._transactions, self._recognition, self._moves)

    # -- beginning ---------------------------------------------------------------------------

    def begin(self, request: AuthnRequest, seen: Seen) -> Begun | Throttled:
        """Store a request that a protocol face has checked."""
        throttled = self._tries.new_sign_in(request, seen)
        if throttled is not None:
            return throttled
        begun = self._transactions.new(request)
        self._parts.record(
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

    def begin_again(self, id: TransactionId, seen: Seen) -> Begun | Throttled | Absent:
        """A sign-in of this browser's own for the same request: nothing else is taken over."""
        transaction = self._transactions.load(id)
        if transaction is None:
            return Gone()
        if transaction.answered:
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
        if isinstance(found.state, AwaitEnrolment):
            resumed = self._waiting.resumed(found, found.state, session_cookie, seen)
            return At(resumed.transaction)
        choice = choice_of(found)
        if choice is not None:
            return At(self._waiting.proved(found, choice, session_cookie, seen).transaction)
        if not isinstance(found.state, AwaitIdentity):
            return At(found)
        request = found.request
        at = At(found)
        recognised = self._recognition.session(session_cookie)
        if recognised is not None and (
            request.force_authn
            or not answers_for(recognised.session.verified, request.fresh_after(found.began_at))
        ):
            at = At(found, login=recognised.account.user.login)
        elif recognised is not None:
            account, session = recognised.account, recognised.session
            moved = self._moves.identified(
                found,
                Identified(account.user, carried(session.verified, request.page)),
                account,
                seen,
                proof=AuditEvent.SESSION_RECOGNISED,
                shared_computer=session.shared_computer,
            )
            if isinstance(moved, Stale):
                again = self.look(id, binding)
                return At(again) if isinstance(again, Transaction) else again
            at = moved
        if request.is_passive and not at.transaction.finished:
            ended = self._moves.end(at.transaction, Refusal.INTERACTION_REQUIRED, seen)
            return At(ended, at.binding)
        return at

    # -- moving ------------------------------------------------------------------------------

    def identify(
        self,
        id: TransactionId,
        binding: str | None,
        version: int,
        *,
        typed: Typed,
        device_cookie: str | None,
        seen: Seen,
    ) -> At | Stale | PasswordNotAccepted | PasswordThrottled | Absent:
        """The password step: a try is spent on the stable id, then the directory is asked."""
        found = self.look(id, binding)
        if not isinstance(found, Transaction):
            return found
        if not isinstance(found.state, AwaitIdentity) or found.version != version:
            return Stale(found)
        parts, tries = self._parts, self._tries
        account = parts.directory.find(typed.login)
        user_id = None if account is None else account.user.id
        standpoint = tries.standpoint(user_id, device_cookie, seen)
        taken = tries.password(found, user_id, typed.login, standpoint)
        if isinstance(taken, Throttled):
            parts.record(AuditEvent.LIMIT_REACHED, found, seen, user_id, of=PASSWORD)
            return PasswordThrottled(found, taken.until - parts.clock())
        try:
            answer = parts.directory.authenticate(account, typed.password)
        except Unavailable:
            # Nothing was learnt by this try: an outage must not lock people out afterwards.
            parts.store.refund(taken.taken)
            raise
        if (
            account is None
            or answer is not PasswordAnswer.RIGHT
            or account.standing.state is not AccountState.ACTIVE
        ):
            why = "account" if answer is PasswordAnswer.RIGHT else answer.value
            parts.record(AuditEvent.PASSWORD_REJECTED, found, seen, user_id, why=why)
            wait = tries.password_wrong(found, taken)
            if wait is not None:
                return PasswordThrottled(found, wait.until - parts.clock())
            return PasswordNotAccepted(found)
        tries.password_right(taken)
        done = Verification(
            PASSWORD, frozenset({FactorKind.KNOWLEDGE}), (Amr("pwd"),), parts.clock()
        )
        return self._moves.identified(
            found,
            Identified(account.user, (done,)),
            account,
            seen,
            proof=AuditEvent.PASSWORD_ACCEPTED,
            shared_computer=typed.shared_computer,
        )

    @property
    def takes_passkeys(self) -> bool:
        """Whether a passkey may stand for name and password."""
        return self._without_name is not None

    def ask_passkey(self, id: TransactionId, binding: str | None) -> Challenge | None:
        """The question for a passkey without a name; None if it cannot be asked here and now."""
        found = self.look(id, binding)
        if self._without_name is None or not isinstance(found, Transaction):
            return None
        return self._without_name.ask(found)

    def identify_by_passkey(
        self,
        id: TransactionId,
        binding: str | None,
        response: Response,
        seen: Seen,
        *,
        shared_computer: bool,
    ) -> At | Stale | PasskeyNotAccepted | Absent:
        """The first step without a name: who it is, by what they hold and are."""
        found = self.look(id, binding)
        if not isinstance(found, Transaction):
            return found
        if self._without_name is None:
            return Stale(found)
        return self._without_name.answer(found, response, seen, shared_computer=shared_computer)

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
        account = self._recognition.account(choice.user)
        if account is None:
            return At(self._moves.end(found, Refusal.ACCOUNT, seen))
        self._parts.record(AuditEvent.FACTOR_CHOSEN, found, seen, choice.user.id, factor=factor)
        return self._moves.move(
            found, FactorChosen(self._moves.ask(factor, account)), account, seen
        )

    def respond(
        self,
        id: TransactionId,
        binding: str | None,
        version: int,
        *,
        response: Response,
        device_cookie: str | None,
        seen: Seen,
    ) -> At | Stale | AnswerNotAccepted | AnswerThrottled | Absent:
        """The factor step: spend a try, ask the factor, let the store close the race, move."""
        found = self.look(id, binding)
        if not isinstance(found, Transaction):
            return found
        state = found.state
        if not isinstance(state, AwaitResponse) or found.version != version:
            return Stale(found)
        parts, tries = self._parts, self._tries
        user, factor = state.choice.user, state.challenge.factor
        # Before a try is taken: a directory that does not answer costs nobody one.
        account = self._recognition.account(user)
        if account is None:
            return At(self._moves.end(found, Refusal.ACCOUNT, seen))
        taken = tries.factor(found, user.id, factor, tries.standpoint(user.id, device_cookie, seen))
        if isinstance(taken, Throttled):
            parts.record(AuditEvent.LIMIT_REACHED, found, seen, user.id, of=factor)
            if tries.factor_shut(taken, found, account, factor) or tries.ends_the_sign_in(
                taken, found
            ):
                return At(self._moves.end(found, Refusal.LOCKED, seen))
            return AnswerThrottled(found, taken.until - parts.clock())
        if state.challenge.kept:
            anew = self._moves.ask_anew(found, state, account)
            if isinstance(anew, Stale):
                parts.store.refund(taken.taken)
                return anew
            found = anew.transaction
        answer = parts.factors[factor].verify(
            state.challenge, response, parts.usable(account, factor, seen), parts.clock()
        )
        if isinstance(answer, Accepted) and not self._moves.spent(found, account, answer, seen):
            copied = isinstance(answer.spend, CounterSpend)
            why = Rejection.COPIED if copied else Rejection.ALREADY_USED
            answer = Rejected(why, answer.retry_in)
        if isinstance(answer, Rejected) and answer.why is Rejection.ALREADY_USED:
            moved = self._transactions.load(id)
            if moved is not None and moved.version != found.version:
                # A double click: its first press is what used the code.
                return Stale(moved)
        if isinstance(answer, Rejected):
            told = self._doctor.examine(found, account, response, answer, seen)
            parts.record(
                AuditEvent.FACTOR_REJECTED,
                found,
                seen,
                user.id,
                factor=factor,
                why=answer.why.value,
                detail=answer.detail or None,
                diagnosis=None if told is None else word_of(told),
                ahead_seconds=int(told.ahead.total_seconds())
                if isinstance(told, ClockOff)
                else None,
                left=taken.left,
            )
            tries.factor_wrong(found, taken, seen)
            # A used code ends nothing: the press that used it may be about to move the sign-in.
            if taken.left == 0 and answer.why is not Rejection.ALREADY_USED:
                return At(self._moves.end(found, Refusal.LOCKED, seen))
            return AnswerNotAccepted(found, answer, taken.left, told)
        tries.factor_right(taken)
        self._moves.note(account, answer)
        if not counting(state.choice.verified, account):
            return At(self._moves.end(found, Refusal.ACCOUNT, seen))
        parts.record(
            AuditEvent.FACTOR_ACCEPTED,
            found,
            seen,
            user.id,
            factor=factor,
            credential=answer.verification.credential_id,
        )
        return self._moves.move(found, FactorVerified(answer.verification), account, seen)

    def cancel(self, id: TransactionId, binding: str | None, seen: Seen) -> At | Absent:
        """The user goes back to the service without signing in."""
        found = self.look(id, binding)
        if not isinstance(found, Transaction):
            return found
        return At(self._moves.end(found, Refusal.CANCELLED, seen))

    # -- going to set something up, and coming back ------------------------------------------

    def set_aside(
        self,
        id: TransactionId,
        binding: str | None,
        page: AuthnRequest,
        cookies: BrowserCookies,
        seen: Seen,
    ) -> SetAside | PageDenied | At | Stale | Absent:
        """Go from an open sign-in to a page of ours; what was shown in it counts there."""
        found = self.look(id, binding)
        if not isinstance(found, Transaction):
            return found
        return self._waiting.set_aside(found, page, cookies, seen)

    def waiting(self, user: User, bindings: Mapping[TransactionId, str]) -> tuple[Transaction, ...]:
        """The open sign-ins of one person in one browser, by its binding cookies."""
        return self._waiting.waiting(user, bindings)

    # -- answering and leaving ---------------------------------------------------------------

    def finish(self, at: At, cookies: BrowserCookies, seen: Seen) -> Finished | Unfinished | Absent:
        """The answer, judged once more and on record, for the face that asked.

        Where the transaction stands must have been looked at, or moved, in this very request.
        """
        return self._answers.finish(at, cookies, seen)

    def log_out(self, session_cookie: str | None, seen: Seen) -> Session | None:
        """End the session of this browser, on every node at once."""
        return self._answers.ended(self._parts.sessions.end(session_cookie), None, seen)

    def log_out_by_index(
        self, session_index: str, service: ServiceId, seen: Seen
    ) -> Session | None:
        """End the session that a service names in a signed request."""
        ended = self._parts.sessions.end_by_index(session_index)
        return self._answers.ended(ended, service, seen)

    def admit(
        self, request: AuthnRequest, session_cookie: str | None, seen: Seen
    ) -> Admitted | Deny | None:
        """Judge a page of our own with the address of its own request.

        None: somebody has to sign in, or to show more, before it can be opened.
        """
        return self._recognition.admit(request, session_cookie, seen)


def choice_of(transaction: Transaction) -> AwaitChoice | None:
    """The open choice of a transaction, asked or not yet asked."""
    match transaction.state:
        case AwaitChoice() as choice:
            return choice
        case AwaitResponse(choice, _):
            return choice
        case _:
            return None
