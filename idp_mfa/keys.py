"""Signing keys, certificates and public keys: the one door to asymmetric cryptography.

ECDSA signatures are the plain pair r, s (RFC 4050 3.3, RFC 7518 3.4), never DER.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
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

from idp_mfa.model import Clock, Randomness
from idp_mfa.ports import Unavailable

_XMLDSIG = "http://www.w3.org/2001/04/xmldsig-more#"
_CERTIFICATE_LIFE = timedelta(days=3653)
_RING = "signing-keys.json"
_SECRET_OCTETS = 32


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
                digest: hashes.HashAlgorithm = hashes.SHA1()  # noqa: S303 - XML Encryption 5.5.2
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


class KeyState(Enum):
    """Where a key is in its life: published, signing, published still."""

    NEXT = "next"
    ACTIVE = "active"
    PREVIOUS = "previous"


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


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The key that signs, and all that are published, it first."""

    active: SigningKey
    published: tuple[SigningKey, ...]


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A line of the ring: which key, in which state, since when."""

    id: str
    state: KeyState
    since: datetime


class NoRotation(Enum):
    """Why the ring stays as it is."""

    NO_NEXT = "no-next"
    NEXT_TOO_YOUNG = "next-too-young"
    HAS_NEXT = "has-next"
    NOT_PREVIOUS = "not-previous"


class KeyFolder:
    """A folder with one PEM file (key and certificate, mode 0600) a key, and the ring's states.

    Keys are loaded once; the ring is looked at again at most once a second, so that a running
    server follows a rotation. Whatever is wrong with the files is ``Unavailable("keys", ...)``.
    """

    def __init__(self, folder: Path, clock: Clock, randomness: Randomness) -> None:
        self._folder = folder
        self._clock = clock
        self._randomness = randomness
        self._loaded: dict[str, SigningKey] = {}
        self._keys: tuple[datetime, tuple[int, int], SigningKeys] | None = None

    def keys(self) -> SigningKeys:
        """The keys as they stand; without an active one nothing can be signed."""
        now = self._clock()
        if self._keys is not None and timedelta(0) <= now - self._keys[0] < timedelta(seconds=1):
            return self._keys[2]
        stamp = self._stamp()
        if self._keys is not None and self._keys[1] == stamp:
            keys = self._keys[2]
        else:
            keys = self._load(self.rows())
        self._keys = (now, stamp, keys)
        return keys

    def rows(self) -> tuple[KeyRow, ...]:
        """The ring's lines, the newest key first."""
        try:
            written = json.loads((self._folder / _RING).read_bytes())
            return tuple(
                KeyRow(row["id"], KeyState(row["state"]), datetime.fromisoformat(row["since"]))
                for row in written["keys"]
            )
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unavailable("keys", f"{_RING} cannot be read: {type(error).__name__}") from error

    def key(self, id: str) -> SigningKey:
        """One key of the ring, loaded once."""
        if id not in self._loaded:
            self._loaded[id] = _read_pem(id, self._folder / f"{id}.pem")
        return self._loaded[id]

    def create(self, kind: KeyType, host: str) -> KeyRow | NoRotation:
        """A new key: active if it is the first, else published as the next one.

        ``host`` stands in its certificate, at most 64 characters of it.
        """
        with self._locked() as rows:
            if any(row.state is KeyState.NEXT for row in rows):
                return NoRotation.HAS_NEXT
            now = self._clock()
            state = KeyState.NEXT if rows else KeyState.ACTIVE
            row = KeyRow(f"{now:%Y-%m-%d}-{self._randomness(3).hex()}", state, now)
            _write(
                self._folder / f"{row.id}.pem", _new_pem(kind, host, now, self._randomness), 0o600
            )
            self._write_ring((row, *rows))
            return row

    def promote(self, published_for: timedelta) -> KeyRow | NoRotation:
        """The next key signs from now on, if services have had that long to learn it."""
        with self._locked() as rows:
            now = self._clock()
            following = next((row for row in rows if row.state is KeyState.NEXT), None)
            if following is None:
                return NoRotation.NO_NEXT
            if now - following.since < published_for:
                return NoRotation.NEXT_TOO_YOUNG
            moved = {KeyState.NEXT: KeyState.ACTIVE, KeyState.ACTIVE: KeyState.PREVIOUS}
            after = tuple(
                KeyRow(row.id, moved[row.state], now) if row.state in moved else row for row in rows
            )
            self._write_ring(after)
            return next(row for row in after if row.state is KeyState.ACTIVE)

    def retire(self, id: str) -> KeyRow | NoRotation:
        """A previous key is published no longer, and its file is removed."""
        with self._locked() as rows:
            gone = next((row for row in rows if row.id == id), None)
            if gone is None or gone.state is not KeyState.PREVIOUS:
                return NoRotation.NOT_PREVIOUS
            self._write_ring(tuple(row for row in rows if row.id != id))
            (self._folder / f"{id}.pem").unlink(missing_ok=True)
            return gone

    def _load(self, rows: tuple[KeyRow, ...]) -> SigningKeys:
        active = tuple(row.id for row in rows if row.state is KeyState.ACTIVE)
        if len(active) != 1:
            raise Unavailable("keys", f"{len(active)} active signing keys, one is needed")
        others = (row.id for row in rows if row.state is not KeyState.ACTIVE)
        published = tuple(self.key(id) for id in (*active, *others))
        return SigningKeys(published[0], published)

    def _stamp(self) -> tuple[int, int]:
        try:
            found = (self._folder / _RING).stat()
        except OSError as error:
            raise Unavailable("keys", f"{_RING}: {error.strerror}") from error
        return found.st_mtime_ns, found.st_ino

    @contextmanager
    def _locked(self) -> Iterator[tuple[KeyRow, ...]]:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield self.rows()
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Unavailable("keys", f"the key folder: {error.strerror}") from error

    def _write_ring(self, rows: tuple[KeyRow, ...]) -> None:
        lines = [
            {"id": row.id, "state": row.state.value, "since": row.since.isoformat()} for row in rows
        ]
        _write(self._folder / _RING, json.dumps({"v": 1, "keys": lines}, indent=1).encode(), 0o644)


