"""``idp-mfa token``: the stock of hardware tokens."""

from __future__ import annotations

import click

from idp_mfa.cli.house import Program, as_json, echo_json, no, reason, stock_of
from idp_mfa.helpdesk import Actor
from idp_mfa.token_stock import NotAssigned

_WHY = {
    NotAssigned.NO_SUCH_TOKEN: "the stock has no token of this serial number",
    NotAssigned.HELD: "somebody has this token, or is being given it",
    NotAssigned.THEIRS_ALREADY: "this token is theirs already",
    NotAssigned.UNREADABLE: "records of this person do not open",
    NotAssigned.CHANGED_ELSEWHERE: "somebody else changed it meanwhile: try again",
}


@click.group(name="token")
def token() -> None:
    """Hardware tokens that nobody has yet (`desk.token_stock`)."""


@token.command(name="list")
@as_json
@click.pass_obj
def list_(program: Program, *, as_json: bool) -> None:
    """List the tokens of the stock, and who has them."""
    tokens = stock_of(program).tokens()
    rows = [
        {
            "serial": one.serial,
            "since": one.since,
            "owner": None if one.owner is None else one.owner.user.login,
        }
        for one in tokens
    ]
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        click.echo(f"{row['serial']:24} {row['since']:%Y-%m-%d} {row['owner'] or 'free'}")
    free = sum(one.owner is None for one in tokens)
    click.echo(f"{len(tokens)} tokens, {free} of them free", err=True)


@token.command()
@click.argument("login")
@click.argument("serial")
@reason
@click.pass_obj
def assign(program: Program, *, login: str, serial: str, reason: str) -> None:
    """Hand the token SERIAL out to LOGIN, in place of the one-time codes that they have."""
    person = program.house.helpdesk.show(login)
    if person is None:
        no(f"the directory has no {login}")
    done = stock_of(program).assign(person, serial, Actor(program.actor, reason))
    if isinstance(done, NotAssigned):
        no(f"nothing was changed: {_WHY[done]}")
    click.echo(f"{done.credential.label} is {login}'s (reference {done.reference})")


@token.command()
@click.argument("serial")
@reason
@click.pass_obj
def forget(program: Program, *, serial: str, reason: str) -> None:
    """Take a token that is lost or broken out of the stock; whoever has it keeps it."""
    done = stock_of(program).forget(serial, Actor(program.actor, reason))
    if isinstance(done, NotAssigned):
        no(f"nothing was changed: {_WHY[done]}")
    click.echo(f"{serial} is out of the stock (reference {done})")
