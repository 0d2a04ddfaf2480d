"""The registered service providers, each parsed once and kept until its registration changes."""

from __future__ import annotations

from idp_mfa.model import Clock, ServiceId
from idp_mfa.ports import Registration, ServiceRegistry, Unavailable
from idp_mfa.saml.description import provider_of
from idp_mfa.saml.provider import ServiceProvider


class ServiceProviders:
    """Finds a service provider by its entityID; one whose metadata has run out is not found."""

    def __init__(self, registry: ServiceRegistry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._parsed: dict[ServiceId, tuple[Registration, ServiceProvider | None]] = {}

    def find(self, entity_id: str) -> ServiceProvider | None:
        """The provider as it is registered now."""
        id, now = ServiceId(entity_id), self._clock()
        registration = self._registry.current().by_id.get(id)
        if registration is None:
            self._parsed.pop(id, None)
            return None
        kept = self._parsed.get(id)
        if kept is None or (kept[0] is not registration and kept[0] != registration):
            kept = (registration, provider_of(registration, now))
            self._parsed[id] = kept
        provider = kept[1]
        if provider is None or (provider.valid_until is not None and provider.valid_until <= now):
            return None
        return provider

    def name(self, id: ServiceId, language: str) -> str:
        """What pages call a service; of one that cannot be looked up, its id."""
        try:
            found = self.find(id)
        except Unavailable:
            return id
        return id if found is None else found.service.name(language)
