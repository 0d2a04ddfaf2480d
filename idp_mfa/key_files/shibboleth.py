"""Keys of the Shibboleth Identity Provider's TOTP plugin: base32 text in people's own entries."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from idp_mfa.factor import SharedKey
from idp_mfa.key_files import Found, found_key, octets_of_base32
from idp_mfa.key_files.ldif import entries


def read(text: bytes, login_attribute: str, seed_attribute: str = "tokenSeeds") -> Sequence[Found]:
    """Every value of the attribute, of an export as LDIF."""
    return [
        found_key(entry.dn, entry.text(login_attribute), partial(_key, value))
        for entry in entries(text)
        for value in entry.attributes.get(seed_attribute.lower(), ())
    ]


def _key(value: bytes) -> SharedKey:
    return SharedKey(octets_of_base32(value.decode("ascii", "replace")))
