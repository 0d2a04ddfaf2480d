"""An authenticator in software, and the browser before it: honest unless told otherwise."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256

from idp_mfa.webauthn import base64url, octets

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40


@dataclass
class Passkey:
    """One credential of it; ``count`` is what it says next time, 0 for one that never counts."""

    id: bytes
    handle: bytes
    key: ec.EllipticCurvePrivateKey
    count: int = 0


@dataclass
class Authenticator:
    """``flags`` are those of every answer; ``aaguid`` all zero says nothing of the model."""

    origin: str = "https://idp.example.ac.jp"
    flags: int = PRESENT | VERIFIED
    aaguid: bytes = bytes(16)
    attachment: str = "platform"
    transports: tuple[str, ...] = ("internal",)
    counts: bool = False
    held: list[Passkey] = field(default_factory=list)

    def create(self, options: str, **lies: Any) -> str:
        """What a page posts after ``navigator.credentials.create``."""
        asked = json.loads(options)
        passkey = Passkey(
            lies.get("id", os.urandom(32)),
            octets(asked["user"]["id"]) or b"",
            ec.generate_private_key(ec.SECP256R1()),
            1 if self.counts else 0,
        )
        self.held.append(passkey)
        public = dict(ES256.from_cryptography_key(passkey.key.public_key()))
        public[3] = lies.get("alg", public[3])
        data = (
            self._head(asked["rp"]["id"], self.flags | ATTESTED, passkey, lies)
            + lies.get("aaguid", self.aaguid)
            + struct.pack(">H", len(passkey.id))
            + passkey.id
            + cbor.encode(public)
        )
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        return self._posted(
            passkey,
            lies,
            clientDataJSON=self._client_data("webauthn.create", asked["challenge"], lies),
            attestationObject=attestation,
        )

    def get(self, options: str, **lies: Any) -> str:
        """What a page posts after ``navigator.credentials.get``."""
        asked = json.loads(options)
        allowed = [octets(one["id"]) for one in asked.get("allowCredentials") or ()]
        passkey = next(one for one in self.held if not allowed or one.id in allowed)
        if self.counts:
            passkey.count += 1
        client_data = self._client_data("webauthn.get", asked["challenge"], lies)
        data = self._head(asked["rpId"], self.flags, passkey, lies)
        key = lies.get("key", passkey.key)
        signature = key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return self._posted(
            passkey,
            lies,
            clientDataJSON=client_data,
            authenticatorData=data,
            signature=lies.get("signature", signature),
            userHandle=lies.get("handle", passkey.handle),
        )

    def _head(self, rp_id: str, flags: int, passkey: Passkey, lies: dict[str, Any]) -> bytes:
        rp_id_hash = hashlib.sha256(lies.get("rp_id", rp_id).encode()).digest()
        flags, count = lies.get("flags", flags), lies.get("count", passkey.count)
        return rp_id_hash + struct.pack(">BI", flags, count)

    def _client_data(self, ceremony: str, challenge: str, lies: dict[str, Any]) -> bytes:
        said = {
            "type": lies.get("type", ceremony),
            "challenge": lies.get("challenge", challenge),
            "origin": lies.get("origin", self.origin),
            "crossOrigin": False,
            **lies.get("client_data", {}),
        }
        return json.dumps(said, separators=(",", ":")).encode()

    def _posted(self, passkey: Passkey, lies: dict[str, Any], **response: bytes | None) -> str:
        id = base64url(lies.get("posted_id", passkey.id))
        inner: dict[str, Any] = {
            name: base64url(value) for name, value in response.items() if value is not None
        }
        inner["transports"] = list(self.transports)
        return json.dumps(
            {
                "id": id,
                "rawId": id,
                "type": "public-key",
                "authenticatorAttachment": self.attachment,
                "clientExtensionResults": {},
                "response": inner,
            }
        )
