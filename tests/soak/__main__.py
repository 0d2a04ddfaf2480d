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
from tests.soak.brought_in import brought_in
from tests.soak.changes import MAIL, Changes
from tests.soak.chaos import Chaos
from tests.soak.guesses import attack
from tests.soak.memory import growth
from tests.soak.records import searched
from tests.soak.replays import many
from tests.soak.siege import besieged
from tests.soak.swaps import BROKEN, swapped
from tests.soak.term import first_day

FAULTS = 200
GUESSES = 800
GUESSES_A_MINUTE = 600
FIRST_DAY = (20_000, 5_000)
"""Sign-ins and first set-ups."""
FIRST_DAYS_ENROLLED = 1_500
SWAPPED_SIGN_INS, SWAPS, SWAPPED_PEOPLE = 1_000, 20, 500
SIGN_INS = 50_000
DECISIONS = 1_000_000
RECORDS = 1_000_000
KEYS, KILLS = 10_000, 2
MOST_SECONDS_OF_REPLAY = 180
WORKERS = 2
PEOPLE = 3_000
MOST_KIB_A_SIGN_IN = 0.25


def kills(asked: argparse.Namespace) -> bool:
    """Workers killed and connections cut, by the dice."""
    _say(f"seed {asked.seed}")
    with stand(PATIENT) as site:
        report = Chaos(site, asked.faults, asked.seed).run()
    _say(report)
    return not report.wrong


def changes(asked: argparse.Namespace) -> bool:
    """Workers killed in the middle of first set-ups and re-issues."""
    _say(f"seed {asked.seed}")
    with stand(PATIENT, MAIL) as site:
        done = Changes(site, asked.faults, asked.seed).run()
    _say(done)
    return not done.wrong


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


def siege(asked: argparse.Namespace) -> bool:
    """A simulated day of strangers at one user's password."""
    done = besieged(asked.guesses_a_minute)
    _say(done)
    return not done.shut_out and done.looked_at <= Limits().password_per_day


def term(asked: argparse.Namespace) -> bool:
    """The first day of term, behind three shared addresses."""
    del asked
    done = first_day(*FIRST_DAY, FIRST_DAYS_ENROLLED)
    _say(done)
    return not done.refused and not any(done.limits.values())


def swaps(asked: argparse.Namespace) -> bool:
    """Policies swapped under sign-ins, broken ones among them."""
    del asked
    done = swapped(SWAPPED_SIGN_INS, SWAPS, SWAPPED_PEOPLE)
    _say(done)
    return not done.wrong and done.activated == SWAPS - BROKEN and done.refused == BROKEN


def memory(asked: argparse.Namespace) -> bool:
    """Sign-ins one after another, and what workers hold after each tenth."""
    grown = growth(asked.sign_ins, min(PEOPLE, asked.sign_ins), WORKERS)
    _say(grown)
    return grown.kib_a_sign_in < MOST_KIB_A_SIGN_IN


def replays(asked: argparse.Namespace) -> bool:
    """Another policy over every decision on record, by two processes."""
    done = many(asked.decisions)
    _say(done)
    allowed = MOST_SECONDS_OF_REPLAY * asked.decisions / DECISIONS
    return done.sign_ins == asked.decisions and done.seconds < allowed


def records(asked: argparse.Namespace) -> bool:
    """What the desk looks for, among all records of a month."""
    found = searched(asked.records)
    _say(found)
    return found.right and found.by_reference < 1 and found.by_person_and_day < 3


def imports(asked: argparse.Namespace) -> bool:
    """Keys of each format, the process killed on the way."""
    right = []
    for one in brought_in(asked.keys, KILLS):
        _say(one)
        right.append(one.right)
    return all(right)


RUNS: dict[str, Callable[[argparse.Namespace], bool]] = {
    run.__name__: run
    for run in (kills, changes, guesses, siege, term, swaps, memory, replays, records, imports)
}


def main() -> int:
    """0 if everything held."""
    words = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    words.add_argument("runs", nargs="*", metavar="RUN", help=", ".join(RUNS))
    words.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    words.add_argument("--faults", type=int, default=FAULTS)
    words.add_argument("--guesses", type=int, default=GUESSES)
    words.add_argument("--guesses-a-minute", type=int, default=GUESSES_A_MINUTE)
    words.add_argument("--sign-ins", type=int, default=SIGN_INS)
    words.add_argument("--decisions", type=int, default=DECISIONS)
    words.add_argument("--records", type=int, default=RECORDS)
    words.add_argument("--keys", type=int, default=KEYS)
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
