"""The measure of this machine at this moment: the CPU of two bare RSA-2048 signatures."""

from __future__ import annotations

import time
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

PAIRS = 40
_MESSAGE = bytes(range(256)) * 2


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def unit(pairs: int = PAIRS) -> float:
    """Milliseconds of CPU for two signatures, RSA PKCS#1 v1.5 with SHA-256, by ``cryptography``."""
    key, scheme, digest = _key(), padding.PKCS1v15(), hashes.SHA256()
    key.sign(_MESSAGE, scheme, digest)
    began = time.thread_time_ns()
    for _ in range(2 * pairs):
        key.sign(_MESSAGE, scheme, digest)
    return (time.thread_time_ns() - began) / pairs / 1e6
