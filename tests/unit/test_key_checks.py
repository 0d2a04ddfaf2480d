"""What ``idp-mfa check`` says of keys and certificates before they become trouble."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from idp_mfa.cli.checks import Notice, certificate

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "says"),
    [
        (60, "plan its successor"),
        (31, "plan its successor"),
        (30, "publish the next key now"),
        (8, "publish the next key now"),
        (7, "replace it now"),
        (0, "replace it now"),
        (-1, "look at the date refuse us"),
    ],
)
def test_a_certificate_that_ends_soon_is_told_in_time(days: int, says: str) -> None:
    found = certificate(NOW + timedelta(days=days), NOW)
    assert isinstance(found, Notice)
    assert says in found.says


def test_one_that_lasts_is_no_news() -> None:
    assert certificate(NOW + timedelta(days=61), NOW) == "ends on 2027-01-21"
