"""What server processes cost, as the kernel counts it: CPU time and memory that nobody shares."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_MILLISECONDS_A_TICK = 1000 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """A process that serves sign-ins, and the part that it plays."""

    part: str
    pid: int

    def cpu(self) -> float:
        """Milliseconds of user and system time of all its threads since it began.

        The threads' own count is in nanoseconds but forgets those that ended; the process's is in
        ticks and forgets nothing.
        """
        place = Path("/proc", str(self.pid))
        fields = (place / "stat").read_text().rpartition(")")[2].split()
        ticks = (int(fields[11]) + int(fields[12])) * _MILLISECONDS_A_TICK
        threads = (place / "task").glob("*/schedstat")
        return max(ticks, sum(int(each.read_text().split()[0]) for each in threads) / 1e6)

    def private_mib(self) -> float:
        """MiB that would be free again if this process ended."""
        lines = Path("/proc", str(self.pid), "smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def children(pid: int) -> tuple[int, ...]:
    """The processes that this one forked."""
    tasks = Path("/proc", str(pid), "task").glob("*/children")
    return tuple(sorted(int(child) for task in tasks for child in task.read_text().split()))
