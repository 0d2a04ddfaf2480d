"""``idp-mfa audit``: what is on record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import click

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.audit_log.addresses import searchable
from idp_mfa.audit_log.files import lines_in, record_files
from idp_mfa.audit_log.lines import decode, exported
from idp_mfa.cli.house import Program, as_json, echo_json, fail, no
from idp_mfa.model import Reference
from idp_mfa.policy.reading import duration

_IN_WINDOW = 10_000
_SEALED = "sealed"
audit_files = click.option(
    "--audit",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read these files of lines.",
)


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
@click.option("--address", help="An address, or its network: an IPv4 /24, an IPv6 /56.")
@audit_files
@click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True)
@as_json
@click.pass_obj
def search(
    program: Program,
    *,
    login: str | None,
    event: str | None,
    address: str | None,
    files: Sequence[Path],
    limit: int,
    as_json: bool,
) -> None:
    """List the newest records: of the look-up window, or of the files that --audit names."""
    house = program.house
    account = None if login is None else house.directory.find(login)
    if login is not None and account is None:
        no(f"the directory has no {login}")
    comes_from = _from(program, address)
    records = (
        record
        for record in (_newest(program, files) if files else house.audit.recent(_IN_WINDOW))
        if (account is None or record.user == account.user.id)
        and (event is None or record.event.value == event)
        and comes_from(record)
    )
    _print(islice(records, limit), as_json=as_json)


@audit.command()
@click.option("--since", help="Such as `30d`: nothing older.")
@audit_files
@click.pass_obj
def export(program: Program, since: str | None, files: Sequence[Path]) -> None:
    """Write the lines for others to read, oldest first: of an address, the marks alone."""
    oldest = program.house.clock() - span(since, "--since") if since else None
    for record in recorded(program, files, oldest):
        click.echo(exported(record, program.house.addresses))


@audit.command()
@click.pass_obj
def expire(program: Program) -> None:
    """Destroy the keys of addresses that are older than the settings allow."""
    house = program.house
    # A clock that is wrong would destroy the keys of days that may be opened still.
    house.ping_clock()
    click.echo(f"addresses can be opened back to {house.address_keys.expire()}")


def recorded(
    program: Program, files: Sequence[Path], oldest: datetime | None
) -> Iterator[AuditRecord]:
    """What stands in files of lines, or in those of the settings, oldest file first."""
    for path in in_order(program, files):
        for line in lines_in(path):
            record = decode(line.decode("ascii", "replace"), program.house.addresses)
            if record is not None and (oldest is None or record.at >= oldest):
                yield record


def in_order(program: Program, files: Sequence[Path]) -> Sequence[Path]:
    """The files that were named, or those of the settings, oldest first."""
    if files:
        return files
    if program.settings.audit.file is None:
        fail("the settings name no file of the record (audit.file): name some by --audit")
    return tuple(reversed(record_files(program.settings.audit.file)))


def span(text: str, option: str) -> timedelta:
    """A duration as settings write it."""
    found = duration(text)
    if found is None:
        fail(f"{option} {text}: must be such as `7d` or `12h`")
    return found


def _newest(program: Program, files: Sequence[Path]) -> Iterable[AuditRecord]:
    return sorted(recorded(program, files, None), key=lambda record: record.at, reverse=True)


def _from(program: Program, address: str | None) -> Callable[[AuditRecord], bool]:
    if address is None:
        return lambda _record: True
    network = searchable(address)
    if network is None:
        fail(f"--address {address}: must be an address, an IPv4 /24 or an IPv6 /56")
    addresses = program.house.addresses

    def comes_from(record: AuditRecord) -> bool:
        if record.veiled is not None:
            return addresses.is_from(record.veiled, network)
        where = None if record.seen is None else record.seen.address
        return where is not None and where in network

    return comes_from


def _print(records: Iterable[AuditRecord], *, as_json: bool) -> None:
    if as_json:
        echo_json([_plain(record) for record in records])
        return
    for record in records:
        told = _plain(record)
        if record.decision is not None:
            told["decision"] = record.decision.get("outcome")
        click.echo(" ".join(f"{key}={value}" for key, value in told.items() if value))


def _plain(record: AuditRecord) -> dict[str, object]:
    told: dict[str, object] = {
        "at": record.at.isoformat(timespec="seconds"),
        "event": record.event.value,
        "reference": record.reference,
        "user": record.user,
        "service": record.service,
        "address": _address(record),
        "walk": None if record.seen is None else list(record.seen.walk),
        "actor": record.actor,
        **record.detail,
    }
    if record.decision is not None:
        told["decision"] = dict(record.decision)
    return told


def _address(record: AuditRecord) -> str | None:
    if record.seen is not None:
        return None if record.seen.address is None else str(record.seen.address)
    return None if record.veiled is None or record.veiled.address is None else _SEALED
