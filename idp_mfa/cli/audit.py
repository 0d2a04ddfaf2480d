"""``idp-mfa audit``: what is on record."""

from __future__ import annotations

from collections.abc import Iterable

import click

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.cli.house import Program, as_json, echo_json, no
from idp_mfa.model import Reference


@click.group()
def audit() -> None:
    """Search the record, or read the story behind a reference code."""


@audit.command()
@click.argument("reference")
@as_json
@click.pass_obj
def show(program: Program, reference: str, as_json: bool) -> None:
    """Tell everything that is on record under a reference code."""
    code = Reference(reference.strip().upper())
    records = program.house.audit.story(code)
    if not records:
        no(f"nothing is on record under {code}")
    _print(records, as_json=as_json)


@audit.command()
@click.option("--user", "login", help="Only this person's (by login).")
@click.option("--event", type=click.Choice([event.value for event in AuditEvent]))
@click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True)
@as_json
@click.pass_obj
def search(
    program: Program, login: str | None, event: str | None, limit: int, as_json: bool
) -> None:
    """List the newest records of the look-up window."""
    house = program.house
    account = None if login is None else house.directory.find(login)
    if login is not None and account is None:
        no(f"the directory has no {login}")
    records = [
        record
        for record in house.audit.recent(10000)
        if (account is None or record.user == account.user.id)
        and (event is None or record.event.value == event)
    ]
    _print(records[:limit], as_json=as_json)


def _print(records: Iterable[AuditRecord], *, as_json: bool) -> None:
    if as_json:
        echo_json([_plain(record) for record in records])
        return
    for record in records:
        told = " ".join(f"{key}={value}" for key, value in _plain(record).items() if value)
        click.echo(told)


def _plain(record: AuditRecord) -> dict[str, object]:
    return {
        "at": record.at.isoformat(timespec="seconds"),
        "event": record.event.value,
        "reference": record.reference,
        "user": record.user,
        "service": record.service,
        "address": None
        if record.seen is None or record.seen.address is None
        else str(record.seen.address),
        "walk": None if record.seen is None else list(record.seen.walk),
        "actor": record.actor,
        **record.detail,
    }
