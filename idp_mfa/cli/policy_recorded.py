"""``idp-mfa policy explain --reference``: why a sign-in of the record was decided as it was."""

from __future__ import annotations

from collections.abc import Sequence

import click

from idp_mfa.audit import AuditEvent
from idp_mfa.cli.house import Program, echo_json, no
from idp_mfa.cli.policy_replay import missing_words, verdict_words
from idp_mfa.model import Reference
from idp_mfa.policy.decide import decide
from idp_mfa.policy.explain import explain
from idp_mfa.policy.model import Decided, Facts, Policy
from idp_mfa.policy.record import VERSION_LETTERS, Recorded, from_record, verdict_of
from idp_mfa.policy.replay import NotDecidable, Replay
from idp_mfa.policy.unrecorded import Asked


def decisions(program: Program, code: str) -> Sequence[Recorded]:
    """The decisions on record under a reference code, oldest first."""
    records = program.house.audit.story(Reference(code))
    if not records:
        no(f"nothing is on record under {code}")
    found = [one for one in map(from_record, records) if one is not None]
    if not found:
        no(f"no decision is on record under {code}: the sign-in never came so far")
    return found


def in_question(recorded: Sequence[Recorded]) -> Recorded:
    """The one that people ask about: what refused them, else what was said first."""
    refused = [one for one in recorded if one.record.event is AuditEvent.SIGN_IN_REFUSED]
    return (refused or recorded)[0]


def tell(program: Program, code: str, policy: Policy, where: str, *, as_json: bool) -> None:
    """What was decided, and how a policy decides it now, rule by rule.

    ``where`` says whose policy it is: "in force", or a file.
    """
    found = decisions(program, code)
    one = in_question(found)
    answer = Replay(policy, [policy]).judge(one)
    decided = decide(policy, _asked(policy, one))
    same_policy = policy.version[:VERSION_LETTERS] == one.policy
    if as_json:
        echo_json(_plain(found, one, answer, decided, same_policy=same_policy))
        return
    for each in found:
        click.echo(f"{each.facts.at.isoformat(timespec='seconds')} {_words(each)}")
    if same_policy:
        click.echo(f"by policy {one.policy}, the one {where}:")
    else:
        now = policy.version[:VERSION_LETTERS]
        click.echo(f"by policy {one.policy}, which is another. By {now}, the one {where}:")
    for line in explain(decided):
        click.echo(line)
    if isinstance(answer, NotDecidable):
        click.echo(f"which is not for sure: {missing_words(answer.missing)}")
    elif verdict_of(decided) != one.verdict:
        click.echo(f"which is not what was decided then: {verdict_words(one.verdict)}")


def _asked(policy: Policy, one: Recorded) -> Facts:
    """The facts as they are on record; what was not recorded is taken for absent."""
    return Asked(policy, frozenset({policy.version[:VERSION_LETTERS]})).of(one).facts


def _words(one: Recorded) -> str:
    by = f" by {one.verdict.rule!r}" if one.verdict.rule else ", no rule matched"
    return f"{one.record.event.value}: {verdict_words(one.verdict)}{by}, zone {one.facts.zone}"


def _plain(
    found: Sequence[Recorded],
    one: Recorded,
    answer: object,
    decided: Decided,
    *,
    same_policy: bool,
) -> dict[str, object]:
    return {
        "decisions": [
            {
                "at": each.facts.at.isoformat(),
                "event": each.record.event.value,
                "policy": each.policy,
                "outcome": each.verdict.outcome.value,
                "told": verdict_words(each.verdict),
                "rule": each.verdict.rule,
                "zone": each.facts.zone,
            }
            for each in found
        ],
        "explained": found.index(one),
        "same_policy": same_policy,
        "now": verdict_words(verdict_of(decided)),
        "now_rule": verdict_of(decided).rule,
        "same": verdict_of(decided) == one.verdict,
        "missing": list(answer.missing) if isinstance(answer, NotDecidable) else [],
        "explanation": list(explain(decided)),
    }
