"""One stand for all tests that leave it as they found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.stand import Stand, stand


@pytest.fixture(scope="session")
def broken() -> Iterator[Stand]:
    """The stand, as it was started."""
    with stand() as started:
        yield started


@pytest.fixture
def site(broken: Stand) -> Iterator[Stand]:
    """The stand, well before the test and after it."""
    broken.heal()
    yield broken
    broken.heal()
