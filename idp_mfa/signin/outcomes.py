"""What a request may find when it comes to a sign-in: one closed list for every face."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from idp_mfa.diagnosis import Diagnosis
from idp_mfa.factor import Rejected
from idp_mfa.model import Account, AuthnResult, Because, Service, TransactionId
from idp_mfa.policy.model import Deny, Zone
from idp_mfa.session import Session
from idp_mfa.signin.flow import Refused
from idp_mfa.signin.transaction import Transaction


@dataclass(frozen=True, slots=True)
class BrowserCookies:
    """The values of the cookies that outlive a sign-in: the session, and a known browser.

    ``last`` is the factor that was shown in it, for next time.
    """

    session: str | None = None
    device: str | None = None
    last: str | None = None


@dataclass(frozen=True, slots=True)
class Typed:
    """What the password form holds."""

    login: str
    password: bytes = field(repr=False)
    shared_computer: bool


@dataclass(frozen=True, slots=True)
class Begun:
    """A new transaction; ``binding`` is its cookie's value, given out this once."""

    transaction: Transaction
    binding: str


@dataclass(frozen=True, slots=True)
class At:
    """Where the transaction stands; ``binding`` is a new cookie value when it was rotated.

    ``login`` is the name of whose session this browser has, when their password is asked again;
    ``account`` is what this very request read of whoever was moved.
    """

    transaction: Transaction
    binding: str | None = None
    login: str | None = None
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class Stale:
    """The request was made for an earlier step; nothing moved, here is where it stands."""

    transaction: Transaction


@dataclass(frozen=True, slots=True)
class SetAside:
    """It waits for a page of ours; ``cookies`` hold the session of what was shown in it.

    The policy may ask for more than that before the page can be opened.
    """

    transaction: Transaction
    cookies: BrowserCookies


@dataclass(frozen=True, slots=True)
class PageDenied:
    """The policy does not let this person open the page that would help, not from here and now."""

    transaction: Transaction
    deny: Deny


@dataclass(frozen=True, slots=True)
class PasswordNotAccepted:
    """One answer for a wrong password, no such user, and an account that may not sign in."""

    transaction: Transaction


@dataclass(frozen=True, slots=True)
class PasswordThrottled:
    """Not looked at: too many tries before this one."""

    transaction: Transaction
    wait: timedelta


@dataclass(frozen=True, slots=True)
class PasskeyNotAccepted:
    """One answer for whatever was wrong with a passkey that came without a name."""

    transaction: Transaction


@dataclass(frozen=True, slots=True)
class AnswerNotAccepted:
    """The factor's answer does not count; ``left`` tries remain in this transaction."""

    transaction: Transaction
    rejected: Rejected
    left: int
    diagnosis: Diagnosis | None = None


@dataclass(frozen=True, slots=True)
class AnswerThrottled:
    """Not looked at, right or wrong: too many failures before it; other factors still work."""

    transaction: Transaction
    wait: timedelta


@dataclass(frozen=True, slots=True)
class OtherBrowser:
    """It is another browser's, or this one's cookie was lost; it can begin anew from here."""

    id: TransactionId
    service: Service
    answered: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """No such sign-in (any more)."""


Absent = OtherBrowser | Gone


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer may leave: it is on record; what ``cookies`` hold is to be set."""

    outcome: AuthnResult | Refused
    transaction: Transaction
    cookies: BrowserCookies


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Something is still to be shown: back to the sign-in page."""

    transaction: Transaction


@dataclass(frozen=True, slots=True)
class Admitted:
    """A page of our own may be opened; ``zone`` None is outside or unknown."""

    account: Account
    session: Session
    zone: Zone | None
    because: Because
