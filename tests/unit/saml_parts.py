"""An identity provider without a server: the protocol's functions and what they work on."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from idp_mfa.key_folder import KeyFolder
from idp_mfa.keys import KeyType, SigningKey
from idp_mfa.model import (
    Account,
    AccountState,
    Acr,
    Amr,
    AuthnResult,
    Because,
    Cause,
    Credentials,
    Reference,
    Standing,
    User,
    UserId,
)
from idp_mfa.policy.assurance import PASSWORD_PROTECTED_TRANSPORT
from idp_mfa.policy.model import Assurance
from idp_mfa.registry.memory import MemoryRegistry
from idp_mfa.saml import bindings, logout, requests
from idp_mfa.saml.bindings import Message, Undecodable
from idp_mfa.saml.description import describe
from idp_mfa.saml.incoming import NotAccepted, undecodable
from idp_mfa.saml.options import Contact, IdentityProvider, SamlOptions
from idp_mfa.saml.provider import ServiceProvider
from idp_mfa.saml.providers import ServiceProviders
from idp_mfa.saml.responses import Issuer
from idp_mfa.services import Added, Services
from tests.simulators.service_provider import TestServiceProvider

NOW = datetime(2026, 11, 21, 3, 0, 0, tzinfo=UTC)
IDP = IdentityProvider(
    SamlOptions(
        entity_id="https://idp.example/idp",
        scopes=("example.ac.jp", "med.example.ac.jp"),
        names={"ja": "例示大学", "en": "Example & University"},
        organization_names={"en": "Example University"},
        organization_urls={"en": "https://www.example.ac.jp/"},
        contacts=(Contact("technical", "Help desk", "help@example.ac.jp"),),
        error_url="https://www.example.ac.jp/help?a=1&b=2",
    ),
    "https://idp.example",
    b"s" * 32,
)
ASSURANCE = Assurance()
ALICE = Account(
    user=User(UserId("3f0c1f2e-0000-4000-8000-000000000001"), "alice", "Alice"),
    groups=frozenset({"student"}),
    attributes={
        "uid": ("alice",),
        "mail": ("alice@example.ac.jp",),
        "displayName": ('Alice <&> "Liddell"',),
        "eduPersonAffiliation": ("student", "member"),
    },
    standing=Standing(AccountState.ACTIVE),
    credentials=Credentials((), 0, None),
)


class NoAudit:
    """An audit log that keeps its records in a list."""

    def __init__(self) -> None:
        self.records: list[object] = []

    def record(self, record: object) -> None:
        self.records.append(record)

    def story(self, reference: object) -> list[object]:
        return []

    def recent(self, limit: int) -> list[object]:
        return []


def signing_key(kind: KeyType = KeyType.RSA_2048) -> SigningKey:
    """One key of a kind for the whole run."""
    return _made(kind)


@lru_cache
def _made(kind: KeyType) -> SigningKey:
    with tempfile.TemporaryDirectory() as folder:
        keys = KeyFolder(Path(folder), lambda: NOW, os.urandom)
        keys.create(kind, "idp.example")
        return keys.keys().active


def issuer(kind: KeyType = KeyType.RSA_2048) -> Issuer:
    """With what answers are made."""
    return Issuer(IDP, signing_key(kind), os.urandom)


def result(acr: str = PASSWORD_PROTECTED_TRANSPORT, account: Account = ALICE) -> AuthnResult:
    """A sign-in that went well."""
    return AuthnResult(
        account=account,
        acr=Acr(acr),
        amr=(Amr("pwd"),),
        authn_instant=NOW,
        session_index="_5f5f",
        because=Because("a rule", "campus", "192.0.2.10", Cause.RULE),
        reference=Reference("ABCD2345"),
    )


class Registered:
    """Services of a test, registered as an admin would."""

    def __init__(self, *services: TestServiceProvider, now: datetime = NOW) -> None:
        self.registry = MemoryRegistry()
        self.audit = NoAudit()
        self.now = now
        self.services = Services(self.registry, self.audit, lambda: self.now, os.urandom, describe)
        self.providers = ServiceProviders(self.registry, lambda: self.now)
        for each in services:
            self.add(each)

    def add(self, service: TestServiceProvider) -> Added:
        """Add one that must be taken."""
        answer = self.services.add(service.metadata(), lambda options: options, "test")
        assert isinstance(answer, Added), answer
        return answer

    def provider(self, service: TestServiceProvider) -> ServiceProvider:
        """As the protocol sees it."""
        found = self.providers.find(service.entity_id)
        assert found is not None
        return found

    def asked(
        self,
        message: Message | Undecodable,
        assurance: Assurance = ASSURANCE,
        idp: IdentityProvider = IDP,
    ) -> requests.Accepted | requests.Declined | NotAccepted:
        """What becomes of an AuthnRequest."""
        if isinstance(message, Undecodable):
            return undecodable(message)
        return requests.checked(message, self.providers.find, idp, assurance, self.now)

    def redirect(self, query: bytes) -> requests.Accepted | requests.Declined | NotAccepted:
        """The same for a redirect's query."""
        return self.asked(bindings.from_query(query))

    def post(
        self, form: dict[str, list[str]]
    ) -> requests.Accepted | requests.Declined | NotAccepted:
        """The same for a POST's fields."""
        return self.asked(bindings.from_form(form, {}))

    def logout(self, message: Message | Undecodable) -> logout.LogoutAsked | NotAccepted:
        """What becomes of a LogoutRequest."""
        if isinstance(message, Undecodable):
            return undecodable(message)
        return logout.checked(message, self.providers.find, IDP, self.now)
