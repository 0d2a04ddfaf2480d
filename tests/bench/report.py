"""The figures as a table for people and as JSON for programs."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from tests.bench.measure import Measured, Row

BAR = 15.0
"""Units that a sign-in with password and TOTP, signed twice, may cost at most."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run found; memory in MiB for each worker."""

    measured: tuple[Measured, ...]
    private_mib: tuple[float, ...]
    clients: int

    @property
    def unit_ms(self) -> float:
        """The unit, over the whole run."""
        return mean(batch.unit for each in self.measured for batch in each.batches)

    @property
    def met(self) -> bool:
        """Whether the row that has a bar keeps it."""
        return all(each.units <= BAR for each in self.measured if each.row is Row.FACTOR)

    def plain(self) -> Mapping[str, object]:
        """For JSON."""
        return {
            "unit_cpu_ms": round(self.unit_ms, 4),
            "bar_units": BAR,
            "met": self.met,
            "python": _python(),
            "clients": self.clients,
            "private_mib_per_worker": [round(each, 1) for each in self.private_mib],
            "rows": [_row(each) for each in self.measured],
        }

    def table(self) -> str:
        """For people."""
        lines = [
            f"unit: CPU of two bare RSA-2048 signatures, {self.unit_ms:.3f} ms in this run",
            f"bar:  {BAR:.0f} units for a sign-in with password and TOTP, signed twice: "
            f"{'kept' if self.met else 'NOT KEPT'}",
            f"by:   {_python()}",
            f"load: {self.clients} browsers at once on kept connections",
            "memory of a worker that it shares with nobody: "
            + ", ".join(f"{each:.1f} MiB" for each in self.private_mib),
        ]
        for each in self.measured:
            lines += ["", *_described(each)]
        return "\n".join(lines)


def _python() -> str:
    """Which interpreter: one that was built without optimisation takes a fifth longer."""
    return f"Python {platform.python_version()} of {sys.base_prefix}"


def _row(measured: Measured) -> Mapping[str, object]:
    (whole50, single50), (whole99, single99) = measured.wall_ms(0.5), measured.wall_ms(0.99)
    return {
        "row": measured.row.name.lower(),
        "sign_ins": measured.sign_ins,
        "requests_per_sign_in": round(measured.requests, 2),
        "units": round(measured.units, 2),
        "cpu_ms": round(measured.cpu_ms, 3),
        "cpu_ms_by_part": {part: round(measured.cpu_of(part), 3) for part in measured.parts},
        "sign_ins_per_second_and_core": round(1000 / measured.cpu_ms, 1),
        "sign_in_wall_ms": {"p50": round(whole50, 2), "p99": round(whole99, 2)},
        "request_wall_ms": {"p50": round(single50, 2), "p99": round(single99, 2)},
    }


def _described(measured: Measured) -> Sequence[str]:
    (whole50, single50), (whole99, single99) = measured.wall_ms(0.5), measured.wall_ms(0.99)
    parts = ", ".join(f"{part} {measured.cpu_of(part):.2f}" for part in measured.parts)
    return (
        f"{measured.row.value} ({measured.sign_ins} sign-ins of {measured.requests:.0f} requests)",
        f"  {measured.units:6.2f} units   {measured.cpu_ms:.2f} ms CPU   "
        f"{1000 / measured.cpu_ms:.0f} sign-ins a second and core",
        f"  CPU ms: {parts}",
        f"  wall ms, p50 / p99: sign-in {whole50:.1f} / {whole99:.1f}, "
        f"request {single50:.1f} / {single99:.1f}",
    )
