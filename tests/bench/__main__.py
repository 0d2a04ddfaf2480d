"""``python -m tests.bench``: whole sign-ins over HTTP against ``idp-mfa serve`` on real parts."""

from __future__ import annotations

import argparse
import json
import sys

from tests.bench import decision, factors
from tests.bench.measure import Bench, Row
from tests.bench.processes import Process
from tests.bench.report import Report
from tests.bench.site import site

PEOPLE = 400
ROUNDS = 5
SIGN_INS = 100
CLIENTS = 2


def run(people: int, rounds: int, sign_ins: int, rows: tuple[Row, ...], clients: int) -> Report:
    """Start everything, warm it up, measure."""
    with site(people) as place:
        bench = Bench(place, clients)
        bench.warm_up(rows)
        measured = bench.measure(rows, rounds, sign_ins)
        private = tuple(Process("", pid).private_mib() for pid in place.workers)
        return Report(measured, private, clients)


def main() -> int:
    """Print the table, or JSON; 1 if the bar is not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--people", type=int, default=PEOPLE, help="how many share the sign-ins")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="batches of each row")
    parser.add_argument("--sign-ins", type=int, default=SIGN_INS, help="sign-ins of a batch")
    parser.add_argument("--clients", type=int, default=CLIENTS, help="browsers at once")
    given = parser.parse_args()
    report = run(given.people, given.rounds, given.sign_ins, tuple(Row), given.clients)
    prices, verified = decision.by_networks(), factors.in_signatures()
    if given.json:
        plain = {
            **report.plain(),
            "decision_in_signatures_by_networks": prices,
            "verification_in_signatures": verified,
        }
        text = json.dumps(plain, indent=1)
    else:
        text = f"{report.table()}\n\n{decision.told(prices)}\n{factors.told(verified)}"
    sys.stdout.write(f"{text}\n")
    return 0 if report.met and factors.kept(verified) else 1


if __name__ == "__main__":
    sys.exit(main())
