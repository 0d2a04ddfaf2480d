"""Why a one-time code is not right, for pages whose reader may see the key: it is told at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from idp_mfa.diagnosis import Told, diagnose, told
from idp_mfa.factor import Factor, Recognises, Rejected, Rejection, Response
from idp_mfa.model import Clock, Credential


@dataclass(frozen=True, slots=True)
class CodeErrors:
    """``day`` words a date for the reader, ``issuer`` is how the apps call us."""

    totp: Factor
    issuer: str
    clock: Clock
    day: Callable[[datetime], str]

    def of(
        self, rejected: Rejected, typed: Response, records: Sequence[Credential]
    ) -> Mapping[str, object]:
        """What the page says; ``records`` are the keys by which the code may be recognised."""
        found = self._diagnosis(rejected, typed, records)
        wait = rejected.retry_in
        seconds = None if wait is None else int(wait.total_seconds()) + 1
        return {
            "left": None,
            "issuer": self.issuer,
            "kind": rejected.why.value if found is None else found.kind,
            "seconds": seconds if found is None else found.seconds,
            "minutes": None if found is None else found.minutes,
            "day": None if found is None else found.day,
        }

    def _diagnosis(
        self, rejected: Rejected, typed: Response, records: Sequence[Credential]
    ) -> Told | None:
        handler, now = self.totp, self.clock()
        if rejected.why is not Rejection.WRONG or not isinstance(handler, Recognises):
            return None
        found = diagnose(
            lambda one, within: handler.recognise(typed, one, now, within),
            [one for one in records if one.factor == handler.name],
            {},
            now,
        )
        return None if found is None else told(found, self.day)
