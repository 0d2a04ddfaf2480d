"""Whether a service may be taken: everything its metadata states, checked in one walk."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from idp_mfa.client_address import is_loopback
from idp_mfa.keys import PublicKey, UnusableKey, read_certificate
from idp_mfa.model import ServiceId
from idp_mfa.ports import ServiceOptions
from idp_mfa.saml import instant
from idp_mfa.saml.names import XMLENC, XMLENC11, Binding
from idp_mfa.saml.provider import Consumer, EncryptionKey, Logout, ServiceProvider
from idp_mfa.saml.stated import StatedEndpoint, StatedEntity, StatedKey, StatedServiceProvider
from idp_mfa.services import EXPIRY_WATCH, Described, Finding, FindingKind, Trait, Unusable

_TRUE = frozenset({"true", "1"})
_FALSE = frozenset({"false", "0"})
_LOGO_CHARACTERS = 4096
_ENTITY_ID_CHARACTERS = 1024
_BLOCK_CIPHERS = (f"{XMLENC}aes", f"{XMLENC}tripledes", f"{XMLENC11}aes")
_UNUSABLE = {
    UnusableKey.UNREADABLE: FindingKind.KEY_UNREADABLE,
    UnusableKey.TOO_SHORT: FindingKind.KEY_TOO_SHORT,
    UnusableKey.UNSUPPORTED: FindingKind.KEY_UNSUPPORTED,
}


def provided(
    entity: StatedEntity, now: datetime
) -> tuple[ServiceProvider, tuple[Finding, ...]] | Unusable:
    """The provider with what is worth knowing of it, or every reason why it is not taken."""
    if not entity.entity_id or len(entity.entity_id) > _ENTITY_ID_CHARACTERS:
        return Unusable(None, (Finding(FindingKind.NO_ENTITY_ID, entity.entity_id[:80]),))
    id, stated = ServiceId(entity.entity_id), entity.service_provider
    if stated is None:
        return Unusable(id, (Finding(FindingKind.NO_SERVICE_PROVIDER),))
    found = _Found([], [])
    valid_until = _valid_until(stated, found, now)
    consumers = _consumers(stated, found)
    signing = _keys(stated, "signing", found, now)
    encryption = tuple(
        EncryptionKey(public, methods)
        for public, methods in _keys(stated, "encryption", found, now)
        if public.can_wrap
    )
    provider = ServiceProvider(
        entity_id=id,
        names=stated.names,
        logo=next((logo for logo in stated.logos if _showable(logo)), None),
        consumers=consumers,
        logouts=_logouts(stated, found),
        signing_keys=tuple(public for public, _ in signing),
        encryption_keys=encryption,
        states_signed_requests=(stated.signs_requests or "").strip() in _TRUE,
        name_id_formats=stated.name_id_formats,
        categories=frozenset(stated.categories),
        subject_id_requirement=next(iter(stated.subject_id_requirements), None),
        valid_until=valid_until,
        options=ServiceOptions(),
    )
    _remark(provider, found)
    if found.problems:
        return Unusable(id, tuple(found.problems))
    return provider, tuple(found.findings)


@dataclass(frozen=True, slots=True)
class _Found:
    """Where findings are gathered while a description is walked through."""

    problems: list[Finding]
    findings: list[Finding]


def _valid_until(stated: StatedServiceProvider, found: _Found, now: datetime) -> datetime | None:
    moments = [instant.read(text) for text in stated.valid_until]
    if None in moments:
        found.problems.append(Finding(FindingKind.EXPIRED, ", ".join(stated.valid_until)))
        return None
    ends = min((moment for moment in moments if moment is not None), default=None)
    if ends is not None and ends <= now:
        found.problems.append(Finding(FindingKind.EXPIRED, instant.write(ends)))
    elif ends is not None and ends <= now + EXPIRY_WATCH:
        found.findings.append(Finding(FindingKind.METADATA_EXPIRES, instant.write(ends)))
    return ends


def _consumers(stated: StatedServiceProvider, found: _Found) -> tuple[Consumer, ...]:
    consumers = []
    for endpoint in stated.consumers:
        if not _usable_url(endpoint.location, found):
            continue
        if endpoint.binding != Binding.POST.value:
            found.findings.append(Finding(FindingKind.OTHER_BINDING, endpoint.binding))
            continue
        default = (endpoint.is_default or "").strip()
        consumers.append(
            Consumer(
                endpoint.location,
                endpoint.index,
                True if default in _TRUE else False if default in _FALSE else None,
            )
        )
    if not consumers:
        found.problems.append(Finding(FindingKind.NO_ENDPOINT))
    return tuple(consumers)


def _logouts(stated: StatedServiceProvider, found: _Found) -> tuple[Logout, ...]:
    bindings = {binding.value: binding for binding in Binding}
    return tuple(
        Logout(bindings[endpoint.binding], _answered_at(endpoint))
        for endpoint in stated.logouts
        if endpoint.binding in bindings and _usable_url(_answered_at(endpoint), found)
    )


def _answered_at(endpoint: StatedEndpoint) -> str:
    return (endpoint.response_location or endpoint.location).strip()


def _usable_url(url: str, found: _Found) -> bool:
    """https, or http on loopback with a warning; everything else keeps the service out."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        parts.port  # noqa: B018 - it raises for what is no port
    except ValueError:
        found.problems.append(Finding(FindingKind.ENDPOINT_NOT_A_URL, url))
        return False
    odd = any(character.isspace() or character in '\\"<>^`{|}' for character in url)
    if odd or not host or "@" in parts.netloc or parts.fragment or not url.isascii():
        found.problems.append(Finding(FindingKind.ENDPOINT_NOT_A_URL, url))
        return False
    match parts.scheme:
        case "https":
            return True
        case "http" if is_loopback(host):
            found.findings.append(Finding(FindingKind.LOOPBACK_HTTP, url))
            return True
        case _:
            found.problems.append(Finding(FindingKind.ENDPOINT_NOT_HTTPS, url))
            return False


