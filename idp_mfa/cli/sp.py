"""``idp-mfa sp``: the SAML services that are answered; a running server sees a change at once."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, build_opener

import click

from idp_mfa.cli.findings import trait_words, words
from idp_mfa.cli.house import Program, as_json, echo_json, no
from idp_mfa.client_address import is_loopback
from idp_mfa.model import ServiceId
from idp_mfa.ports import Encryption, ServiceOptions, SignedRequests
from idp_mfa.services import Added, Amend, Described, Listed, NotAdded, Unusable

_MOST_OCTETS = 64 * 1024 * 1024
_SECONDS = 30


@click.group()
def sp() -> None:
    """Register SAML services."""


@sp.command()
@click.argument("source", metavar="FILE_OR_URL")
@click.option("--encryption", type=click.Choice([each.value for each in Encryption]))
@click.option("--signed-requests", type=click.Choice([each.value for each in SignedRequests]))
@click.option("--tag", "tags", multiple=True, help="Names it in policies and release rules.")
@click.option("--start-url", help="Where people start again after a sign-in that ran out.")
@as_json
@click.pass_obj
def add(
    program: Program,
    source: str,
    *,
    encryption: str | None,
    signed_requests: str | None,
    tags: tuple[str, ...],
    start_url: str | None,
    as_json: bool,
) -> None:
    """Take a service, or all of an aggregate; one that is there is replaced.

    Options that are not named keep what was set before.
    """
    amend = _amend(encryption, signed_requests, tags, start_url)
    answer = program.house.services.add(_document(source), amend, program.actor)
    _tell(answer, as_json)


@sp.command()
@click.argument("source", metavar="[FILE_OR_URL]", required=False)
@as_json
@click.pass_obj
def check(program: Program, source: str | None, as_json: bool) -> None:
    """Say what add would say; without a source, look at every registered service again."""
    services = program.house.services
    if source is not None:
        _tell(services.check(_document(source), lambda options: options), as_json)
        return
    listed = services.list()
    if as_json:
        echo_json([_as_json(each) for each in listed])
    else:
        for each in listed:
            click.echo(each.registration.id)
            _findings(each.reading)
    sys.exit(1 if any(isinstance(each.reading, Unusable) for each in listed) else 0)


@sp.command("list")
@as_json
@click.pass_obj
def list_(program: Program, as_json: bool) -> None:
    """List the registered services."""
    listed = program.house.services.list()
    if as_json:
        echo_json([_as_json(each) for each in listed])
        return
    for each in listed:
        reading = each.reading
        names = reading.names.values() if isinstance(reading, Described) else ("NOT USABLE",)
        click.echo(f"{each.registration.id}  {' / '.join(names)}".rstrip())


@sp.command()
@click.argument("entity_id")
@as_json
@click.pass_obj
def show(program: Program, entity_id: str, as_json: bool) -> None:
    """Show one service: what it says of itself, and what is set for it."""
    found = program.house.services.show(ServiceId(entity_id))
    if found is None:
        no(f"{entity_id} is not registered")
    if as_json:
        echo_json(_as_json(found))
        return
    click.echo(f"{entity_id}\n  added: {found.registration.added_at:%Y-%m-%d %H:%M} UTC")
    if isinstance(found.reading, Described):
        for trait, values in found.reading.traits.items():
            for value in values:
                click.echo(f"  {trait_words(trait)}: {value}")
    _findings(found.reading)


@sp.command()
@click.argument("entity_id")
@click.pass_obj
def remove(program: Program, entity_id: str) -> None:
    """Answer a service no longer."""
    if not program.house.services.remove(ServiceId(entity_id), program.actor):
        no(f"{entity_id} is not registered")
    click.echo(f"{entity_id} is removed")


def _amend(
    encryption: str | None,
    signed_requests: str | None,
    tags: tuple[str, ...],
    start_url: str | None,
) -> Amend:
    def amend(was: ServiceOptions) -> ServiceOptions:
        return replace(
            was,
            encryption=was.encryption if encryption is None else Encryption(encryption),
            signed_requests=was.signed_requests
            if signed_requests is None
            else SignedRequests(signed_requests),
            tags=frozenset(tags) or was.tags,
            start_url=start_url or was.start_url,
        )

    return amend


def _tell(answer: Added | NotAdded, as_json: bool) -> None:
    if as_json:
        echo_json(_answer_as_json(answer))
    else:
        _say(answer)
    sys.exit(1 if isinstance(answer, NotAdded) else 0)


def _say(answer: Added | NotAdded) -> None:
    taken, left_out = (
        ((), answer.problems) if isinstance(answer, NotAdded) else (answer.taken, answer.left_out)
    )
    for each in taken:
        click.echo(f"{each.described.id}: {'new' if each.changes is None else 'replaced'}")
        for change in each.changes or ():
            for value in change.gone:
                click.echo(f"  - {trait_words(change.trait)}: {value}")
            for value in change.come:
                click.echo(f"  + {trait_words(change.trait)}: {value}")
        _findings(each.described)
    for unusable in left_out:
        click.echo(f"{unusable.id or 'this document'}: NOT taken")
        _findings(unusable)


def _findings(reading: Described | Unusable) -> None:
    found = reading.findings if isinstance(reading, Described) else reading.problems
    for finding in found:
        click.echo(f"  {'note' if isinstance(reading, Described) else 'NOT'}: {words(finding)}")


def _answer_as_json(answer: Added | NotAdded) -> dict[str, object]:
    if isinstance(answer, NotAdded):
        return {"added": [], "left_out": [_unusable_as_json(each) for each in answer.problems]}
    return {
        "version": answer.version,
        "added": [
            {
                "entity_id": each.described.id,
                "new": each.changes is None,
                "changes": [
                    {
                        "trait": change.trait.value,
                        "gone": list(change.gone),
                        "come": list(change.come),
                    }
                    for change in each.changes or ()
                ],
                "findings": _findings_as_json(each.described),
            }
            for each in answer.taken
        ],
        "left_out": [_unusable_as_json(each) for each in answer.left_out],
    }


def _unusable_as_json(unusable: Unusable) -> dict[str, object]:
    return {"entity_id": unusable.id, "problems": _findings_as_json(unusable)}


def _as_json(listed: Listed) -> dict[str, object]:
    row, reading = listed.registration, listed.reading
    told: dict[str, object] = {
        "entity_id": row.id,
        "added_at": row.added_at.isoformat(),
        "usable": isinstance(reading, Described),
        "findings": _findings_as_json(reading),
    }
    if isinstance(reading, Described):
        told |= {trait.value: list(values) for trait, values in reading.traits.items()}
        told["names"] = dict(reading.names)
    return told


def _findings_as_json(reading: Described | Unusable) -> list[dict[str, str]]:
    found = reading.findings if isinstance(reading, Described) else reading.problems
    return [{"kind": each.kind.value, "about": each.about, "words": words(each)} for each in found]


# -- where a description comes from ----------------------------------------------------------


class _SameSafety(HTTPRedirectHandler):
    """Follows a redirect only to where one may go in the first place."""

    def redirect_request(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
        found = super().redirect_request(*args, **kwargs)  # type: ignore[arg-type]
        if found is not None and not _fetchable(found.full_url):
            raise URLError("a redirect to an address that is not https")
        return found


def _document(source: str) -> bytes:
    if "://" not in source:
        try:
            return Path(source).read_bytes()
        except OSError as error:
            raise click.UsageError(f"{source}: {error.strerror}") from error
    if not _fetchable(source):
        raise click.UsageError("metadata is fetched by https only")
    try:
        with build_opener(_SameSafety(), HTTPSHandler()).open(source, timeout=_SECONDS) as body:
            octets: bytes = body.read(_MOST_OCTETS + 1)
    except (URLError, OSError) as error:
        no(f"{source} cannot be fetched: {getattr(error, 'reason', error)}")
    return octets


def _fetchable(url: str) -> bool:
    """https, whose certificate stands for what is fetched; plain http from this machine alone."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
