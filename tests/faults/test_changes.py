"""Workers killed in the middle of set-ups and re-issues; ``make soak`` runs 200 of these kills."""

from __future__ import annotations

import random

import pytest

from tests.faults.stand import PATIENT, stand
from tests.soak.changes import MAIL, Changes

pytestmark = pytest.mark.alone
KILLS = 8


def test_a_worker_killed_in_the_middle_leaves_one_key_and_tells_its_owner() -> None:
    with stand(PATIENT, MAIL) as site:
        done = Changes(site, KILLS, random.SystemRandom().randrange(2**32)).run()
    print(done)  # noqa: T201 - the seed must be in what a failed run shows
    assert not done.wrong, str(done)
    assert sum(done.kills.values()) == KILLS
    assert done.notices == 2 * sum(done.journeys.values())
