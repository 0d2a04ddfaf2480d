"""Memory stays flat; ``make soak`` shows it over 50,000 sign-ins."""

from __future__ import annotations

from tests.soak.memory import growth


def test_workers_do_not_grow_with_the_sign_ins() -> None:
    grown = growth(sign_ins=1_000, people=1_000, workers=1)
    print(grown)  # noqa: T201 - what was measured, in what a failed run shows
    assert grown.kib_a_sign_in < 2.0, str(grown)
    assert grown.grown_mib < 2.0, str(grown)
