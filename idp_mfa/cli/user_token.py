"""``idp-mfa user resync``: a hardware token whose clock has gone off."""

from __future__ import annotations

from typing import assert_never

import click

from idp_mfa.cli.house import Program, no, reason
from idp_mfa.hardware_tokens import NotResynchronised, Resynchronised
from idp_mfa.helpdesk import Actor
from idp_mfa.ports import Throttled


@click.command()
@click.argument("login")
@click.argument("token")
@reason
@click.pass_obj
def resync(program: Program, *, login: str, token: str, reason: str) -> None:
    """Find TOKEN's time by two codes that it shows one after the other; its label names it."""
    account = program.house.helpdesk.show(login)
    if account is None:
        no(f"the directory has no {login}")
    named = [one for one in account.credentials.active if token in (one.label, one.id)]
    if len(named) != 1:
        labels = ", ".join(one.label for one in account.credentials.active)
        no(f"{login} has no one token {token}; there is {labels or 'none'}")
    # Asked for: what stands in a command line, others can see.
    codes = (click.prompt("first code"), click.prompt("second code"))
    done = program.house.hardware_tokens.resynchronise(
        account, named[0], codes, Actor(program.actor, reason)
    )
    match done:
        case Resynchronised(_, reference):
            click.echo(f"the codes of {token} count again (reference {reference})")
        case NotResynchronised():
            no(f"nothing was changed: {done.value}")
        case Throttled(until):
            no(f"too many tries: again at {until:%H:%M:%S} UTC")
        case never:
            assert_never(never)
