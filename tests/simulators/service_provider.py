"""A service provider of the tests' own: asks, signs, encrypts, forges, and judges what it gets.

It shares no code with the product: lxml and python-xmlsec do the XML, cryptography the keys.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import quote
from xml.sax.saxutils import escape

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
DS = "http://www.w3.org/2000/09/xmldsig#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
NAMES = {"saml": SAML, "samlp": SAMLP, "md": MD, "ds": DS, "xenc": XENC}
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
RSA_SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
REFEDS_MFA = "https://refeds.org/profile/mfa"


@dataclass(frozen=True)
class KeyPair:
    """A private key with a certificate that nobody else made."""

    private: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        """The private key."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def certificate_base64(self) -> str:
        """As metadata carries it."""
        return base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()


@lru_cache
def key_pair(name: str, bits: int = 2048) -> KeyPair:
    """The same pair for the same name, within one run."""
    private = rsa.generate_private_key(65537, bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2040, 1, 1, tzinfo=UTC))
        .sign(private, hashes.SHA256())
    )
    return KeyPair(private, certificate)


def instant(moment: datetime) -> str:
    """As SAML writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class TestServiceProvider:
    """One service; every field may be bent out of shape by a test."""

    __test__ = False

    entity_id: str = "https://sp.example/shibboleth"
    acs_url: str = "https://sp.example/acs"
    slo_url: str = "https://sp.example/slo"
    slo_binding: str = REDIRECT
    signing: tuple[KeyPair, ...] = field(default_factory=lambda: (key_pair("signing"),))
    encryption: KeyPair | None = None
    encryption_methods: tuple[str, ...] = ()
    signs_requests: bool = False
    extensions: str = ""
    role_extensions: str = ""
    attributes: str = ""
    more_consumers: str = ""

    # -- what it says of itself --------------------------------------------------------------

    def metadata(self) -> bytes:
        """An EntityDescriptor."""
        keys = "".join(self._key("signing", pair, ()) for pair in self.signing)
        if self.encryption is not None:
            keys += self._key("encryption", self.encryption, self.encryption_methods)
        signs = ' AuthnRequestsSigned="true"' if self.signs_requests else ""
        return f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- as a service's own program writes it -->
<md:EntityDescriptor xmlns:md="{MD}" xmlns:ds="{DS}" entityID="{escape(self.entity_id)}"
    {self.attributes}>
{self.extensions}
<md:SPSSODescriptor{signs} protocolSupportEnumeration="{SAMLP}">
{self.role_extensions}
{keys}
<md:SingleLogoutService Binding="{self.slo_binding}" Location="{escape(self.slo_url)}"/>
<md:AssertionConsumerService Binding="{POST}" Location="{escape(self.acs_url)}" index="0"/>
{self.more_consumers}
</md:SPSSODescriptor>
</md:EntityDescriptor>
""".encode()

    def _key(self, use: str, pair: KeyPair, methods: tuple[str, ...]) -> str:
        listed = "".join(f'<md:EncryptionMethod Algorithm="{method}"/>' for method in methods)
        return (
            f'<md:KeyDescriptor use="{use}"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>'
            f"{pair.certificate_base64}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
            f"{listed}</md:KeyDescriptor>"
        )

    # -- what it asks ------------------------------------------------------------------------

    def authn_request(
        self,
        at: datetime,
        *,
        id: str = "_request-1",
        destination: str | None = "https://idp.example/saml/sso",
        attributes: str = "",
        content: str = "",
        issuer: str | None = None,
    ) -> str:
        """An AuthnRequest; ``attributes`` and ``content`` are put in as they are."""
        return self._request("AuthnRequest", at, id, destination, attributes, content, issuer)

    def logout_request(
        self,
        at: datetime,
        name_id: str,
        session_index: str,
        *,
        id: str = "_logout-1",
        destination: str | None = "https://idp.example/saml/slo",
        extensions: str = "",
    ) -> str:
        """A LogoutRequest; ``name_id`` is the element as the assertion had it."""
        content = (
            f"{extensions}{name_id}<samlp:SessionIndex>{escape(session_index)}</samlp:SessionIndex>"
        )
        return self._request("LogoutRequest", at, id, destination, "", content, None)

    def _request(
        self,
        name: str,
        at: datetime,
        id: str,
        destination: str | None,
        attributes: str,
        content: str,
        issuer: str | None,
    ) -> str:
        sent_to = "" if destination is None else f' Destination="{escape(destination)}"'
        return (
            f'<samlp:{name} xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID="{id}" Version="2.0"'
            f' IssueInstant="{instant(at)}"{sent_to} {attributes}>'
            f"<saml:Issuer>{issuer or escape(self.entity_id)}</saml:Issuer>"
            f"{content}</samlp:{name}>"
        )

    # -- how it sends it ---------------------------------------------------------------------

    def query(
        self,
        xml: str,
        relay_state: str | None = None,
        *,
        key: KeyPair | None = None,
        algorithm: str = RSA_SHA256,
    ) -> bytes:
        """A redirect's query, signed if a key is given."""
        return query(xml, relay_state, key, algorithm)

    def form(self, xml: str, relay_state: str | None = None) -> dict[str, list[str]]:
        """A POST's fields."""
        fields = {"SAMLRequest": [base64.b64encode(xml.encode()).decode()]}
        return fields if relay_state is None else {**fields, "RelayState": [relay_state]}


