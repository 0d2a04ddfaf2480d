"""Settings: one YAML file to frozen values; an unknown key is an error with its line.

conf/idp_mfa.yaml is the reference of every key. Secrets never stand in the file: it names files
that hold them. The only door to pydantic.
"""

from __future__ import annotations

import os
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from idp_mfa.audit_log.options import AuditOptions
from idp_mfa.client_address import TrustedProxies, is_loopback
from idp_mfa.directory.options import LdapOptions, SqliteOptions
from idp_mfa.enrolment import Onsite
from idp_mfa.mail.options import MailOptions
from idp_mfa.model import RECOVERY_CODE, FactorName
from idp_mfa.passkeys import Fido2Options
from idp_mfa.saml.options import SamlOptions
from idp_mfa.session import SessionLimits
from idp_mfa.signin.transactions import SignInLimits
from idp_mfa.site import SiteOptions
from idp_mfa.store.options import RedisOptions
from idp_mfa.throttle import Limits
from idp_mfa.yaml_document import Node, Plain, Problem, Problems, over, place, plain, read

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")
_CREDENTIALS = "$CREDENTIALS_DIRECTORY/"
"""What a path may begin with under systemd (LoadCredential=)."""


@dataclass(frozen=True, slots=True)
class DirectoryOptions:
    """Where people and their factors are: exactly one of the two."""

    ldap: LdapOptions | None = None
    sqlite: SqliteOptions | None = None

    def __post_init__(self) -> None:
        if (self.ldap is None) == (self.sqlite is None):
            raise ValueError("name exactly one of ldap and sqlite")


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """Folders and files of secrets; each has one purpose, and none may be read by others."""

    sealing: Path
    signing: Path
    pairwise_salt: Path
    limits: Path
    addresses: Path


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """gunicorn's side: ``bind`` is HOST:PORT on loopback or unix:PATH, behind a TLS proxy."""

    bind: str = "127.0.0.1:8000"
    workers: int = 2
    threads: int = 4
    graceful_timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """``bind`` is HOST:PORT, for Prometheus alone; without it nothing is counted."""

    bind: str | None = None

    def __post_init__(self) -> None:
        if self.bind is not None and not _HOST_AND_PORT.fullmatch(self.bind):
            raise ValueError("bind must be HOST:PORT")

    @property
    def address(self) -> tuple[str, int] | None:
        """Where to listen, if anywhere."""
        if self.bind is None:
            return None
        host, _, port = self.bind.rpartition(":")
        return host.strip("[]"), int(port)


@dataclass(frozen=True, slots=True)
class TotpOptions:
    """``issuer`` is what people see in their app: short ASCII, without a colon."""

    issuer: str = "Example"

    def __post_init__(self) -> None:
        if not self.issuer.isascii() or ":" in self.issuer or not self.issuer.strip():
            raise ValueError("issuer must be short ASCII text without a colon")


