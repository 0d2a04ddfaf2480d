"""Guesses at once, over two nodes; ``make soak`` makes 800 of each kind."""

from __future__ import annotations

import pytest

from idp_mfa.throttle import Limits
from tests.soak.guesses import Attack, attack

pytestmark = pytest.mark.alone

GUESSES = 800


@pytest.fixture(scope="module")
def attacked() -> Attack:
    done = attack(GUESSES)
    print(done)  # noqa: T201 - what was counted, in what a failed run shows
    return done


def test_no_more_codes_are_looked_at_than_the_burst(attacked: Attack) -> None:
    """By the record of both nodes; a refill is minutes away."""
    assert attacked.codes.looked_at == Limits().factor_burst
    assert attacked.codes.refused_unseen > GUESSES / 2
    assert set(attacked.codes.statuses) <= {303, 409, 422, 429}


def test_the_right_code_during_the_lock_is_refused_like_the_others(attacked: Attack) -> None:
    assert attacked.right_code == 429


def test_no_more_passwords_are_asked_than_the_burst(attacked: Attack) -> None:
    """By the record, and by what the directory saw."""
    assert attacked.passwords.looked_at == attacked.binds == Limits().password_burst
    assert attacked.passwords.refused_unseen == GUESSES - Limits().password_burst
    assert set(attacked.passwords.statuses) == {422, 429}


def test_the_owner_is_locked_out_by_none_of_it(attacked: Attack) -> None:
    assert attacked.owner_signs_in