def deflated(xml: bytes) -> str:
    """DEFLATE and base64, as the redirect binding wants them."""
    deflate = zlib.compressobj(wbits=-15)
    return base64.b64encode(deflate.compress(xml) + deflate.flush()).decode()


def query(
    xml: str,
    relay_state: str | None = None,
    key: KeyPair | None = None,
    algorithm: str = RSA_SHA256,
) -> bytes:
    """A redirect's query, signed if a key is given."""
    parts = [f"SAMLRequest={quote(deflated(xml.encode()), safe='')}"]
    if relay_state is not None:
        parts.append(f"RelayState={quote(relay_state, safe='')}")
    if key is not None:
        parts.append(f"SigAlg={quote(algorithm, safe='')}")
        parts.append(f"Signature={quote(signature_of('&'.join(parts), key, algorithm), safe='')}")
    return "&".join(parts).encode()


def signature_of(text: str, key: KeyPair, algorithm: str = RSA_SHA256) -> str:
    """The base64 of a signature over a query's octets."""
    digest = hashes.SHA1() if algorithm == RSA_SHA1 else hashes.SHA256()
    return base64.b64encode(key.private.sign(text.encode(), padding.PKCS1v15(), digest)).decode()


def signed(
    xml: str,
    key: KeyPair,
    *,
    signature: object = xmlsec.constants.TransformRsaSha256,
    digest: object = xmlsec.constants.TransformSha256,
    certificate: KeyPair | None = None,
    beneath: str | None = None,
    uri: str | None = None,
) -> str:
    """The message with an enveloped signature after its Issuer, or ``beneath`` another element."""
    root = etree.fromstring(xml)
    template = xmlsec.template.create(root, xmlsec.constants.TransformExclC14N, signature, ns="ds")
    holder = root if beneath is None else root.find(f".//{beneath}", NAMES)
    assert holder is not None
    holder.insert(1, template)
    whole = f"#{root.get('ID')}" if uri is None else uri
    reference = xmlsec.template.add_reference(template, digest, uri=whole)
    xmlsec.template.add_transform(reference, xmlsec.constants.TransformEnveloped)
    xmlsec.template.add_transform(reference, xmlsec.constants.TransformExclC14N)
    if certificate is not None:
        info = xmlsec.template.ensure_key_info(template)
        data = etree.SubElement(info, f"{{{DS}}}X509Data")
        etree.SubElement(data, f"{{{DS}}}X509Certificate").text = certificate.certificate_base64
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(key.pem, xmlsec.constants.KeyDataFormatPem)
    context.register_id(root, "ID")
    context.sign(template)
    return etree.tostring(root).decode()


