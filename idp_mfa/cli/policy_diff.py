"""``idp-mfa policy diff``: whom a new policy asks, lets in or denies otherwise than the old one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from idp_mfa.cli.house import as_json, echo_json
from idp_mfa.cli.policy_cells import either, in_json, in_words, place
from idp_mfa.cli.policy_files import at_option, file_argument, well_written
from idp_mfa.policy.cells import Cell
from idp_mfa.policy.diff import Changed, Difference, difference


@click.command()
@click.argument("old", type=file_argument)
@click.argument("new", type=file_argument)
@at_option
@as_json
def diff(old: Path, new: Path, *, at: datetime, as_json: bool) -> None:
    """Say of what requests something else comes: asked, let in, denied."""
    before, after = well_written(old), well_written(new)
    factors = {**before.factors, **after.factors}
    found = difference(before.policy, after.policy, factors, at)
    if as_json:
        echo_json(_told(found))
        return
    for line in _lines(found):
        click.echo(line)


def _lines(found: Difference) -> Iterator[str]:
    for (before, now), networks in found.moved.items():
        addresses = ", ".join(map(str, networks))
        yield f"moved: {addresses}: was {place(before)}, is {place(now)}"
    for cell in found.changes:
        yield _sentence(found, cell)
    if not found.changes:
        yield "nothing changes: of every request the same comes"


def _sentence(found: Difference, cell: Cell[Changed]) -> str:
    change = cell.label
    parts = [f"by rule {change.rule!r}" if change.rule else "by no rule"]
    if change.why is not None:
        parts.append(change.why.value)
    if change.lost:
        parts.append(f"no longer {either(sorted(change.lost))}")
    if change.gained:
        parts.append(f"now {either(sorted(change.gained))} too")
    return f"{change.turn.value}: {in_words(found.space, cell)} ({', '.join(parts)})"


def _told(found: Difference) -> dict[str, object]:
    return {
        "same": not found.changes,
        "moved": [
            {"was": before, "is": now, "networks": list(map(str, networks))}
            for (before, now), networks in found.moved.items()
        ],
        "changes": [
            {
                "words": _sentence(found, cell),
                "turn": cell.label.turn.value,
                "where": in_json(found.space, cell),
                "rule": cell.label.rule,
                "why": None if cell.label.why is None else cell.label.why.value,
                "no_longer": sorted(cell.label.lost),
                "now": sorted(cell.label.gained),
            }
            for cell in found.changes
        ],
    }
