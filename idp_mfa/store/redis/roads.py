"""How the server is reached: socket, TCP, TLS or by sentinels; and what a connection does first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redis.backoff import NoBackoff
from redis.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.credentials import CredentialProvider
from redis.retry import Retry

from idp_mfa.store.options import BySentinels, RedisOptions, Tcp, Tls, UnixSocket
from idp_mfa.store.redis.connections import Connections
from idp_mfa.store.redis.reasons import Evicts, NotPrimary, PasswordFileUnreadable
from idp_mfa.store.redis.sentinels import Sentinels, following

KEEPS_ALL = "noeviction"


class _PasswordFile(CredentialProvider):
    """The user and the password, read anew at each connection so that it can be changed."""

    def __init__(self, username: str | None, file: Path) -> None:
        self._username = username
        self._file = file

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        try:
            password = self._file.read_text().rstrip("\r\n")
        except (OSError, UnicodeError):
            raise PasswordFileUnreadable from None
        return (password,) if self._username is None else (self._username, password)


def connections(options: RedisOptions) -> Connections:
    """By the road that the options describe; each is checked as it is opened."""
    kind, road = _road(options)
    settings = {
        **_plain_settings(options, options.username, options.password_file),
        "db": options.database,
        "redis_connect_func": _greet,
    }
    return Connections(kind, {**settings, **road})


def _plain_settings(
    options: RedisOptions, username: str | None, password_file: Path | None
) -> Mapping[str, Any]:
    return {
        "protocol": 2,
        "driver_info": None,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": options.command_timeout.total_seconds(),
        "socket_connect_timeout": options.connect_timeout.total_seconds(),
        "credential_provider": None
        if password_file is None
        else _PasswordFile(username, password_file),
    }


def _greet(connection: Any) -> None:
    """Authenticate, and turn back at a replica: what it says of a counter may be old.

    Also at a server that evicts: it may have come back with another configuration.
    """
    try:
        connection.on_connect()
        connection.send_command("ROLE")
        answer = connection.read_response()
        if not isinstance(answer, list) or answer[0] != b"master":
            raise NotPrimary
        connection.send_command("INFO", "memory")
        policy = information(connection.read_response()).get("maxmemory_policy", "")
        if policy != KEEPS_ALL:
            raise Evicts(policy)
    except BaseException:
        connection.disconnect()
        raise


def _road(options: RedisOptions) -> tuple[type[AbstractConnection], Mapping[str, Any]]:
    match options.address:
        case UnixSocket(path):
            return UnixDomainSocketConnection, {"path": path}
        case Tcp(host, port):
            return Connection, {"host": host, "port": port}
        case Tls(host, port):
            return SSLConnection, {"host": host, "port": port, **_verified(options)}
        case BySentinels(places, primary_name, encrypted):
            kind = SSLConnection if encrypted else Connection
            verified = _verified(options) if encrypted else {}
            asking = {**_plain_settings(options, None, options.sentinel_password_file), **verified}
            sentinels = Sentinels(places, primary_name, kind, asking)
            return following(kind, sentinels), verified


def _verified(options: RedisOptions) -> Mapping[str, Any]:
    return {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_ca_certs": options.ca_file and str(options.ca_file),
        "ssl_certfile": options.certificate_file and str(options.certificate_file),
        "ssl_keyfile": options.key_file and str(options.key_file),
    }


def information(answer: object) -> Mapping[str, str]:
    """The lines of INFO, by name."""
    if not isinstance(answer, bytes):
        return {}
    pairs = (line.partition(":") for line in answer.decode("utf-8", "replace").splitlines())
    return {name: value.strip() for name, _, value in pairs}
