"""The address to which a re-issue's code goes: confirmed by a code, then written (P6, P13)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from idp_mfa.letters import Awaited, CodePurpose, Notice, NoticeKind, masked
from idp_mfa.mailed_codes import Ask, Asker, MailedCodes, NotMatched, Sent
from idp_mfa.model import (
    REISSUE_ADDRESS,
    Account,
    BoundBy,
    Clock,
    Credential,
    CredentialId,
    CredentialState,
    Randomness,
)
from idp_mfa.ports import (
    Change,
    ChangeAnswer,
    CredentialStore,
    Outbox,
    StateStore,
    Throttled,
)

Normalised = Callable[[str], str | None]
"""A typed address as a mail server takes it, or None."""

_CONFIRMED_FOR = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What a site allows.

    ``refused_domains``: those whose mailboxes the same password opens, with all below them.
    ``pause`` is how long no code goes to an address that took another one's place.
    """

    refused_domains: tuple[str, ...] = ()
    pause: timedelta = timedelta(days=1)


class AddressProblem(Enum):
    """Why an address is not taken."""

    MALFORMED = "malformed"
    SAME_PASSWORD = "same-password"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class ConfirmedAddress:
    """Its owner reads what is sent there; it is written with the first factor, or by ``write``."""

    address: str


@dataclass(frozen=True, slots=True)
class ReissueAddresses:
    """Registering and changing; whether somebody may is for the page's policy and rule 2."""

    codes: MailedCodes
    credentials: CredentialStore
    store: StateStore
    outbox: Outbox
    normalised: Normalised
    rules: AddressRules
    clock: Clock
    randomness: Randomness

    def send(self, account: Account, asker: Asker, typed: str) -> Sent | AddressProblem | Throttled:
        """Mail a code to an address that somebody says is theirs."""
        address = self.acceptable(account, typed)
        if isinstance(address, AddressProblem):
            return address
        return self.codes.send(
            Ask(
                CodePurpose.CONFIRM_ADDRESS,
                account.user.id,
                address,
                asker.secret,
                asker.seen,
                asker.language,
                asker.reference,
            )
        )

    def acceptable(self, account: Account, typed: str) -> str | AddressProblem:
        """What was typed as a mail server takes it, if this site lets it be the address."""
        address = self.normalised(typed)
        if address is None:
            return AddressProblem.MALFORMED
        if self._same_password(address):
            return AddressProblem.SAME_PASSWORD
        record = account.credentials.reissue_address
        if record is not None and record.secret["address"].casefold() == address.casefold():
            return AddressProblem.UNCHANGED
        return address

    def confirm(self, account: Account, asker: Asker, typed: str) -> ConfirmedAddress | NotMatched:
        """Take the code; the address is written only with what it belongs to."""
        answer = self.codes.check(CodePurpose.CONFIRM_ADDRESS, account.user.id, asker.secret, typed)
        if isinstance(answer, NotMatched):
            return answer
        line = json.dumps({"address": answer.to}).encode()
        self.store.put(self._key(account, asker), line, _CONFIRMED_FOR)
        return ConfirmedAddress(answer.to)

    def confirmed(self, account: Account, asker: Asker) -> ConfirmedAddress | None:
        """What was confirmed in this browser and is not written yet."""
        line = self.store.get(self._key(account, asker))
        return None if line is None else ConfirmedAddress(json.loads(line)["address"])

    def start_again(self, account: Account, asker: Asker) -> None:
        """With another address: neither a code that was sent nor what was confirmed counts."""
        self.codes.drop(CodePurpose.CONFIRM_ADDRESS, account.user.id, asker.secret)
        self.forget(account, asker)

    def forget(self, account: Account, asker: Asker) -> None:
        """It is written."""
        self.store.take(self._key(account, asker))

    def change_to(self, account: Account, address: str, bound_by: BoundBy) -> Change:
        """The change that writes an address, to be made together with a first factor."""
        before = account.credentials.reissue_address
        now = self.clock()
        secret = {"address": address}
        if before is not None:
            secret["paused_until"] = (now + self.rules.pause).isoformat()
        return Change(
            before,
            Credential(
                id=CredentialId(base64.b32encode(self.randomness(10)).decode("ascii").lower()),
                factor=REISSUE_ADDRESS,
                state=CredentialState.ACTIVE,
                label="",
                bound_at=now,
                bound_by=bound_by,
                generation=1,
                secret=secret,
            ),
        )

    def write(
        self, account: Account, asker: Asker, bound_by: BoundBy
    ) -> ConfirmedAddress | ChangeAnswer | None:
        """Write what was confirmed in this browser; old and new address hear of it.

        None: nothing was confirmed. Of two clicks one finds it; the other has to look again.
        """
        confirmed = self.confirmed(account, asker)
        if confirmed is None:
            return None
        change = self.change_to(account, confirmed.address, bound_by)
        written = change.after
        if written is None:
            raise TypeError("an address is written, never removed, here")
        before = account.credentials.reissue_address
        notice = self.outbox.intend(
            Notice(
                NoticeKind.ADDRESS_CHANGED,
                account.user.id,
                self.clock(),
                asker.seen,
                asker.reference,
                asker.language,
                masked(confirmed.address),
                () if before is None else (before.secret["address"],),
            ),
            Awaited(written.id, written.generation),
        )
        done = self.credentials.change(account.user.id, account.credentials, (change,))
        if done is not ChangeAnswer.DONE:
            self.outbox.done(notice)
            return done
        self.outbox.release(notice, self.clock())
        self.forget(account, asker)
        return confirmed

    def _same_password(self, address: str) -> bool:
        domain = address.rpartition("@")[2].casefold()
        return any(
            domain == refused or domain.endswith(f".{refused}")
            for refused in (one.casefold().lstrip("@.") for one in self.rules.refused_domains)
        )

    def _key(self, account: Account, asker: Asker) -> str:
        browser = hashlib.sha256(asker.secret.encode()).hexdigest()
        return f"address:{self.codes.throttle.mark('user', account.user.id)}:{browser}"
