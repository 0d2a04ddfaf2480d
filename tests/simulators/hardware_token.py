"""A hardware token: what it shows, by a program of other hands."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime

from idp_mfa.factor import SharedKey


def oathtool(key: SharedKey, at: datetime) -> str:
    """What the token shows at a moment in UTC."""
    program = shutil.which("oathtool")
    assert program is not None, "Debian's package oathtool is missing"
    return subprocess.run(
        [
            program,
            f"--totp={key.algorithm.value}",
            f"--digits={key.digits}",
            f"--time-step-size={key.period}s",
            f"--now={at:%Y-%m-%d %H:%M:%S} UTC",
            "-",
        ],
        input=key.key.hex(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
