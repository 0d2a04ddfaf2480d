"""Metadata documents of services: one entity or an aggregate, checked one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from lxml import etree

from idp_mfa.ports import Registration
from idp_mfa.saml import instant, peer
from idp_mfa.saml.admission import described, provided
from idp_mfa.saml.names import METADATA
from idp_mfa.saml.provider import ServiceProvider
from idp_mfa.saml.reading import DOCUMENT, Malformed, canonical, parse
from idp_mfa.services import Described, Finding, FindingKind, Unusable

_ENTITY = f"{{{METADATA}}}EntityDescriptor"
_ENTITIES = f"{{{METADATA}}}EntitiesDescriptor"


def describe(document: bytes, now: datetime) -> tuple[Described | Unusable, ...]:
    """Every entity of a document; one that cannot be used leaves the others alone.

    In an aggregate, entities that are no service provider are passed over.
    """
    root = parse(document, DOCUMENT)
    if isinstance(root, Malformed):
        return (Unusable(None, (Finding(FindingKind.UNREADABLE, root.value),)),)
    if root.tag == _ENTITY:
        return (_described(root, now),)
    if root.tag != _ENTITIES:
        return (Unusable(None, (Finding(FindingKind.NOT_METADATA, etree.QName(root).localname),)),)
    seen: set[str] = set()
    readings: list[Described | Unusable] = []
    for entity in root.iter(_ENTITY):
        reading = _described(entity, now)
        if isinstance(reading, Unusable) and _not_a_service(reading):
            continue
        if reading.id is not None and reading.id in seen:
            reading = Unusable(reading.id, (Finding(FindingKind.TWICE),))
        seen.add(reading.id or "")
        readings.append(reading)
    return tuple(readings) or (Unusable(None, (Finding(FindingKind.NO_SERVICE_PROVIDER),)),)


def provider_of(registration: Registration, now: datetime) -> ServiceProvider | None:
    """A registered service, or None once its metadata has run out."""
    try:
        found = provided(peer.read_entity(registration.document.encode()), now)
    except peer.NotThis:
        return None
    if isinstance(found, Unusable):
        return None
    return replace(found[0], options=registration.options)


def _not_a_service(reading: Unusable) -> bool:
    return [problem.kind for problem in reading.problems] == [FindingKind.NO_SERVICE_PROVIDER]


def _described(element: etree._Element, now: datetime) -> Described | Unusable:
    ends = [text for text in map(_valid_until, (element, *element.iterancestors())) if text]
    if ends:
        # What an aggregate says of its life holds for each entity in it.
        element.set("validUntil", min(ends, key=_moment))
    octets = canonical(element)
    try:
        entity = peer.read_entity(octets)
    except peer.NotThis as error:
        return Unusable(None, (Finding(FindingKind.NOT_METADATA, str(error)),))
    found = provided(entity, now)
    if isinstance(found, Unusable):
        return found
    provider, findings = found
    return described(provider, octets.decode(), findings)


def _moment(text: str) -> datetime:
    return instant.read(text) or datetime.min.replace(tzinfo=UTC)


def _valid_until(element: etree._Element) -> str | None:
    return element.get("validUntil")
