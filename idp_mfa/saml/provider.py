"""A service provider, ready for use: what the protocol needs to know of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from idp_mfa.keys import PublicKey
from idp_mfa.model import Service, ServiceId
from idp_mfa.ports import Encryption, ServiceOptions, SignedRequests
from idp_mfa.saml.names import Binding


@dataclass(frozen=True, slots=True)
class Consumer:
    """An AssertionConsumerService of the POST binding."""

    url: str
    index: str | None
    is_default: bool | None


@dataclass(frozen=True, slots=True)
class Logout:
    """A SingleLogoutService; ``url`` is where a response goes."""

    binding: Binding
    url: str


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """A key to encrypt to, and the methods that the service lists for it."""

    public: PublicKey
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceProvider:
    """What the protocol needs to know of a service; ``consumers`` is never empty."""

    entity_id: ServiceId
    names: Mapping[str, str]
    logo: str | None
    consumers: tuple[Consumer, ...]
    logouts: tuple[Logout, ...]
    signing_keys: tuple[PublicKey, ...]
    encryption_keys: tuple[EncryptionKey, ...]
    states_signed_requests: bool
    name_id_formats: tuple[str, ...]
    categories: frozenset[str]
    subject_id_requirement: str | None
    valid_until: datetime | None
    options: ServiceOptions

    @property
    def default_consumer(self) -> Consumer:
        """The default endpoint (SAML metadata 2.2.3): said so, else not denied, else the first."""
        for wanted in (True, None):
            for consumer in self.consumers:
                if consumer.is_default is wanted:
                    return consumer
        return self.consumers[0]

    @property
    def must_sign(self) -> bool:
        """Whether an unsigned request is refused."""
        return self.states_signed_requests or self.options.signed_requests is SignedRequests.ALWAYS

    @property
    def encryption_due(self) -> bool:
        """Whether an assertion may leave encrypted only."""
        match self.options.encryption:
            case Encryption.ALWAYS:
                return True
            case Encryption.IF_KEY:
                return bool(self.encryption_keys)
            case Encryption.NEVER:
                return False

    @property
    def service(self) -> Service:
        """The same for pages, policy and audit."""
        parts = urlsplit(self.default_consumer.url)
        return Service(
            id=self.entity_id,
            names=self.names,
            host=parts.hostname or "",
            logo=self.logo,
            tags=self.options.tags | self.categories,
            start_url=self.options.start_url or f"{parts.scheme}://{parts.netloc}/",
        )
