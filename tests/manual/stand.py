"""The product in a site's own names and colours, at the site's own address, for pictures of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser

from idp_mfa.settings import Settings
from tests.servers import slapd, valkey
from tests.servers.chromium import chromium
from tests.servers.foreground import free_port
from tests.servers.idp import WIDE, Idp, identity_provider
from tests.servers.nginx import nginx
from tests.simulators.mail_folder import MailFolder
from tests.simulators.person import Person
from tests.simulators.service_provider import TestServiceProvider, key_pair

SERVICE = TestServiceProvider(
    entity_id="https://library.example.ac.jp/sp",
    acs_url="https://library.example.ac.jp/acs",
    slo_url="https://library.example.ac.jp/slo",
    signing=(key_pair("library"),),
    role_extensions="""<md:Extensions><mdui:UIInfo
    xmlns:mdui="urn:oasis:names:tc:SAML:metadata:ui">
    <mdui:DisplayName xml:lang="ja">図書館</mdui:DisplayName>
    <mdui:DisplayName xml:lang="en">Library</mdui:DisplayName>
    </mdui:UIInfo></md:Extensions>""",
)


@dataclass(frozen=True, slots=True)
class Stand:
    """What runs: the identity provider, the browser that takes it for the site, and its people."""

    idp: Idp
    browser: Browser
    directory: slapd.Slapd

    @property
    def outbox(self) -> MailFolder:
        """Where mails are."""
        return MailFolder(self.idp.folder / "outbox")

    def newcomer(self, login: str) -> Person:
        """Somebody who has not set up anything."""
        self.directory.add([slapd.Person(login, login.capitalize(), ("students",))])
        return Person(login, f"demo-{login}")

    def somebody(self, login: str, *groups: str) -> Person:
        """Somebody of these groups, whose phone is set up."""
        self.directory.add([slapd.Person(login, login.capitalize(), groups)])
        return Person(login, f"demo-{login}", self.idp.set_up_phone(login))


@contextlib.contextmanager
def stand(settings: Settings) -> Iterator[Stand]:
    """slapd, Valkey, ``idp-mfa serve``, and nginx at the host of ``settings``."""
    host = urlsplit(settings.base_url).hostname or "localhost"
    tls = free_port()
    with (
        slapd.slapd() as directory,
        valkey.running(valkey.Kind.VALKEY) as store,
        identity_provider(
            free_port(),
            directory=directory,
            store=store,
            origin=f"https://{host}",
            more=_of_the_site(settings),
        ) as idp,
        nginx(tls, idp=(host, idp.port), services={}) as front,
        chromium((host,), trusted=front.certificate, port=tls) as browser,
    ):
        idp.register(SERVICE.metadata())
        yield Stand(idp, browser, directory)


def _of_the_site(settings: Settings) -> dict[str, Any]:
    """Names, colours and links; where things are kept is the stand's own."""
    return {
        "site": {**asdict(settings.site), "network_hosts": {}},
        "totp": asdict(settings.totp),
        "factors": list(settings.factors),
        "desk": {
            "roles": [{"role": one.role.value, "group": one.group} for one in settings.desk.roles]
        },
        "limits": {**WIDE, "mail_again_after": "0s"},
        "mail": {
            "folder": "outbox",
            "sender": settings.mail.sender,
            "sender_name": dict(settings.mail.sender_name),
            "subject_prefix": settings.mail.subject_prefix,
        },
    }
