"""What a site sets for its SAML identity provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Contact:
    """A person or desk, as metadata names it; ``kind`` is technical, support or administrative."""

    kind: str
    name: str
    mail: str


@dataclass(frozen=True, slots=True)
class Logo:
    """An image for discovery pages; sizes in pixels."""

    url: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class SamlOptions:
    """Who we are to services.

    ``entity_id`` is a name and need not be an address of ours; ``base_url`` is where we answer,
    without a slash at its end. ``scopes`` are the domains that we may speak for, our own first.
    ``salt`` makes the ids that services know people by: 32 octets or more, kept apart and never
    changed. ``clock_skew`` is what a request's instant may be off either way (SDP-G01).
    """

    entity_id: str
    base_url: str
    scopes: tuple[str, ...]
    salt: bytes = field(repr=False)
    names: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    information_urls: Mapping[str, str] = field(default_factory=dict)
    logo: Logo | None = None
    organization_names: Mapping[str, str] = field(default_factory=dict)
    organization_urls: Mapping[str, str] = field(default_factory=dict)
    contacts: tuple[Contact, ...] = ()
    error_url: str | None = None
    clock_skew: timedelta = timedelta(minutes=5)
    assertion_lifetime: timedelta = timedelta(minutes=5)

    @property
    def sso_url(self) -> str:
        """Where AuthnRequests are taken, by either binding."""
        return f"{self.base_url}/saml/sso"

    @property
    def slo_url(self) -> str:
        """Where LogoutRequests are taken, by either binding."""
        return f"{self.base_url}/saml/slo"
