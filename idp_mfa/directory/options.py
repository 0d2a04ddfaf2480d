"""What an operator may say of the directory; settings fill these and nothing here does anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

LdapKind = Literal["openldap", "389ds", "ad"]

STANDING: Mapping[LdapKind, Mapping[str, str]] = {
    "openldap": {
        "password_changed_at": "pwdChangedTime",
        "locked_at": "pwdAccountLockedTime",
        "begins_at": "pwdStartTime",
        "ends_at": "pwdEndTime",
        "expires_on_day": "shadowExpire",
    },
    "389ds": {
        "password_changed_at": "pwdUpdateTime",
        "disabled": "nsAccountLock",
        "unlocks_at": "accountUnlockTime",
        "password_expires_at": "passwordExpirationTime",
    },
    "ad": {
        "password_changed_at": "pwdLastSet",
        "control": "userAccountControl",
        "computed_control": "msDS-User-Account-Control-Computed",
        "expires_at": "accountExpires",
    },
}
"""Where each kind of server writes an account's standing, by role."""


@dataclass(frozen=True, slots=True)
class LdapOptions:
    """An LDAP directory; an empty name stands for the usual one of its ``kind``.

    ``uris`` are asked in this order: ``ldaps://``, or ``ldap://`` with ``start_tls``; without TLS
    only on loopback, or where ``allow_plaintext`` says so. ``write_uris``, if any, are where
    credentials are read and changed: one server, and those that take over from it.

    ``user_filter`` and ``group_filter`` hold ``{login}`` and ``{dn}`` where the value goes.
    ``attributes`` are the ones that policies and services may use; nothing else is read.
    ``standing_attributes`` renames or, by an empty name, leaves out what ``standing`` looks at.
    """

    uris: tuple[str, ...]
    base_dn: str
    bind_dn: str = ""
    bind_password_file: Path | None = None
    write_uris: tuple[str, ...] = ()
    ca_file: Path | None = None
    start_tls: bool = False
    allow_plaintext: bool = False
    kind: LdapKind = "openldap"
    id_attribute: str = ""
    login_attribute: str = ""
    display_name_attribute: str = "displayName"
    user_filter: str = ""
    attributes: tuple[str, ...] = ("mail",)
    search_attributes: tuple[str, ...] = ()
    member_of_attribute: str = "memberOf"
    group_names: Literal["cn", "dn"] = "cn"
    group_base_dn: str = ""
    group_filter: str = ""
    group_name_attribute: str = "cn"
    standing_attributes: Mapping[str, str] = field(default_factory=dict)
    lockout_duration: timedelta = timedelta(0)
    credential_attribute: str = "mfaCredential"
    manifest_attribute: str = "mfaManifest"
    object_class: str = "mfaUser"
    decoy_dn: str = ""
    canary_dn: str = ""
    connect_timeout: timedelta = timedelta(seconds=2)
    operation_timeout: timedelta = timedelta(seconds=3)
    total_timeout: timedelta = timedelta(seconds=5)
    retry_after: timedelta = timedelta(seconds=5)
    idle_timeout: timedelta = timedelta(seconds=60)
    kept_connections: int = 8

    def __post_init__(self) -> None:
        """``ValueError`` for what could only go wrong later."""
        if not self.uris:
            raise ValueError("uris must name a server")
        for uri in (*self.uris, *self.write_uris):
            self._check(uri)
        if self.user_filter and "{login}" not in self.user_filter:
            raise ValueError("user_filter must hold {login}")
        if self.group_filter and not self.group_base_dn:
            raise ValueError("group_filter needs group_base_dn")
        if self.bind_dn and self.bind_password_file is None:
            raise ValueError("bind_dn needs bind_password_file")
        for role in self.standing_attributes.keys() - STANDING[self.kind].keys():
            raise ValueError(f"standing_attributes has no role {role} for {self.kind}")

    def _check(self, uri: str) -> None:
        parts = urlsplit(uri)
        if parts.scheme not in ("ldap", "ldaps") or not parts.hostname:
            raise ValueError(f"{uri} is neither ldap://host nor ldaps://host")
        guarded = parts.scheme == "ldaps" or self.start_tls
        if not (guarded or self.allow_plaintext or _is_loopback(parts.hostname)):
            raise ValueError(f"{uri} goes in clear: take ldaps:// or start_tls")


@dataclass(frozen=True, slots=True)
class SqliteOptions:
    """The embedded directory of one file; the numbers are Argon2id's (RFC 9106)."""

    path: Path = Path("directory.sqlite")
    argon2_memory_kib: int = 19456
    argon2_iterations: int = 2
    argon2_lanes: int = 1
    busy_timeout: timedelta = timedelta(seconds=3)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
