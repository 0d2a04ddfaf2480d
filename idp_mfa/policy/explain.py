"""A decision in English words for the command line, read from its trace alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from idp_mfa.model import Because, Cause
from idp_mfa.policy.dated import span
from idp_mfa.policy.model import (
    Decided,
    Decision,
    Deny,
    Enrol,
    EnrolFirst,
    Grace,
    Matched,
    Outcome,
    Permit,
    Refuse,
    Require,
    Skip,
    Step,
    StepUp,
)


def explain(decided: Decided) -> tuple[str, ...]:
    """Rule by rule and condition by condition what was found, then the outcome."""
    lines = [line for step in decided.steps for line in _step(step)]
    return (*lines, *_outcome(decided.decision))


def intent(then: Outcome) -> str:
    """What a rule does, in words."""
    match then:
        case Skip():
            return "ask for nothing more"
        case Require(factors, fresh, kinds):
            more = f", shown within {span(fresh)}" if fresh else ""
            more += f", {kinds} kinds in all" if kinds > 1 else ""
            return f"require {_either(factors)}{more}"
        case Refuse():
            return "deny"
        case Enrol(factors):
            return f"have {_either(factors)} set up first"
        case Grace(until):
            return f"ask for nothing more before {until.isoformat()}"
        case never:
            assert_never(never)


def _step(step: Step) -> Iterator[str]:
    rule = step.rule
    yield f"line {rule.line}, {rule.name!r}: {intent(rule.then)} - {step.effect.value}"
    yield from _matched(step.matched, "  ")


def _matched(matched: Matched, indent: str) -> Iterator[str]:
    truth = matched.truth.value
    match matched.condition, matched.parts:
        case "all", ():
            yield f"{indent}{truth}: no condition"
        case "all" | "any" | "not" as joint, parts:
            yield f"{indent}{truth}: {_JOINTS[joint]}"
            for part in parts:
                yield from _matched(part, indent + "  ")
        case _:
            wanted, found = matched.wanted, matched.found
            yield f"{indent}{truth}: {matched.condition} is {wanted} (it is {found})"


def _outcome(decision: Decision) -> Iterator[str]:
    because = decision.because
    where = f"from {because.address or 'an address that could not be read'}, zone {because.zone}"
    match decision:
        case Permit(acr):
            yield f"outcome: permit with {acr}, {where}"
        case StepUp(offered):
            yield f"outcome: ask {_either(offered)}, {where}"
        case EnrolFirst(allowed):
            yield f"outcome: first set up {_either(allowed)}, {where}"
        case Deny(why):
            yield f"outcome: deny ({why.value}), {where}"
        case never:
            assert_never(never)
    yield f"because: {_because(because)}"


def _because(because: Because) -> str:
    by = f"the rule {because.rule!r}" if because.rule else "no rule"
    return f"{_CAUSES[because.cause]} ({by})"


def _either(words: Iterable[str]) -> str:
    return " or ".join(sorted(words))


_JOINTS = {"all": "all of", "any": "one of", "not": "not"}
_CAUSES = {
    Cause.NETWORK: "of the network",
    Cause.NETWORK_UNKNOWN: "the network could not be told",
    Cause.SERVICE_DEMAND: "the service asks for a class of sign-in",
    Cause.TWO_KINDS: "two different kinds have to be shown",
    Cause.FRESHNESS: "what was shown is too old",
    Cause.RULE: "a rule says so",
    Cause.NO_RULE: "no rule matched, and what no rule matches is denied",
    Cause.NO_FACTOR: "the user has no factor that would do",
    Cause.UNREADABLE: "the user has a factor whose record cannot be opened",
}
