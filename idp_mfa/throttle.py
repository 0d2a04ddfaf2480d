"""How often something may be tried: budgets as pure numbers, for the store to spend.

Outside names never become keys: an id or a network enters one as its HMAC, and a login that belongs
to nobody as one of so many buckets, so that guessing names fills no memory. Every budget is spent
before the try is verified, and a right answer gives its own try back; earlier failures stay.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from idp_mfa.model import CredentialId, FactorName, Seen, TransactionId, UserId
from idp_mfa.ports import AfterLoss, Bucket, Budget, Window

FAILURES_TO_A_SUCCESS = 9
"""More of them from one network are no people's mistakes."""

NEVER_GUESSED = frozenset({FactorName("fido2")})
"""Factors whose answer is a signature: wrong codes of others never keep them from working."""

_FOR_GOOD = timedelta(days=3650)
"""A count of failures in a row ends with a success or at the desk, not with time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers, each a setting; docs/reference/limits.md says what each does to people.

    A ``refill`` is the time in which one more try comes. ``transaction_span`` must be longer than
    any transaction lives, or its windows would open again in it. ``declared_networks`` are shared
    addresses (NAT) behind which many people sit: they alarm and are never refused.
    """

    factor_tries_per_transaction: int = 5
    factor_burst: int = 5
    factor_refill: timedelta = timedelta(minutes=6)
    factor_per_day: int = 20
    factor_sticky: int = 50
    factor_sticky_span: timedelta = timedelta(days=30)
    factor_in_a_row: int = 100
    signed_burst: int = 30
    signed_refill: timedelta = timedelta(seconds=10)
    factor_after_loss: int = 20
    factor_after_loss_span: timedelta = timedelta(days=1)
    factor_warn_after: int = 10
    factor_warn_span: timedelta = timedelta(days=1)
    clock_people: int = 10
    clock_span: timedelta = timedelta(minutes=5)
    enrolment_tries: int = 10
    enrolment_span: timedelta = timedelta(hours=1)
    password_tries_per_transaction: int = 20
    password_burst: int = 10
    password_refill: timedelta = timedelta(minutes=5)
    password_per_day: int = 100
    password_in_a_row: int = 100
    source_burst: int = 30
    source_refill: timedelta = timedelta(seconds=10)
    declared_burst: int = 1000
    declared_refill: timedelta = timedelta(milliseconds=200)
    declared_networks: tuple[str, ...] = ()
    spray_people: int = 50
    spray_span: timedelta = timedelta(minutes=10)
    spray_burst: int = 5
    spray_refill: timedelta = timedelta(seconds=2)
    transactions_per_minute: int = 60
    transaction_span: timedelta = timedelta(hours=1)
    unknown_names: int = 65536
    mailed_code_lives: timedelta = timedelta(minutes=30)
    mailed_code_tries: int = 5
    mail_again_after: timedelta = timedelta(minutes=3)
    mail_per_hour: int = 3
    mail_per_day: int = 5
    mail_per_month: int = 10
    mail_first_per_hour: int = 10
    mail_alarm_per_hour: int = 3000

    def __post_init__(self) -> None:
        for network in self.declared_networks:
            ip_network(network)
        if not 0 <= self.factor_after_loss < min(self.factor_sticky, self.factor_in_a_row):
            raise ValueError(
                "factor_after_loss must be less than factor_sticky and factor_in_a_row, "
                "or a loss of the store's data shuts everybody out"
            )

    @property
    def after_loss(self) -> AfterLoss:
        """What everybody is taken to have failed already where the store lost its counts."""
        return AfterLoss(self.factor_after_loss, self.factor_after_loss_span)


class Trust(Enum):
    """What is known of where a try comes from; outsiders can exhaust only the last."""

    KNOWN_BROWSER = "known-browser"
    INSIDE = "inside"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True)
class Standpoint:
    """Where a try comes from, as the limits see it; ``device`` names a known browser."""

    trust: Trust
    seen: Seen
    device: str = ""