def _keys(
    stated: StatedServiceProvider, use: str, found: _Found, now: datetime
) -> tuple[tuple[PublicKey, tuple[str, ...]], ...]:
    keys: dict[str, tuple[PublicKey, tuple[str, ...]]] = {}
    for descriptor in stated.keys:
        if descriptor.use not in (None, use):
            continue
        for public in _public_keys(descriptor, found):
            if public.fingerprint not in keys:
                keys[public.fingerprint] = (public, descriptor.methods)
                _watch(public, found, now)
    return tuple(keys.values())


def _public_keys(descriptor: StatedKey, found: _Found) -> tuple[PublicKey, ...]:
    keys = []
    for text in descriptor.certificates:
        try:
            key = read_certificate(base64.b64decode("".join(text.split()), validate=True))
        except binascii.Error:
            key = UnusableKey.UNREADABLE
        if isinstance(key, UnusableKey):
            found.problems.append(Finding(_UNUSABLE[key], text[:24]))
        else:
            keys.append(key)
    return tuple(keys)


def _watch(public: PublicKey, found: _Found, now: datetime) -> None:
    about = f"{public.fingerprint[:16]} {instant.write(public.not_after)}"
    if public.not_after <= now:
        finding = Finding(FindingKind.CERTIFICATE_EXPIRED, about)
    elif public.not_after <= now + EXPIRY_WATCH:
        finding = Finding(FindingKind.CERTIFICATE_EXPIRES, about)
    else:
        return
    if finding not in found.findings:
        found.findings.append(finding)


def _remark(provider: ServiceProvider, found: _Found) -> None:
    remarks = {
        FindingKind.NO_NAME: not provider.names,
        FindingKind.NO_LOGOUT: not provider.logouts,
        FindingKind.REQUESTS_UNSIGNED: not provider.states_signed_requests,
        FindingKind.NO_ENCRYPTION_KEY: not provider.encryption_keys,
        FindingKind.OLD_ENCRYPTION_ONLY: any(map(_old_only, provider.encryption_keys)),
    }
    found.findings.extend(Finding(kind) for kind, holds in remarks.items() if holds)
    if provider.states_signed_requests and not provider.signing_keys:
        found.problems.append(Finding(FindingKind.SIGNS_WITHOUT_KEY))


def _old_only(key: EncryptionKey) -> bool:
    ciphers = [method for method in key.methods if method.startswith(_BLOCK_CIPHERS)]
    return bool(ciphers) and not any(method.endswith("gcm") for method in ciphers)


def _showable(logo: str) -> bool:
    """Our pages load images from nowhere else, and a logo travels with each sign-in."""
    return logo.startswith("data:image/") and len(logo) <= _LOGO_CHARACTERS


def described(provider: ServiceProvider, document: str, findings: tuple[Finding, ...]) -> Described:
    """The same for the registry and the people who look after it."""
    keys = provider.signing_keys
    ends = provider.valid_until
    return Described(
        id=provider.entity_id,
        document=document,
        names=provider.names,
        traits={
            Trait.NAMES: tuple(sorted(f"{k}: {v}" for k, v in provider.names.items())),
            Trait.ANSWER_ADDRESSES: tuple(sorted(each.url for each in provider.consumers)),
            Trait.LOGOUT_ADDRESSES: tuple(sorted({each.url for each in provider.logouts})),
            Trait.SIGNING_KEYS: tuple(sorted(key.fingerprint for key in keys)),
            Trait.ENCRYPTION_KEYS: tuple(
                sorted(key.public.fingerprint for key in provider.encryption_keys)
            ),
            Trait.SIGNS_REQUESTS: ("yes" if provider.states_signed_requests else "no",),
            Trait.NAME_ID_FORMATS: provider.name_id_formats,
            Trait.VALID_UNTIL: () if ends is None else (instant.write(ends),),
        },
        findings=findings,
        valid_until=ends,
    )
