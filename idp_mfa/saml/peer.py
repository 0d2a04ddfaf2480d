"""What services say, read by pysaml2 into values of ours: the only file that imports it.

It is given canonical octets that were checked (and verified) before, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from saml2 import ExtensionElement, create_class_from_xml_string, md, samlp
from saml2.extension import mdattr

from idp_mfa.saml.names import (
    ASYNCHRONOUS_LOGOUT,
    ENTITY_CATEGORY,
    METADATA_UI,
    PROTOCOL,
    SUBJECT_ID_REQUIREMENT,
    XML,
)
from idp_mfa.saml.stated import (
    ParsedAuthnRequest,
    ParsedLogoutRequest,
    ParsedRequest,
    StatedEndpoint,
    StatedEntity,
    StatedKey,
    StatedNameId,
    StatedServiceProvider,
)

_LANGUAGE = f"{{{XML}}}lang"


class NotThis(Exception):  # noqa: N818 - it ends where it is caught, in the same package
    """The octets are not the message that they should be."""


# -- messages --------------------------------------------------------------------------------


def read_authn_request(octets: bytes) -> ParsedAuthnRequest:
    """The message in octets, or ``NotThis``."""
    message = _read(samlp.AuthnRequest, octets)
    policy, context = message.name_id_policy, message.requested_authn_context
    return ParsedAuthnRequest(
        request=_request(message),
        consumer_url=message.assertion_consumer_service_url,
        consumer_index=message.assertion_consumer_service_index,
        protocol_binding=message.protocol_binding,
        force_authn=message.force_authn,
        is_passive=message.is_passive,
        name_id_format=None if policy is None else policy.format,
        sp_name_qualifier=None if policy is None else policy.sp_name_qualifier,
        has_subject=message.subject is not None,
        comparison=None if context is None else context.comparison,
        classes=None if context is None else _texts(context.authn_context_class_ref),
        has_declarations=context is not None and bool(context.authn_context_decl_ref),
    )


def read_logout_request(octets: bytes) -> ParsedLogoutRequest:
    """The message in octets, or ``NotThis``."""
    message = _read(samlp.LogoutRequest, octets)
    return ParsedLogoutRequest(
        request=_request(message),
        not_on_or_after=message.not_on_or_after,
        name_id=None if message.name_id is None else _name_id(message.name_id),
        session_indexes=_texts(message.session_index),
        asynchronous=any(
            element.namespace == ASYNCHRONOUS_LOGOUT and element.tag == "Asynchronous"
            for element in _extensions(message.extensions)
        ),
    )


def _request(message: Any) -> ParsedRequest:
    issuer = message.issuer
    return ParsedRequest(
        id=message.id,
        version=message.version,
        issue_instant=message.issue_instant,
        destination=message.destination,
        issuer=None if issuer is None else _text(issuer),
        issuer_format=None if issuer is None else issuer.format,
    )


def _name_id(name_id: Any) -> StatedNameId:
    return StatedNameId(
        _text(name_id), name_id.format, name_id.name_qualifier, name_id.sp_name_qualifier
    )


# -- metadata --------------------------------------------------------------------------------


def read_entity(octets: bytes) -> StatedEntity:
    """The EntityDescriptor in octets, or ``NotThis``."""
    entity = _read(md.EntityDescriptor, octets)
    role = next(
        (
            role
            for role in entity.spsso_descriptor
            if PROTOCOL in (role.protocol_support_enumeration or "").split()
        ),
        None,
    )
    entity_id = entity.entity_id or ""
    return StatedEntity(entity_id, None if role is None else _service_provider(entity, role))


def _service_provider(entity: Any, role: Any) -> StatedServiceProvider:
    interface = [
        child
        for element in _extensions(role.extensions)
        if element.namespace == METADATA_UI and element.tag == "UIInfo"
        for child in element.children
    ]
    attributes = _entity_attributes(entity)
    return StatedServiceProvider(
        valid_until=tuple(each.valid_until for each in (entity, role) if each.valid_until),
        consumers=tuple(_endpoint(each) for each in role.assertion_consumer_service),
        logouts=tuple(_endpoint(each) for each in role.single_logout_service),
        keys=tuple(_key(each) for each in role.key_descriptor),
        signs_requests=role.authn_requests_signed,
        name_id_formats=_texts(role.name_id_format),
        names=_names(interface, role),
        logos=tuple(_text(child) for child in interface if child.tag == "Logo"),
        categories=attributes.get(ENTITY_CATEGORY, ()),
        subject_id_requirements=attributes.get(SUBJECT_ID_REQUIREMENT, ()),
    )


def _endpoint(endpoint: Any) -> StatedEndpoint:
    return StatedEndpoint(
        binding=endpoint.binding or "",
        location=(endpoint.location or "").strip(),
        response_location=endpoint.response_location,
        index=getattr(endpoint, "index", None),
        is_default=getattr(endpoint, "is_default", None),
    )


def _key(descriptor: Any) -> StatedKey:
    data = () if descriptor.key_info is None else descriptor.key_info.x509_data
    return StatedKey(
        use=descriptor.use,
        certificates=tuple(
            _text(each.x509_certificate) for each in data if each.x509_certificate is not None
        ),
        methods=tuple(each.algorithm for each in descriptor.encryption_method if each.algorithm),
    )


def _names(interface: Iterable[ExtensionElement], role: Any) -> dict[str, str]:
    shown = {
        child.attributes.get(_LANGUAGE, ""): _text(child)
        for child in interface
        if child.tag == "DisplayName"
    }
    consuming = (name for each in role.attribute_consuming_service for name in each.service_name)
    named = shown or {name.lang or "": _text(name) for name in consuming}
    return {language.lower(): name for language, name in named.items() if name}


def _entity_attributes(entity: Any) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for element in _extensions(entity.extensions):
        if (element.namespace, element.tag) != (mdattr.NAMESPACE, "EntityAttributes"):
            continue
        for attribute in element.children:
            name = attribute.attributes.get("Name", "")
            values = (_text(value) for value in attribute.children if value.tag == "AttributeValue")
            found[name] = (*found.get(name, ()), *values)
    return found


# -- reading ---------------------------------------------------------------------------------


def _read(kind: Any, octets: bytes) -> Any:
    try:
        message = create_class_from_xml_string(kind, octets)
    except Exception as error:
        # pysaml2 has no list of what it raises; whatever it is ends here.
        raise NotThis(type(error).__name__) from error
    if message is None:
        raise NotThis(kind.c_tag)
    return message


def _extensions(extensions: Any) -> list[ExtensionElement]:
    return [] if extensions is None else list(extensions.extension_elements)


def _texts(elements: Iterable[Any]) -> tuple[str, ...]:
    return tuple(_text(element) for element in elements)


def _text(element: Any) -> str:
    return (element.text or "").strip()
