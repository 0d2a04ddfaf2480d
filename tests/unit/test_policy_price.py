"""A decision is cheap, and no dearer for a longer list of networks."""

from __future__ import annotations

import pytest

from tests.bench.decision import by_networks

pytestmark = pytest.mark.alone


def test_a_decision_costs_less_than_a_third_of_a_signature_however_many_networks() -> None:
    few, many, most = by_networks().values()
    assert many < 1 / 3
    assert most < few * 1.25
