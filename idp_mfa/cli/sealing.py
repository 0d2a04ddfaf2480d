"""``idp-mfa key`` for the keys that seal: add, activate, move what is sealed, retire."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from idp_mfa.audit import AuditEvent
from idp_mfa.cli.house import Program, no
from idp_mfa.resealing import Resealing
from idp_mfa.sealing_keys import RingRefusal, activate_key, add_key, load_ring, retire_key

_REFUSALS = {
    RingRefusal.EXISTS: "a key of that name is there already",
    RingRefusal.BAD_NAME: "that is no name of a key",
    RingRefusal.HAS_NEXT: "a next key is there already; take it to every node, then activate it",
    RingRefusal.NO_SUCH_KEY: "there is no such key",
    RingRefusal.STILL_ACTIVE: "the active key cannot be retired",
    RingRefusal.RETIRED: "it is retired",
}


def rows(program: Program) -> list[dict[str, str]]:
    """The ring's keys and their states; never a secret."""
    ring = load_ring(program.settings.keys.sealing)
    states = {ring.active: "active"} | ({} if ring.next is None else {ring.next: "next"})
    keys = [(kid, states.get(kid, "decrypt")) for kid in ring.keys]
    return [
        {"purpose": "sealing", "id": kid, "state": state}
        for kid, state in (*keys, *((kid, "retired") for kid in sorted(ring.retired)))
    ]


def new_name(program: Program) -> str:
    """A name for a key that is made now."""
    return f"{program.house.clock():%Y-%m-%d}-{program.house.randomness(2).hex()}"


def add(program: Program) -> None:
    """A key that opens, and seals nothing yet."""
    kid = new_name(program)
    _taken(add_key(program.settings.keys.sealing, kid, program.house.randomness))
    program.recorded(AuditEvent.KEY_ADDED, purpose="sealing", key=kid)
    click.echo(f"{kid} opens on this node; take it to every node, then: idp-mfa key activate {kid}")


@click.command()
@click.argument("id")
@click.pass_obj
def activate(program: Program, id: str) -> None:
    """Let a sealing key seal from now on; every node must have it already.

    The key before it goes on opening what it sealed.
    """
    _taken(activate_key(program.settings.keys.sealing, id))
    program.recorded(AuditEvent.KEY_ACTIVATED, purpose="sealing", key=id)
    click.echo(f"{id} seals from now on; when it does on every node: idp-mfa key reseal")


@click.command()
@click.pass_obj
def reseal(program: Program) -> None:
    """Seal everybody's records by the active key, while sign-ins go on.

    It may be stopped at any time and run again: it goes on where it was.
    """
    active = program.house.sealing_keys.current().active
    resealing = Resealing(program.house.directory)
    waiting = resealing.waiting(active)
    with (
        program.house.directory.kept_open(),
        click.progressbar(waiting, label="people", file=sys.stderr) as people,
    ):
        for user in people:
            resealing.reseal(user)
    left = resealing.left()
    for kid, count in sorted(left.items()):
        state = " (active)" if kid == active else ""
        click.echo(f"{kid or 'no key at all'}{state}: {count} value(s)")
    click.echo(f"{len(waiting)} people had values under another key")
    if set(left) - {active}:
        no(
            "Some are left under another key: either they were changed just now, and another run"
            " moves them, or they do not open at all: `idp-mfa user show` says of whom, and"
            " `idp-mfa user reset --everything` lets that person begin anew."
        )


def retire(program: Program, kid: str) -> None:
    """Out of use, once nothing is sealed by it any more."""
    folder = program.settings.keys.sealing
    if kid in load_ring(folder).keys and (left := _left(program).get(kid, 0)):
        no(f"{left} value(s) are still sealed by {kid}: idp-mfa key reseal")
    _taken(retire_key(folder, kid))
    program.recorded(AuditEvent.KEY_RETIRED, purpose="sealing", key=kid)
    click.echo(f"{kid} is retired: nothing that it sealed opens any more; remove its file")


def _left(program: Program) -> Mapping[str, int]:
    return Resealing(program.house.directory).left()


def _taken(refused: RingRefusal | None) -> None:
    if refused is not None:
        no(_REFUSALS[refused])
