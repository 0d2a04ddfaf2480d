"""What browsers say of themselves, read for phones, tablets and computers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.model import Device
from idp_mfa.policy.device import device_of

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"
SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0"


@pytest.mark.parametrize(
    ("user_agent", "mobile", "device"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36", "?0", "computer"),
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {SAFARI} Safari/605.1.15",
            "",
            "computer",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "", "computer"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME} Safari/537.36", "?0", "computer"),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) {SAFARI} Mobile/15E148",
            "",
            "phone",
        ),
        (f"Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) {SAFARI} Mobile/15E148", "", "tablet"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari/537.36", "?1", "phone"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari/537.36", "", "phone"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Safari/537.36", "?0", "tablet"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Safari/537.36", "", "tablet"),
        ("", "", "unknown"),
        ("curl/8.14.1", "", "unknown"),
        ("something new", "?1", "phone"),
        ("x" * 1024 + "iPhone", "", "unknown"),
    ],
)
def test_a_browser_is_taken_at_its_word(user_agent: str, mobile: str, device: str) -> None:
    assert device_of(user_agent, mobile) is Device(device)


@given(st.text(), st.text())
def test_whatever_is_said_there_is_an_answer(user_agent: str, mobile: str) -> None:
    assert device_of(user_agent, mobile) in Device
