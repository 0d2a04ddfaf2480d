"""Signing keys: made, loaded once, rotated while a server runs, and never open to others."""

from __future__ import annotations

import base64
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from idp_mfa.key_folder import (
    KeyFolder,
    KeyRow,
    KeyState,
    NoRotation,
    create_secret,
    load_secret,
)
from idp_mfa.keys import (
    KeyTransport,
    KeyType,
    PublicKey,
    SignatureAlgorithm,
    UnusableKey,
    encrypt,
    read_certificate,
)
from idp_mfa.ports import Unavailable

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


class Ticking:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def folder_of(path: Path, clock: Ticking | None = None) -> KeyFolder:
    return KeyFolder(path / "signing", clock or Ticking(), os.urandom)


def made(found: KeyRow | NoRotation) -> KeyRow:
    assert isinstance(found, KeyRow), found
    return found


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        (KeyType.RSA_2048, SignatureAlgorithm.RSA_SHA256),
        (KeyType.P_256, SignatureAlgorithm.ECDSA_SHA256),
    ],
)
def test_what_a_key_signs_its_certificate_verifies(
    tmp_path: Path, kind: KeyType, algorithm: SignatureAlgorithm
) -> None:
    folder = folder_of(tmp_path)
    folder.create(kind, "idp.example")
    key = folder.keys().active
    signature = key.sign(b"text")
    assert key.algorithm is algorithm
    assert key.public.verify(algorithm, signature, b"text")
    assert not key.public.verify(algorithm, signature, b"texT")
    assert not key.public.verify(algorithm, signature[:-1], b"text")
    assert not key.public.verify(algorithm, b"", b"text")
    others = set(SignatureAlgorithm) - {algorithm}
    assert not any(key.public.verify(other, signature, b"text") for other in others)
    if kind is KeyType.P_256:
        assert len(signature) == 64


def test_a_new_key_is_rsa_3072_when_nothing_is_said(tmp_path: Path) -> None:
    assert next(iter(KeyType)) is KeyType.RSA_3072
    folder = folder_of(tmp_path)
    folder.create(KeyType.RSA_3072, "idp.example" * 9)
    certificate = x509.load_der_x509_certificate(folder.keys().active.public.certificate)
    assert isinstance(certificate.public_key(), rsa.RSAPublicKey)
    assert certificate.public_key().key_size == 3072
    assert certificate.not_valid_after_utc > NOW + timedelta(days=3650)


def test_a_key_is_loaded_once_and_not_for_each_signature(tmp_path: Path) -> None:
    """Loading an RSA key costs as much as sixty signatures."""
    clock = Ticking()
    folder = folder_of(tmp_path, clock)
    row = made(folder.create(KeyType.RSA_2048, "idp.example"))
    folder.keys()
    (tmp_path / "signing" / f"{row.id}.pem").rename(tmp_path / "gone")
    for _ in range(3):
        clock.now += timedelta(minutes=1)
        assert folder.keys().active.sign(b"x")
    with pytest.raises(Unavailable):
        folder_of(tmp_path).keys()


def test_a_hundred_signatures_take_no_longer_than_signing_does(tmp_path: Path) -> None:
    clock = Ticking()
    folder = folder_of(tmp_path, clock)
    folder.create(KeyType.P_256, "idp.example")
    folder.keys()
    started = time.process_time()
    for _ in range(100):
        clock.now += timedelta(seconds=2)
        folder.keys().active.sign(b"x")
    assert time.process_time() - started < 1.0


def test_a_rotation_is_followed_by_a_running_server(tmp_path: Path) -> None:
    clock = Ticking()
    server, admin = folder_of(tmp_path, clock), folder_of(tmp_path, clock)
    first = made(admin.create(KeyType.P_256, "idp.example"))
    assert server.keys().active.id == first.id
    second = made(admin.create(KeyType.P_256, "idp.example"))
    assert second.state is KeyState.NEXT
    assert admin.create(KeyType.P_256, "idp.example") is NoRotation.HAS_NEXT
    clock.now += timedelta(seconds=2)
    keys = server.keys()
    assert keys.active.id == first.id
    assert [key.id for key in keys.published] == [first.id, second.id]
    assert admin.promote(timedelta(days=2)) is NoRotation.NEXT_TOO_YOUNG
    clock.now += timedelta(days=2)
    assert made(admin.promote(timedelta(days=2))).id == second.id
    assert admin.promote(timedelta(0)) is NoRotation.NO_NEXT
    clock.now += timedelta(seconds=2)
    keys = server.keys()
    assert keys.active.id == second.id
    assert [key.id for key in keys.published] == [second.id, first.id]
    assert admin.retire(second.id) is NoRotation.NOT_PREVIOUS
    assert admin.retire("nonsense") is NoRotation.NOT_PREVIOUS
    admin.retire(first.id)
    clock.now += timedelta(seconds=2)
    assert [key.id for key in server.keys().published] == [second.id]
    assert [path.suffix for path in (tmp_path / "signing").iterdir()].count(".pem") == 1


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    row = made(folder.create(KeyType.P_256, "idp.example"))
    file = tmp_path / "signing" / f"{row.id}.pem"
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "signing").stat().st_mode & 0o777 == 0o700
    for mode in (0o640, 0o604, 0o644):
        file.chmod(mode)
        with pytest.raises(Unavailable, match="0600"):
            folder_of(tmp_path).keys()
    file.chmod(0o400)
    assert folder_of(tmp_path).keys().active.id == row.id


