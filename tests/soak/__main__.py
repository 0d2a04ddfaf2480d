"""``python -m tests.soak``: the long runs at full size, their figures as text.

Names choose some of the runs; without one all of them run, one after another. ``--seed N`` repeats
the dice of the kills and cuts; the other options make a run shorter.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable

from idp_mfa.throttle import Limits
from tests.faults.stand import PATIENT, stand
from tests.soak.chaos import Chaos
from tests.soak.guesses import attack
from tests.soak.memory import growth

FAULTS = 200
GUESSES = 800
SIGN_INS = 50_000
PEOPLE = 3_000
MOST_KIB_A_SIGN_IN = 0.25


def kills(asked: argparse.Namespace) -> bool:
    """Workers killed and connections cut, by the dice."""
    _say(f"seed {asked.seed}")
    with stand(PATIENT) as site:
        report = Chaos(site, asked.faults, asked.seed).run()
    _say(report)
    return not report.wrong


def guesses(asked: argparse.Namespace) -> bool:
    """Wrong codes and passwords at once, over two nodes."""
    done = attack(asked.guesses)
    _say(done)
    limits = Limits()
    return (
        done.codes.looked_at == limits.factor_burst
        and done.passwords.looked_at == done.binds == limits.password_burst
        and done.owner_signs_in
    )


def memory(asked: argparse.Namespace) -> bool:
    """Sign-ins one after another, and what workers hold after each tenth."""
    grown = growth(asked.sign_ins, min(PEOPLE, asked.sign_ins))
    _say(grown)
    return grown.kib_a_sign_in < MOST_KIB_A_SIGN_IN


RUNS: dict[str, Callable[[argparse.Namespace], bool]] = {
    run.__name__: run for run in (kills, guesses, memory)
}


def main() -> int:
    """0 if everything held."""
    words = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    words.add_argument("runs", nargs="*", metavar="RUN", help=", ".join(RUNS))
    words.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    words.add_argument("--faults", type=int, default=FAULTS)
    words.add_argument("--guesses", type=int, default=GUESSES)
    words.add_argument("--sign-ins", type=int, default=SIGN_INS)
    asked = words.parse_args()
    if unknown := set(asked.runs) - set(RUNS):
        words.error(f"no such run: {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    failed = []
    for name in asked.runs or RUNS:
        _say(f"== {name}")
        if not RUNS[name](asked):
            failed.append(name)
    if failed:
        _say(f"DID NOT HOLD: {', '.join(failed)}")
    return 1 if failed else 0


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
