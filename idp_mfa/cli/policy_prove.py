"""``idp-mfa policy prove``: whom a policy locks out, and how many of the people there are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import click

from idp_mfa.cli.house import Program, as_json, echo_json
from idp_mfa.cli.policy_cells import either, in_json, in_words, place
from idp_mfa.cli.policy_files import (
    AtHand,
    at_hand,
    at_option,
    file_argument,
    offline,
    well_written,
)
from idp_mfa.model import Refusal
from idp_mfa.policy.accepted import SET_UP_FIRST, STUCK
from idp_mfa.policy.cells import Cell
from idp_mfa.policy.lock_out import NoWay
from idp_mfa.policy.model import ZoneName
from idp_mfa.policy.prove import Proof
from idp_mfa.policy.prove import prove as prove_policy

_WHY = {
    Refusal.POLICY.value: "that is denied",
    Refusal.NO_FACTOR_ENROLLED.value: "they have no factor that would do",
    Refusal.CREDENTIAL_UNREADABLE.value: "what they have cannot be read",
    Refusal.ACR_UNMET.value: "nothing that they have reaches the class",
    SET_UP_FIRST: "a factor is to be set up first, and not from there",
    STUCK: "what is asked for is asked for again",
}


@click.command()
@click.argument("file", type=file_argument)
@click.option("--who", is_flag=True, help="Name the people who are locked out.")
@at_option
@offline
@as_json
@click.pass_obj
def prove(
    program: Program, file: Path, *, who: bool, at: datetime, offline: bool, as_json: bool
) -> None:
    """Say who has no way in, from where and to what, and whether they can get a factor.

    A lock-out is expected where a test of the policy expects the denial, and of those who cannot
    get a factor either, that too. Any other one makes the exit code 1.
    """
    found = well_written(file)
    there = AtHand() if offline else at_hand(program)
    proof = prove_policy(found, at, there.people, there.services or ())
    shown = proof.who if who else _nobody
    if as_json:
        echo_json(_told(proof, shown))
        sys.exit(1 if proof.unexpected else 0)
    for cell in proof.lock_outs:
        click.echo(f"lock-out: {_sentence(proof, cell)}")
        for line in (*_people(proof, cell, shown), _expected(cell.label)):
            click.echo(f"  {line}")
    for cell in proof.demands:
        click.echo(f"by what is asked: {_sentence(proof, cell)}")
        for line in _people(proof, cell, shown):
            click.echo(f"  {line}")
    for skip in proof.overridden:
        where = in_words(proof.space, skip)
        click.echo(f"asked all the same: {where}: the rule {skip.label!r} skips nothing there")
    click.echo(f"{file}: {_sum(proof)}")
    sys.exit(1 if proof.unexpected else 0)


_Shown = Callable[[Cell[NoWay]], tuple[str, ...]]


def _nobody(_cell: Cell[NoWay]) -> tuple[str, ...]:
    return ()


# -- in words --------------------------------------------------------------------------------


def _sentence(proof: Proof, cell: Cell[NoWay]) -> str:
    found = cell.label
    by = f" (rule {found.rule!r})" if found.rule else ""
    why = f"no way in: {_WHY.get(found.why, found.why)}{by}"
    return f"{in_words(proof.space, cell)}: {'; '.join((why, *_roads(found)))}"


def _roads(found: NoWay) -> Iterator[str]:
    if found.elsewhere:
        yield f"they get in from {_from(found.elsewhere)}"
    if found.set_up:
        yield f"a factor can be set up from {_from(found.set_up)}"
    if found.reissue:
        yield f"a key can be issued anew, by a mailed code, from {_from(found.reissue)}"
    if not found.has_road:
        yield "no factor that would do can be had without the help desk"


def _from(zones: Sequence[ZoneName]) -> str:
    return either(map(place, zones))


def _people(proof: Proof, cell: Cell[NoWay], shown: _Shown) -> Iterator[str]:
    if proof.people is not None:
        count = len(proof.who(cell))
        yield f"{count} {'person' if count == 1 else 'people'}"
    yield from shown(cell)


def _expected(found: NoWay) -> str:
    if found.accepted is None:
        return "NOT EXPECTED by any test of the policy"
    return f"expected by the test {found.accepted.name!r}, line {found.accepted.line}"


def _sum(proof: Proof) -> str:
    open_ = len(proof.unexpected)
    counted = f"{proof.cells} cells, {len(proof.lock_outs)} lock-outs"
    return f"{counted}, {open_} of them not expected" if proof.lock_outs else counted


# -- for programs ----------------------------------------------------------------------------


def _told(proof: Proof, shown: _Shown) -> dict[str, object]:
    return {
        "ok": not proof.unexpected,
        "cells": proof.cells,
        "lock_outs": [_cell(proof, cell, shown) for cell in proof.lock_outs],
        "demands": [_cell(proof, cell, shown) for cell in proof.demands],
        "overridden_skips": [
            {"rule": cell.label, "where": in_json(proof.space, cell)} for cell in proof.overridden
        ],
    }


def _cell(proof: Proof, cell: Cell[NoWay], shown: _Shown) -> dict[str, object]:
    found = cell.label
    told: dict[str, object] = {
        "words": _sentence(proof, cell),
        "where": in_json(proof.space, cell),
        "why": found.why,
        "rule": found.rule,
        "elsewhere": found.elsewhere,
        "set_up": found.set_up,
        "reissue": found.reissue,
        "expected_by": None if found.accepted is None else found.accepted.name,
    }
    if proof.people is not None:
        told["people"] = len(proof.who(cell))
    if names := shown(cell):
        told["logins"] = names
    return told
