"""Somebody who watched a sign-in with the image matrix, screen and keys, and tries the next one.

``python -m tests.simulators.watcher`` prints the figures of docs/adr/0010-image-matrix.md. Of each
pair of boards it is computed exactly how likely the best answer is, given all that was seen; only
the boards are drawn by chance.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import perm, prod, sqrt

PICTURES, FIGURES, REMEMBERED = 64, 8, 6


@dataclass(frozen=True, slots=True)
class Measured:
    """A mean of chances, and its standard error."""

    mean: float
    error: float


def best_blind(figures: int = FIGURES) -> float:
    """How likely the best guess is of who has seen nothing but the board.

    Six different figures are the likeliest answer: each is under so many pictures, and no picture
    is remembered twice.
    """
    each = PICTURES // figures
    return each**REMEMBERED / perm(PICTURES, REMEMBERED)


def best_after_one_recording(
    rounds: int, chance: random.Random, *, figures: int = FIGURES
) -> Measured:
    """The same of who has one sign-in on film; ``rounds`` pairs of boards are drawn."""
    found = []
    for _ in range(rounds):
        seen, asked = (_board(chance, figures) for _ in range(2))
        pattern = chance.sample(range(PICTURES), REMEMBERED)
        found.append(best_answer([seen[one] for one in pattern], seen, asked))
    mean = sum(found) / rounds
    spread = sum((one - mean) ** 2 for one in found) / (rounds - 1)
    return Measured(mean, sqrt(spread / rounds))


def after_recordings(
    recordings: int, rounds: int, chance: random.Random, *, figures: int = FIGURES
) -> float:
    """The share of sign-ins passed by who filmed several and picks the likeliest at each place."""
    passed = 0
    for _ in range(rounds):
        pattern = chance.sample(range(PICTURES), REMEMBERED)
        seen = [_board(chance, figures) for _ in range(recordings)]
        asked = _board(chance, figures)
        guess = [
            Counter(
                asked[one]
                for one in range(PICTURES)
                if all(board[one] == board[own] for board in seen)
            ).most_common(1)[0][0]
            for own in pattern
        ]
        passed += guess == [asked[own] for own in pattern]
    return passed / rounds


def _board(chance: random.Random, figures: int) -> list[int]:
    board = [figure for figure in range(figures) for _ in range(PICTURES // figures)]
    chance.shuffle(board)
    return board


def best_answer(typed: Sequence[int], seen: Sequence[int], asked: Sequence[int]) -> float:
    """The chance of the best answer: places of one recorded figure share their candidates."""
    chances = []
    for figure, places in Counter(typed).items():
        candidates = Counter(asked[one] for one in range(PICTURES) if seen[one] == figure)
        total = perm(sum(candidates.values()), places)
        ways = 1
        for _ in range(places):
            # A picture that stands at one place stands at no other: it is taken out.
            likeliest, count = candidates.most_common(1)[0]
            ways *= count
            candidates[likeliest] -= 1
        chances.append(ways / total)
    return prod(chances)


def main() -> None:
    """Print the figures."""
    chance = random.Random(1)
    found = best_after_one_recording(50_000, chance)
    lines = [
        f"best blind guess              {best_blind():.3g}",
        f"best after one recording      {found.mean:.3g} +- {found.error:.1g}",
        *(
            f"passed after {many} recordings     {after_recordings(many, 2000, chance):.2g}"
            for many in (2, 3, 4)
        ),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
