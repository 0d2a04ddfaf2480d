"""``idp-mfa policy check``: what is wrong with a policy, and what is hardly meant."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click

from idp_mfa.cli.house import Program, as_json, echo_json
from idp_mfa.cli.policy_files import AtHand, at_hand, at_option, file_argument, offline, read
from idp_mfa.policy.cases import try_all
from idp_mfa.policy.load import Untried
from idp_mfa.policy.review import Remark, Weight, review
from idp_mfa.yaml_document import MappingNode, Problem, Problems
from idp_mfa.yaml_document import read as read_document


@click.command()
@click.argument("file", type=file_argument)
@click.option("--strict", is_flag=True, help="Exit code 1 for warnings too.")
@at_option
@offline
@as_json
@click.pass_obj
def check(
    program: Program, file: Path, *, strict: bool, at: datetime, offline: bool, as_json: bool
) -> None:
    """Say whether a policy is well written, its own tests pass, and it says what is meant.

    Names of groups and services are looked up if the settings lead to a directory.
    """
    found = read(file)
    remarks: tuple[Remark, ...] = ()
    if isinstance(found, Problems):
        problems = tuple(found)
    else:
        problems = _failures(found)
        remarks = _remarks(found, file, at, AtHand() if offline else at_hand(program))
    if as_json:
        echo_json(
            {
                "ok": not problems,
                "problems": [_problem(one) for one in problems],
                "remarks": [
                    {"weight": one.weight.value, **_problem(one.problem)} for one in remarks
                ],
            }
        )
    else:
        for line in (*map(str, problems), *map(str, remarks)):
            click.echo(line)
        if isinstance(found, Untried) and not problems:
            click.echo(f"{file}: {_sum(found, remarks)}")
    warned = any(one.weight is Weight.WARNING for one in remarks)
    sys.exit(1 if problems or (strict and warned) else 0)


def _failures(untried: Untried) -> tuple[Problem, ...]:
    tried = try_all(untried.policy, untried.cases, untried.factors)
    return tuple(one.problem for one in tried if one.problem is not None)


def _remarks(untried: Untried, file: Path, at: datetime, there: AtHand) -> tuple[Remark, ...]:
    document = read_document(file.read_text(encoding="utf-8"), str(file))
    if not isinstance(document, MappingNode):
        return ()
    return review(untried, document, at, there.people, there.services)


def _sum(found: Untried, remarks: tuple[Remark, ...]) -> str:
    zones, rules, tests = map(len, (found.policy.zones, found.policy.rules, found.cases))
    warnings = sum(1 for one in remarks if one.weight is Weight.WARNING)
    said = f"{warnings} warning{'' if warnings == 1 else 's'}" if warnings else "nothing is wrong"
    return f"{zones} zones, {rules} rules, {tests} tests: {said}"


def _problem(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
    }
