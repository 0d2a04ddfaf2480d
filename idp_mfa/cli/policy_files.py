"""What the commands on policies share: reading a file, and who and what there is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from idp_mfa.cli.house import Program, fail, no
from idp_mfa.compose import NotComposed, compose
from idp_mfa.model import Account
from idp_mfa.policy.assurance import SHIPPED_FACTORS
from idp_mfa.policy.load import Untried, load_untried
from idp_mfa.ports import Unavailable
from idp_mfa.settings import load
from idp_mfa.yaml_document import Problem, Problems

file_argument = click.Path(exists=True, dir_okay=False, path_type=Path)
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
        return _left_out(f"{program.config} has problems", AtHand())
    try:
        house = compose(settings)
    except NotComposed as error:
        return _left_out(str(error.problems), AtHand())
    found = AtHand()
    try:
        registered = house.registry.current().by_id.values()
        found = AtHand(services=[one.options.tags | {one.id} for one in registered])
        return replace(found, people=house.directory.everyone())
    except Unavailable as error:
        return _left_out(f"cannot reach the {error.part}: {error.why}", found)


def _left_out(why: str, found: AtHand) -> AtHand:
    click.echo(f"not asked whom and what there is: {why}", err=True)
    return found


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
