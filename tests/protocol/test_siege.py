"""Strangers at one user's password for a simulated day; ``make soak`` sends many more of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from idp_mfa.throttle import Limits
from tests.soak.siege import ADDRESSES, MINUTES, Siege, besieged

GUESSES_A_MINUTE = 14
"""Each of the 10,000 addresses comes twice."""


@pytest.fixture(scope="module")
def siege() -> Siege:
    done = besieged(GUESSES_A_MINUTE)
    print(done)  # noqa: T201 - what was counted, in what a failed run shows
    return done


def test_at_every_minute_the_owner_gets_in_where_she_is_known(siege: Siege) -> None:
    assert not siege.shut_out, siege.shut_out[:3]
    assert siege.known_browser == siege.campus == MINUTES


def test_a_new_browser_outside_is_told_how_long(siege: Siege) -> None:
    assert siege.new_browser["wait"] > MINUTES / 2
    assert timedelta() < siege.longest_wait <= timedelta(days=1)


def test_all_strangers_together_have_the_tries_of_one_a_day(siege: Siege) -> None:
    assert siege.addresses == ADDRESSES == 10_000
    assert siege.guesses >= 2 * ADDRESSES
    assert siege.looked_at <= Limits().password_per_day
    assert siege.refused_unseen == siege.guesses - siege.looked_at
