"""What we sign with a P-256 key is taken by Debian's Shibboleth SP (its Lasso knows no ECDSA)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocol.conftest import CAMPUS, BrowserAt
from tests.protocol.messages import DS, response
from tests.servers import valkey
from tests.servers.apache import loopback, what_came
from tests.servers.foreground import free_port
from tests.servers.idp import Idp, identity_provider
from tests.servers.shibboleth import ShibbolethOptions, shibboleth
from tests.servers.slapd import Slapd
from tests.simulators.person import Person

ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"


@pytest.fixture(scope="module")
def idp(directory: Slapd) -> Iterator[Idp]:
    """``idp-mfa serve`` with a key on P-256."""
    with (
        valkey.running(valkey.Kind.VALKEY) as store,
        identity_provider(
            free_port(), directory=directory, store=store, key_type="p-256"
        ) as provider,
    ):
        yield provider


def test_shibboleth_takes_it(idp: Idp, person: Person, browser_at: BrowserAt) -> None:
    with shibboleth(
        loopback(free_port()),
        idp_entity_id=idp.entity_id,
        idp_metadata=idp.metadata(),
        options=ShibbolethOptions(),
    ) as service:
        idp.register(service.metadata)
        agent = browser_at(CAMPUS)
        arrived = person.sign_in(agent.open(service.secure))
        assert what_came(arrived.text)["eppn"] == person.principal_name, service.log()
        method = response(agent).find(f".//{{{DS}}}SignatureMethod")
        assert method is not None
        assert method.get("Algorithm") == ECDSA_SHA256
