"""Draw the sign-in as it really is: try every event in every state and look where it leads.

``python -m tests.project.state_diagram [--check FILE | --write FILE]``: the diagram stands in the
file between two marks. A new state or event without an example here is an error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from idp_mfa.factor import Challenge
from idp_mfa.model import (
    Acr,
    Because,
    Cause,
    FactorKind,
    FactorName,
    Refusal,
    User,
    UserId,
    Verification,
)
from idp_mfa.policy.model import Decision, Deny, EnrolFirst, Permit, StepUp
from idp_mfa.signin import flow

BEGIN = "<!-- the sign-in, drawn from signin/flow.py by `make fix` -->"
END = "<!-- end of the drawing -->"

_USER = User(UserId("id"), "login", "Name")
_FACTOR = FactorName("totp")
_OFFERED = frozenset({_FACTOR})
_BECAUSE = Because("rule", "outside", None, Cause.RULE)
_DONE = Verification(
    _FACTOR, frozenset({FactorKind.POSSESSION}), (), datetime(2026, 1, 1, tzinfo=UTC)
)
_CHOICE = flow.AwaitChoice(_USER, (), _OFFERED, _BECAUSE)

STATES: tuple[flow.State, ...] = (
    flow.AwaitIdentity(),
    _CHOICE,
    flow.AwaitResponse(_CHOICE, Challenge(_FACTOR)),
    flow.AwaitEnrolment(_USER, (), _OFFERED, _BECAUSE),
    flow.Authenticated(_USER, (_DONE,), Acr("class"), _BECAUSE),
    flow.Refused(Refusal.POLICY),
)
EVENTS: tuple[flow.Event, ...] = (
    flow.Identified(_USER, (_DONE,)),
    flow.FactorChosen(Challenge(_FACTOR)),
    flow.FactorVerified(_DONE),
    flow.Enrolled(_DONE),
    flow.Rejudged(),
    flow.Abandoned(Refusal.CANCELLED),
)
DECISIONS: tuple[Decision, ...] = (
    Permit(Acr("class"), _BECAUSE),
    StepUp(_OFFERED, _BECAUSE),
    EnrolFirst(_OFFERED, _BECAUSE),
    Deny(Refusal.POLICY, _BECAUSE),
)


def _name(value: object) -> str:
    return type(value).__name__


def _complete(examples: Iterable[object], union: object) -> None:
    missing = {kind.__name__ for kind in get_args(union)} - {_name(one) for one in examples}
    if missing:
        raise SystemExit(f"the state diagram has no example of: {', '.join(sorted(missing))}")


def _reached(state: flow.State, event: flow.Event, decision: Decision) -> str | None:
    match flow.advance(state, event, lambda user, verified: decision):
        case flow.OutOfTurn():
            return None
        case after:
            return _name(after)


def diagram() -> str:
    """The Mermaid text; the decision of the policy is one node, drawn once."""
    _complete(STATES, flow.State)
    _complete(EVENTS, flow.Event)
    _complete(DECISIONS, Decision)
    moves: dict[tuple[str, str], list[str]] = {}
    verdicts: dict[str, set[str]] = {}
    for state in STATES:
        for event in EVENTS:
            by_decision = {_name(one): _reached(state, event, one) for one in DECISIONS}
            targets = set(by_decision.values())
            if targets == {None}:
                continue
            if len(targets) == 1:
                (target,) = targets
                moves.setdefault((_name(state), str(target)), []).append(_name(event))
            else:
                moves.setdefault((_name(state), "policy"), []).append(_name(event))
                for decision, reached in by_decision.items():
                    verdicts.setdefault(decision, set()).add(str(reached))
    lines = ["stateDiagram-v2", "    state policy <<choice>>", "    [*] --> AwaitIdentity"]
    for (source, target), events in moves.items():
        lines.append(f"    {source} --> {target}: {', '.join(events)}")
    for decision, reached_by in verdicts.items():
        lines.extend(f"    policy --> {target}: {decision}" for target in sorted(reached_by))
    ends = {"Authenticated", "Refused"}
    lines.extend(f"    {_name(state)} --> [*]" for state in STATES if _name(state) in ends)
    return "\n".join(lines)


def drawn_in(text: str) -> str:
    """The document with the present diagram between its marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"the marks {BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n```mermaid\n{diagram()}\n```\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the sign-in from signin/flow.py.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", type=Path, metavar="FILE")
    what.add_argument("--write", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.write:
        text = arguments.write.read_text(encoding="utf-8")
        arguments.write.write_text(drawn_in(text), encoding="utf-8")
    elif arguments.check:
        text = arguments.check.read_text(encoding="utf-8")
        if drawn_in(text) != text:
            sys.exit(f"{arguments.check}: the state diagram is stale; run `make fix`")
    else:
        sys.stdout.write(diagram() + "\n")


if __name__ == "__main__":
    main()
