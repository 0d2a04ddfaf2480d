"""``idp-mfa check``: each part in one line, in words."""

from __future__ import annotations

import sys

import click

from idp_mfa.cli.checks import Notice, checks, told
from idp_mfa.cli.house import Program, as_json, echo_json


@click.command()
@as_json
@click.pass_obj
def check(program: Program, as_json: bool) -> None:
    """Check configuration, policy, keys, directory, store, mail, registry, audit and clock."""
    found = {name: told(look) for name, look in checks(program.house).items()}
    if as_json:
        echo_json({name: _plain(ok, says) for name, (ok, says) in found.items()})
    else:
        for name, (ok, says) in found.items():
            mark = "NOT " if not ok else "SOON" if isinstance(says, Notice) else "ok  "
            click.echo(f"{mark} {name + ':':14}{_words(says)}")
    sys.exit(0 if all(ok for ok, _ in found.values()) else 1)


def _plain(ok: bool, says: str | Notice) -> dict[str, object]:
    return {"ok": ok, "soon": isinstance(says, Notice), "says": _words(says)}


def _words(says: str | Notice) -> str:
    return says.says if isinstance(says, Notice) else says