@pytest.mark.parametrize("damage", ["nothing", "ring", "half-ring", "pem", "other-certificate"])
def test_a_damaged_folder_is_told_and_signs_nothing(tmp_path: Path, damage: str) -> None:
    folder = folder_of(tmp_path)
    row = made(folder.create(KeyType.P_256, "idp.example"))
    place = tmp_path / "signing"
    match damage:
        case "nothing":
            (place / "signing-keys.json").unlink()
        case "ring":
            (place / "signing-keys.json").write_text("{")
        case "half-ring":
            (place / "signing-keys.json").write_text('{"v": 1, "keys": []}')
        case "pem":
            (place / f"{row.id}.pem").write_bytes(b"-----BEGIN CERTIFICATE-----")
        case "other-certificate":
            other = KeyFolder(tmp_path / "other", Ticking(), os.urandom)
            theirs = made(other.create(KeyType.P_256, "idp.example"))
            mine = (place / f"{row.id}.pem").read_text().partition("-----BEGIN CERT")[0]
            cut = (tmp_path / "other" / f"{theirs.id}.pem").read_text().partition("-----BEGIN CERT")
            (place / f"{row.id}.pem").write_text(mine + "".join(cut[1:]))
    with pytest.raises(Unavailable) as told:
        folder_of(tmp_path).keys()
    assert told.value.part == "keys"


def test_a_key_says_nothing_secret_of_itself(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    row = made(folder.create(KeyType.P_256, "idp.example"))
    shown = repr(folder.keys()) + repr(folder)
    pem = (tmp_path / "signing" / f"{row.id}.pem").read_text()
    assert "PRIVATE" in pem
    assert "PRIVATE" not in shown
    assert not any(line in shown for line in pem.splitlines()[1:-1])


def certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sp")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=800))
        .not_valid_after(NOW - timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


def test_certificates_of_others() -> None:
    short = certificate(rsa.generate_private_key(65537, 1024))
    assert read_certificate(short) is UnusableKey.TOO_SHORT
    odd = certificate(ec.generate_private_key(ec.SECP256K1()))
    assert read_certificate(odd) is UnusableKey.UNSUPPORTED
    assert read_certificate(b"") is UnusableKey.UNREADABLE
    assert read_certificate(short[:-9]) is UnusableKey.UNREADABLE
    expired = read_certificate(certificate(rsa.generate_private_key(65537, 2048)))
    assert isinstance(expired, PublicKey), "its key is what counts"
    assert expired.not_after == NOW - timedelta(days=1)
    on_a_curve = read_certificate(certificate(ec.generate_private_key(ec.SECP384R1())))
    assert isinstance(on_a_curve, PublicKey)
    assert not on_a_curve.can_wrap


@pytest.mark.parametrize("transport", list(KeyTransport))
def test_a_content_key_is_for_its_holder_alone(transport: KeyTransport) -> None:
    private = rsa.generate_private_key(65537, 2048)
    public = read_certificate(certificate(private))
    assert isinstance(public, PublicKey)
    content_key = os.urandom(32)
    wrapped = public.wrap(content_key, transport)
    assert content_key not in wrapped
    assert wrapped != public.wrap(content_key, transport)
    sealed = encrypt(content_key, b"n" * 12, b"assertion")
    assert sealed.startswith(b"n" * 12)
    assert b"assertion" not in sealed
    assert len(sealed) == 12 + len(b"assertion") + 16


def test_secrets_in_files(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "salt"
    assert create_secret(path, os.urandom)
    first = load_secret(path)
    assert len(first) == 32
    assert not create_secret(path, os.urandom), "one that is there stays"
    assert load_secret(path) == first
    path.chmod(0o644)
    with pytest.raises(Unavailable, match="0600"):
        load_secret(path)
    path.chmod(0o600)
    path.write_bytes(base64.b64encode(b"short"))
    with pytest.raises(Unavailable, match="shorter"):
        load_secret(path)
    path.unlink()
    with pytest.raises(Unavailable):
        load_secret(path)
