"""Our own metadata (SAML metadata 2.4.3, algorithm support, Shibboleth scopes, MDUI)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from idp_mfa.keys import SignatureAlgorithm, SigningKey
from idp_mfa.saml.names import PERSISTENT, PROTOCOL, SHA256, TRANSIENT, Binding
from idp_mfa.saml.options import Contact, IdentityProvider, SamlOptions
from idp_mfa.saml.signature import key_info
from idp_mfa.saml.writing import Element, written


def metadata(idp: IdentityProvider, published: Iterable[SigningKey]) -> bytes:
    """The EntityDescriptor that services and federations take; keys of every published state."""
    options = idp.options
    role = Element(
        "md:IDPSSODescriptor",
        {
            **({} if options.error_url is None else {"errorURL": options.error_url}),
            "WantAuthnRequestsSigned": "false",
            "protocolSupportEnumeration": PROTOCOL,
        },
        (
            _extensions(options),
            *(
                Element("md:KeyDescriptor", {"use": "signing"}, (key_info(key.public),))
                for key in published
            ),
            *_endpoints("md:SingleLogoutService", idp.slo_url),
            *(Element("md:NameIDFormat", children=(each,)) for each in (TRANSIENT, PERSISTENT)),
            *_endpoints("md:SingleSignOnService", idp.sso_url),
        ),
    )
    entity = Element(
        "md:EntityDescriptor",
        {"entityID": options.entity_id},
        (role, *_organization(options), *map(_contact, options.contacts)),
    )
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + written(entity).encode() + b"\n"


def _extensions(options: SamlOptions) -> Element:
    scopes = (Element("shibmd:Scope", {"regexp": "false"}, (scope,)) for scope in options.scopes)
    logo = options.logo
    shown = (
        *_localized("mdui:DisplayName", options.names),
        *_localized("mdui:Description", options.descriptions),
        *_localized("mdui:InformationURL", options.information_urls),
        *(
            ()
            if logo is None
            else (
                Element(
                    "mdui:Logo",
                    {"height": str(logo.height), "width": str(logo.width)},
                    (logo.url,),
                ),
            )
        ),
    )
    interface = (Element("mdui:UIInfo", children=shown),) if shown else ()
    return Element("md:Extensions", children=(*_algorithms(), *scopes, *interface))


def _algorithms() -> tuple[Element, ...]:
    """What signatures we take: a Shibboleth SP that is not told signs what it POSTs with SHA-1."""
    return (
        Element("alg:DigestMethod", {"Algorithm": SHA256}),
        *(Element("alg:SigningMethod", {"Algorithm": each.value}) for each in SignatureAlgorithm),
    )


def _endpoints(name: str, url: str) -> tuple[Element, ...]:
    return tuple(Element(name, {"Binding": each.value, "Location": url}) for each in Binding)


def _organization(options: SamlOptions) -> tuple[Element, ...]:
    names, urls = options.organization_names, options.organization_urls
    if not names or not urls:
        return ()
    return (
        Element(
            "md:Organization",
            children=(
                *_localized("md:OrganizationName", names),
                *_localized("md:OrganizationDisplayName", names),
                *_localized("md:OrganizationURL", urls),
            ),
        ),
    )


def _contact(contact: Contact) -> Element:
    return Element(
        "md:ContactPerson",
        {"contactType": contact.kind},
        (
            Element("md:GivenName", children=(contact.name,)),
            Element("md:EmailAddress", children=(f"mailto:{contact.mail}",)),
        ),
    )


def _localized(name: str, texts: Mapping[str, str]) -> tuple[Element, ...]:
    return tuple(Element(name, {"xml:lang": language}, (text,)) for language, text in texts.items())
