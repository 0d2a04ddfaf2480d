"""``idp-mfa policy replay``: whom a policy would have asked, of those who signed in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import click

from idp_mfa.cli.audit import audit_files, in_order, span
from idp_mfa.cli.house import Program, as_json, echo_json, fail
from idp_mfa.cli.replaying import Task, replayed
from idp_mfa.policy.load import load_untried
from idp_mfa.policy.record import Verdict
from idp_mfa.policy.replay import NO_FACTS, Change, Decidable, NotDecidable, Row, Tally
from idp_mfa.policy.unrecorded import ADDRESS
from idp_mfa.ports import Unavailable
from idp_mfa.yaml_document import Problems

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_ALL = "all"


@click.command()
@click.argument("file", type=_FILE)
@click.option("--since", default="7d", show_default=True, help="Such as `7d` or `12h`, or `all`.")
@audit_files
@click.option("--list", "listed", is_flag=True, help="Each sign-in that changes.")
@click.option("--processes", type=click.IntRange(1), help="Default: one for each core.")
@as_json
@click.pass_obj
def replay(
    program: Program,
    file: Path,
    *,
    since: str,
    files: Sequence[Path],
    listed: bool,
    processes: int | None,
    as_json: bool,
) -> None:
    """Try a policy on the sign-ins of the record: who would be asked, skipped or shut out."""
    paths = in_order(program, files)
    task = _task(program, file, since)
    total = sum(path.stat().st_size for path in paths)
    quiet = as_json or not sys.stderr.isatty()
    with click.progressbar(length=total, file=sys.stderr, hidden=quiet, label=str(file)) as bar:
        tally = replayed(task, paths, bar, processes or os.cpu_count() or 1)
    if as_json:
        echo_json(plain(tally, listed=listed))
        return
    click.echo(summary(tally))
    for line in rows(tally) if listed else ():
        click.echo(line)


def _task(program: Program, file: Path, since: str) -> Task:
    house = program.house
    factors = {name: factor.may_show for name, factor in house.factors.items()}
    text = _text(file)
    untried = load_untried(text, str(file), factors)
    if isinstance(untried, Problems):
        fail(str(untried))
    begins = None if since == _ALL else house.clock() - span(since, "--since")
    return Task(
        text,
        str(file),
        factors,
        _known(program),
        program.settings.keys.addresses,
        program.settings.audit.addresses_kept,
        begins,
    )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: cannot be read: {type(error).__name__}")


def _known(program: Program) -> tuple[str, ...]:
    """The texts of policies that were in force, as far as they are at hand."""
    texts = []
    if program.settings.policy.is_file():
        texts.append(_text(program.settings.policy))
    # Without a store the zones of older policies are not known, and a little less is decidable.
    with suppress(Unavailable):
        texts += program.house.shared_policies.newest().texts.values()
    return tuple(dict.fromkeys(texts))


# -- telling ---------------------------------------------------------------------------------


def summary(tally: Tally) -> str:
    """The figures in a sentence."""
    sign_ins = f"{tally.sign_ins:,} sign-in{'' if tally.sign_ins == 1 else 's'}"
    changes = [
        f"{tally.changes[change]:,} {change.value}"
        for change in Change
        if tally.changes[change] or change in _ALWAYS_TOLD
    ]
    parts = [f"{sign_ins}: {', '.join(changes)}"]
    if tally.no_factor:
        people = "person" if len(tally.no_factor) == 1 else "people"
        has = "has" if len(tally.no_factor) == 1 else "have"
        parts.append(f"{len(tally.no_factor):,} {people} newly asked {has} no usable factor")
    parts += [
        f"{count:,} not decidable: {missing_words(missing)}"
        for missing, count in sorted(tally.not_decidable.items())
    ]
    return "; ".join(parts)


def missing_words(missing: tuple[str, ...]) -> str:
    """Why a sign-in cannot be judged."""
    if missing == (NO_FACTS,):
        return "what it was judged by was not recorded"
    words = []
    if ADDRESS in missing:
        words.append("the address cannot be opened")
    names = [f"`{name}`" for name in missing if name != ADDRESS]
    if names:
        words.append(f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'} not recorded")
    return ", and ".join(words)


def verdict_words(verdict: Verdict | None) -> str:
    """A verdict in a few words."""
    if verdict is None:
        return "not recorded"
    of = ", ".join(sorted(verdict.factors)) or verdict.acr or ""
    of = of if verdict.why is None else verdict.why.value
    return f"{verdict.outcome.value} {of}".strip()


def rows(tally: Tally) -> Iterator[str]:
    """A line for each sign-in that changes, and for those that cannot be told."""
    for row in tally.rows:
        at = row.at.isoformat(timespec="seconds")
        who = f"{at} {row.reference} {row.user} {row.service}"
        match row.answer:
            case Decidable(after):
                before = verdict_words(row.before)
                yield f"{who}: {_change(row)}: {before} -> {verdict_words(after)}"
            case NotDecidable(missing):
                yield f"{who}: not decidable: {missing_words(missing)}"


def plain(tally: Tally, *, listed: bool) -> dict[str, object]:
    """The same for programs."""
    told: dict[str, object] = {
        "sign_ins": tally.sign_ins,
        **{change.name.lower(): tally.changes[change] for change in Change},
        "newly_asked_without_factor": len(tally.no_factor),
        "not_decidable": [
            {"missing": list(missing), "count": count}
            for missing, count in sorted(tally.not_decidable.items())
        ],
    }
    if listed:
        told["people_without_factor"] = sorted(tally.no_factor)
        told["rows"] = [_plain(row) for row in tally.rows]
    return told


def _plain(row: Row) -> Mapping[str, object]:
    told: dict[str, object] = {
        "at": row.at.isoformat(),
        "reference": row.reference,
        "user": row.user,
        "service": row.service,
        "before": verdict_words(row.before),
        "before_rule": None if row.before is None else row.before.rule,
    }
    match row.answer:
        case Decidable(after):
            return {
                **told,
                "change": _change(row),
                "after": verdict_words(after),
                "after_rule": after.rule,
                "no_factor": row.answer.no_factor,
            }
        case NotDecidable(missing):
            return {**told, "change": "not decidable", "missing": list(missing)}


def _change(row: Row) -> str:
    answer = row.answer
    changed = answer.change if isinstance(answer, Decidable) else None
    return "" if changed is None else changed.value


_ALWAYS_TOLD = (Change.NEWLY_ASKED, Change.NEWLY_SKIPPED)
