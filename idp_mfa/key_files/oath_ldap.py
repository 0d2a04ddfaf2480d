"""Keys of OATH-LDAP: people's entries point to tokens, and tokens to parameters (or hold them)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from idp_mfa.factor import HashAlgorithm, SharedKey
from idp_mfa.importing import NotRead
from idp_mfa.key_files import Found, found_key
from idp_mfa.key_files.ldif import Entry, entries, same_dn

_ALGORITHMS = {
    "": HashAlgorithm.SHA1,
    "1.2.840.113549.2.7": HashAlgorithm.SHA1,
    "1.2.840.113549.2.9": HashAlgorithm.SHA256,
    "1.2.840.113549.2.11": HashAlgorithm.SHA512,
}


def read(text: bytes, login_attribute: str) -> Sequence[Found]:
    """The tokens of an export; one that nobody's ``oathTOTPToken`` points to is told.

    Counter-based tokens, and keys that are encrypted for an authentication server, are not taken.
    """
    by_dn = {same_dn(entry.dn): entry for entry in entries(text)}
    owners: dict[str, list[str]] = {}
    for entry in by_dn.values():
        for token in entry.attributes.get("oathtotptoken", ()):
            dn = same_dn(token.decode("utf-8", "replace"))
            owners.setdefault(dn, []).append(entry.text(login_attribute))
    found: list[Found] = []
    for dn, entry in by_dn.items():
        if "oathsecret" in entry.attributes:
            theirs = owners.get(dn, [entry.text(login_attribute)])
            found += (_token(entry, login, by_dn) for login in theirs)
    missing = (dn for dn in owners if dn not in by_dn)
    return (*found, *(NotRead(dn, "somebody's token, which is not in the file") for dn in missing))


def _token(entry: Entry, login: str, by_dn: Mapping[str, Entry]) -> Found:
    pointed_to = same_dn(entry.text("oathTOTPParams"))
    parameters = by_dn.get(pointed_to, entry)

    def made() -> SharedKey:
        secret = entry.attributes["oathsecret"][0]
        if b"oathhotptoken" in (one.lower() for one in entry.attributes.get("objectclass", ())):
            raise ValueError("counts its codes: only time-based ones are taken")
        if _is_encrypted(secret) or "oathenckey" in entry.attributes:
            raise ValueError("its key is encrypted")
        if pointed_to and pointed_to not in by_dn:
            raise ValueError("its parameters are not in the file")
        algorithm = _ALGORITHMS.get(parameters.text("oathHMACAlgorithm"))
        if algorithm is None:
            raise ValueError("codes by another algorithm: SHA1, SHA256 or SHA512 are taken")
        return SharedKey(
            secret,
            algorithm,
            int(parameters.text("oathOTPLength") or 6),
            int(parameters.text("oathTOTPTimeStepPeriod") or 30),
            entry.text("oathTokenSerialNumber"),
            int(entry.text("oathTOTPTimeStepDrift") or 0),
        )

    return found_key(entry.dn, login, made)


def _is_encrypted(secret: bytes) -> bool:
    """Whether it is a JWE (RFC 7516 7.2); a key in clear may begin with any octet."""
    try:
        return isinstance(json.loads(secret), dict)
    except ValueError:
        return False
