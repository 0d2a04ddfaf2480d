"""docs/reference/limits.md names every limit with the number that the program has (ASVS 6.1.1)."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

from idp_mfa.desk.callers import DIGITS, NUMBER_LIVES, PROOF_LIVES, TRIES
from idp_mfa.desk.orders import WAITS
from idp_mfa.throttle import Limits
from idp_mfa.token_stock import MOST, UNDER_WAY

DOCS = Path(__file__).parents[2] / "docs"
PAGE, GUIDE = DOCS / "reference" / "limits.md", DOCS / "howto" / "help-desk.md"
ROW = re.compile(r"^\| (`[a-z_`, ]+`) \| ([^|]+) \|", re.M)


def told() -> dict[str, str]:
    found: dict[str, str] = {}
    for names, values in ROW.findall(PAGE.read_text("utf-8")):
        keys = re.findall(r"`([a-z_]+)`", names)
        numbers = [one.strip() for one in values.split(",")]
        assert len(keys) == len(numbers), names
        found.update(zip(keys, numbers, strict=True))
    return found


def written(value: object) -> str:
    match value:
        case timedelta():
            milliseconds = value // timedelta(milliseconds=1)
            for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
                if milliseconds % size == 0:
                    return f"{milliseconds // size}{unit}"
            return f"{milliseconds}ms"
        case ():
            return "none"
        case _:
            return str(value)


def test_every_limit_stands_on_the_page_with_its_number() -> None:
    limits = Limits()
    expected = {one.name: written(getattr(limits, one.name)) for one in fields(limits)}
    assert told() == expected


def test_the_figures_of_the_page_follow_from_the_numbers() -> None:
    limits = Limits()
    guesses = int(limits.factor_sticky * timedelta(days=365) / limits.factor_sticky_span)
    text = PAGE.read_text("utf-8")
    assert f"{guesses} a year" in text
    chance = 1 - (1 - 3e-6) ** guesses
    assert chance <= 0.00185
    assert f"{chance:.2%}".replace("%", " %") in text


def test_the_help_desks_numbers_stand_on_the_page_and_in_its_guide() -> None:
    rows = dict(re.findall(r"^\| ([a-z' ]+) \| (\d\w*) \|", PAGE.read_text("utf-8"), re.M))
    assert rows == {
        "wrong numbers of a caller": written(TRIES),
        "a caller's number lives": written(NUMBER_LIVES),
        "a caller is known": written(PROOF_LIVES),
        "an act that takes two waits": written(WAITS),
        "a token is being handed out": written(UNDER_WAY),
        "tokens in a stock": written(MOST),
    }
    guide = " ".join(GUIDE.read_text("utf-8").split())
    assert (3, timedelta(minutes=5), 6) == (TRIES, NUMBER_LIVES, DIGITS)
    assert "six figures, works once and for five minutes, and three wrong ones void it" in guide
    assert f"does so for {PROOF_LIVES // timedelta(minutes=1)} minutes" in guide
    assert timedelta(days=1) == WAITS
    assert "It waits a day." in guide
