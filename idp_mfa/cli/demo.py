"""``idp-mfa demo``: the whole product on embedded parts, for trying it out."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn, assert_never

import click

from idp_mfa.cli.house import as_json, echo_json, no
from idp_mfa.demo.people import cards, present_code
from idp_mfa.demo.prepare import Demo, NoDemo, opened
from idp_mfa.demo.run import NotStarted, Obstacle, Running, Wish, default_folder, start

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

var = click.option(
    "--var",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="IDP_MFA_DEMO_VAR",
    help="Where the demo keeps its data between runs.",
)


@click.group(invoke_without_command=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
@click.option("--sp-port", type=click.IntRange(1, 65535), default=8081, show_default=True)
@click.option("--no-sp", "alone", is_flag=True, help="Without the demo service.")
@var
@click.pass_context
def demo(context: click.Context, port: int, sp_port: int, alone: bool, folder: Path | None) -> None:
    """Start everything, on loopback only: identity provider, people, and a service."""
    context.obj = (folder or default_folder()).absolute()
    if context.invoked_subcommand is not None:
        return
    wish = Wish(context.obj, port, None if alone else sp_port)
    for one in _STOPS:
        signal.signal(one, _stop)
    try:
        with ExitStack() as stack:
            found = start(wish, stack)
            if isinstance(found, NotStarted):
                no(_why(found, wish))
            _introduce(found, wish)
            died = found.children.wait()
            click.echo("\n".join(died.last_lines), err=True)
            no(f"The demo stops, for its {died.name} ended; its log is in {wish.folder / 'log'}.")
    except KeyboardInterrupt:
        click.echo("\nStopped.")


@demo.command()
@var
@as_json
@click.pass_obj
def users(default: Path, folder: Path | None, as_json: bool) -> None:
    """The people to sign in as."""
    found = _demo(folder or default)
    everybody = cards(found.directory, found.totp)
    if as_json:
        echo_json([asdict(card) for card in everybody])
        return
    for card in everybody:
        key = card.totp_key or "no factor yet"
        click.echo(f"{card.user:7}{card.password:13}{key:34}{', '.join(card.groups)}")
        if card.pictures:
            click.echo(f"{'':7}image matrix: {', '.join(card.pictures)}")


@demo.command()
@click.argument("user")
@var
@click.pass_obj
def code(default: Path, user: str, folder: Path | None) -> None:
    """The code that USER's phone would show now; each code works once."""
    found = present_code(_demo(folder or default).directory, user, datetime.now(UTC))
    if found is None:
        no(f"{user} has no TOTP key. `idp-mfa demo users` lists who has.")
    click.echo(found.code)
    click.echo(f"(another one in {found.changes_in.total_seconds():.0f} s)", err=True)


def _demo(folder: Path) -> Demo:
    found = opened(folder.absolute())
    if isinstance(found, NoDemo):
        no(f"There is no demo in {folder}. Start one: idp-mfa demo --var {folder}")
    return found


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Once: the children are given time to stop, and a second Ctrl-C does not leave them alone."""
    del number, frame
    for one in _STOPS:
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


def _why(found: NotStarted, wish: Wish) -> str:
    match found.obstacle:
        case Obstacle.ANOTHER_RUNS:
            return f"A demo already runs in {wish.folder}. Stop it, or name another with --var."
        case Obstacle.NO_STORE:
            return (
                "The demo needs a Valkey or Redis server, and this system's wheel of it does not"
                " exist: put valkey-server or redis-server on the path."
            )
        case Obstacle.NO_PORT:
            return "No port is free near the ones asked for; name others with --port, --sp-port."
        case Obstacle.SILENT:
            return f"The {found.name} does not answer; its log is in {wish.folder / 'log'}."
        case Obstacle.DIED:
            return "\n".join((*found.lines, f"The {found.name} could not start."))
        case never:
            assert_never(never)


def _introduce(running: Running, wish: Wish) -> None:
    """What is running where, who there is, and what to try; the shell's own words for commands."""
    lines = [
        "",
        f"  Sign-in and portal   {running.identity_provider}/",
        *([f"  Demo service         {running.service}/"] if running.service else []),
        f"  Data, logs           {running.folder}",
        "",
        "  People (the password is demo-NAME)",
        *(
            f"    {card.user:7}{', '.join(card.groups):28}"
            f"{'TOTP' if card.totp_key else 'no factor yet'}"
            f"{', image matrix' if card.pictures else ''}"
            for card in running.cards
        ),
        "",
        "  Try this",
    ]
    if running.service:
        lines += [
            f"    1. Open {running.service}/ and sign in as alice, password demo-alice.",
            "    2. You are off campus, so the yellow screen asks for a code. In another terminal:",
            f"         {_command(wish)} code alice",
            "    3. On the service's page choose “on campus”, log out and sign in again:",
            "       no code is asked. “Ask MFA” asks for one all the same.",
            f"    4. Be bob, on campus, at {running.identity_provider}/ and set up a first factor.",
            "    5. Be dave, off campus, and choose “Use another method”: the image matrix. His",
            f"       pictures, whose figures are typed in this order: {_command(wish)} users",
        ]
    else:
        lines += [
            f"    Open {running.identity_provider}/ and sign in as alice. The code:",
            f"      {_command(wish)} code alice",
        ]
    click.echo("\n".join([*lines, "", "  Ctrl-C stops everything."]))


def _command(wish: Wish) -> str:
    """The command as this shell finds it, for this folder."""
    elsewhere = [] if wish.folder == default_folder() else ["--var", str(wish.folder)]
    if shutil.which("idp-mfa"):
        program = ["idp-mfa"]
    elif Path(sys.argv[0]).name == "__main__.py":
        program = [os.path.relpath(sys.executable), "-m", "idp_mfa"]
    else:
        program = [os.path.relpath(sys.argv[0])]
    return shlex.join([*program, "demo", *elsewhere])
