"""What ``idp-mfa check`` says before it becomes trouble: contact, colours, the way to the store."""

from __future__ import annotations

import pytest

from idp_mfa.cli.checks import Notice, colours, contact, store
from idp_mfa.site import SiteOptions
from idp_mfa.store.options import RedisOptions
from idp_mfa.store.redis.server import ServerFacts

GIB = 2**30
CALM = ServerFacts("valkey", "9.1.0", GIB // 2, GIB)


def test_pages_that_name_nobody_to_ask_are_told() -> None:
    assert isinstance(contact(SiteOptions()), Notice)
    address = "https://www.example.ac.jp/help"
    assert contact(SiteOptions(contact_url=address)) == address


@pytest.mark.parametrize(
    ("brand", "ink", "readable"),
    [
        ("#2E7D32", "#FFFFFF", True),
        ("#000000", "white", True),
        ("#777777", "#FFFFFF", False),
        ("#767676", "#FFFFFF", True),
        ("#FFEB3B", "#FFFFFF", False),
        ("#FFEB3B", "#000000", True),
        ("#2E7D32", "#000000", False),
        ("forestgreen", "#FFFFFF", False),
        ("#2E7D3", "#FFFFFF", False),
        ("", "", False),
    ],
)
def test_a_colour_on_which_nobody_can_read_is_told(brand: str, ink: str, readable: bool) -> None:
    found = colours(SiteOptions(brand=brand, brand_ink=ink))
    assert isinstance(found, str) is readable
    if isinstance(found, Notice):
        assert "site.brand" in found.says


@pytest.mark.parametrize(
    ("options", "in_clear"),
    [
        (RedisOptions("redis://store.example.ac.jp"), True),
        (RedisOptions("redis://10.0.0.7:6379/0"), True),
        (RedisOptions("redis:///", sentinels=("10.0.0.7",), master_name="ours"), True),
        (RedisOptions("rediss:///", sentinels=("10.0.0.7",), master_name="ours"), False),
        (RedisOptions("rediss://store.example.ac.jp"), False),
        (RedisOptions("redis://127.0.0.1"), False),
        (RedisOptions("redis://localhost"), False),
        (RedisOptions("redis://[::1]"), False),
        (RedisOptions("unix:///run/valkey/valkey.sock"), False),
    ],
)
def test_a_store_whose_traffic_anybody_on_the_way_can_read_is_told(
    options: RedisOptions, in_clear: bool
) -> None:
    found = store(CALM, options)
    assert isinstance(found, Notice) is in_clear
    if isinstance(found, Notice):
        assert "in clear over a network" in found.says


@pytest.mark.parametrize(
    ("used", "limit", "told"),
    [(0.69, GIB, False), (0.7, GIB, True), (0.99, GIB, True), (0.99, 0, False)],
)
def test_a_store_that_will_be_full_is_told_in_time(used: float, limit: int, told: bool) -> None:
    found = store(
        ServerFacts("redis", "7.0.15", round(used * GIB), limit), RedisOptions("unix:///x")
    )
    assert isinstance(found, Notice) is told
    if isinstance(found, Notice):
        assert "of its memory is used" in found.says
