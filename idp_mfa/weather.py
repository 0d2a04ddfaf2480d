"""Is it everyone? What happens lately to many people at once, out of the newest records (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.ports import Waiting

_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Weather:
    """Counts of records from ``since`` on, the most frequent first.

    ``wrong_codes`` by what was wrong with them, or by their diagnosis; ``skews`` of devices by
    minutes ahead of our clock, people counted once each. ``asked`` and ``skipped`` count first
    judgements by zone; ``failures`` refused sign-ins by service; ``unavailable`` 503 pages by part.
    ``oldest_letter`` is how long the oldest of ``letters`` waits, None if the queue cannot be seen.
    """

    since: datetime
    sign_ins: int
    wrong_codes: Mapping[str, int]
    skews: Mapping[int, int]
    asked: Mapping[str, int]
    skipped: Mapping[str, int]
    failures: Mapping[str, int]
    unavailable: Mapping[str, int]
    letters: int | None
    oldest_letter: timedelta | None


_ASKS = frozenset({"ask", "enrol"})
_SKIPS = frozenset({"skip", "grace"})
_FIRST_JUDGED = frozenset(
    {
        AuditEvent.PASSWORD_ACCEPTED,
        AuditEvent.SESSION_RECOGNISED,
        AuditEvent.PASSKEY_ACCEPTED,
    }
)


def weather(
    records: Iterable[AuditRecord],
    now: datetime,
    span: timedelta,
    waiting: Waiting | None,
) -> Weather:
    """What the newest records come to; ``waiting`` None if the queue of letters is away."""
    since = now - span
    counted = _Counts()
    for record in records:
        if since <= record.at <= now:
            counted.take(record)
    oldest = None if waiting is None else timedelta(0)
    if waiting is not None and waiting.since is not None:
        oldest = max(now - waiting.since, timedelta(0))
    return Weather(
        since=since,
        sign_ins=counted.sign_ins,
        wrong_codes=_sorted(counted.wrong_codes),
        skews=dict(sorted(Counter(minutes for _, minutes in counted.skews).items())),
        asked=_sorted(counted.asked),
        skipped=_sorted(counted.skipped),
        failures=_sorted(counted.failures),
        unavailable=_sorted(counted.unavailable),
        letters=None if waiting is None else waiting.letters,
        oldest_letter=oldest,
    )


class _Counts:
    """What is counted while records go by."""

    def __init__(self) -> None:
        self.sign_ins = 0
        self.wrong_codes: Counter[str] = Counter()
        self.skews: set[tuple[str, int]] = set()
        self.asked: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.unavailable: Counter[str] = Counter()

    def take(self, record: AuditRecord) -> None:
        """One more."""
        detail = record.detail
        match record.event:
            case AuditEvent.SIGN_IN_BEGAN:
                self.sign_ins += 1
            case AuditEvent.FACTOR_REJECTED:
                self.wrong_codes[str(detail.get("diagnosis") or detail.get("why"))] += 1
                ahead = detail.get("ahead_seconds")
                if isinstance(ahead, int) and record.user is not None:
                    self.skews.add((record.user, round(ahead / _MINUTE)))
            case AuditEvent.SIGN_IN_REFUSED:
                self.failures[record.service or ""] += 1
            case AuditEvent.PART_UNAVAILABLE:
                self.unavailable[str(detail.get("part"))] += 1
            case event if event in _FIRST_JUDGED and record.decision is not None:
                outcome, zone = record.decision.get("outcome"), str(record.decision.get("zone"))
                if outcome in _ASKS:
                    self.asked[zone] += 1
                elif outcome in _SKIPS:
                    self.skipped[zone] += 1
            case _:
                pass


def _sorted(counter: Counter[str]) -> Mapping[str, int]:
    return dict(counter.most_common())