def _read_pem(id: str, path: Path) -> SigningKey:
    try:
        if path.stat().st_mode & 0o077:
            raise Unavailable("keys", f"{path.name} is open to others: its mode must be 0600")
        pem = path.read_bytes()
        private = serialization.load_pem_private_key(pem, None)
        certificate = x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERT") :])
    except OSError as error:
        raise Unavailable("keys", f"{path.name}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise Unavailable("keys", f"{path.name} is no key with its certificate") from error
    public = read_certificate(certificate.public_bytes(serialization.Encoding.DER))
    if isinstance(public, UnusableKey) or public._key != private.public_key():
        raise Unavailable("keys", f"{path.name}: the certificate is not this key's")
    match private:
        case rsa.RSAPrivateKey():
            return SigningKey(id, SignatureAlgorithm.RSA_SHA256, public, private)
        case ec.EllipticCurvePrivateKey() if isinstance(private.curve, ec.SECP256R1):
            return SigningKey(id, SignatureAlgorithm.ECDSA_SHA256, public, private)
        case _:
            raise Unavailable("keys", f"{path.name}: neither RSA nor P-256")


def _new_pem(kind: KeyType, host: str, now: datetime, randomness: Randomness) -> bytes:
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


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)


# -- secrets in files ------------------------------------------------------------------------


def load_secret(path: Path) -> bytes:
    """A secret of one purpose, 32 octets or more; ``Unavailable("keys", ...)`` if it cannot be."""
    try:
        if path.stat().st_mode & 0o077:
            raise Unavailable("keys", f"{path.name} is open to others: its mode must be 0600")
        secret = path.read_bytes()
    except OSError as error:
        raise Unavailable("keys", f"{path.name}: {error.strerror}") from error
    if len(secret) < _SECRET_OCTETS:
        raise Unavailable("keys", f"{path.name} is shorter than {_SECRET_OCTETS} octets")
    return secret


def create_secret(path: Path, randomness: Randomness) -> bool:
    """Whether it was made; one that is there stays as it is."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        raise Unavailable("keys", f"{path.name}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(randomness(_SECRET_OCTETS))
        file.flush()
        os.fsync(descriptor)
    return True
