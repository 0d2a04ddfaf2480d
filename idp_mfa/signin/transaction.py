"""A sign-in under way, as it stands in the store between two requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from idp_mfa.model import AuthnRequest, Reference, TransactionId, User, Verification
from idp_mfa.signin.flow import (
    Authenticated,
    AwaitChoice,
    AwaitEnrolment,
    AwaitIdentity,
    AwaitResponse,
    Refused,
    State,
)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One sign-in of one browser.

    ``version`` rises at every move. ``browser`` is the hash of the binding cookie's value.
    ``shared_computer`` is what the user said on the password page. ``session`` is the handle of the
    session that its answer opened: once that is ended, the answer is not given again.
    """

    id: TransactionId
    version: int
    state: State
    request: AuthnRequest
    browser: str
    reference: Reference
    began_at: datetime
    deadline: datetime
    shared_computer: bool = False
    session: str | None = None

    @property
    def finished(self) -> bool:
        """Nothing more can be asked in it."""
        return isinstance(self.state, Authenticated | Refused)

    @property
    def answered(self) -> bool:
        """Somebody fetched its answer; until then, who lost the way to it may begin anew."""
        return self.finished and (self.session is not None or isinstance(self.state, Refused))

    @property
    def user(self) -> User | None:
        """Who it is, once that is known; write-once."""
        match self.state:
            case AwaitIdentity() | Refused():
                return None
            case AwaitResponse(choice, _):
                return choice.user
            case AwaitChoice() | AwaitEnrolment() | Authenticated():
                return self.state.user

    @property
    def verified(self) -> tuple[Verification, ...]:
        """What was shown in it so far."""
        match self.state:
            case AwaitIdentity() | Refused():
                return ()
            case AwaitResponse(choice, _):
                return choice.verified
            case AwaitChoice() | AwaitEnrolment() | Authenticated():
                return self.state.verified
