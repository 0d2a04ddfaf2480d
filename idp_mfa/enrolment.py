"""Binding a factor to its user: who may from where (P6, rule 2), begin, and complete by a proof."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from idp_mfa.diagnosis import is_kept, left, retired, with_purge
from idp_mfa.factor import (
    CredentialSpend,
    Enrolment,
    Factor,
    Rejected,
    Rejection,
    Response,
    StepSpend,
    step_key,
)
from idp_mfa.letters import Awaited, Notice
from idp_mfa.model import (
    ENROLMENT_PASSCODE,
    NOT_FACTORS,
    PASSWORD,
    RECOVERY_CODE,
    Account,
    BoundBy,
    Clock,
    Credential,
    CredentialState,
    FactorKind,
    FactorName,
    Randomness,
    Verification,
    new_credential_id,
)
from idp_mfa.policy.model import Zone, ZoneKind
from idp_mfa.ports import (
    Change,
    ChangeAnswer,
    CredentialStore,
    Outbox,
    StateStore,
    Throttled,
    Unavailable,
)
from idp_mfa.throttle import Throttle

FRESH = timedelta(minutes=5)
"""How old the possession factor may be on which another is bound (rule 2)."""


CODE_COUNTS = timedelta(minutes=30)
"""How old a code may be that is used up by being shown: a device is set up with it in hand."""
_CODES_THAT_BIND = {
    RECOVERY_CODE: BoundBy.RECOVERY_CODE,
    ENROLMENT_PASSCODE: BoundBy.PASSCODE,
}


class Onsite(Enum):
    """Whether a password may put a new key in an old one's place, on campus."""

    NEVER = "never"
    BY_POLICY = "by-policy"
    """Where a rule for ``portal.replace`` admits: a deviation that a site chooses."""


class NotAllowed(Enum):
    """Why this person may not bind a factor from here and now, whatever a policy says."""

    ZONE = "zone"
    """Has no factor yet, and a password is no proof enough off campus (P6)."""
    FRESH_FACTOR = "fresh-factor"
    """Has one: a possession factor has to be shown first (rule 2)."""


def has_shown_possession(verified: Iterable[Verification], at: datetime) -> bool:
    """Whether something that the user has was shown in the last minutes (rule 2)."""
    return any(FactorKind.POSSESSION in done.kinds and at - done.at <= FRESH for done in verified)


def has_shown_a_factor(verified: Iterable[Verification], at: datetime) -> bool:
    """Whether anything besides the password was shown in the last minutes, on paper too.

    What the desk handed out is for what it was handed out for.
    """
    return any(
        done.factor not in {PASSWORD, *NOT_FACTORS} and at - done.at <= FRESH for done in verified
    )


def has_shown_a_kind(verified: Iterable[Verification], at: datetime) -> bool:
    """Whether something of a kind besides the password was shown in the last minutes."""
    return any(
        done.kinds and done.factor != PASSWORD and at - done.at <= FRESH for done in verified
    )


def may_bind(
    account: Account,
    zone: Zone | None,
    verified: Collection[Verification],
    at: datetime,
    alone: frozenset[FactorName] = frozenset(),
) -> BoundBy | NotAllowed:
    """The proof on which a factor may be bound now; ``zone`` None is outside or unknown.

    Who has nothing but what a site lets stand ``alone`` goes the way of who has none (rule 2).
    """
    if has_shown_possession(verified, at):
        return BoundBy.FRESH_FACTOR
    for name, proof in _CODES_THAT_BIND.items():
        if any(done.factor == name and at - done.at <= CODE_COUNTS for done in verified):
            return proof
    if not account.credentials.has_only(alone):
        return NotAllowed.FRESH_FACTOR
    if zone is None or not zone.first_set_up:
        return NotAllowed.ZONE
    return BoundBy.CAMPUS if zone.kind is ZoneKind.CAMPUS else BoundBy.VPN


def may_replace(account: Account, factor: FactorName, zone: Zone | None) -> bool:
    """Whether there is a key that a password may replace, where a site allows that at all.

    Nothing is opened again by it that was shut off, or that cannot be read.
    """
    credentials = account.credentials
    shut = (CredentialState.DISABLED, CredentialState.SUSPENDED)
    return (
        zone is not None
        and zone.kind is ZoneKind.CAMPUS
        and not credentials.unreadable
        and not any(one.state in shut for one in credentials.factors)
        and bool(credentials.of(factor))
    )


_REPLACED = (CredentialState.ACTIVE, CredentialState.DISABLED, CredentialState.SUSPENDED)


@dataclass(frozen=True, slots=True)
class Bound:
    """The factor is registered; ``replaced`` are the keys that are dead from now on."""

    credential: Credential
    verification: Verification
    replaced: tuple[Credential, ...]


class NotBound(Enum):
    """Why nothing was registered."""

    NOTHING_BEGUN = "nothing-begun"
    CHANGED_ELSEWHERE = "changed-elsewhere"


