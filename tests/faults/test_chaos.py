"""Kills and cuts by the dice; ``make soak`` runs the same at full size."""

from __future__ import annotations

import random

import pytest

from tests.faults.stand import Stand
from tests.soak.chaos import Chaos

pytestmark = pytest.mark.alone


def test_random_kills_and_cuts_let_nobody_in_and_lose_nothing(patient: Stand) -> None:
    report = Chaos(patient, faults=20, seed=random.SystemRandom().randrange(2**32)).run()
    print(report)  # noqa: T201 - the seed must be in what a failed run shows
    assert not report.wrong, str(report)
    assert sum(report.acts.values()) == 20
    assert report.sign_ins >= 200
    assert report.checked_afterwards == report.set_ups >= 15
