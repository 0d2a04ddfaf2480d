"""The identifiers of SAML 2.0 and of what it stands on."""

from __future__ import annotations

from enum import Enum

PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion"
METADATA = "urn:oasis:names:tc:SAML:2.0:metadata"
METADATA_UI = "urn:oasis:names:tc:SAML:metadata:ui"
ALGORITHM_SUPPORT = "urn:oasis:names:tc:SAML:metadata:algsupport"
SHIBBOLETH_METADATA = "urn:mace:shibboleth:metadata:1.0"
ASYNCHRONOUS_LOGOUT = "urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo"
XMLDSIG = "http://www.w3.org/2000/09/xmldsig#"
XMLENC = "http://www.w3.org/2001/04/xmlenc#"
XMLENC11 = "http://www.w3.org/2009/xmlenc11#"
XML = "http://www.w3.org/XML/1998/namespace"

PREFIXES = {
    "alg": ALGORITHM_SUPPORT,
    "aslo": ASYNCHRONOUS_LOGOUT,
    "ds": XMLDSIG,
    "md": METADATA,
    "mdui": METADATA_UI,
    "saml": ASSERTION,
    "samlp": PROTOCOL,
    "shibmd": SHIBBOLETH_METADATA,
    "xenc": XMLENC,
    "xenc11": XMLENC11,
}

EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = f"{XMLDSIG}enveloped-signature"
SHA256 = f"{XMLENC}sha256"
DEFLATE = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"

TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
UNSPECIFIED_NAME_ID = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
ENTITY_NAME_ID = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"

BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
URI_NAME_FORMAT = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
SUBJECT_ID = "urn:oasis:names:tc:SAML:attribute:subject-id"
PAIRWISE_ID = "urn:oasis:names:tc:SAML:attribute:pairwise-id"
SUBJECT_ID_REQUIREMENT = "urn:oasis:names:tc:SAML:profiles:subject-id:req"
ENTITY_CATEGORY = "http://macedir.org/entity-category"


class Binding(Enum):
    """The two bindings that are spoken (SAML bindings 3.4 and 3.5)."""

    REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
    POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"


class StatusCode(Enum):
    """The status codes that are produced (SAML core 3.2.2.2)."""

    SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
    REQUESTER = "urn:oasis:names:tc:SAML:2.0:status:Requester"
    RESPONDER = "urn:oasis:names:tc:SAML:2.0:status:Responder"
    AUTHN_FAILED = "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"
    INVALID_NAME_ID_POLICY = "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy"
    NO_AUTHN_CONTEXT = "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext"
    NO_PASSIVE = "urn:oasis:names:tc:SAML:2.0:status:NoPassive"
    REQUEST_DENIED = "urn:oasis:names:tc:SAML:2.0:status:RequestDenied"
    REQUEST_UNSUPPORTED = "urn:oasis:names:tc:SAML:2.0:status:RequestUnsupported"
    UNKNOWN_PRINCIPAL = "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal"


class Comparison(Enum):
    """How a requested class is to be met (SAML core 3.3.2.2.1)."""

    EXACT = "exact"
    MINIMUM = "minimum"
    BETTER = "better"
    MAXIMUM = "maximum"
