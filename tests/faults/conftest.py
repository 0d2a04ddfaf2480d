"""One stand for all tests that leave it as they found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.pair import Pair, pair_of
from tests.faults.stand import PATIENT, Stand, stand


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


@pytest.fixture(scope="session")
def both(broken: Stand) -> Iterator[Pair]:
    """Two nodes behind nginx, as they were started."""
    broken.heal()
    with pair_of(broken) as started:
        yield started


@pytest.fixture
def pair(site: Stand, both: Pair) -> Pair:
    """The same, on roads that are well."""
    del site
    return both


@pytest.fixture(scope="session")
def struck() -> Iterator[Stand]:
    """A stand of its own, patient with the machine."""
    with stand(PATIENT) as started:
        yield started


@pytest.fixture
def patient(struck: Stand) -> Iterator[Stand]:
    """The same, well before the test and after it."""
    struck.heal()
    yield struck
    struck.heal()
