"""Runs ``idp-mfa`` on a host whose clock is off, by as many seconds as a file says at the moment.

Before a command: ``python -m tests.servers.another_clock FILE python -m idp_mfa ...``. Nothing of
the program is another, only the clock that it is handed; libfaketime, which shifts the timers of a
process along with its clock, keeps a server from serving where it goes back.
"""

from __future__ import annotations

import runpy
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from idp_mfa.compose import house


def prefix(file: Path) -> tuple[str, ...]:
    """What goes before the command."""
    return (sys.executable, "-m", "tests.servers.another_clock", str(file))


def main() -> None:
    """Hand in the clock, and become the command."""
    file = Path(sys.argv[1])
    module = sys.argv.index("-m") + 1

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(file.read_text()))

    assert callable(house.now)
    house.now = now
    sys.argv = sys.argv[module:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