@dataclass(frozen=True, slots=True)
class MatrixOptions:
    """``only_factor``: the image matrix may be somebody's only one, and set up first.

    After ``uses`` or ``age`` its owner is asked to have new pictures drawn.
    """

    only_factor: bool = False
    uses: int = 50
    age: timedelta = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class PasscodeOptions:
    """``life`` is that of a passcode for which the desk says no other time."""

    life: timedelta = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class RegistryOptions:
    """``folder`` holds this node's last good copies of what all nodes share."""

    folder: Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator can say."""

    base_url: str
    policy: Path
    keys: KeyOptions
    directory: DirectoryOptions
    store: RedisOptions
    registry: RegistryOptions
    audit: AuditOptions
    saml: SamlOptions
    site: SiteOptions = field(default_factory=SiteOptions)
    server: ServerOptions = field(default_factory=ServerOptions)
    metrics: MetricsOptions = field(default_factory=MetricsOptions)
    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    factors: tuple[FactorName, ...] = (
        FactorName("fido2"),
        FactorName("totp"),
        RECOVERY_CODE,
    )
    totp: TotpOptions = field(default_factory=TotpOptions)
    fido2: Fido2Options = field(default_factory=Fido2Options)
    image_matrix: MatrixOptions = field(default_factory=MatrixOptions)
    passcodes: PasscodeOptions = field(default_factory=PasscodeOptions)
    sign_in: SignInLimits = field(default_factory=SignInLimits)
    session: SessionLimits = field(default_factory=SessionLimits)
    limits: Limits = field(default_factory=Limits)
    mail: MailOptions = field(default_factory=MailOptions)
    countries: Path | None = None
    templates: Path | None = None
    profile: Path | None = None
    onsite: Onsite = Onsite.NEVER

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme != "https" and not (
            parts.scheme == "http" and is_loopback(parts.hostname or "")
        ):
            raise ValueError("base_url must be https, or http on a loopback address")
        if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("base_url must be a scheme and a host alone")
        if not f".{parts.hostname}".endswith(f".{self.rp_id}"):
            raise ValueError("fido2.rp_id must be the host of base_url or a parent domain of it")

    @property
    def rp_id(self) -> str:
        """What passkeys are bound to."""
        return self.fido2.rp_id or urlsplit(self.base_url).hostname or ""


def load(path: Path) -> Settings | Problems:
    """The settings of a file over those of its profile; paths count from a file's own folder."""
    own = _document(path)
    if isinstance(own, Problems):
        return own
    node, prepared = own
    profile = prepared.get("profile")
    if isinstance(profile, Path):
        below = _document(profile)
        if isinstance(below, Problems):
            return below
        node, prepared = over(node, below[0]), _over(prepared, below[1])
    try:
        return TypeAdapter(Settings).validate_python(prepared)
    except ValidationError as error:
        return Problems(
            tuple(
                Problem.at(
                    place(node, tuple(filter(_is_step, one["loc"]))),
                    ".".join(map(str, one["loc"]))
                    + ": "
                    + one["msg"].removeprefix("Value error, "),
                )
                for one in error.errors(include_input=False, include_url=False)
            )
        )


def _document(path: Path) -> tuple[Node, dict[str, Any]] | Problems:
    """One file: its tree, and its values with paths that count from its own folder."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Problems((Problem(str(path), 1, 1, f"cannot be read: {type(error).__name__}"),))
    node = read(text, str(path))
    if isinstance(node, Problems):
        return node
    value = plain(node)
    if not isinstance(value, dict):
        return Problems((Problem.at(node.place, "must be a mapping of settings"),))
    unknown = tuple(
        Problem.at(place(node, steps), message) for steps, message in _unknown(Settings, value, ())
    )
    return (
        Problems(unknown) if unknown else (node, _prepared(Settings, value, path.absolute().parent))
    )


def _over(own: Any, below: Any) -> Any:
    """What the profile says where the settings say nothing."""
    if not isinstance(own, dict) or not isinstance(below, dict):
        return own
    return {**below, **{key: _over(value, below.get(key)) for key, value in own.items()}}


def _is_step(step: str | int) -> bool:
    # pydantic names the branch of a union too, which is no key of the file.
    return not (isinstance(step, str) and (step[:1].isupper() or "[" in step))


def _unknown(
    kind: Any, value: Plain, steps: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    owner = _dataclass_of(kind)
    if owner is None or not isinstance(value, dict):
        return
    hints = get_type_hints(owner)
    names = [one.name for one in fields(owner)]
    for key, inner in value.items():
        if key in names:
            yield from _unknown(hints[key], inner, (*steps, key))
        else:
            near = get_close_matches(key, names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield (*steps, key), f"{key!r} is not a setting here{hint}"


def _prepared(kind: Any, value: Plain, folder: Path) -> Any:
    """Durations as ``5m`` and paths from the file's own folder, wherever their types stand."""
    owner = _dataclass_of(kind)
    if owner is not None and isinstance(value, dict):
        hints = get_type_hints(owner)
        return {key: _prepared(hints[key], inner, folder) for key, inner in value.items()}
    branches = _branches(kind)
    if timedelta in branches and isinstance(value, str):
        written = _DURATION.fullmatch(value)
        return value if written is None else timedelta(seconds=int(written[1]) * _UNITS[written[2]])
    if Path in branches and isinstance(value, str):
        if value.startswith(_CREDENTIALS):
            given = os.environ.get("CREDENTIALS_DIRECTORY", "")
            return Path(given, value.removeprefix(_CREDENTIALS))
        return folder / value
    return value


def _branches(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _dataclass_of(kind: Any) -> type | None:
    return next(
        (one for one in _branches(kind) if isinstance(one, type) and is_dataclass(one)), None
    )
