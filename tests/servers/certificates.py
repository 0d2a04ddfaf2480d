"""Keys and certificates made for one test run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Two PEM files."""

    key: Path
    certificate: Path


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of this test run."""

    pair: KeyPair
    private: rsa.RSAPrivateKey
    certificate: x509.Certificate


def self_signed(folder: Path, name: str) -> KeyPair:
    """A key of a service provider, as its metadata publishes it."""
    private = _private()
    return _write(folder, name, private, _issue(name, private, name, private, ()))


def authority(folder: Path) -> Authority:
    """A certificate authority that nobody but the test trusts."""
    private = _private()
    name = "Test authority"
    certificate = _issue(name, private, name, private, None)
    return Authority(_write(folder, "authority", private, certificate), private, certificate)


def issued(folder: Path, by: Authority, hosts: tuple[str, ...]) -> KeyPair:
    """A server certificate for these host names."""
    private = _private()
    certificate = _issue(hosts[0], private, "Test authority", by.private, hosts)
    return _write(folder, hosts[0], private, certificate)


def _private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _issue(
    name: str,
    private: rsa.RSAPrivateKey,
    issuer: str,
    issuing: rsa.RSAPrivateKey,
    hosts: tuple[str, ...] | None,
) -> x509.Certificate:
    """For ``hosts``; None makes it an authority."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=hosts is None, path_length=None), critical=True)
    )
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuing, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write(
    folder: Path, name: str, private: rsa.RSAPrivateKey, certificate: x509.Certificate
) -> KeyPair:
    pair = KeyPair(folder / f"{name}.key.pem", folder / f"{name}.cert.pem")
    pair.key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    pair.key.chmod(0o600)
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return pair
