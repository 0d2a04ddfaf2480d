"""A request is judged by one policy, however often it asks and whatever is activated meanwhile."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask

from idp_mfa.compose import House
from idp_mfa.settings import Settings, load
from tests.unit.test_policies import Site

CONF = Path(__file__).parents[2] / "conf" / "idp_mfa.yaml"


def test_a_request_sees_one_policy_and_the_next_one_another(tmp_path: Path) -> None:
    settings = load(CONF)
    assert isinstance(settings, Settings), settings
    site = Site(tmp_path)
    node = site.node("a")
    house = House(settings, lambda: datetime.now(UTC), os.urandom)
    vars(house)["policy_in_force"] = node.in_force
    app = Flask("test")
    with app.test_request_context():
        first = house.policy()
        assert first.rules[0].name == "file"
        node.activate("second")
        assert node.rule == "second"
        assert house.policy() is first
        assert house.shadow() is None
    with app.test_request_context():
        assert house.policy().rules[0].name == "second"
    assert house.policy().rules[0].name == "second", "outside of any request too"
