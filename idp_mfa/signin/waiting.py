"""A sign-in that waits while what it asks for is set up or re-issued, and goes on after that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from idp_mfa.audit import AuditEvent
from idp_mfa.model import AuthnRequest, Refusal, Seen, TransactionId, User
from idp_mfa.policy.model import Deny, Permit
from idp_mfa.session import carried, counting
from idp_mfa.signin.flow import (
    AwaitChoice,
    AwaitEnrolment,
    Enrolled,
    FactorChosen,
    FactorVerified,
    Rejudged,
)
from idp_mfa.signin.moving import Moves
from idp_mfa.signin.outcomes import At, BrowserCookies, PageDenied, SetAside, Stale
from idp_mfa.signin.parts import SignInParts
from idp_mfa.signin.recognition import Recognition
from idp_mfa.signin.transaction import Transaction
from idp_mfa.signin.transactions import Transactions


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing is asserted that was not shown: a sign-in that goes on is judged anew."""

    parts: SignInParts
    transactions: Transactions
    recognition: Recognition
    moves: Moves

    def set_aside(
        self, found: Transaction, page: AuthnRequest, cookies: BrowserCookies, seen: Seen
    ) -> SetAside | PageDenied | At | Stale:
        """From an open sign-in to a page of ours, with what was shown in it and no more."""
        user = found.user
        if user is None or found.finished:
            return Stale(found)
        account = self.recognition.account(user)
        verified = () if account is None else counting(found.verified, account)
        if account is None or not verified:
            return At(self.moves.end(found, Refusal.ACCOUNT, seen))
        decision = self.recognition.decided(page, account, verified, seen)
        if isinstance(decision, Deny):
            return PageDenied(found, decision)
        after = self.transactions.set_aside(found)
        if after is None:
            return Stale(self.transactions.load(found.id) or found)
        admitted = isinstance(decision, Permit)
        self.parts.record(
            AuditEvent.SIGN_IN_SET_ASIDE,
            after,
            seen,
            user.id,
            page=page.page.value,
            admitted=admitted,
        )
        _, cookie = self.parts.sessions.establish(
            cookies.session, user, verified, shared_computer=found.shared_computer
        )
        return SetAside(after, BrowserCookies(cookie))

    def waiting(self, user: User, bindings: Mapping[TransactionId, str]) -> tuple[Transaction, ...]:
        """A browser's open sign-ins of one person; the one with the most time left comes first."""
        looked = (self.transactions.look(id, binding) for id, binding in bindings.items())
        found = (one for one in looked if isinstance(one, Transaction) and not one.finished)
        mine = (one for one in found if one.user is not None and one.user.id == user.id)
        return tuple(sorted(mine, key=lambda one: one.deadline, reverse=True))

    def resumed(
        self, found: Transaction, state: AwaitEnrolment, session_cookie: str | None, seen: Seen
    ) -> At | Stale:
        """Somebody is back at a sign-in that waits for a set-up, from wherever they are now."""
        account = self.recognition.account(state.user)
        if account is None:
            return At(self.moves.end(found, Refusal.ACCOUNT, seen))
        recognised = self.recognition.session(session_cookie)
        bound = (
            ()
            if recognised is None or recognised.account.user.id != state.user.id
            else tuple(
                done
                for done in recognised.session.verified
                if done.factor in state.allowed and done.credential_id is not None
            )
        )
        if not counting(state.verified, account):
            return At(self.moves.end(found, Refusal.ACCOUNT, seen))
        event = Enrolled(max(bound, key=lambda done: done.at)) if bound else Rejudged()
        return self.moves.move(found, event, account, seen)

    def proved(
        self, found: Transaction, choice: AwaitChoice, session_cookie: str | None, seen: Seen
    ) -> At | Stale:
        """Somebody is back at a sign-in that asks for what they showed meanwhile on a page of ours.

        Only what was shown since this sign-in began counts: as if it had been shown here.
        """
        recognised = (
            self.recognition.session(session_cookie)
            if self.transactions.was_set_aside(found)
            else None
        )
        if recognised is None or recognised.account.user.id != choice.user.id:
            return At(found)
        account = recognised.account
        shown = [
            done
            for done in carried(recognised.session.verified, found.request.page)
            if done.factor in choice.offered
            and done.credential_id is not None
            and done.at >= found.began_at
        ]
        if not shown or not counting(choice.verified, account):
            return At(found)
        done = max(shown, key=lambda one: one.at)
        asked = FactorChosen(self.moves.ask(done.factor, account))
        moved = self.moves.move(found, asked, account, seen)
        if isinstance(moved, Stale):
            return moved
        return self.moves.move(moved.transaction, FactorVerified(done), account, seen)
