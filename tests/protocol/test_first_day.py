"""The first day of term, in small; ``make soak`` has 20,000 sign-ins and 5,000 first set-ups."""

from __future__ import annotations

import pytest

from tests.soak.term import DECLARED, Term, first_day

SIGN_INS, SET_UPS = 600, 150


@pytest.fixture(scope="module")
def term() -> Term:
    done = first_day(SIGN_INS, SET_UPS, enrolled=300)
    print(done)  # noqa: T201 - what happened, in what a failed run shows
    return done


def test_nobody_behind_a_declared_address_is_kept_out(term: Term) -> None:
    assert not term.refused, term.refused[:5]
    assert (term.sign_ins, term.set_ups) == (SIGN_INS, SET_UPS)


def test_no_limit_was_reached_though_people_mistyped(term: Term) -> None:
    assert term.mistyped["password"] > 0
    assert term.mistyped["code"] > 0
    assert set(term.by_address) == set(DECLARED)
    assert not any(term.limits.values()), term.limits
