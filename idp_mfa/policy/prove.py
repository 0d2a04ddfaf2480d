"""Whether everybody has a way in, everywhere and to every service, or a way to a factor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from idp_mfa.model import NOT_FACTORS, Account, AccountState
from idp_mfa.policy.accepted import Accepted
from idp_mfa.policy.cells import Cell, Point, Space, Value, merged, split
from idp_mfa.policy.dimensions import Named, person, space, told_apart
from idp_mfa.policy.load import Untried
from idp_mfa.policy.lock_out import LockOuts, NoWay


@dataclass(frozen=True, slots=True)
class Proof:
    """What a policy does to everybody.

    ``lock_outs`` are by the policy's choice, or without any road to a factor; ``demands`` come of
    what services ask, and people can help themselves. ``overridden`` are the skips, by their rules,
    that do not hold because a class is asked. ``people`` are the logins of who is there, by their
    values; None if no directory was asked.
    """

    cells: int
    space: Space
    lock_outs: tuple[Cell[NoWay], ...]
    demands: tuple[Cell[NoWay], ...]
    overridden: tuple[Cell[str], ...]
    people: Sequence[tuple[Point, Sequence[str]]] | None = field(repr=False)

    @property
    def unexpected(self) -> tuple[Cell[NoWay], ...]:
        """The lock-outs that no test of the policy expects."""
        return tuple(one for one in self.lock_outs if one.label.accepted is None)

    def who(self, cell: Cell[NoWay]) -> tuple[str, ...]:
        """The logins of the people whom a cell is about, wherever they are just now."""
        there = (logins for point, logins in self.people or () if cell.holds(point))
        return tuple(sorted(login for logins in there for login in logins))


def prove(
    untried: Untried,
    at: datetime,
    people: Iterable[Account] | None = None,
    services: Iterable[frozenset[str]] = (),
) -> Proof:
    """All that a policy does, as of a moment.

    People who may not sign in anyhow are left out. ``services`` are the id and tags of each.
    """
    policy = untried.policy
    # Nobody counts on the help desk's passcodes for a way in.
    lasting = {name: kinds for name, kinds in untried.factors.items() if name not in NOT_FACTORS}
    factors = told_apart((policy,), lasting)
    named = Named.by((policy,))
    logins: dict[frozenset[tuple[str, Value]], list[str]] = defaultdict(list)
    for one in people or ():
        if one.standing.state is AccountState.ACTIVE:
            logins[frozenset(person(one, named, factors, at).items())].append(one.user.login)
    there = [(dict(point), names) for point, names in logins.items()]
    where = space((policy,), factors, at, [point for point, _ in there], tuple(services))
    judging = LockOuts(policy, factors, where, at, Accepted.by(untried))
    order = [one.name for one in reversed(where)]
    found = split(where, judging.no_way)
    shut = merged(found, order)
    return Proof(
        cells=len(found),
        space=where,
        lock_outs=tuple(one for one in shut if not _only_demanded(one.label)),
        demands=tuple(one for one in shut if _only_demanded(one.label)),
        overridden=merged(split(where, judging.overridden), order),
        people=None if people is None else there,
    )


def _only_demanded(found: NoWay) -> bool:
    return found.demanded and found.has_road
