"""What settings say of the store; no Redis library is needed to read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Tcp:
    """A server reached in clear text."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """A server reached by TLS, its certificate and host name verified."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A server on this machine."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class BySentinels:
    """Whichever server Redis Sentinel says is the primary of that name."""

    places: tuple[tuple[str, int], ...]
    primary_name: str
    encrypted: bool

    def __str__(self) -> str:
        return f"the primary {self.primary_name}"


Address = Tcp | Tls | UnixSocket | BySentinels


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """Where the store is and who we are there.

    ``url`` is ``redis://HOST[:PORT][/DB]``, ``rediss://HOST[:PORT][/DB]`` (TLS) or
    ``unix:///PATH[?db=DB]``, without user or password. ``password_file`` is read anew at each
    connection. With ``sentinels`` (HOST[:PORT] each) the URL is ``redis:///[DB]`` or
    ``rediss:///[DB]``, and the server is the one that they call ``master_name``; they take
    the password of ``sentinel_password_file`` alone. ``ca_file`` replaces the system's
    authorities; ``certificate_file`` and ``key_file`` are for servers that ask clients for a
    certificate. ValueError for a URL that is none of these; its text is not repeated, for it may
    hold a password.
    """

    url: str
    sentinels: tuple[str, ...] = ()
    master_name: str = ""
    sentinel_password_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    prefix: str = "idp_mfa:"
    connect_timeout: timedelta = timedelta(seconds=1)
    command_timeout: timedelta = timedelta(milliseconds=250)

    def __post_init__(self) -> None:
        _ = self.address, self.database
        if not self.prefix.isascii() or any(c.isspace() for c in self.prefix):
            raise ValueError("the store's prefix must be ASCII without blanks")
        if self.username is not None and self.password_file is None:
            raise ValueError("the store's user needs a password file")

    @property
    def address(self) -> Address:
        """The URL's place."""
        parts = urlsplit(self.url)
        if "@" in parts.netloc:
            raise ValueError("the store's URL may hold no user and no password")
        if self.sentinels:
            return self._by_sentinels
        match parts.scheme, parts.hostname, unquote(parts.path):
            case "redis", str(host), _:
                return Tcp(host, parts.port or 6379)
            case "rediss", str(host), _:
                return Tls(host, parts.port or 6379)
            case "unix", None, path if path.startswith("/"):
                return UnixSocket(path)
            case _:
                raise ValueError("the store's URL must be redis://, rediss:// or unix:///")

    @property
    def _by_sentinels(self) -> BySentinels:
        parts = urlsplit(self.url)
        if parts.scheme not in ("redis", "rediss") or parts.hostname or not self.master_name:
            raise ValueError("sentinels need redis:/// or rediss:/// and a master_name")
        places = [urlsplit(f"//{place}") for place in self.sentinels]
        if not all(place.hostname and not place.username for place in places):
            raise ValueError("each of the sentinels must be HOST or HOST:PORT")
        return BySentinels(
            tuple((place.hostname or "", place.port or 26379) for place in places),
            self.master_name,
            parts.scheme == "rediss",
        )

    @property
    def database(self) -> int:
        """The URL's database number, 0 unless it names one."""
        parts = urlsplit(self.url)
        named = (
            "".join(parse_qs(parts.query).get("db", ["0"]))
            if parts.scheme == "unix"
            else parts.path.strip("/") or "0"
        )
        if not (named.isascii() and named.isdigit()):
            raise ValueError("the store's database must be a number")
        return int(named)

    @property
    def in_clear(self) -> bool:
        """Whether what is kept crosses a network unencrypted."""
        match self.address:
            case Tcp(host, _):
                return not _is_loopback(host)
            case BySentinels(places, _, False):
                return not all(_is_loopback(host) for host, _ in places)
            case Tls() | UnixSocket() | BySentinels():
                return False


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
