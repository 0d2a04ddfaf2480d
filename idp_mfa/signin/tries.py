"""Tries as a sign-in spends them: before anything is verified, and what follows on each answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.letters import Notice, NoticeKind
from idp_mfa.model import (
    Account,
    AuthnRequest,
    Credential,
    CredentialState,
    FactorName,
    Seen,
    UserId,
)
from idp_mfa.policy.model import ZoneKind
from idp_mfa.policy.zones import locate
from idp_mfa.ports import Budget, Change, ChangeAnswer, Reservation, Throttled
from idp_mfa.signin.parts import SignInParts
from idp_mfa.signin.transaction import Transaction
from idp_mfa.throttle import NEVER_GUESSED, Standpoint, Trust


@dataclass(frozen=True, slots=True)
class PasswordTry:
    """A try that may be made: what it took, and where it was made from.

    ``source`` is the network's budget if it has failed too often: a right password still counts.
    """

    login: str
    user_id: UserId | None
    standpoint: Standpoint
    taken: Reservation
    source: Throttled | None


@dataclass(frozen=True, slots=True)
class FactorTry:
    """An answer that may be looked at; ``left`` more may follow.

    ``in_a_row`` counts the failures that a right answer ends.
    """

    user_id: UserId
    taken: Reservation
    in_a_row: tuple[Budget, ...]

    @property
    def left(self) -> int:
        """How many answers remain before the next wait or the end."""
        return self.taken.left


@dataclass(frozen=True, slots=True)
class Tries:
    """Spends budgets, and draws the consequences of failures."""

    parts: SignInParts

    def standpoint(
        self, user_id: UserId | None, device_cookie: str | None, seen: Seen
    ) -> Standpoint:
        """What the limits know of this browser and network; it never makes a decision laxer."""
        parts = self.parts
        device = None if user_id is None else parts.devices.known(user_id, device_cookie)
        if device is not None:
            return Standpoint(Trust.KNOWN_BROWSER, seen, device)
        policy = parts.policy()
        zone = policy.zones.get(locate(policy, seen.address, parts.clock()))
        inside = zone is not None and zone.kind in (ZoneKind.CAMPUS, ZoneKind.VPN)
        return Standpoint(Trust.INSIDE if inside else Trust.UNTRUSTED, seen)

    def new_sign_in(self, request: AuthnRequest, seen: Seen) -> Throttled | None:
        """Take a new sign-in from its network's; a campus may be one address to us, and has all."""
        if self.standpoint(None, None, seen).trust is not Trust.UNTRUSTED:
            return None
        parts = self.parts
        budgets = parts.throttle.transactions(seen)
        taken = parts.store.reserve(budgets) if budgets else None
        if not isinstance(taken, Throttled):
            return None
        # One line a minute: a flood fills no record, and a shared address that was not declared
        # is seen in it.
        if parts.store.once(f"{taken.budget.key}:alarm", timedelta(minutes=1)):
            parts.audit.record(
                AuditRecord(
                    parts.clock(),
                    AuditEvent.LIMIT_REACHED,
                    new_reference(parts.randomness),
                    None,
                    request.service.id,
                    seen,
                    detail={"of": "sign-ins"},
                )
            )
        return taken

    # -- passwords ---------------------------------------------------------------------------

    def password(
        self, transaction: Transaction, user_id: UserId | None, login: str, standpoint: Standpoint
    ) -> PasswordTry | Throttled:
        """Take a try from the account's budgets and one from the network's."""
        store, throttle, seen = self.parts.store, self.parts.throttle, standpoint.seen
        budgets = throttle.password(transaction.id, user_id, login, standpoint)
        untrusted = standpoint.trust is Trust.UNTRUSTED
        slowed = untrusted and not throttle.is_declared(seen)
        if slowed and store.get(throttle.spraying(seen)) is not None:
            budgets = (*budgets, throttle.slowed(seen))
        taken = store.reserve(budgets)
        if isinstance(taken, Throttled):
            return taken
        if not untrusted:
            return PasswordTry(login, user_id, standpoint, taken, None)
        source = store.reserve((throttle.source(seen),))
        if isinstance(source, Throttled):
            return PasswordTry(login, user_id, standpoint, taken, source)
        both = Reservation((*taken.budgets, *source.budgets), taken.left)
        return PasswordTry(login, user_id, standpoint, both, None)

    def password_right(self, done: PasswordTry) -> None:
        """Give the try back; failures in a row end here."""
        parts = self.parts
        user_id = done.user_id
        in_a_row = () if user_id is None else parts.throttle.password_in_a_row(user_id)
        untrusted = done.standpoint.trust is Trust.UNTRUSTED
        relief = (parts.throttle.spray_relief(done.standpoint.seen),) if untrusted else ()
        given_back = Reservation((*done.taken.budgets, *relief), done.taken.left)
        parts.store.refund(given_back, in_a_row)

    def password_wrong(self, transaction: Transaction, done: PasswordTry) -> Throttled | None:
        """What a failure does to its network: a wait for failures to come, or an alarm."""
        parts, seen = self.parts, done.standpoint.seen
        if done.standpoint.trust is Trust.UNTRUSTED:
            self._watch_for_spray(transaction, done)
        if done.source is None:
            return None
        declared = parts.throttle.is_declared(seen)
        parts.record(
            AuditEvent.LIMIT_REACHED,
            transaction,
            seen,
            done.user_id,
            of="network",
            declared=declared,
        )
        return None if declared else done.source

    def _watch_for_spray(self, transaction: Transaction, done: PasswordTry) -> None:
        store, throttle, seen = self.parts.store, self.parts.throttle, done.standpoint.seen
        limits = throttle.limits
        if not store.once(throttle.spray_mark(seen, done.user_id, done.login), limits.spray_span):
            return
        if isinstance(store.reserve((throttle.spray(seen),)), Reservation):
            return
        if store.once(f"{throttle.spraying(seen)}:alarm", limits.spray_span):
            self.parts.record(AuditEvent.SPRAY_SUSPECTED, transaction, seen)
        store.put(throttle.spraying(seen), b"1", limits.spray_span)

    # -- second factors ----------------------------------------------------------------------

    def factor(
        self,
        transaction: Transaction,
        user_id: UserId,
        factor: FactorName,
        standpoint: Standpoint,
    ) -> FactorTry | Throttled:
        """Take a try of an answer, behind a right password.

        What nobody guesses has budgets of its own: wrong codes never lock it, nor it the codes.
        """
        throttle = self.parts.throttle
        if factor in NEVER_GUESSED:
            apart = self.parts.store.reserve(throttle.signed_answers(transaction.id, user_id))
            return apart if isinstance(apart, Throttled) else FactorTry(user_id, apart, ())
        taken = self.parts.store.reserve(
            throttle.second_factor(transaction.id, user_id, standpoint)
        )
        if isinstance(taken, Throttled):
            return taken
        return FactorTry(user_id, taken, (throttle.in_a_row(user_id),))

    def ends_the_sign_in(self, throttled: Throttled, transaction: Transaction) -> bool:
        """Whether it is the sign-in's own limit, which no waiting opens."""
        return throttled.budget == self.parts.throttle.answers(transaction.id)

    def factor_right(self, done: FactorTry) -> None:
        """Give the try back; failures in a row end here."""
        self.parts.store.refund(done.taken, done.in_a_row)

    def factor_wrong(self, transaction: Transaction, done: FactorTry, seen: Seen) -> None:
        """After so many failures behind a right password its owner is told, once a day."""
        parts = self.parts
        counted = parts.store.reserve((parts.throttle.warning(done.user_id),))
        if isinstance(counted, Throttled) or counted.left > 0:
            return
        parts.record(AuditEvent.WRONG_CODES_REPEATED, transaction, seen, done.user_id)
        parts.outbox.put(
            Notice(
                NoticeKind.WRONG_CODES_REPEATED,
                done.user_id,
                parts.clock(),
                seen,
                transaction.reference,
            )
        )

    def factor_shut(
        self, throttled: Throttled, transaction: Transaction, account: Account, factor: FactorName
    ) -> bool:
        """Whether the failures in a row are too many: then the authenticator itself is disabled.

        The flag stands in the directory: no flush of the store lifts it (NIST SP 800-63B-4 3.2.2).
        """
        parts = self.parts
        if throttled.budget != parts.throttle.in_a_row(account.user.id):
            return False
        changes = tuple(Change(one, disabled(one)) for one in account.credentials.of(factor))
        if changes:
            parts.record(
                AuditEvent.FACTOR_DISABLED,
                transaction,
                Seen(None, ()),
                account.user.id,
                factor=factor,
                credentials=tuple(change.before.id for change in changes if change.before),
            )
            done = parts.credentials.change(account.user.id, account.credentials, changes)
            if done is ChangeAnswer.DONE:
                # What is set up in its place has failed never.
                parts.store.clear((throttled.budget,))
        return True


def disabled(credential: Credential) -> Credential:
    """The same credential, accepted no longer until the desk or a new set-up says otherwise."""
    return replace(credential, state=CredentialState.DISABLED, generation=credential.generation + 1)