def sign_again(root: etree._Element, key: KeyPair) -> str:
    """Sign what a template that stands in it says, whatever that is."""
    template = root.find(".//ds:Signature", NAMES)
    assert template is not None
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(key.pem, xmlsec.constants.KeyDataFormatPem)
    context.register_id(root, "ID")
    context.sign(template)
    return etree.tostring(root).decode()


# -- what it gets ----------------------------------------------------------------------------


class Wrong(Exception):  # noqa: N818 - what a service says
    """The response is not what a careful service takes."""


@dataclass(frozen=True)
class Read:
    """A response that was verified; ``assertion`` is None for a failure."""

    response: etree._Element
    assertion: etree._Element | None
    was_encrypted: bool

    @property
    def statuses(self) -> list[str]:
        """Status codes, the outer one first, the last part of each."""
        codes = self.response.iterfind(".//samlp:StatusCode", NAMES)
        return [code.get("Value", "").rpartition(":")[2] for code in codes]

    @property
    def name_id(self) -> etree._Element:
        """The subject's NameID."""
        found = self._assertion.find("saml:Subject/saml:NameID", NAMES)
        assert found is not None
        return found

    @property
    def name_id_xml(self) -> str:
        """The same as a string, to be sent back."""
        return etree.tostring(self.name_id, method="c14n", exclusive=True).decode()

    @property
    def statement(self) -> etree._Element:
        """The AuthnStatement."""
        found = self._assertion.find("saml:AuthnStatement", NAMES)
        assert found is not None
        return found

    @property
    def acr(self) -> str:
        """The class."""
        return self.statement.findtext("saml:AuthnContext/saml:AuthnContextClassRef", "", NAMES)

    @property
    def attributes(self) -> dict[str, list[str]]:
        """Values by SAML name."""
        return {
            each.get("Name", ""): [value.text or "" for value in each]
            for each in self._assertion.iterfind(".//saml:Attribute", NAMES)
        }

    @property
    def _assertion(self) -> etree._Element:
        assert self.assertion is not None
        return self.assertion


def read_response(octets: bytes, certificate_der: bytes, decryption: KeyPair | None = None) -> Read:
    """Verify the response's signature, decrypt, and verify the assertion's own signature."""
    root = etree.fromstring(octets, etree.XMLParser(resolve_entities=False))
    _verify(root, certificate_der)
    encrypted = root.find("saml:EncryptedAssertion", NAMES)
    if encrypted is not None:
        if decryption is None:
            raise Wrong("encrypted, and no key")
        manager = xmlsec.KeysManager()
        manager.add_key(xmlsec.Key.from_memory(decryption.pem, xmlsec.constants.KeyDataFormatPem))
        xmlsec.EncryptionContext(manager).decrypt(encrypted[0])
        (assertion,) = encrypted
    else:
        assertion = root.find("saml:Assertion", NAMES)
    if assertion is not None:
        _verify(etree.fromstring(etree.tostring(assertion, with_tail=False)), certificate_der)
    return Read(root, assertion, encrypted is not None)


def _verify(root: etree._Element, certificate_der: bytes) -> None:
    signature = root.find("ds:Signature", NAMES)
    if signature is None:
        raise Wrong(f"{root.tag} is not signed")
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(certificate_der, xmlsec.constants.KeyDataFormatCertDer)
    context.register_id(root, "ID")
    context.verify(signature)


def lifetime(assertion: etree._Element) -> timedelta:
    """From NotBefore to NotOnOrAfter of the conditions."""
    conditions = assertion.find("saml:Conditions", NAMES)
    assert conditions is not None
    start, end = (
        datetime.fromisoformat(conditions.get(name, "")) for name in ("NotBefore", "NotOnOrAfter")
    )
    return end - start
