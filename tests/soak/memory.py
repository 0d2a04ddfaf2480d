"""Whether workers grow: sign-ins one after another, and what is theirs alone after each part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression

from tests.bench.measure import Bench, Row
from tests.bench.processes import Process
from tests.bench.site import site

CLIENTS = 4
PARTS = 10
LEFT_OUT = 5
"""Parts at the beginning in which caches fill, each with its thousand entries."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Sign-ins so far, and MiB of all workers together, after each part."""

    sign_ins: Sequence[int]
    mib: Sequence[float]

    @property
    def kib_a_sign_in(self) -> float:
        """The slope of the line through all parts but the first."""
        line = linear_regression(self.sign_ins[LEFT_OUT:], self.mib[LEFT_OUT:])
        return line.slope * 1024

    @property
    def grown_mib(self) -> float:
        """From the first part that counts to the last."""
        return self.mib[-1] - self.mib[LEFT_OUT]

    def __str__(self) -> str:
        sizes = ", ".join(f"{each:.1f}" for each in self.mib)
        return (
            f"{self.sign_ins[-1]} sign-ins; MiB of all workers after each tenth: {sizes}; "
            f"{self.kib_a_sign_in:+.3f} KiB a sign-in"
        )


def growth(sign_ins: int, people: int, workers: int) -> Growth:
    """That many sign-ins with password and code, measured after each tenth."""
    with site(people, workers=workers) as started:
        bench = Bench(started, CLIENTS)
        bench.warm_up([Row.FACTOR])
        done, sizes = [], []
        for part in range(1, PARTS + 1):
            bench.batch(Row.FACTOR, sign_ins // PARTS)
            workers = [Process("worker", pid) for pid in started.workers]
            done.append(part * (sign_ins // PARTS))
            sizes.append(sum(worker.private_mib() for worker in workers))
        return Growth(done, sizes)
