"""A million sign-ins on record, and another policy tried on all of them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from idp_mfa.audit_log.address_keys import AddressKeyFile, create_address_keys
from idp_mfa.audit_log.addresses import Addresses
from idp_mfa.cli.replaying import Task, replayed
from idp_mfa.policy.assurance import SHIPPED_FACTORS
from idp_mfa.policy.load import load
from idp_mfa.policy.model import Policy
from idp_mfa.policy.replay import Change
from tests.bench.unit import unit
from tests.servers.foreground import folder
from tests.simulators.sign_ins import SignIns

FILES = 10
_POLICY = Path(__file__).parents[2] / "policies/default.yaml"
_KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was found, and in how long."""

    sign_ins: int
    newly_asked: int
    not_decidable: int
    seconds: float
    cpu_seconds: float
    unit: float

    def __str__(self) -> str:
        return (
            f"{self.sign_ins:,} decisions replayed in {self.seconds:.0f} s by two processes, "
            f"{self.cpu_seconds:.0f} s of CPU ({self.cpu_seconds / self.sign_ins * 1e6:.0f} us "
            f"each; an RSA-2048 signature took {self.unit / 2 * 1000:.0f} us): "
            f"{self.newly_asked:,} newly asked, {self.not_decidable:,} not decidable"
        )


def many(decisions: int) -> Replayed:
    """So many decisions, in ten files of the same lines: nothing is kept from line to line."""
    text = _POLICY.read_text(encoding="utf-8")
    began = datetime.now(UTC) - timedelta(days=20)
    with folder("replay") as place:
        keys = place / "addresses"
        create_address_keys(keys, began.date(), os.urandom)
        policy = load(text, str(_POLICY))
        assert isinstance(policy, Policy), policy
        sealing = Addresses(AddressKeyFile(keys, _KEPT, lambda: datetime.now(UTC)), os.urandom)
        lines = "".join(
            f"{line}\n" for line in SignIns(policy, began).lines(decisions // FILES, sealing)
        )
        files = [place / f"audit.jsonl.{number}" for number in range(FILES)]
        for file in files:
            file.write_text(lines, encoding="ascii")
        stricter = text.partition("\ntests:")[0].replace("zone: [campus, vpn] }", "zone: campus }")
        task = Task(stricter, "stricter", SHIPPED_FACTORS, (text,), keys, _KEPT, None)
        cpu, clock = _cpu(), time.monotonic()
        tally = replayed(task, files, _Nobody(), 2)
        seconds = time.monotonic() - clock
        return Replayed(
            tally.sign_ins,
            tally.changes[Change.NEWLY_ASKED],
            tally.not_decidable.total(),
            seconds,
            _cpu() - cpu,
            unit(),
        )


class _Nobody:
    def update(self, n_steps: int) -> None:
        del n_steps


def _cpu() -> float:
    """Of this process and of those that it waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
