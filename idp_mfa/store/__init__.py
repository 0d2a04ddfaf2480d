"""State stores, and what each of them reckons alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from idp_mfa.ports import Bucket, Budget, Window

LARGEST = 2**53 - 1
"""The largest number that a store's script can hold exactly."""


def milliseconds(span: timedelta) -> int:
    """A span in whole milliseconds, rounded up; ValueError if it is none or negative."""
    whole = -(-span // timedelta(milliseconds=1))
    if whole < 1:
        raise ValueError("a time to live must be longer than nothing")
    return whole


def sound(budgets: Sequence[Budget]) -> Sequence[Budget]:
    """The same budgets; ValueError for none, for two of one key, for one that allows nothing."""
    if not budgets:
        raise ValueError("no budget to take a try from")
    if len({budget.key for budget in budgets}) < len(budgets):
        raise ValueError("two budgets of one key")
    for budget in budgets:
        match budget:
            case Window(_, size, span) | Bucket(_, size, span):
                milliseconds(span)
                if size < 1:
                    raise ValueError("a budget must allow one try at least")
    return budgets
