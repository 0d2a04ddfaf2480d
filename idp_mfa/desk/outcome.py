"""What became of an order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from idp_mfa.helpdesk import Passcode
from idp_mfa.model import Reference


@dataclass(frozen=True, slots=True)
class Done:
    """It has happened; ``passcode`` is shown this once."""

    reference: Reference
    passcode: Passcode | None = None


class NotDone(Enum):
    """Why nothing was done."""

    NO_REASON = "no-reason"
    NO_PROOF = "no-proof"
    CHANGED = "changed"
    """Somebody else changed the person's records since the page was drawn, or just now."""
    NOTHING = "nothing"
    """There is nothing that this could be done to."""
    REPLACED = "replaced"
    """Another one of the same factor was set up since: the old one stays shut."""
    ADDRESS_MALFORMED = "address-malformed"
    ADDRESS_SAME_PASSWORD = "address-same-password"
    ADDRESS_UNCHANGED = "address-unchanged"
    NO_SUCH_TOKEN = "no-such-token"
    TOKEN_HELD = "token-held"
    """Somebody has it, or is being given it just now."""
    THEIRS_ALREADY = "theirs-already"
    UNREADABLE = "unreadable"
    WRONG_CODES = "wrong-codes"
    """They are not two of the token's, one after the other."""
    CODES_USED = "codes-used"
    TOO_MANY_TRIES = "too-many-tries"
    OWN_PROPOSAL = "own-proposal"
    NOT_APPROVED = "not-approved"
    GONE = "gone"
