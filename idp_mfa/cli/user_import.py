"""``idp-mfa user import``: keys that other systems and vendors made."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import assert_never

import click

from idp_mfa.audit import new_reference
from idp_mfa.cli.house import Program, as_json, echo_json, fail, no
from idp_mfa.helpdesk import Actor
from idp_mfa.importing import FoundKey, Mailing, NotRead, Taken
from idp_mfa.key_files import Found, NotThisFormat, oath_ldap, shibboleth, token_csv
from idp_mfa.key_files.pskc import Opener, Passphrase, PreSharedKey
from idp_mfa.key_files.pskc import read as read_pskc
from idp_mfa.rosters import safe_cell

MOST_OCTETS = 256 * 1024 * 1024
_WORDS = {
    Taken.NEW: "taken",
    Taken.THERE_ALREADY: "there already",
    Taken.NOBODY: "the directory has no such person",
    Taken.HAS_ANOTHER: "has a key of their own, or one that was shut off",
    Taken.TOO_MANY: "has too many keys",
    Taken.UNREADABLE: "has records that do not open",
    Taken.CHANGED_MEANWHILE: "was changed by somebody else meanwhile: try again",
}
_file = click.Path(exists=True, dir_okay=False, path_type=Path)
Row = tuple[str, str, str]


@click.command(name="import")
@click.argument("file", type=_file)
@click.option(
    "--format",
    "kind",
    required=True,
    type=click.Choice(["csv", "pskc", "oath-ldap", "shibboleth"]),
    help="What the file is; oath-ldap and shibboleth as LDIF.",
)
@click.option("--owners", type=_file, help="A table (serial,login): whose each token is.")
@click.option("--login-attribute", default="uid", show_default=True, help="In LDIF.")
@click.option("--seed-attribute", default="tokenSeeds", show_default=True, help="Of shibboleth.")
@click.option("--key-file", type=_file, help="The pre-shared key of a PSKC file, in hexadecimal.")
@click.option("--passphrase-file", type=_file, help="The passphrase of a PSKC file.")
@click.option("--apply", "mode", flag_value="apply", help="Do it; needs --reason.")
@click.option("--dry-run", "mode", flag_value="look", default="look", help="Only say (default).")
@click.option("--reason", help="Why; it stands in the audit record.")
@click.option("--no-mail", "mailing", flag_value=Mailing.SILENT.value, help="Owners are not told.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="A CSV of all.")
@as_json
@click.pass_obj
def import_(
    program: Program,
    *,
    file: Path,
    kind: str,
    owners: Path | None,
    login_attribute: str,
    seed_attribute: str,
    key_file: Path | None,
    passphrase_file: Path | None,
    mode: str,
    reason: str | None,
    mailing: str | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Take over TOTP keys; run it again after a stop: each key is taken once."""
    try:
        whose = {} if owners is None else token_csv.read_owners(_octets(owners))
        text = _octets(file)
        match kind:
            case "csv":
                found = token_csv.read(text, whose)
            case "pskc":
                found = read_pskc(text, _opener(key_file, passphrase_file), whose)
            case "oath-ldap":
                found = oath_ldap.read(text, login_attribute)
            case _:
                found = shibboleth.read(text, login_attribute, seed_attribute)
    except NotThisFormat as error:
        fail(f"{file}: {error}")
    if mode == "apply":
        if not reason:
            fail("--apply needs --reason")
        become = _taker(program, reason, Mailing(mailing or Mailing.TELL.value))
    else:
        become = program.house.imports.look
    with (
        program.house.directory.kept_open(),
        click.progressbar(found, label="keys", file=sys.stderr) as keys,
    ):
        rows = [_row(one, become(one) if isinstance(one, FoundKey) else None) for one in keys]
    _tell(rows, report, as_json=as_json, applied=mode == "apply")


def _taker(program: Program, reason: str, mailing: Mailing) -> Callable[[FoundKey], Taken]:
    """Takes keys, all of a run under one reference."""
    house, by = program.house, Actor(program.actor, reason)
    reference = new_reference(house.randomness)
    click.echo(f"reference {reference}", err=True)
    return lambda found: house.imports.take(found, by, reference, mailing)


def _row(one: Found, taken: Taken | None) -> Row:
    match one:
        case FoundKey(place, login, _):
            return place, login, _WORDS[taken] if taken is not None else ""
        case NotRead(place, why):
            return place, "", why
        case never:
            assert_never(never)


def _tell(rows: Sequence[Row], report: Path | None, *, as_json: bool, applied: bool) -> None:
    fine = {_WORDS[Taken.NEW], _WORDS[Taken.THERE_ALREADY]}
    if report is not None:
        with report.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([("place", "login", "result"), *map(_safe, rows)])
    counts = Counter(result for _, _, result in rows)
    refused = [row for row in rows if row[2] not in fine]
    if as_json:
        echo_json({"applied": applied, "results": counts, "not_taken": refused})
    else:
        _print(refused, counts, applied=applied)
    if refused:
        no(f"{len(refused)} of {len(rows)} keys were not taken")


def _print(refused: Iterable[Row], counts: Mapping[str, int], *, applied: bool) -> None:
    for place, login, result in refused:
        click.echo(f"{place}: {login + ': ' if login else ''}{result}")
    for result, count in sorted(counts.items(), key=lambda item: -item[1]):
        click.echo(f"{count:7} {result}")
    if not applied:
        click.echo("nothing was changed: --apply does it", err=True)


def _safe(row: Row) -> Row:
    place, login, result = map(safe_cell, row)
    return place, login, result


def _opener(key_file: Path | None, passphrase_file: Path | None) -> Opener:
    if key_file is not None and passphrase_file is not None:
        fail("name --key-file or --passphrase-file, not both")
    if passphrase_file is not None:
        return Passphrase(_octets(passphrase_file).rstrip(b"\r\n"))
    if key_file is None:
        return None
    try:
        return PreSharedKey(bytes.fromhex(_octets(key_file).decode("ascii")))
    except ValueError:
        fail(f"{key_file}: must be hexadecimal digits")


def _octets(path: Path) -> bytes:
    if path.stat().st_size > MOST_OCTETS:
        fail(f"{path}: is larger than {MOST_OCTETS >> 20} MiB: bring it in parts")
    return path.read_bytes()
