"""Codes of six digits by mail: sent, checked once, and diagnosed where they cannot be taken.

A code is good in the browser that asked for it, for one purpose, once. What the store holds is its
mark alone: a MAC under the limits' key, for six digits are soon guessed from a plain digest.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.letters import CodePurpose, MailedCode
from idp_mfa.model import Clock, Randomness, Reference, Seen, UserId
from idp_mfa.ports import AuditLog, Budget, Outbox, Reservation, StateStore, Throttled
from idp_mfa.throttle import Throttle
from idp_mfa.typed_code import DIGITS, six_digits

REMEMBERED = 5
"""Codes sent to somebody that are kept for diagnosis."""
_REMEMBERED_FOR = timedelta(days=1)
_SWAPS = 8
_LARGEST = 2**64 - 2**64 % 10**DIGITS


@dataclass(frozen=True, slots=True)
class Asker:
    """The browser that asks; ``secret`` is the value of its own cookie for this."""

    secret: str = field(repr=False)
    seen: Seen
    language: str
    reference: Reference


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks for a code, for what, and where it goes; ``browser`` is that browser's secret."""

    purpose: CodePurpose
    user_id: UserId
    to: str
    browser: str = field(repr=False)
    seen: Seen
    language: str
    reference: Reference


@dataclass(frozen=True, slots=True)
class Sent:
    """A code is on its way; another one may be asked for from ``again_at``."""

    to: str
    at: datetime
    until: datetime
    again_at: datetime


@dataclass(frozen=True, slots=True)
class Matched:
    """The code is right and is spent now."""

    to: str


class CodeProblem(Enum):
    """Why what was typed is not taken, as far as its owner may know."""

    MALFORMED = "malformed"
    WRONG = "wrong"
    EXPIRED = "expired"
    NEWER_SENT = "newer-sent"
    ANOTHER_BROWSER = "another-browser"
    VOID = "void"
    """Too many wrong ones: only a new code helps."""
    NONE_SENT = "none-sent"


