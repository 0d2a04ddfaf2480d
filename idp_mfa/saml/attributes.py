"""Which attributes a service receives, and where their values come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from idp_mfa.model import Account, Service
from idp_mfa.saml.provider import ServiceProvider
from idp_mfa.saml.subject import pairwise_id, subject_id
from idp_mfa.saml.writing import representable

SUBJECT_ID = "subject-id"
PAIRWISE_ID = "pairwise-id"
COMPUTED = frozenset({SUBJECT_ID, PAIRWISE_ID})
"""Made of the stable id; they have no source."""
_REQUIREMENTS = {
    "subject-id": frozenset({SUBJECT_ID}),
    "pairwise-id": frozenset({PAIRWISE_ID}),
    "any": frozenset({PAIRWISE_ID}),
    "none": frozenset[str](),
}
EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of an assertion; ``values`` is never empty."""

    name: str
    friendly_name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AttributeType:
    """A row of the map."""

    name: str
    scoped: bool


@dataclass(frozen=True, slots=True)
class Source:
    """Where values come from: the first of these directory attributes that has any, or fixed ones.

    ``scope`` is put behind values that have none.
    """

    directory: tuple[str, ...]
    values: tuple[str, ...]
    scope: str


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """Who receives what: entityIDs, ``tag:NAME``, entity categories, or ``everyone``."""

    to: frozenset[str]
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """The whole of it; what no row gives is not given."""

    types: Mapping[str, AttributeType]
    sources: Mapping[str, Source]
    rows: tuple[ReleaseRow, ...]
    scopes: tuple[str, ...]

    def directory_attributes(self) -> frozenset[str]:
        """What the directory has to be asked for."""
        return frozenset(name for source in self.sources.values() for name in source.directory)

    def names_for(self, provider: ServiceProvider) -> tuple[str, ...]:
        """What this service is given, in the map's order.

        What its metadata demands of subject-id and pairwise-id is honoured (SDP-IDP15).
        """
        given = {
            name
            for row in self.rows
            if row.to & _addresses(provider.service)
            for name in row.attributes
        }
        demanded = _REQUIREMENTS.get(provider.subject_id_requirement or "")
        if demanded is not None:
            given = (given - COMPUTED) | demanded
        return tuple(name for name in self.types if name in given)

    def released(
        self, provider: ServiceProvider, account: Account, salt: bytes
    ) -> tuple[Attribute, ...]:
        """The attributes of an account for a service; those without a value are left out."""
        found = []
        for name in self.names_for(provider):
            values = self._values(name, provider, account, salt)
            if values:
                found.append(Attribute(self.types[name].name, name, values))
        return tuple(found)

    def _values(
        self, name: str, provider: ServiceProvider, account: Account, salt: bytes
    ) -> tuple[str, ...]:
        if name == SUBJECT_ID:
            return (f"{subject_id(salt, account.user.id)}@{self.scopes[0]}",)
        if name == PAIRWISE_ID:
            local = pairwise_id(salt, provider.entity_id, account.user.id)
            return (f"{local}@{self.scopes[0]}",)
        source = self.sources[name]
        values = (account.attributes.get(each, ()) for each in source.directory)
        usable = (
            value
            for value in next(filter(None, values), ()) or source.values
            if value and representable(value)
        )
        if not self.types[name].scoped:
            return tuple(dict.fromkeys(usable))
        scoped = (value if "@" in value else f"{value}@{source.scope}" for value in usable)
        ours = (value for value in scoped if self._ours(value))
        return tuple(dict.fromkeys(ours))

    def _ours(self, value: str) -> bool:
        """A foreign domain in the directory is no claim that we may make."""
        local, _, scope = value.partition("@")
        return bool(local) and scope in self.scopes


def _addresses(service: Service) -> frozenset[str]:
    return frozenset({EVERYONE, str(service.id)}) | {
        name for tag in service.tags for name in (tag, f"tag:{tag}")
    }
