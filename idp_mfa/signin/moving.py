"""Moving a transaction from state to state: judge, ask the first question, swap, record."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import assert_never

from idp_mfa.audit import AuditEvent
from idp_mfa.factor import (
    Accepted,
    Challenge,
    CounterSpend,
    CredentialSpend,
    Finite,
    StepSpend,
    step_key,
    use_key,
)
from idp_mfa.letters import Awaited, LetterId, Notice, NoticeKind
from idp_mfa.model import (
    Account,
    AuthnRequest,
    Credential,
    FactorName,
    Refusal,
    Seen,
    User,
    Verification,
)
from idp_mfa.policy.model import Decision
from idp_mfa.ports import Change, ChangeAnswer
from idp_mfa.signin.choosing import first_of
from idp_mfa.signin.flow import (
    Abandoned,
    AwaitChoice,
    AwaitResponse,
    Event,
    FactorChosen,
    Identified,
    Judge,
    OutOfTurn,
    Refused,
    State,
    advance,
)
from idp_mfa.signin.outcomes import At, Stale
from idp_mfa.signin.parts import SignInParts
from idp_mfa.signin.recognition import Recognition
from idp_mfa.signin.transaction import Transaction
from idp_mfa.signin.transactions import Transactions, browser_of

_USE_REMEMBERED = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Moves:
    """Of two racing moves the store lets exactly one happen."""

    parts: SignInParts
    transactions: Transactions
    recognition: Recognition

    def move(
        self,
        before: Transaction,
        event: Event,
        account: Account,
        seen: Seen,
        draft: Transaction | None = None,
        *,
        proof: AuditEvent | None = None,
    ) -> At | Stale:
        """Judge, ask the first question, swap; what now stands, or that somebody was first.

        ``proof`` is put on record with the decision that follows from it.
        """
        judge = self.recognition.judge(before, account, seen)
        state = advance(before.state, event, judge)
        if isinstance(state, OutOfTurn):
            return Stale(before)
        if proof is not None:
            decision = judge.for_record()
            self.parts.record(proof, before, seen, account.user.id, decision=decision)
        state = self._first_question(state, account, judge, before.request, seen)
        if state == before.state and draft is None:
            return At(before)
        after = self.transactions.swap(before, replace(draft or before, state=state))
        if after is None:
            return Stale(self.transactions.load(before.id) or before)
        if isinstance(state, Refused):
            self.parts.record(
                AuditEvent.SIGN_IN_REFUSED,
                after,
                seen,
                account.user.id,
                why=state.why.value,
                rule=None if state.because is None else state.because.rule,
                decision=judge.for_record() if proof is None else None,
            )
        return At(after, account=account)

    def identified(
        self,
        before: Transaction,
        event: Identified,
        account: Account,
        seen: Seen,
        *,
        proof: AuditEvent,
        shared_computer: bool,
    ) -> At | Stale:
        """It is known who this is: whoever knew the binding until now is left with nothing."""
        binding = self.transactions.new_binding()
        draft = replace(before, shared_computer=shared_computer, browser=browser_of(binding))
        moved = self.move(before, event, account, seen, draft, proof=proof)
        return replace(moved, binding=binding) if isinstance(moved, At) else moved

    def end(self, before: Transaction, why: Refusal, seen: Seen) -> Transaction:
        """End it without an assertion; one that is finished stays as it is."""
        state = advance(before.state, Abandoned(why), _never_asked)
        if isinstance(state, OutOfTurn):
            return before
        after = self.transactions.swap(before, replace(before, state=state))
        if after is None:
            return self.transactions.load(before.id) or before
        user = before.user
        self.parts.record(
            AuditEvent.SIGN_IN_REFUSED,
            after,
            seen,
            None if user is None else user.id,
            why=why.value,
        )
        return after

    def ask(self, factor: FactorName, account: Account) -> Challenge:
        """The question of one factor."""
        asked = self.parts.factors[factor].challenge(
            account.credentials.of(factor), self.parts.randomness
        )
        return replace(asked, asked_at=self.parts.clock())

    def ask_anew(self, before: Transaction, asked: AwaitResponse, account: Account) -> At | Stale:
        """The next question in place of one that is being answered: that one is spent.

        Of many answers to it, in many tabs and at once, exactly one goes on.
        """
        challenge = self.ask(asked.challenge.factor, account)
        after = self.transactions.swap(
            before, replace(before, state=replace(asked, challenge=challenge))
        )
        return Stale(self.transactions.load(before.id) or before) if after is None else At(after)

    def spent(self, found: Transaction, account: Account, accepted: Accepted, seen: Seen) -> bool:
        """Whether a right answer could be used up: the store or the directory closes the race."""
        match accepted.spend:
            case None:
                return True
            case StepSpend(credential_id, number, remembered, length):
                return self.parts.store.raise_to(
                    step_key(account.user.id, credential_id), number, remembered, step=length
                )
            case CounterSpend(credential_id, 0, _):
                counted = self.parts.store.get(step_key(account.user.id, credential_id))
                return counted is None or int(counted) == 0
            case CounterSpend(credential_id, number, remembered):
                return self.parts.store.raise_to(
                    step_key(account.user.id, credential_id), number, remembered
                )
            case CredentialSpend(old, new):
                told = self._notice_of_use(found, account, old, new, seen)
                answer = self.parts.credentials.change(
                    account.user.id, account.credentials, (Change(old, new),)
                )
                self._settle(told, answer)
                return answer is ChangeAnswer.DONE
            case never:
                assert_never(never)

    def note(self, account: Account, accepted: Accepted) -> None:
        """Remember when a credential was used and how it stood; nothing is decided by it."""
        done = accepted.verification
        if done.credential_id is None or not accepted.noted:
            return
        kept = json.dumps({**accepted.noted, "at": done.at.isoformat()}).encode()
        self.parts.store.put(use_key(account.user.id, done.credential_id), kept, _USE_REMEMBERED)

    def _notice_of_use(
        self,
        found: Transaction,
        account: Account,
        old: Credential,
        new: Credential | None,
        seen: Seen,
    ) -> LetterId | None:
        """One of a few that somebody keeps for the worst is gone: its owner has to hear of it."""
        factor: object = self.parts.factors.get(old.factor)
        if new is None or not isinstance(factor, Finite):
            return None
        notice = Notice(
            NoticeKind.CODE_USED,
            account.user.id,
            self.parts.clock(),
            seen,
            found.reference,
            about=old.label,
        )
        return self.parts.outbox.intend(notice, Awaited(new.id, new.generation))

    def _settle(self, told: LetterId | None, answer: ChangeAnswer) -> None:
        if told is None:
            return
        if answer is ChangeAnswer.DONE:
            self.parts.outbox.release(told, self.parts.clock())
        else:
            self.parts.outbox.done(told)

    def _first_question(
        self, state: State, account: Account, judge: Judge, request: AuthnRequest, seen: Seen
    ) -> State:
        # The preferred factor is asked at once; the others stay one step away.
        if not isinstance(state, AwaitChoice):
            return state
        wished = request.first if request.first in state.offered else None
        factor = wished or first_of(state.offered, self.parts.kinds, self.parts.preference, seen)
        asked = advance(state, FactorChosen(self.ask(factor, account)), judge)
        return state if isinstance(asked, OutOfTurn) else asked


def _never_asked(user: User, verified: tuple[Verification, ...]) -> Decision:
    raise ValueError(f"ending a sign-in asks no decision: {user.id}, {len(verified)}")