@dataclass(frozen=True, slots=True)
class Throttle:
    """The budgets of each kind of try; ``key`` is a secret of 32 bytes or more, for this alone."""

    limits: Limits
    key: bytes = field(repr=False)

    # -- passwords ---------------------------------------------------------------------------

    def password(
        self,
        transaction_id: TransactionId,
        user_id: UserId | None,
        login: str,
        standpoint: Standpoint,
    ) -> tuple[Budget, ...]:
        """What a try of a password costs; ``login`` counts only where it belongs to nobody.

        The same number of budgets for somebody and nobody, so that time tells nothing.
        """
        limits = self.limits
        transaction = Window(
            f"limit:pt:{self._pseudonym('transaction', transaction_id)}",
            limits.password_tries_per_transaction,
            limits.transaction_span,
        )
        if user_id is None:
            return (transaction, *self._password_budgets(self._nobody(login), Trust.UNTRUSTED))
        return (
            transaction,
            *self._password_budgets(self._person(user_id, standpoint), standpoint.trust),
        )

    def password_in_a_row(self, user_id: UserId) -> tuple[Budget, ...]:
        """What a right password from a trusted place opens again."""
        owner = f"p:{self._pseudonym('user', user_id)}"
        return (Window(f"limit:{owner}:row", self.limits.password_in_a_row, _FOR_GOOD),)

    def _password_budgets(self, owner: str, trust: Trust) -> tuple[Budget, ...]:
        limits = self.limits
        burst = Bucket(f"limit:{owner}", limits.password_burst, limits.password_refill)
        if trust is not Trust.UNTRUSTED:
            return (burst,)
        return (
            burst,
            Window(f"limit:{owner}:day", limits.password_per_day, timedelta(days=1)),
            Window(f"limit:{owner}:row", limits.password_in_a_row, _FOR_GOOD),
        )

    def _person(self, user_id: UserId, standpoint: Standpoint) -> str:
        owner = f"p:{self._pseudonym('user', user_id)}"
        match standpoint.trust:
            case Trust.KNOWN_BROWSER:
                return f"{owner}:{self._pseudonym('device', standpoint.device)}"
            case Trust.INSIDE:
                return f"{owner}:inside"
            case Trust.UNTRUSTED:
                return owner

    def _nobody(self, login: str) -> str:
        folded = unicodedata.normalize("NFKC", login).casefold().strip()
        return f"u:{int.from_bytes(self._mac('name', folded)[:8]) % self.limits.unknown_names}"

    # -- second factors ----------------------------------------------------------------------

    def answers(self, transaction_id: TransactionId) -> Window:
        """The answers that one sign-in may give before it ends."""
        return Window(
            f"limit:ft:{self._pseudonym('transaction', transaction_id)}",
            self.limits.factor_tries_per_transaction,
            self.limits.transaction_span,
        )

    def in_a_row(self, user_id: UserId) -> Window:
        """Failures with no success between them, from everywhere (NIST SP 800-63B-4 3.2.2)."""
        owner = self._pseudonym("user", user_id)
        limits = self.limits
        return Window(f"limit:f:{owner}:row", limits.factor_in_a_row, _FOR_GOOD, limits.after_loss)

    def second_factor(
        self, transaction_id: TransactionId, user_id: UserId, standpoint: Standpoint
    ) -> tuple[Budget, ...]:
        """What an answer to a challenge costs, behind a right password.

        A known browser has buckets of its own: others who know the password cannot empty them.
        """
        limits, owner = self.limits, f"f:{self._pseudonym('user', user_id)}"
        if standpoint.trust is Trust.KNOWN_BROWSER:
            owner = f"{owner}:{self._pseudonym('device', standpoint.device)}"
        return (
            self.answers(transaction_id),
            self.in_a_row(user_id),
            Bucket(f"limit:{owner}", limits.factor_burst, limits.factor_refill),
            Window(f"limit:{owner}:day", limits.factor_per_day, timedelta(days=1)),
            Window(
                f"limit:{owner}:month",
                limits.factor_sticky,
                limits.factor_sticky_span,
                limits.after_loss,
            ),
        )

    def signed_answers(self, transaction_id: TransactionId, user_id: UserId) -> tuple[Budget, ...]:
        """What an answer costs that is signed and cannot be guessed: no flood, and no lock."""
        limits, owner = self.limits, f"g:{self._pseudonym('user', user_id)}"
        return (
            self.answers(transaction_id),
            Bucket(f"limit:{owner}", limits.signed_burst, limits.signed_refill),
        )

    def warning(self, user_id: UserId) -> Window:
        """The failures behind a right password of which the last one warns the user."""
        owner = self._pseudonym("user", user_id)
        limits = self.limits
        return Window(f"limit:w:{owner}", limits.factor_warn_after, limits.factor_warn_span)

    def clocks(self, ahead: timedelta) -> tuple[Window, ...]:
        """People whose devices differ from our clock by about as much; full, ours is suspected.

        Each falls into two ranges of two minutes that overlap, so that no border parts them.
        """
        limits, minute = self.limits, ahead // timedelta(minutes=1)
        return tuple(
            Window(f"limit:k:{number}", limits.clock_people - 1, limits.clock_span)
            for number in (minute, minute + 1)
        )

    def enrolment(self, credential_id: CredentialId) -> tuple[Budget, ...]:
        """What a try at proving a new device costs."""
        return (
            Window(
                f"limit:e:{self._pseudonym('credential', credential_id)}",
                self.limits.enrolment_tries,
                self.limits.enrolment_span,
            ),
        )

    # -- mail --------------------------------------------------------------------------------

    def mail(self, user_id: UserId, address: str) -> tuple[Budget, ...]:
        """What a mailed code costs, whoever's name it is asked for in, and wherever it goes."""
        limits = self.limits
        return tuple(
            Window(f"limit:m:{who}:{name}", most, span)
            for who in (self.mark("user", user_id), self.mark("address", address.casefold()))
            for name, most, span in (
                ("hour", limits.mail_per_hour, timedelta(hours=1)),
                ("day", limits.mail_per_day, timedelta(days=1)),
                ("month", limits.mail_per_month, timedelta(days=30)),
            )
        )

    def mail_of_first_set_up(self, user_id: UserId, address: str) -> tuple[Budget, ...]:
        """The same on the first day of term: a budget of its own, and nobody else's."""
        most = self.limits.mail_first_per_hour
        return tuple(
            Window(f"limit:n:{who}", most, timedelta(hours=1))
            for who in (self.mark("user", user_id), self.mark("address", address.casefold()))
        )

    def mail_of_everybody(self) -> Window:
        """What all codes together cost; full, it only alarms."""
        return Window("limit:m:all", self.limits.mail_alarm_per_hour, timedelta(hours=1))

    def mailed_code(self, id: str) -> tuple[Budget, ...]:
        """What a try at a mailed code costs; no time brings these back."""
        return (
            Window(
                f"limit:c:{self.mark('code', id)}",
                self.limits.mailed_code_tries,
                timedelta(days=1),
            ),
        )

    def mark(self, kind: str, text: str) -> str:
        """A name for something that the store may know, and what nobody else can make."""
        return self._pseudonym(kind, text)

    # -- networks ----------------------------------------------------------------------------

    def source(self, seen: Seen) -> Bucket:
        """The failures of one network; spent for every try, given back for every success."""
        limits, name = self.limits, self._network(seen)
        if self.is_declared(seen):
            return Bucket(f"limit:s:{name}", limits.declared_burst, limits.declared_refill)
        return Bucket(f"limit:s:{name}", limits.source_burst, limits.source_refill)

    def spray(self, seen: Seen) -> Bucket:
        """Different people whose password failed from one network; empty, it is a spray."""
        limits = self.limits
        refill = limits.spray_span / limits.spray_people
        return Bucket(f"limit:y:{self._network(seen)}", limits.spray_people, refill)

    def spray_relief(self, seen: Seen) -> Bucket:
        """What a right password gives back of ``spray``: it speaks for nine failures beside it."""
        spray = self.spray(seen)
        return replace(spray, refill=FAILURES_TO_A_SUCCESS * spray.refill)

    def spraying(self, seen: Seen) -> str:
        """The store's key that is there while a network is taken to spray."""
        return f"limit:a:{self._network(seen)}"

    def spray_mark(self, seen: Seen, user_id: UserId | None, login: str) -> str:
        """The store's key by which a person counts once in ``spray``."""
        who = self._nobody(login) if user_id is None else self._pseudonym("user", user_id)
        return f"limit:z:{self._network(seen)}:{who}"

    def slowed(self, seen: Seen) -> Bucket:
        """What is left to untrusted browsers of a network that sprays."""
        limits = self.limits
        return Bucket(f"limit:x:{self._network(seen)}", limits.spray_burst, limits.spray_refill)

    def transactions(self, seen: Seen) -> tuple[Budget, ...]:
        """What a new sign-in costs its network; nothing behind a declared address."""
        if self.is_declared(seen):
            return ()
        return (
            Window(
                f"limit:t:{self._network(seen)}",
                self.limits.transactions_per_minute,
                timedelta(minutes=1),
            ),
        )

    def looks(self, seen: Seen) -> tuple[Budget, ...]:
        """How often one network may have put on record how it is seen."""
        limit = self.limits.transactions_per_minute
        return (Window(f"limit:l:{self._network(seen)}", limit, timedelta(minutes=1)),)

    def is_declared(self, seen: Seen) -> bool:
        """Whether settings say that many people share this address."""
        address = seen.address
        return address is not None and any(
            address in network for network in _networks(self.limits.declared_networks)
        )

    # -- people ------------------------------------------------------------------------------

    def of_user(self, user_id: UserId, devices: tuple[str, ...] = ()) -> tuple[Budget, ...]:
        """Every budget that is a user's own: what the desk's unlock clears."""
        nothing = TransactionId("")
        passwords = {
            budget.key: budget
            for place in _places(devices)
            for budget in self.password(nothing, user_id, "", place)[1:]
        }
        return (*passwords.values(), *self.of_factors(user_id, devices), self.warning(user_id))

    def of_factors(self, user_id: UserId, devices: tuple[str, ...] = ()) -> tuple[Budget, ...]:
        """Where wrong codes are counted: of no meaning once the factor is another."""
        nothing = TransactionId("")
        found = {
            budget.key: budget
            for place in _places(devices)
            for budget in (
                *self.second_factor(nothing, user_id, place)[1:],
                *self.signed_answers(nothing, user_id)[1:],
            )
        }
        return tuple(found.values())

    def _network(self, seen: Seen) -> str:
        """A /32 of IPv4, a /64 of IPv6, and all that cannot be told together."""
        if seen.address is None:
            return self._pseudonym("network", "unknown")
        length = 32 if seen.address.version == 4 else 64
        return self._pseudonym("network", str(ip_network((seen.address, length), strict=False)))

    def _pseudonym(self, kind: str, text: str) -> str:
        return self._mac(kind, text)[:16].hex()

    def _mac(self, kind: str, text: str) -> bytes:
        message = f"{kind}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.digest(self.key, message, hashlib.sha256)


def _places(devices: tuple[str, ...]) -> tuple[Standpoint, ...]:
    seen = Seen(None, ())
    return (
        Standpoint(Trust.UNTRUSTED, seen),
        Standpoint(Trust.INSIDE, seen),
        *(Standpoint(Trust.KNOWN_BROWSER, seen, device) for device in devices),
    )


@cache
def _networks(texts: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text) for text in texts)
