"""What a site sets for its SAML identity provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

_SCOPE = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_SALT_OCTETS = 32


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
    """Who we are to services, as settings say it.

    ``entity_id`` is a name and need not be an address of ours. ``scopes`` are the domains that we
    may speak for, our own first. ``release`` is the release file; without one nothing but what
    a service's metadata demands is given. ``clock_skew`` is what a request's instant may be off
    either way (SDP-G01).
    """

    entity_id: str
    scopes: tuple[str, ...]
    release: Path | None = None
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

    def __post_init__(self) -> None:
        if not 0 < len(self.entity_id) <= 256 or any(map(str.isspace, self.entity_id)):
            raise ValueError("entity_id must be 1 to 256 characters without blanks")
        if not self.scopes or not all(_SCOPE.fullmatch(scope) for scope in self.scopes):
            raise ValueError("scopes must be lower-case domain names, at least one")


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """The same, ready for use: ``base_url`` is where we answer, without a slash at its end.

    ``salt`` makes the ids that services know people by: 32 octets or more, kept apart and never
    changed.
    """

    options: SamlOptions
    base_url: str
    salt: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.salt) < _SALT_OCTETS:
            raise ValueError(f"the salt must have {_SALT_OCTETS} octets or more")

    @property
    def entity_id(self) -> str:
        """Our name."""
        return self.options.entity_id

    @property
    def sso_url(self) -> str:
        """Where AuthnRequests are taken, by either binding."""
        return f"{self.base_url}/saml/sso"

    @property
    def slo_url(self) -> str:
        """Where LogoutRequests are taken, by either binding."""
        return f"{self.base_url}/saml/slo"
