"""What ``diff`` says of two policies: everything that changes, and nothing else."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from idp_mfa.cli.policy_cells import in_words
from idp_mfa.policy.cases import facts_given
from idp_mfa.policy.cells import given_at
from idp_mfa.policy.decide import decide
from idp_mfa.policy.diff import Difference, Turn, difference
from idp_mfa.policy.load import Untried, load_untried
from idp_mfa.policy.model import Deny, Permit

SHIPPED = Path(__file__).parents[2] / "policies"
DEFAULT = (SHIPPED / "default.yaml").read_text(encoding="utf-8")
SUMS = (SHIPPED / "examples" / "sums.yaml").read_text(encoding="utf-8")
NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
SKIP = "when: { page: [sign-in, portal.home], zone: [campus, vpn] }"


def well_written(text: str) -> Untried:
    found = load_untried(text, "p.yaml")
    assert isinstance(found, Untried), str(found)
    return found


def between(old: str, new: str) -> Difference:
    before, after = well_written(old), well_written(new)
    return difference(before.policy, after.policy, after.factors, NOW)


def told(found: Difference) -> list[str]:
    return [f"{one.label.turn.value}: {in_words(found.space, one)}" for one in found.changes]


def swapped(old: str, new: str) -> str:
    assert DEFAULT.count(old) == 1, old
    return DEFAULT.replace(old, new)


def test_of_the_same_policy_nothing_changes() -> None:
    found = between(DEFAULT, DEFAULT + "# the same, with a remark\n")
    assert (found.changes, found.moved) == ((), {})


def test_a_zone_that_is_asked_newly() -> None:
    found = between(DEFAULT, swapped(SKIP, SKIP.replace(", vpn", "")))
    words = told(found)
    assert words[0] == (
        "newly asked: people who have fido2, image_matrix, passcode, recovery_code or totp, "
        "for sign-in, from vpn, where no class is asked, with the password alone"
    )
    assert any(one.startswith("newly denied: people who have no factor") for one in words)
    assert all("from vpn" in one for one in words)
    assert found.changes[0].label.rule == "Everyone else shows a factor"


def test_the_other_way_round_it_is_newly_not_asked() -> None:
    found = between(swapped(SKIP, SKIP.replace(", vpn", "")), DEFAULT)
    assert {one.label.turn for one in found.changes} == {Turn.LET_IN}


def test_how_fresh_something_has_to_be_makes_a_difference() -> None:
    found = between(DEFAULT, swapped("recovery_code], fresh: 30m", "recovery_code], fresh: 10m"))
    assert told(found) == [
        "newly asked: people who have fido2, image_matrix, recovery_code or totp, "
        "for portal.activity, with what was shown 30m ago"
    ]


def test_factors_that_are_offered_no_more_are_named() -> None:
    old = "require: [totp, fido2, recovery_code], fresh: 5m }"
    found = between(DEFAULT, swapped(old, old.replace(", recovery_code", "")))
    lost = [one.label for one in found.changes if one.label.turn is Turn.OTHERWISE]
    assert [sorted(one.lost) for one in lost] == [["recovery_code"]]
    denied = [in_words(found.space, one) for one in found.changes if one.label.why is not None]
    assert denied == [
        "people who have recovery_code but not enrolment_passcode, fido2 or totp, "
        "for portal.add-factor"
    ]


def test_networks_that_moved_are_told_with_what_that_changes() -> None:
    found = between(DEFAULT, SUMS)
    assert {pair: list(map(str, nets)) for pair, nets in found.moved.items()} == {
        ("campus", "guest"): ["192.0.2.192/26"]
    }
    assert any("from what was campus and is guest" in one for one in told(found))


def test_words_that_one_policy_alone_names_are_told_apart() -> None:
    rule = "  - { name: x, when: { page: sign-in, group: staff, service: pay }, then: deny }\n"
    new = swapped("rules:\n", f"rules:\n{rule}")
    words = told(between(DEFAULT, new))
    assert words
    assert all("people in staff" in one and "to pay" in one for one in words)


def test_the_weightiest_comes_first() -> None:
    weight = list(Turn).index
    turns = [one.label.turn for one in between(DEFAULT, SUMS).changes]
    assert turns == sorted(turns, key=weight)
    assert Counter(turns)[Turn.DENIED]


@pytest.mark.parametrize(("old", "new"), [(DEFAULT, SUMS), (SUMS, DEFAULT)], ids=("to", "from"))
def test_it_is_the_difference_of_the_decisions(old: str, new: str) -> None:
    """Of any request at all: in a cell if and only if the two policies differ there."""
    before, after = well_written(old), well_written(new)
    found = between(old, new)
    chance = random.Random(2)
    for _ in range(1000):
        point = {one.name: chance.choice(one.values) for one in found.space}
        given = given_at(found.space, point)
        if given.page.value != "sign-in" and given.asked:
            continue
        was, now = (
            decide(one.policy, facts_given(one.policy, given, one.factors, NOW)).decision
            for one in (before, after)
        )
        cells = [one for one in found.changes if one.holds(point)]
        assert len(cells) <= 1
        changed = type(was) is not type(now) or (
            not isinstance(was, Permit | Deny) and offered(was) != offered(now)
        )
        assert bool(cells) == changed, (point, was, now)


def offered(decision: object) -> object:
    return getattr(decision, "offered", None) or getattr(decision, "allowed", None)
