"""A university and a service of another site, both behind TLS, and Chromium to visit them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser

from tests.browser.walk import Walk
from tests.servers import slapd, valkey
from tests.servers.apache import Site
from tests.servers.chromium import Visitor, chromium, visit
from tests.servers.foreground import free_port
from tests.servers.idp import WIDE, Idp, identity_provider
from tests.servers.nginx import Front, nginx, origin
from tests.servers.shibboleth import Shibboleth, ShibbolethOptions, shibboleth
from tests.servers.smtp import Post, post_office
from tests.simulators.person import Person

IDP_HOST = "idp.univ.test"
SERVICE_HOST = "sp.other.test"
Walks = Callable[[Visitor], Walk]
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Campus:
    """Everything that runs."""

    idp: Idp
    service: Shibboleth
    directory: slapd.Slapd
    front: Front
    post: Post


@pytest.fixture(scope="session")
def campus() -> Iterator[Campus]:
    """slapd, Valkey, SMTP, ``idp-mfa serve``, Shibboleth, and nginx before both hosts."""
    tls = free_port()
    site = Site(free_port(), origin(SERVICE_HOST, tls))
    with (
        slapd.slapd() as directory,
        valkey.running(valkey.Kind.VALKEY) as store,
        post_office("clear") as post,
        identity_provider(
            free_port(),
            directory=directory,
            store=store,
            origin=origin(IDP_HOST, tls),
            more={
                "limits": {**WIDE, "mail_again_after": "0s"},
                "mail": {"smtp": f"smtp://127.0.0.1:{post.port}"},
                "desk": {
                    "roles": [
                        {"role": "desk", "group": "help-desk"},
                        {
                            "role": "desk",
                            "group": "student-desk",
                            "within": {"eduPersonAffiliation": ["student"]},
                        },
                    ],
                    "token_stock": "token-stock",
                    "protected_groups": ["finance"],
                },
                "site": {"contact_url": f"https://{IDP_HOST}/no-such-page"},
            },
        ) as idp,
        shibboleth(
            site,
            idp_entity_id=idp.entity_id,
            idp_metadata=idp.metadata(),
            options=ShibbolethOptions(),
        ) as service,
        nginx(tls, idp=(IDP_HOST, idp.port), services={SERVICE_HOST: site.port}) as front,
    ):
        idp.register(service.metadata)
        yield Campus(idp, service, directory, front, post)


@pytest.fixture(scope="session")
def browser(campus: Campus) -> Iterator[Browser]:
    """One Chromium; every visitor has a fresh profile in it."""
    with chromium((IDP_HOST, SERVICE_HOST), trusted=campus.front.certificate) as program:
        yield program


@pytest.fixture
def walks(campus: Campus, browser: Browser) -> Iterator[Walks]:
    """A visitor's first tab; in the end the browser may have had nothing to complain of."""
    taken: list[Walk] = []
    with contextlib.ExitStack() as stack:

        def first_tab(visitor: Visitor) -> Walk:
            walk = Walk(stack.enter_context(visit(browser, visitor)).new_page())
            taken.append(walk.listen(campus.idp.origin))
            return walk

        yield first_tab
    assert not [complaint for walk in taken for complaint in walk.complaints]


@pytest.fixture
def newcomer(campus: Campus) -> Person:
    """Somebody new, who has not set up anything."""
    new = slapd.Person(f"visitor{next(_NUMBERS)}", "Visitor 訪", ("students",))
    campus.directory.add([new])
    return Person(new.login, f"demo-{new.login}")


@pytest.fixture
def person(campus: Campus, newcomer: Person) -> Person:
    """Somebody new, whose phone is set up."""
    newcomer.phone = campus.idp.set_up_phone(newcomer.login)
    return newcomer
