"""What the commands on policies share: reading a file, and who and what there is at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from idp_mfa.cli.house import Program, fail, no
from idp_mfa.compose import House, NotComposed, compose
from idp_mfa.model import Account
from idp_mfa.policy.assurance import SHIPPED_FACTORS
from idp_mfa.policy.load import Untried, load_untried
from idp_mfa.ports import Unavailable
from idp_mfa.settings import load
from idp_mfa.yaml_document import Problem, Problems

file_argument = click.Path(exists=True, dir_okay=False, path_type=Path)
_NOT_ASKED = "not asked who and what there is"
Found = TypeVar("Found")
offline = click.option("--offline", is_flag=True, help="Ask neither directory nor registry.")


@dataclass(frozen=True, slots=True)
class AtHand:
    """The people and the services (id and tags) there are; None where nobody could be asked."""

    people: Sequence[Account] | None = None
    services: Sequence[frozenset[str]] | None = None


def read(file: Path) -> Untried | Problems:
    """A policy with its tests, which were not tried yet, or all that is wrong with it."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return Problems((Problem(str(file), 1, 1, "is no UTF-8 text"),))
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    return load_untried(text, str(file), SHIPPED_FACTORS)


def well_written(file: Path) -> Untried:
    """A policy that can be read; else the answer is no."""
    found = read(file)
    if isinstance(found, Problems):
        no(str(found))
    return found


def at_hand(program: Program) -> AtHand:
    """What the settings lead to, if there are any; what cannot be asked is said and left out."""
    if not program.config.exists():
        return AtHand()
    settings = load(program.config)
    if isinstance(settings, Problems):
        click.echo(f"{_NOT_ASKED}: {program.config} has problems", err=True)
        return AtHand()
    try:
        house = compose(settings)
    except NotComposed as error:
        click.echo(f"{_NOT_ASKED}: {error.problems}", err=True)
        return AtHand()
    return AtHand(people=_asked(house, _people), services=_asked(house, _services))


def _people(house: House) -> Sequence[Account]:
    return [one for one in house.directory.everyone() if not house.settings.desk.is_stock(one)]


def _services(house: House) -> Sequence[frozenset[str]]:
    return [one.options.tags | {one.id} for one in house.registry.current().by_id.values()]


def _asked(house: House, ask: Callable[[House], Sequence[Found]]) -> Sequence[Found] | None:
    try:
        return ask(house)
    except Unavailable as error:
        click.echo(f"{_NOT_ASKED}: cannot reach the {error.part}: {error.why}", err=True)
        return None


def _moment(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        fail(f"--at {text}: must be a time such as `2026-12-01T09:00+09:00`")


at_option = click.option(
    "--at",
    callback=_moment,
    metavar="TIME",
    help="As of this moment, such as 2026-12-01T09:00+09:00.",
)
