"""``idp-mfa user list``: people whose factors somebody should look at."""

from __future__ import annotations

from dataclasses import asdict

import click

from idp_mfa.cli.house import Program, as_json, echo_json, fail
from idp_mfa.rosters import Roster, listed, table


@click.command(name="list")
@click.option("--without-factor", "roster", flag_value="without-factor", help="Never had one.")
@click.option("--knowledge-only", "roster", flag_value="knowledge-only", help="Such as a matrix.")
@click.option("--one-device", "roster", flag_value="one-device", help="One factor, and no other.")
@click.option("--disabled", "roster", flag_value="disabled", help="One was disabled.")
@click.option("--unfinished", "roster", flag_value="unfinished", help="A set-up was begun.")
@click.option("--group", help="Only people of this group.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@as_json
@click.pass_obj
def list_(
    program: Program, *, roster: str | None, group: str | None, as_csv: bool, as_json: bool
) -> None:
    """List people by the state of their factors."""
    if roster is None:
        fail("name a list, such as --without-factor")
    house = program.house
    kinds = {name: factor.may_show for name, factor in house.factors.items()}
    people = (one for one in house.directory.everyone() if not house.settings.desk.is_stock(one))
    rows = listed(people, Roster(roster), group, kinds)
    if as_json:
        echo_json([{**asdict(row), "factors": row.names} for row in rows])
    elif as_csv:
        click.echo(table(rows), nl=False)
    else:
        for row in rows:
            since = "" if row.since is None else f"{row.since:%Y-%m-%d}"
            click.echo(f"{row.login:20} {row.name:24} {since:10} {', '.join(row.names)}")
        click.echo(f"{len(rows)} people", err=True)
