"""What other parties state, in values of ours: texts as they came, nothing judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StatedNameId:
    """A NameID with its qualifiers, each None where the message has none."""

    value: str
    format: str | None
    name_qualifier: str | None
    sp_name_qualifier: str | None


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """What every request states; texts as they came, None where there are none."""

    id: str | None
    version: str | None
    issue_instant: str | None
    destination: str | None
    issuer: str | None
    issuer_format: str | None


@dataclass(frozen=True, slots=True)
class ParsedAuthnRequest:
    """An AuthnRequest (SAML core 3.4.1); ``classes`` is None where no class is asked."""

    request: ParsedRequest
    consumer_url: str | None
    consumer_index: str | None
    protocol_binding: str | None
    force_authn: str | None
    is_passive: str | None
    name_id_format: str | None
    sp_name_qualifier: str | None
    has_subject: bool
    comparison: str | None
    classes: tuple[str, ...] | None
    has_declarations: bool


@dataclass(frozen=True, slots=True)
class ParsedLogoutRequest:
    """A LogoutRequest (SAML core 3.7.1); an encrypted NameID reads as none."""

    request: ParsedRequest
    not_on_or_after: str | None
    name_id: StatedNameId | None
    session_indexes: tuple[str, ...]
    asynchronous: bool


@dataclass(frozen=True, slots=True)
class StatedEndpoint:
    """An endpoint as metadata states it."""

    binding: str
    location: str
    response_location: str | None
    index: str | None
    is_default: str | None


@dataclass(frozen=True, slots=True)
class StatedKey:
    """A KeyDescriptor: certificates in base64, and the encryption methods it lists."""

    use: str | None
    certificates: tuple[str, ...]
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StatedServiceProvider:
    """The SPSSODescriptor of an entity, and what stands round it."""

    valid_until: tuple[str, ...]
    consumers: tuple[StatedEndpoint, ...]
    logouts: tuple[StatedEndpoint, ...]
    keys: tuple[StatedKey, ...]
    signs_requests: str | None
    name_id_formats: tuple[str, ...]
    names: Mapping[str, str]
    logos: tuple[str, ...]
    categories: tuple[str, ...]
    subject_id_requirements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StatedEntity:
    """An EntityDescriptor; None for one that is no SAML 2.0 service provider."""

    entity_id: str
    service_provider: StatedServiceProvider | None
