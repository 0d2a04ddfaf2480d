"""The story of a sign-in: one thing to do, no secret, and how the system was then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.desk.story import Advice, told
from idp_mfa.model import Reference, Seen, UserId

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
CODE = Reference("7K3MQ9XT")
E = AuditEvent


def line(event: AuditEvent, seconds: int = 0, **detail: str) -> AuditRecord:
    seen = Seen(ip_address("203.0.113.10"), ("peer 127.0.0.1",))
    at = START + timedelta(seconds=seconds)
    return AuditRecord(at, event, CODE, UserId("id-1"), seen=seen, detail=detail)


BEGAN = line(E.SIGN_IN_BEGAN, page="sign-in")
RIGHT = line(E.PASSWORD_ACCEPTED, 5)


def rejected(seconds: int = 10, **detail: str) -> AuditRecord:
    return line(E.FACTOR_REJECTED, seconds, factor="totp", **detail)


STORIES = [
    ([BEGAN, line(E.PASSWORD_REJECTED, 3)], Advice.PASSWORD),
    ([BEGAN, RIGHT, rejected(why="wrong")], Advice.WRONG_CODE),
    ([BEGAN, RIGHT, rejected(why="already-used")], Advice.NEXT_CODE),
    ([BEGAN, RIGHT, rejected(why="wrong", diagnosis="clock")], Advice.SET_CLOCK),
    ([BEGAN, RIGHT, rejected(why="wrong", diagnosis="our-clock")], Advice.ADMINISTRATOR),
    ([BEGAN, RIGHT, rejected(why="wrong", diagnosis="old-key")], Advice.OLD_ENTRY),
    ([BEGAN, RIGHT, rejected(why="wrong", diagnosis="unfinished")], Advice.FINISH_SET_UP),
    ([BEGAN, RIGHT, rejected(), line(E.FACTOR_ACCEPTED, 20)], Advice.NOTHING),
    ([BEGAN, RIGHT, rejected(), line(E.LIMIT_REACHED, 20, of="totp")], Advice.UNLOCK),
    ([BEGAN, line(E.LIMIT_REACHED, 20, of="network")], Advice.AGAIN),
    ([BEGAN, RIGHT, line(E.FACTOR_DISABLED, 20)], Advice.ENABLE),
    ([BEGAN, RIGHT, line(E.SIGN_IN_REFUSED, 9, why="policy")], Advice.PLACE),
    ([BEGAN, RIGHT, line(E.SIGN_IN_REFUSED, 9, why="account")], Advice.ACCOUNT),
    ([BEGAN, RIGHT, line(E.SIGN_IN_REFUSED, 9, why="no-factor-enrolled")], Advice.SET_UP),
    ([BEGAN, RIGHT, rejected(), line(E.SIGN_IN_REFUSED, 19, why="cancelled")], Advice.WRONG_CODE),
    ([BEGAN, line(E.PART_UNAVAILABLE, 2, part="directory")], Advice.AGAIN),
    ([line(E.ERROR)], Advice.ADMINISTRATOR),
    ([BEGAN], Advice.NOTHING),
]


@pytest.mark.parametrize(("records", "wanted"), STORIES)
def test_the_last_thing_that_says_something_decides_what_to_do(
    records: list[AuditRecord], wanted: Advice
) -> None:
    story = told(CODE, list(reversed(records)), ())
    assert story is not None
    assert story.advice is wanted
    assert [step.event for step in story.steps] == [one.event for one in records]


def test_there_is_no_story_without_a_record() -> None:
    assert told(CODE, (), (BEGAN,)) is None


def test_of_a_records_details_only_named_ones_are_told() -> None:
    story = told(CODE, [rejected(why="wrong", code="123456", secret="JBSWY3DP", cookie="abc")], ())
    assert story is not None
    assert dict(story.steps[0].told) == {"factor": "totp", "why": "wrong"}


def test_faults_around_it_are_counted_and_others_are_not() -> None:
    lately = [
        line(E.SIGN_IN_BEGAN, -1000),
        line(E.PART_UNAVAILABLE, -301, part="store"),
        line(E.PART_UNAVAILABLE, -299, part="store"),
        line(E.PART_UNAVAILABLE, 12, part="directory"),
        line(E.LETTER_NOT_SENT, 200),
        line(E.LETTER_NOT_SENT, 400),
    ]
    story = told(CODE, [BEGAN, RIGHT], lately)
    assert story is not None
    assert story.health is not None
    assert dict(story.health.away) == {"directory": 1, "store": 1, "mail": 1}
    assert not story.health.well


def test_what_the_window_no_longer_holds_is_not_called_well() -> None:
    for lately in ([], [line(E.SIGN_IN_BEGAN, 1)]):
        story = told(CODE, [BEGAN], lately)
        assert story is not None
        assert story.health is None
    story = told(CODE, [BEGAN], [BEGAN])
    assert story is not None
    assert story.health is not None
    assert story.health.well