class Enrolments:
    """Set-ups of every factor; a set-up under way is a sealed record that is never accepted."""

    def __init__(
        self,
        *,
        credentials: CredentialStore,
        store: StateStore,
        factors: Mapping[FactorName, Factor],
        throttle: Throttle,
        outbox: Outbox,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._credentials = credentials
        self._store = store
        self._factors = factors
        self._throttle = throttle
        self._outbox = outbox
        self._clock = clock
        self._randomness = randomness

    def begin(
        self, account: Account, factor: FactorName, bound_by: BoundBy, label: str
    ) -> Enrolment | NotBound:
        """A new secret in place of any other unfinished one; what is active stays as it is.

        The one before is kept a while, because some device may show its codes.
        """
        now = self._clock()
        empty = Credential(
            id=new_credential_id(self._randomness),
            factor=factor,
            state=CredentialState.UNFINISHED,
            label=label,
            bound_at=now,
            bound_by=bound_by,
            generation=1,
            secret={},
        )
        enrolment = self._factors[factor].begin_enrolment(account.user, empty, self._randomness)
        older = (Change(one, left(one, now)) for one in _unfinished(account, factor))
        answer = self._credentials.change(
            account.user.id,
            account.credentials,
            with_purge(account.credentials, (*older, Change(None, enrolment.credential)), now),
        )
        return enrolment if answer is ChangeAnswer.DONE else NotBound.CHANGED_ELSEWHERE

    def under_way(self, account: Account, factor: FactorName) -> Enrolment | None:
        """The set-up that was begun, for its page."""
        now = self._clock()
        for unfinished in (one for one in _unfinished(account, factor) if is_kept(one, now)):
            return self._factors[factor].show_enrolment(account.user, unfinished)
        return None

    def complete(
        self,
        account: Account,
        factor: FactorName,
        bound_by: BoundBy,
        response: Response,
        *,
        besides: Sequence[Change] = (),
        notice: Notice | None = None,
    ) -> Bound | Rejected | Throttled | NotBound:
        """Register what the response proves, in one Modify that also retires what it replaces.

        ``besides`` is written in the same act; ``notice`` goes out if and only if it was written.
        """
        enrolment = self.under_way(account, factor)
        if enrolment is None:
            return NotBound.NOTHING_BEGUN
        reservation = self._store.reserve(self._throttle.enrolment(enrolment.credential.id))
        if isinstance(reservation, Throttled):
            return reservation
        now = self._clock()
        answer = self._factors[factor].complete_enrolment(enrolment, response, now)
        if isinstance(answer, Rejected):
            return answer
        spend = answer.accepted.spend
        if isinstance(spend, StepSpend) and not self._store.raise_to(
            step_key(account.user.id, spend.credential_id), spend.number, spend.remembered
        ):
            return Rejected(Rejection.ALREADY_USED, answer.accepted.retry_in)
        if isinstance(spend, CredentialSpend):
            raise TypeError("an enrolment's proof cannot spend another credential")
        bound = replace(
            answer.credential,
            bound_at=now,
            bound_by=bound_by,
            generation=enrolment.credential.generation + 1,
        )
        # What was disabled or suspended has found its successor, too.
        replaced = tuple(
            one
            for one in account.credentials.factors
            if one.factor == factor and one.state in _REPLACED
        )
        changes = (
            Change(enrolment.credential, bound),
            *(Change(old, retired(old, now)) for old in replaced),
            *besides,
        )
        changes = with_purge(account.credentials, changes, now)
        if self._change(account, changes, bound, notice) is not ChangeAnswer.DONE:
            return NotBound.CHANGED_ELSEWHERE
        # It is bound, whether or not the store can forget what was guessed at the one before.
        with suppress(Unavailable):
            self._store.clear(self._throttle.of_factors(account.user.id))
        return Bound(bound, answer.accepted.verification, replaced)

    def remove(self, account: Account, credential: Credential, notice: Notice) -> ChangeAnswer:
        """Take one away; ``notice`` goes out if and only if it is gone."""
        intended = self._outbox.intend(notice, Awaited(credential.id, None))
        changes = (Change(credential, None),)
        done = self._credentials.change(account.user.id, account.credentials, changes)
        if done is ChangeAnswer.DONE:
            self._outbox.release(intended, self._clock())
        else:
            self._outbox.done(intended)
        return done

    def _change(
        self,
        account: Account,
        changes: Sequence[Change],
        bound: Credential,
        notice: Notice | None,
    ) -> ChangeAnswer:
        if notice is None:
            return self._credentials.change(account.user.id, account.credentials, changes)
        intended = self._outbox.intend(notice, Awaited(bound.id, bound.generation))
        done = self._credentials.change(account.user.id, account.credentials, changes)
        if done is ChangeAnswer.DONE:
            self._outbox.release(intended, self._clock())
        else:
            self._outbox.done(intended)
        return done


def _unfinished(account: Account, factor: FactorName) -> tuple[Credential, ...]:
    return tuple(
        one
        for one in account.credentials.records
        if one.factor == factor and one.state is CredentialState.UNFINISHED and one.ended_at is None
    )
