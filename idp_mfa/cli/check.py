"""``idp-mfa check``: each part in one line, in words."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from idp_mfa.cli.house import Program, as_json, echo_json
from idp_mfa.ports import Unavailable


@click.command()
@as_json
@click.pass_obj
def check(program: Program, as_json: bool) -> None:
    """Check configuration, policy, keys, directory, store, registry, audit and clock."""
    house = program.house
    found = {name: _told(look) for name, look in house.checks().items()}
    if as_json:
        echo_json({name: {"ok": ok, "says": says} for name, (ok, says) in found.items()})
    else:
        for name, (ok, says) in found.items():
            click.echo(f"{'ok ' if ok else 'NOT'} {name + ':':14}{says}")
    sys.exit(0 if all(ok for ok, _ in found.values()) else 1)


def _told(look: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, look()
    except Unavailable as error:
        return False, error.why
