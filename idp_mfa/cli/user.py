"""``idp-mfa user``: the help desk on the console, also when nobody can sign in."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import click

from idp_mfa.cli.house import Program, as_json, echo_json, fail, no, reason
from idp_mfa.helpdesk import Actor, Passcode, Purpose, Reset, WrongCodes
from idp_mfa.model import Account, FactorName
from idp_mfa.ports import Unavailable


@click.group(name="user")
def user() -> None:
    """Look at a person's account and factors, and mend them."""


@user.command()
@click.argument("login")
@as_json
@click.pass_obj
def show(program: Program, login: str, as_json: bool) -> None:
    """Show a person: standing, groups, factors and wrong codes; never a secret."""
    account = _account(program, login)
    wrong_codes = _wrong_codes(program, account)
    told: dict[str, object] = {
        "login": account.user.login,
        "id": account.user.id,
        "name": account.user.display_name,
        "standing": account.standing.state.value,
        "password_changed_at": account.standing.password_changed_at,
        "groups": sorted(account.groups),
        "factors": [
            {
                "factor": one.factor,
                "state": one.state.value,
                "label": one.label,
                "bound_at": one.bound_at,
                "bound_by": one.bound_by.value,
            }
            for one in account.credentials.records
        ],
        "unreadable": account.credentials.unreadable,
        "wrong_codes": None if wrong_codes is None else asdict(wrong_codes),
    }
    if as_json:
        echo_json(told)
        return
    for key, value in told.items():
        if key not in {"factors", "wrong_codes"}:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            click.echo(f"{key + ':':21}{shown}")
    for one in account.credentials.records:
        click.echo(
            f"{'factor:':21}{one.factor}, {one.state.value}, {one.label}, "
            f"since {one.bound_at:%Y-%m-%d %H:%M} UTC by {one.bound_by.value}"
        )
    if wrong_codes is not None:
        click.echo(f"{'wrong codes:':21}{_told(wrong_codes)}")


@user.command()
@click.argument("login")
@reason
@click.pass_obj
def unlock(program: Program, login: str, reason: str) -> None:
    """Forget the wrong tries that were counted."""
    account = _account(program, login)
    reference = program.house.helpdesk.unlock(account, _by(program, reason))
    click.echo(f"{account.user.login} may try again (reference {reference})")


@user.command()
@click.argument("login")
@click.option("--factor", help="One factor, such as totp.")
@click.option("--everything", is_flag=True, help="Every factor, unreadable records too.")
@reason
@click.pass_obj
def reset(program: Program, login: str, factor: str | None, everything: bool, reason: str) -> None:
    """Take factors away, so that they can be set up anew where the policy allows it."""
    if (factor is None) == (not everything):
        fail("name --factor or --everything, one of the two")
    account, desk, by = _account(program, login), program.house.helpdesk, _by(program, reason)
    done = (
        desk.reset_everything(account, by)
        if factor is None
        else desk.reset(account, FactorName(factor), by)
    )
    if not isinstance(done, Reset):
        no("somebody else changed this account just now; nothing was done, try again")
    click.echo(
        f"{len(done.removed)} record(s) taken from {account.user.login} "
        f"(reference {done.reference})"
    )


@user.command()
@click.argument("login")
@click.option(
    "--for",
    "purpose",
    required=True,
    type=click.Choice([one.value for one in Purpose]),
    help="What it is good for, and for nothing else.",
)
@click.option("--hours", type=click.IntRange(1, 168), help="How long it can be used.")
@click.option("--zone", help="The one zone of the policy from which it counts.")
@reason
@click.pass_obj
def passcode(
    program: Program, login: str, *, purpose: str, hours: int | None, zone: str | None, reason: str
) -> None:
    """Make a code to be read out: it lets its owner sign in, or set up a factor, once."""
    account, house = _account(program, login), program.house
    if zone is not None and zone not in house.policy().zones:
        fail(f"the policy has no zone {zone}; it has {', '.join(sorted(house.policy().zones))}")
    life = program.settings.passcodes.life if hours is None else timedelta(hours=hours)
    done = house.helpdesk.issue_passcode(
        account, Purpose(purpose), life, zone, _by(program, reason)
    )
    if not isinstance(done, Passcode):
        no("somebody else changed this account just now; nothing was done, try again")
    click.echo(done.code)
    click.echo(
        f"for one {purpose} of {account.user.login}, until {done.until:%Y-%m-%d %H:%M} UTC"
        f"{'' if zone is None else f' from {zone}'} (reference {done.reference})",
        err=True,
    )


def _by(program: Program, reason: str) -> Actor:
    return Actor(program.actor, reason)


def _told(found: WrongCodes) -> str:
    told = "; the owner was told by mail" if found.owner_was_told else ""
    return (
        f"{found.lately} lately behind the right password, {found.in_a_row} in a row "
        f"(at {found.disabled_at} the factor is disabled){told}"
    )


def _wrong_codes(program: Program, account: Account) -> WrongCodes | None:
    try:
        return program.house.helpdesk.wrong_codes(account)
    except Unavailable as error:
        click.echo(f"wrong codes are not known: {error.why}", err=True)
        return None


def _account(program: Program, login: str) -> Account:
    try:
        account = program.house.helpdesk.show(login)
    except Unavailable as error:
        if error.part != "store":
            raise
        click.echo(f"not held against the store, which cannot be reached: {error.why}", err=True)
        account = program.house.directory.find(login)
    if account is None:
        no(f"the directory has no {login}")
    return account
