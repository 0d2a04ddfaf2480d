"""``python -m tests.soak``: the long runs at full size, their figures as text.

``--seed N`` repeats a run's faults; ``--faults N`` and ``--sign-ins N`` make it shorter.
"""

from __future__ import annotations

import argparse
import random
import sys

from tests.faults.stand import PATIENT, stand
from tests.soak.chaos import Chaos
from tests.soak.memory import growth

FAULTS = 200
SIGN_INS = 50_000
PEOPLE = 3_000
MOST_KIB_A_SIGN_IN = 0.25


def main() -> int:
    """0 if everything held."""
    words = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    words.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    words.add_argument("--faults", type=int, default=FAULTS)
    words.add_argument("--sign-ins", type=int, default=SIGN_INS)
    asked = words.parse_args()
    _say(f"seed {asked.seed}")
    with stand(PATIENT) as site:
        report = Chaos(site, asked.faults, asked.seed).run()
    _say(report)
    grown = growth(asked.sign_ins, min(PEOPLE, asked.sign_ins))
    _say(grown)
    flat = grown.kib_a_sign_in < MOST_KIB_A_SIGN_IN
    return 0 if not report.wrong and flat else 1


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