@dataclass(frozen=True, slots=True)
class NotMatched:
    """Not taken; ``left`` tries remain for this code, ``newest_at`` is when the latest was sent."""

    why: CodeProblem
    left: int | None = None
    newest_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    id: str
    mark: str
    browser: str
    to: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class MailedCodes:
    """Every code that is mailed."""

    store: StateStore
    outbox: Outbox
    throttle: Throttle
    clock: Clock
    randomness: Randomness
    audit: AuditLog | None = None

    def send(self, ask: Ask) -> Sent | Throttled:
        """A new code, which voids the older ones of this browser.

        It is kept before it is sent, so that a code which arrives is good.
        """
        limits, now = self.throttle.limits, self.clock()
        reserved = self.store.reserve(self._budgets(ask))
        if isinstance(reserved, Throttled):
            return reserved
        self._watch_for_flood(ask)
        code = self._code()
        kept = _Kept(
            base64.b32encode(self.randomness(10)).decode("ascii").lower(),
            self._mark(ask.purpose, ask.user_id, code),
            _digest(ask.browser),
            ask.to,
            now,
            now + limits.mailed_code_lives,
        )
        line = json.dumps(_to_json(kept)).encode()
        self.store.put(self._key(ask.purpose, ask.user_id, ask.browser), line, _REMEMBERED_FOR)
        self._remember(ask.purpose, ask.user_id, kept)
        self.outbox.put(
            MailedCode(
                ask.purpose,
                ask.user_id,
                now,
                ask.seen,
                ask.reference,
                ask.language,
                ask.to,
                code,
                kept.until,
            )
        )
        return self._sent(kept)

    def sent(self, purpose: CodePurpose, user_id: UserId, browser: str) -> Sent | None:
        """The code that this browser waits for, if it may still come."""
        kept = self._get(purpose, user_id, browser)
        return None if kept is None or kept.until <= self.clock() else self._sent(kept)

    def check(
        self, purpose: CodePurpose, user_id: UserId, browser: str, typed: str
    ) -> Matched | NotMatched:
        """Spend a try, look, and take the code if it is right: of two racers one is matched."""
        kept = self._get(purpose, user_id, browser)
        if kept is None:
            return NotMatched(CodeProblem.NONE_SENT)
        code = six_digits(typed)
        if code is None:
            return NotMatched(CodeProblem.MALFORMED)
        reserved = self.store.reserve(self.throttle.mailed_code(kept.id))
        if isinstance(reserved, Throttled):
            return NotMatched(CodeProblem.VOID)
        mark = self._mark(purpose, user_id, code)
        if mark != kept.mark:
            return self._diagnosed(purpose, user_id, kept, mark, reserved.left)
        if kept.until <= self.clock():
            return NotMatched(CodeProblem.EXPIRED)
        taken = self.store.take(self._key(purpose, user_id, browser))
        if taken is None or _from_json(json.loads(taken)) != kept:
            return NotMatched(CodeProblem.NONE_SENT)
        return Matched(kept.to)

    def drop(self, purpose: CodePurpose, user_id: UserId, browser: str) -> None:
        """A browser waits for no code any more."""
        self.store.take(self._key(purpose, user_id, browser))

    def _watch_for_flood(self, ask: Ask) -> None:
        """So many codes in an hour are no people's mishaps; but nobody is refused for others."""
        window = self.throttle.mail_of_everybody()
        if self.audit is None or isinstance(self.store.reserve((window,)), Reservation):
            return
        if self.store.once(f"{window.key}:alarm", window.span):
            self.audit.record(
                AuditRecord(self.clock(), AuditEvent.MAIL_FLOOD, ask.reference, seen=ask.seen)
            )

    # -- diagnosis ---------------------------------------------------------------------------

    def _diagnosed(
        self, purpose: CodePurpose, user_id: UserId, kept: _Kept, mark: str, left: int
    ) -> NotMatched:
        """Which code that cannot be taken now this is; what could be taken is never told."""
        if left == 0:
            return NotMatched(CodeProblem.VOID)
        for other in self._remembered(purpose, user_id):
            if other.mark == mark and other.browser != kept.browser:
                return NotMatched(CodeProblem.ANOTHER_BROWSER, left)
            if other.mark == mark:
                return NotMatched(CodeProblem.NEWER_SENT, left, kept.at)
        expired = kept.until <= self.clock()
        return NotMatched(CodeProblem.EXPIRED if expired else CodeProblem.WRONG, left)

    def _remember(self, purpose: CodePurpose, user_id: UserId, kept: _Kept) -> None:
        """For diagnosis alone: a race that is lost again and again forgets one."""
        key = self._list_key(purpose, user_id)
        for _ in range(_SWAPS):
            was = self.store.get(key)
            before = [] if was is None else json.loads(was)
            line = json.dumps([_to_json(kept), *before][:REMEMBERED]).encode()
            if was is None:
                self.store.put(key, line, _REMEMBERED_FOR)
                return
            if self.store.swap(key, was, line, _REMEMBERED_FOR):
                return

    def _remembered(self, purpose: CodePurpose, user_id: UserId) -> Sequence[_Kept]:
        line = self.store.get(self._list_key(purpose, user_id))
        return () if line is None else tuple(map(_from_json, json.loads(line)))

    # -- keys and marks ----------------------------------------------------------------------

    def _budgets(self, ask: Ask) -> tuple[Budget, ...]:
        if ask.purpose is CodePurpose.FIRST_SET_UP:
            return self.throttle.mail_of_first_set_up(ask.user_id, ask.to)
        return self.throttle.mail(ask.user_id, ask.to)

    def _sent(self, kept: _Kept) -> Sent:
        return Sent(kept.to, kept.at, kept.until, kept.at + self.throttle.limits.mail_again_after)

    def _get(self, purpose: CodePurpose, user_id: UserId, browser: str) -> _Kept | None:
        line = self.store.get(self._key(purpose, user_id, browser))
        return None if line is None else _from_json(json.loads(line))

    def _code(self) -> str:
        """Uniform over all six-digit numbers."""
        while (number := int.from_bytes(self.randomness(8))) >= _LARGEST:
            pass
        return f"{number % 10**DIGITS:0{DIGITS}}"

    def _mark(self, purpose: CodePurpose, user_id: UserId, code: str) -> str:
        return self.throttle.mark(f"mailed {purpose.value}", f"{user_id}\0{code}")

    def _key(self, purpose: CodePurpose, user_id: UserId, browser: str) -> str:
        return f"code:{purpose.value}:{self.throttle.mark('user', user_id)}:{_digest(browser)}"

    def _list_key(self, purpose: CodePurpose, user_id: UserId) -> str:
        return f"codes:{purpose.value}:{self.throttle.mark('user', user_id)}"


def _digest(browser: str) -> str:
    return hashlib.sha256(browser.encode()).hexdigest()


def _to_json(kept: _Kept) -> dict[str, str]:
    return {
        "id": kept.id,
        "mark": kept.mark,
        "browser": kept.browser,
        "to": kept.to,
        "at": kept.at.isoformat(),
        "until": kept.until.isoformat(),
    }


def _from_json(value: dict[str, Any]) -> _Kept:
    return _Kept(
        value["id"],
        value["mark"],
        value["browser"],
        value["to"],
        datetime.fromisoformat(value["at"]),
        datetime.fromisoformat(value["until"]),
    )
