"""``idp-mfa audit``: what is on record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from idp_mfa.audit import AuditEvent, AuditRecord, Wanted
from idp_mfa.audit_log.addresses import searchable
from idp_mfa.audit_log.chain import read_head
from idp_mfa.audit_log.files import lines_in, outdated, record_files
from idp_mfa.audit_log.lines import decode, exported
from idp_mfa.audit_log.search import Search
from idp_mfa.audit_log.verify import Fault, Verified
from idp_mfa.audit_log.verify import verify as held_together
from idp_mfa.cli.house import Program, as_json, echo_json, fail, no
from idp_mfa.model import Reference, ServiceId
from idp_mfa.policy.reading import duration
from idp_mfa.ports import Unavailable

_FAULTS = {
    Fault.ALTERED: "this line, or the one before it, is not what was written",
    Fault.MISSING: "{lines} lines before this one are missing",
    Fault.OUT_OF_PLACE: "a line of this number stood there before",
    Fault.FOREIGN: "this line is of no chain: the service did not write it",
    Fault.BEGUN_ANEW: "another chain begins: the lines before it were not there any more",
    Fault.CUT_OFF: "the last {lines} lines, which are known from elsewhere, are not there",
}
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


_wanted = (
    click.option("--reference", help="What stands on a person's page."),
    click.option("--user", "login", help="Only this person's (by login)."),
    click.option("--service", help="Only for this service (entityID or client id)."),
    click.option("--event", type=click.Choice([event.value for event in AuditEvent])),
    click.option("--address", help="An address, or its network: an IPv4 /24, an IPv6 /56."),
    click.option("--rule", help="Only what this rule of the policy decided."),
    click.option("--outcome", help="Such as `deny`, or why: `wrong`, `locked`, `old-key`."),
    click.option("--since", help="Such as `30d`, or a moment such as `2026-11-21T09:00+09:00`."),
    click.option("--until", help="The same: nothing from then on."),
)
Asked = dict[str, str | None]


def wanted_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options by which records are looked for."""
    for option in reversed(_wanted):
        command = option(command)
    return command


@audit.command()
@wanted_options
@audit_files
@click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True)
@as_json
@click.pass_obj
def search(
    program: Program, /, *, files: Sequence[Path], limit: int, as_json: bool, **asked: str | None
) -> None:
    """List the newest records: of this node's file and the look-up window, or of --audit files."""
    wanted = _asked(program, asked)
    house = program.house
    if files:
        found = Search(house.addresses).among(tuple(reversed(files)), wanted, limit)
    else:
        found = house.audit.search(wanted, limit)
    _print(found, as_json=as_json)


@audit.command()
@audit_files
@click.option("--head", help="The last link of an earlier run, CHAIN:NUMBER:MAC.")
@as_json
@click.pass_obj
def verify(program: Program, *, files: Sequence[Path], head: str | None, as_json: bool) -> None:
    """Say whether the lines are all that were written, and as they were written."""
    noted = None if head is None else read_head(head)
    if head is not None and noted is None:
        fail(f"--head {head}: must be CHAIN:NUMBER:MAC, as this command prints it")
    house = program.house
    known = [] if noted is None else [noted]
    try:
        known += house.audit.links()
    except Unavailable as error:
        click.echo(f"not held against the look-up window: {error.why}", err=True)
    found = held_together(in_order(program, files), house.audit_chain, known)
    if as_json:
        echo_json(
            {
                "lines": found.lines,
                "unchained": found.unchained,
                "chains": [[str(first), str(last)] for first, last in found.chains],
                "torn": [f"{one.path}:{one.line}" for one in found.torn],
                "findings": [
                    {"fault": one.fault.value, "at": f"{one.path}:{one.line}", "lines": one.missing}
                    for one in found.findings
                ],
                "head": None if found.head is None else str(found.head),
            }
        )
    else:
        for line in _verified(found):
            click.echo(line)
    if found.findings:
        no("the record is not what was written")


@audit.command()
@wanted_options
@audit_files
@click.pass_obj
def export(program: Program, /, *, files: Sequence[Path], **asked: str | None) -> None:
    """Write JSON lines for others to read, oldest first: of an address, the marks alone."""
    wanted = _asked(program, asked)
    addresses = program.house.addresses
    finder = Search(addresses)
    for record in recorded(program, files, wanted.since):
        if finder.is_met(wanted, record):
            click.echo(exported(record, addresses))


@audit.command()
@click.pass_obj
def expire(program: Program) -> None:
    """Destroy what is older than the settings allow: keys of addresses, and rotated files."""
    house = program.house
    # A clock that is wrong would destroy the keys of days that may be opened still.
    house.ping_clock()
    click.echo(f"addresses can be opened back to {house.address_keys.expire()}")
    options = program.settings.audit
    if options.file is not None and options.lines_kept is not None:
        for path in outdated(options.file, house.clock() - options.lines_kept):
            path.unlink()
            click.echo(f"{path} is gone")


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


def _asked(program: Program, asked: Asked) -> Wanted:
    house = program.house
    login, event, reference = asked["login"], asked["event"], asked["reference"]
    account = None if login is None else house.directory.find(login)
    if login is not None and account is None:
        no(f"the directory has no {login}")
    since, until = (_moment(program, name, asked[name]) for name in ("since", "until"))
    network = None if asked["address"] is None else searchable(asked["address"])
    if asked["address"] is not None and network is None:
        fail(f"--address {asked['address']}: must be an address, an IPv4 /24 or an IPv6 /56")
    if network is not None:
        # An address is looked for day by day, as far back as there are keys.
        until = until or house.clock() + timedelta(days=1)
        since = since or house.clock() - program.settings.audit.addresses_kept
    service = asked["service"]
    return Wanted(
        reference=None if reference is None else Reference(reference.strip().upper()),
        user=None if account is None else account.user.id,
        service=None if service is None else ServiceId(service),
        event=None if event is None else AuditEvent(event),
        network=network,
        rule=asked["rule"],
        outcome=asked["outcome"],
        since=since,
        until=until,
    )


def _moment(program: Program, name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    ago = duration(text)
    if ago is not None:
        return program.house.clock() - ago
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--{name} {text}: must be such as `7d`, or `2026-11-21T09:00+09:00`")
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def _verified(found: Verified) -> Iterator[str]:
    yield f"{found.lines} lines"
    for first, last in found.chains:
        older = "" if first.number == 1 else " (older ones are no longer there)"
        yield f"chain {first.chain}: lines {first.number} to {last.number}{older}"
    if found.unchained:
        yield f"{found.unchained} lines were written before there was a chain"
    for one in found.torn:
        yield f"{one.path}:{one.line}: cut short, and never counted as written"
    for each in found.findings:
        place = f"{each.path}:{each.line}" if each.line else str(each.path)
        yield f"{place}: {_FAULTS[each.fault].format(lines=each.missing)}"
    if found.head is not None:
        yield f"head {found.head}"


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
