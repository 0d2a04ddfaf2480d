"""Signing keys, certificates and public keys: the one door to asymmetric cryptography.

ECDSA signatures are the plain pair r, s (RFC 4050 3.3, RFC 7518 3.4), never DER.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import assert_never

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

from idp_mfa.model import Randomness

_XMLDSIG = "http://www.w3.org/2001/04/xmldsig-more#"
_CERTIFICATE_LIFE = timedelta(days=3653)


class SignatureAlgorithm(Enum):
    """What may sign; SHA-1 and HMAC are not on the list, in or out."""

    RSA_SHA256 = f"{_XMLDSIG}rsa-sha256"
    RSA_SHA384 = f"{_XMLDSIG}rsa-sha384"
    RSA_SHA512 = f"{_XMLDSIG}rsa-sha512"
    ECDSA_SHA256 = f"{_XMLDSIG}ecdsa-sha256"
    ECDSA_SHA384 = f"{_XMLDSIG}ecdsa-sha384"
    ECDSA_SHA512 = f"{_XMLDSIG}ecdsa-sha512"


_DIGESTS: dict[SignatureAlgorithm, hashes.HashAlgorithm] = {
    SignatureAlgorithm.RSA_SHA256: hashes.SHA256(),
    SignatureAlgorithm.RSA_SHA384: hashes.SHA384(),
    SignatureAlgorithm.RSA_SHA512: hashes.SHA512(),
    SignatureAlgorithm.ECDSA_SHA256: hashes.SHA256(),
    SignatureAlgorithm.ECDSA_SHA384: hashes.SHA384(),
    SignatureAlgorithm.ECDSA_SHA512: hashes.SHA512(),
}


# -- keys of others --------------------------------------------------------------------------


class UnusableKey(Enum):
    """Why a published certificate cannot be used."""

    UNREADABLE = "unreadable"
    TOO_SHORT = "too-short"
    UNSUPPORTED = "unsupported"


class KeyTransport(Enum):
    """How a content key is wrapped (XML Encryption 5.5.2 and 1.1); both are OAEP."""

    OAEP_MGF1P = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
    OAEP_SHA256 = "http://www.w3.org/2009/xmlenc11#rsa-oaep"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key out of a certificate; dates are told, never judged: the published key is what counts.

    ``certificate`` is DER; ``fingerprint`` its SHA-256 in hexadecimal.
    """

    certificate: bytes = field(repr=False)
    fingerprint: str
    not_after: datetime
    _key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey = field(repr=False, compare=False)

    @property
    def can_wrap(self) -> bool:
        """Whether a content key can be encrypted to it."""
        return isinstance(self._key, rsa.RSAPublicKey)

    def verify(self, algorithm: SignatureAlgorithm, signature: bytes, data: bytes) -> bool:
        """Whether this key made that signature, by that algorithm and no other."""
        digest = _DIGESTS[algorithm]
        try:
            match self._key:
                case rsa.RSAPublicKey() as key:
                    if not algorithm.name.startswith("RSA"):
                        return False
                    key.verify(signature, data, padding.PKCS1v15(), digest)
                case ec.EllipticCurvePublicKey() as key:
                    size = (key.key_size + 7) // 8
                    if not algorithm.name.startswith("ECDSA") or len(signature) != 2 * size:
                        return False
                    pair = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
                    key.verify(encode_dss_signature(*pair), data, ec.ECDSA(digest))
                case never:
                    assert_never(never)
        except InvalidSignature:
            return False
        return True

    def wrap(self, content_key: bytes, transport: KeyTransport) -> bytes:
        """The content key for the holder of the private key alone; RSA keys only."""
        if not isinstance(self._key, rsa.RSAPublicKey):
            raise TypeError("only an RSA key wraps")
        match transport:
            case KeyTransport.OAEP_MGF1P:
                # XML Encryption 5.5.2 has no other under this name.
                digest: hashes.HashAlgorithm = hashes.SHA1()  # noqa: S303  # nosec B303
            case KeyTransport.OAEP_SHA256:
                digest = hashes.SHA256()
            case never:
                assert_never(never)
        oaep = padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)
        return self._key.encrypt(content_key, oaep)


