"""An assertion for its service alone: AES-GCM under a key wrapped by RSA-OAEP (SDP-ALG01)."""

from __future__ import annotations

import base64

from idp_mfa.keys import KeyTransport, encrypt
from idp_mfa.model import Randomness
from idp_mfa.saml.names import SHA256, XMLDSIG, XMLENC, XMLENC11
from idp_mfa.saml.provider import EncryptionKey
from idp_mfa.saml.signature import key_info
from idp_mfa.saml.writing import Canonical, Element

_CIPHERS = {
    f"{XMLENC11}aes256-gcm": 32,
    f"{XMLENC11}aes128-gcm": 16,
    f"{XMLENC11}aes192-gcm": 24,
}
"""Octets of the content key; the first is what a service gets that lists none of them."""


def encrypted(assertion: Canonical, key: EncryptionKey, randomness: Randomness) -> Element:
    """An EncryptedAssertion (SAML core 2.3.4)."""
    cipher = next((name for name in key.methods if name in _CIPHERS), next(iter(_CIPHERS)))
    content_key = randomness(_CIPHERS[cipher])
    transport = _transport(key.methods)
    wrapped = Element(
        "xenc:EncryptedKey",
        children=(
            Element(
                "xenc:EncryptionMethod", {"Algorithm": transport.value}, _parameters(transport)
            ),
            key_info(key.public),
            _cipher_data(key.public.wrap(content_key, transport)),
        ),
    )
    data = Element(
        "xenc:EncryptedData",
        {"Type": f"{XMLENC}Element"},
        (
            Element("xenc:EncryptionMethod", {"Algorithm": cipher}),
            Element("ds:KeyInfo", children=(wrapped,)),
            _cipher_data(encrypt(content_key, randomness(12), assertion.encode())),
        ),
    )
    return Element("saml:EncryptedAssertion", children=(data,))


def _transport(methods: tuple[str, ...]) -> KeyTransport:
    listed = (transport for transport in KeyTransport if transport.value in methods)
    return next(listed, KeyTransport.OAEP_MGF1P)


def _parameters(transport: KeyTransport) -> tuple[Element, ...]:
    match transport:
        case KeyTransport.OAEP_MGF1P:
            return (Element("ds:DigestMethod", {"Algorithm": f"{XMLDSIG}sha1"}),)
        case KeyTransport.OAEP_SHA256:
            return (
                Element("ds:DigestMethod", {"Algorithm": SHA256}),
                Element("xenc11:MGF", {"Algorithm": f"{XMLENC11}mgf1sha256"}),
            )


def _cipher_data(octets: bytes) -> Element:
    value = Element("xenc:CipherValue", children=(base64.b64encode(octets).decode(),))
    return Element("xenc:CipherData", children=(value,))
