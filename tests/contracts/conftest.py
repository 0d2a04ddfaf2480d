"""Real stores, started once for each file of tests that asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from idp_mfa.store.redis import RedisServer
from tests.contracts.store_acts import connected_to
from tests.servers import valkey
from tests.servers.valkey import Kind, StoreServer


@pytest.fixture(scope="module", params=list(Kind), ids=lambda kind: kind.value)
def server(request: pytest.FixtureRequest) -> Iterator[StoreServer]:
    """Redis and Valkey, one after the other."""
    with valkey.running(request.param) as running:
        yield running


@pytest.fixture
def connected(server: StoreServer) -> Iterator[RedisServer]:
    """Our connections to it, with keys of this test's own."""
    with connected_to(server) as ours:
        yield ours


@pytest.fixture(scope="module", params=[None, *Kind], ids=lambda k: k.value if k else "memory")
def server_if_any(request: pytest.FixtureRequest) -> Iterator[StoreServer | None]:
    """The same, and None for the adapter that is memory."""
    if request.param is None:
        yield None
    else:
        with valkey.running(request.param) as running:
            yield running
