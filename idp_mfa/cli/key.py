"""``idp-mfa key``: the keys that sign, the keys that seal, and the secrets beside them."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import click

from idp_mfa.audit import AuditEvent
from idp_mfa.audit_log.address_keys import create_address_keys
from idp_mfa.cli import sealing
from idp_mfa.cli.house import Program, as_json, echo_json, no
from idp_mfa.key_folder import KeyRow, NoRotation, create_secret
from idp_mfa.keys import KeyType
from idp_mfa.sealing_keys import create_ring

_PURPOSES = ("signing", "sealing")
_REFUSALS = {
    NoRotation.NO_NEXT: "there is no next key; run key rotate first",
    NoRotation.NEXT_TOO_YOUNG: "services may not know the next key yet; wait, or say --now",
    NoRotation.HAS_NEXT: "a next key is there already",
    NoRotation.NOT_PREVIOUS: "only a previous key can be retired",
}
_kind = click.option(
    "--type",
    "kind",
    type=click.Choice([each.value for each in KeyType]),
    default=KeyType.RSA_3072.value,
    show_default=True,
)


@click.group()
def key() -> None:
    """Signing and sealing keys."""


key.add_command(sealing.activate)
key.add_command(sealing.reseal)


@key.command()
@_kind
@click.pass_obj
def create(program: Program, kind: str) -> None:
    """Make what is missing of all keys and secrets; what is there stays."""
    settings, house = program.settings, program.house
    if not house.signing_keys.rows():
        _said(house.signing_keys.create(KeyType(kind), _host(program)), "signs from now on")
    if create_ring(settings.keys.sealing, sealing.new_name(program), house.randomness) is None:
        click.echo("a sealing key is made")
    for name, path in (
        ("the salt of pairwise ids", settings.keys.pairwise_salt),
        ("the key of the counters' names", settings.keys.limits),
    ):
        if create_secret(path, house.randomness):
            click.echo(f"{name} is made")
    today = house.clock().date()
    if create_address_keys(settings.keys.addresses, today, house.randomness):
        click.echo("the key of the addresses on record is made")


@key.command("list")
@as_json
@click.pass_obj
def list_(program: Program, as_json: bool) -> None:
    """List the keys with their states; never a secret."""
    signing = program.house.signing_keys
    told = [
        {
            "purpose": "signing",
            "id": row.id,
            "state": row.state.value,
            "since": row.since.isoformat(),
            "algorithm": signing.key(row.id).algorithm.name,
            "fingerprint": signing.key(row.id).public.fingerprint,
            "certificate_ends": signing.key(row.id).public.not_after.isoformat(),
        }
        for row in signing.rows()
    ]
    told += sealing.rows(program)
    if as_json:
        echo_json(told)
        return
    for row in told:
        click.echo("  ".join(row.values()))


@key.command()
@click.argument("purpose", type=click.Choice(_PURPOSES), default="signing")
@_kind
@click.option("--now", is_flag=True, help="Do not wait until services have learnt the next key.")
@click.option("--days", default=2, show_default=True, help="How long a next key must be published.")
@click.pass_obj
def rotate(program: Program, purpose: str, kind: str, *, now: bool, days: int) -> None:
    """Take the next step: publish a next key, or let the published one sign.

    Between the two, services fetch our metadata anew. Of sealing keys it makes the next one, which
    is taken to every node before it is activated.
    """
    if purpose == "sealing":
        sealing.add(program)
        return
    signing = program.house.signing_keys
    made = signing.create(KeyType(kind), _host(program))
    if isinstance(made, KeyRow):
        program.recorded(AuditEvent.KEY_ADDED, purpose="signing", key=made.id)
        _said(made, "is published; run this again when services know it")
        return
    promoted = signing.promote(timedelta(0) if now else timedelta(days=days))
    if isinstance(promoted, KeyRow):
        program.recorded(AuditEvent.KEY_ACTIVATED, purpose="signing", key=promoted.id)
    _said(promoted, "signs from now on")


@key.command()
@click.argument("purpose", type=click.Choice(_PURPOSES))
@click.argument("id")
@click.pass_obj
def retire(program: Program, purpose: str, id: str) -> None:
    """Take a previous signing key out of our metadata, or a sealing key out of use."""
    if purpose == "signing":
        gone = program.house.signing_keys.retire(id)
        if isinstance(gone, KeyRow):
            program.recorded(AuditEvent.KEY_RETIRED, purpose="signing", key=gone.id)
        _said(gone, "is retired")
        return
    sealing.retire(program, id)


def _said(row: KeyRow | NoRotation, what: str) -> None:
    if isinstance(row, NoRotation):
        no(_REFUSALS[row])
    click.echo(f"{row.id} {what}")


def _host(program: Program) -> str:
    return urlsplit(program.settings.base_url).hostname or "idp"
