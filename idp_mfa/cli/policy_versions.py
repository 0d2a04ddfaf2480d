"""``idp-mfa policy activate`` and its siblings: what decides on every node, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from idp_mfa.cli.house import Program, as_json, echo_json, fail, no
from idp_mfa.cli.policy_standing import named
from idp_mfa.policies import (
    SETTINGS,
    Activated,
    Missing,
    NotWell,
    Overtaken,
    Unchanged,
)
from idp_mfa.policy.in_force import SHOWN, PolicyFile
from idp_mfa.ports import PolicyVersion

_why = click.option("--reason", default="", help="Why; it stands in history and audit record.")
_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_SECONDS = "every node decides by it within seconds"


@click.command()
@click.argument("file", type=_file)
@click.option("--after", type=int, metavar="N", help="Only if version N is in force.")
@click.option(
    "--shadow", is_flag=True, help="Judge it beside the one in force; it decides nothing."
)
@_why
@as_json
@click.pass_obj
def activate(
    program: Program, file: Path, *, after: int | None, shadow: bool, reason: str, as_json: bool
) -> None:
    """Put a policy in force on every node, if nothing is wrong with it."""
    policies, text = program.house.policies, _text(file)
    if shadow:
        if after is not None:
            fail("--after is of no use with --shadow: nothing is replaced")
        _tell(policies.begin_shadow(text, program.actor, reason=reason), as_json, shadow=True)
        return
    _tell(policies.activate(text, program.actor, reason=reason, after=after), as_json)


@click.command()
@click.argument("number", type=int, required=False)
@_why
@as_json
@click.pass_obj
def rollback(program: Program, number: int | None, *, reason: str, as_json: bool) -> None:
    """Put the text of an older version in force again; without NUMBER, of the one before."""
    _tell(program.house.policies.roll_back(number, program.actor, reason=reason), as_json)


@click.command()
@click.option("--off", is_flag=True, help="Judge it no more.")
@as_json
@click.pass_obj
def shadow(program: Program, *, off: bool, as_json: bool) -> None:
    """Say which policy is judged beside the one in force."""
    policies = program.house.policies
    if not off:
        found = policies.history().shadow
        if as_json:
            echo_json({"shadow": None if found is None else _row(found)})
        else:
            click.echo("there is no shadow" if found is None else _shadow_words(found))
        return
    match policies.end_shadow(program.actor):
        case PolicyVersion() as ended:
            if as_json:
                echo_json({"ended": _row(ended)})
            else:
                click.echo(f"the shadow {ended.digest[:SHOWN]} is judged no more")
        case Overtaken():
            no("NOT ended: somebody else changed policies at the same moment; look again")
        case Missing():
            no("there is no shadow")


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def history(context: click.Context, *, as_json: bool) -> None:
    """List who put which policy in force, and when; the last one decides."""
    if context.invoked_subcommand is not None:
        return
    known = context.obj.house.policies.history()
    if as_json:
        shadow = None if known.shadow is None else _row(known.shadow)
        echo_json({"versions": [_row(each) for each in known.versions], "shadow": shadow})
        return
    for each in known.versions:
        mark = "*" if each is known.versions[-1] else " "
        again = "" if each.again is None else f"  (again version {each.again})"
        reason = f"  {each.reason}" if each.reason else ""
        actor = "(settings)" if each.actor == SETTINGS else each.actor
        click.echo(
            f"{mark} {each.number:4}  {each.at:%Y-%m-%d %H:%M:%S}  {each.digest[:SHOWN]}  "
            f"{actor}  {each.source}{again}{reason}"
        )
    if known.revision == 0 or not known.versions[1:]:
        _say_of_file(known.versions)
    if known.shadow is not None:
        click.echo(_shadow_words(known.shadow))


@history.command()
@click.argument("number", type=int)
@as_json
@click.pass_obj
def show(program: Program, number: int, *, as_json: bool) -> None:
    """Print the text of a version."""
    known = program.house.policies.history()
    version = next((each for each in known.versions if each.number == number), None)
    if version is None:
        no(f"there is no version {number}")
    text = known.texts.get(version.digest)
    if as_json:
        echo_json({**_row(version), "text": text})
    elif text is None:
        no(f"the text of version {number} is no longer kept")
    else:
        click.echo(text, nl=False)


def _say_of_file(versions: tuple[PolicyVersion, ...]) -> None:
    if not versions:
        click.echo("nothing was activated, and the policy of the settings cannot be used")
    elif versions[-1].actor == SETTINGS:
        click.echo("nothing was activated: the policy of the settings counts")


def _text(file: Path) -> PolicyFile:
    try:
        return PolicyFile(str(file.absolute()), file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        no(f"{file}:1:1: is no UTF-8 text")
    except OSError as error:
        fail(f"{file}: {error.strerror}")


def _tell(
    answer: Activated | Unchanged | NotWell | Overtaken | Missing,
    as_json: bool,
    *,
    shadow: bool = False,
) -> None:
    if as_json:
        echo_json(_as_json(answer))
    match answer:
        case Activated(version, policy, before):
            if as_json:
                return
            size = f"{len(policy.rules)} rules, {len(policy.zones)} zones"
            digest = version.digest[:SHOWN]
            if shadow:
                click.echo(f"the shadow {digest} ({size}) is judged beside the policy in force")
                return
            click.echo(f"version {version.number} is in force ({digest}: {size}); {_SECONDS}")
            if before is not None:
                click.echo(f"back to version {before.number}: idp-mfa policy rollback")
        case Unchanged(version):
            if not as_json:
                click.echo(f"{named(version)} has this very text: nothing to do")
        case NotWell(problems):
            no(f"{problems}\nNOT activated: what was in force stays in force")
        case Overtaken(by):
            first = "somebody else changed it" if by is None else f"{named(by)} is in force"
            no(f"NOT activated: {first}; look at the history and try again")
        case Missing.TEXT:
            no("NOT activated: the text of that version is no longer kept")
        case Missing():
            no("NOT activated: there is no such version (idp-mfa policy history)")


def _as_json(
    answer: Activated | Unchanged | NotWell | Overtaken | Missing,
) -> Mapping[str, object]:
    match answer:
        case Activated(version, _, before):
            return {
                "outcome": "activated",
                "version": _row(version),
                "before": None if before is None else _row(before),
            }
        case Unchanged(version):
            return {"outcome": "unchanged", "version": _row(version)}
        case NotWell(problems):
            return {"outcome": "not well", "problems": [str(each) for each in problems]}
        case Overtaken(by):
            return {"outcome": "overtaken", "by": None if by is None else _row(by)}
        case Missing():
            return {"outcome": "missing", "missing": answer.value}


def _row(version: PolicyVersion) -> dict[str, object]:
    return {
        "number": version.number or None,
        "digest": version.digest,
        "source": version.source,
        "actor": version.actor,
        "at": version.at.isoformat(),
        "reason": version.reason,
        "again": version.again,
    }


def _shadow_words(found: PolicyVersion) -> str:
    return (
        f"shadow: {found.digest[:SHOWN]}, by {found.actor} on {found.at:%Y-%m-%d %H:%M} UTC, "
        f"from {found.source}"
    )
