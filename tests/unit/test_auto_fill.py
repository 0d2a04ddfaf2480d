"""Which browsers can hand a key to Apple's passwords, and whose steps come first."""

from __future__ import annotations

import pytest

from idp_mfa.auto_fill import AutoFill, auto_fill, system_of
from idp_mfa.web.advice import words_of

_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
SAFARI_ON_IPHONE = f"{_IPHONE} {_WEBKIT} Version/17.4 Mobile/15E148 Safari/604.1"
SAFARI_ON_MAC = f"{_MAC} {_WEBKIT} Version/18.1 Safari/605.1.15"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (SAFARI_ON_IPHONE, AutoFill.POSSIBLE),
        (SAFARI_ON_MAC, AutoFill.POSSIBLE),
        (SAFARI_ON_MAC.replace("18.1", "15.0"), AutoFill.POSSIBLE),
        (SAFARI_ON_MAC.replace("18.1", "14.1.2"), AutoFill.TOO_OLD),
        (f"{_IPHONE} {_WEBKIT} CriOS/120.0 Mobile/15E148 Safari/604.1", AutoFill.OTHER_BROWSER),
        (f"{_IPHONE} {_WEBKIT} FxiOS/120.0 Mobile/15E148 Safari/605.1", AutoFill.OTHER_BROWSER),
        (
            f"{_IPHONE} {_WEBKIT} Version/17.0 EdgiOS/120.0 Mobile/15E148 Safari/605.1.15",
            AutoFill.OTHER_BROWSER,
        ),
        (f"{_MAC} AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36", AutoFill.OTHER_BROWSER),
        (f"{_MAC} Gecko/20100101 Firefox/120.0", AutoFill.OTHER_BROWSER),
        (f"{_IPHONE} {_WEBKIT} Mobile/15E148", AutoFill.OTHER_BROWSER),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0 Safari/537.36",
            AutoFill.OTHER_DEVICE,
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 Version/17.0 Safari/605.1.15",
            AutoFill.OTHER_DEVICE,
        ),
        ("", AutoFill.OTHER_DEVICE),
        ("iPhone " + "Version/" * 5000, AutoFill.OTHER_BROWSER),
    ],
)
def test_safari_on_an_apple_device_and_no_other(said: str, expected: AutoFill) -> None:
    assert auto_fill(said) is expected


@pytest.mark.parametrize(
    ("said", "system"),
    [
        (SAFARI_ON_IPHONE, "ios"),
        (SAFARI_ON_MAC, "macos"),
        ("Mozilla/5.0 (Linux; Android 14) Mobile", "android"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64)", "windows"),
        ("Mozilla/5.0 (X11; CrOS x86_64)", "chromeos"),
        ("Mozilla/5.0 (X11; Linux x86_64)", "linux"),
        ("curl/8", ""),
    ],
)
def test_the_steps_of_ones_own_system_come_first(said: str, system: str) -> None:
    assert system_of(said) == system


def test_what_is_looked_for_is_read_in_any_width_and_case() -> None:
    assert words_of("ＭＡＩＬ　Ａpple") == ("mail", "apple")
    assert words_of("   ") == ()
    assert sum(map(len, words_of("a " * 500))) <= 100