def read_certificate(der: bytes) -> PublicKey | UnusableKey:
    """The key of a DER certificate: RSA of 2048 bits or more, or one of the NIST curves."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
        not_after = certificate.not_valid_after_utc
    except (ValueError, TypeError):
        return UnusableKey.UNREADABLE
    match key:
        case rsa.RSAPublicKey():
            if key.key_size < 2048:
                return UnusableKey.TOO_SHORT
        case ec.EllipticCurvePublicKey():
            if not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
                return UnusableKey.UNSUPPORTED
        case _:
            return UnusableKey.UNSUPPORTED
    return PublicKey(der, hashlib.sha256(der).hexdigest(), not_after, key)


def encrypt(content_key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
    """AES-GCM as XML Encryption 1.1 5.2.4 lays it out: nonce of 96 bits, ciphertext, tag."""
    return nonce + AESGCM(content_key).encrypt(nonce, plaintext, None)


# -- keys of ours ----------------------------------------------------------------------------


class KeyType(Enum):
    """What can be made; the first is what is made when nothing is said (ASVS 11.2.3)."""

    RSA_3072 = "rsa-3072"
    RSA_2048 = "rsa-2048"
    P_256 = "p-256"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One of our keys, loaded; ``public`` carries the certificate that we publish."""

    id: str
    algorithm: SignatureAlgorithm
    public: PublicKey
    _private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False, compare=False)

    def sign(self, data: bytes) -> bytes:
        """RSA PKCS#1 v1.5 or ECDSA, with SHA-256."""
        match self._private:
            case rsa.RSAPrivateKey() as key:
                return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
            case ec.EllipticCurvePrivateKey() as key:
                size = (key.key_size + 7) // 8
                r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
                return r.to_bytes(size) + s.to_bytes(size)
            case never:
                assert_never(never)


class UnusablePem(Enum):
    """Why a file holds no key of ours."""

    UNREADABLE = "it is no PEM of a key with its certificate"
    NOT_ITS_CERTIFICATE = "the certificate is not this key's"
    UNSUPPORTED = "it is neither RSA of 2048 bits or more nor P-256"


def read_pem(id: str, pem: bytes) -> SigningKey | UnusablePem:
    """A private key with its certificate; ours are RSA or on P-256."""
    try:
        private = serialization.load_pem_private_key(pem, None)
        certificate = x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERT") :])
    except (ValueError, TypeError):
        return UnusablePem.UNREADABLE
    public = read_certificate(certificate.public_bytes(serialization.Encoding.DER))
    if isinstance(public, UnusableKey):
        return UnusablePem.UNSUPPORTED
    if public._key != private.public_key():
        return UnusablePem.NOT_ITS_CERTIFICATE
    match private:
        case rsa.RSAPrivateKey():
            return SigningKey(id, SignatureAlgorithm.RSA_SHA256, public, private)
        case ec.EllipticCurvePrivateKey() if isinstance(private.curve, ec.SECP256R1):
            return SigningKey(id, SignatureAlgorithm.ECDSA_SHA256, public, private)
        case _:
            return UnusablePem.UNSUPPORTED


def new_pem(kind: KeyType, host: str, now: datetime, randomness: Randomness) -> bytes:
    """A new key with a certificate of its own making, as ``read_pem`` takes it."""
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    match kind:
        case KeyType.RSA_3072:
            private = rsa.generate_private_key(65537, 3072)
        case KeyType.RSA_2048:
            private = rsa.generate_private_key(65537, 2048)
        case KeyType.P_256:
            private = ec.generate_private_key(ec.SECP256R1())
        case never:
            assert_never(never)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(int.from_bytes(randomness(16)) >> 1 | 1)
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _CERTIFICATE_LIFE)
        .sign(private, hashes.SHA256())
    )
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
