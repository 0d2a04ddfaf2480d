"""``idp-mfa metadata``: what services and federations take from us."""

from __future__ import annotations

import click

from idp_mfa.cli.house import Program
from idp_mfa.saml.metadata import metadata as metadata_of


@click.command()
@click.pass_obj
def metadata(program: Program) -> None:
    """Print our SAML metadata."""
    house = program.house
    published = house.signing_keys.keys().published
    click.echo(metadata_of(house.identity_provider, published).decode(), nl=False)
