"""Is it everyone? Counts out of the newest records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.model import Reference, ServiceId, UserId
from idp_mfa.ports import Waiting
from idp_mfa.weather import weather

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SP = ServiceId("https://sp.example/")


def record(
    event: AuditEvent,
    user: str = "alice",
    minutes: float = 1,
    decision: dict[str, Any] | None = None,
    **detail: str | int,
) -> AuditRecord:
    return AuditRecord(
        NOW - timedelta(minutes=minutes),
        event,
        Reference("K7WQ2MZP"),
        UserId(user),
        SP,
        detail=detail,
        decision=decision,
    )


def test_wrong_codes_are_counted_by_kind_and_devices_by_how_far_they_are_off() -> None:
    wrong = AuditEvent.FACTOR_REJECTED
    found = weather(
        [
            record(wrong, why="wrong"),
            record(wrong, why="wrong", diagnosis="old-key"),
            record(wrong, why="already-used", diagnosis="already-used"),
            record(wrong, why="wrong", diagnosis="clock", ahead_seconds=-355),
            record(wrong, why="wrong", diagnosis="clock", ahead_seconds=-350),
            record(wrong, user="bob", why="wrong", diagnosis="clock", ahead_seconds=-365),
            record(wrong, user="bob", minutes=61, why="wrong"),
            record(wrong, user="bob", minutes=-1, why="wrong"),
        ],
        NOW,
        HOUR,
        None,
    )
    assert next(iter(found.wrong_codes.items())) == ("clock", 3)
    assert found.wrong_codes == {"clock": 3, "wrong": 1, "old-key": 1, "already-used": 1}
    assert found.skews == {-6: 2}, "each person once"


def test_asks_by_zone_failures_by_service_and_what_is_away() -> None:
    accepted = AuditEvent.PASSWORD_ACCEPTED
    found = weather(
        [
            record(AuditEvent.SIGN_IN_BEGAN),
            record(accepted, decision={"outcome": "ask", "zone": "outside"}),
            record(accepted, decision={"outcome": "enrol", "zone": "outside"}),
            record(accepted, decision={"outcome": "skip", "zone": "campus"}),
            record(accepted, decision={"outcome": "deny", "zone": "campus"}),
            record(AuditEvent.ASSERTION_ISSUED, decision={"outcome": "permit", "zone": "outside"}),
            record(AuditEvent.SIGN_IN_REFUSED, why="locked"),
            record(AuditEvent.PART_UNAVAILABLE, part="directory"),
        ],
        NOW,
        HOUR,
        Waiting(3, NOW - timedelta(minutes=7)),
    )
    assert (found.sign_ins, found.asked, found.skipped) == (1, {"outside": 2}, {"campus": 1})
    assert (found.failures, found.unavailable) == ({SP: 1}, {"directory": 1})
    assert (found.letters, found.oldest_letter) == (3, timedelta(minutes=7))


def test_a_queue_that_cannot_be_seen_is_not_called_empty() -> None:
    away, empty = weather([], NOW, HOUR, None), weather([], NOW, HOUR, Waiting(0, None))
    assert (away.letters, away.oldest_letter) == (None, None)
    assert (empty.letters, empty.oldest_letter) == (0, timedelta(0))
