"""One connection to an LDAP server: verified, bounded in time, and never chasing a referral.

With ldap_socket the only place that speaks to ldap3. Its defaults follow referrals with the
password to any host, check no certificate, wait for ever and read the schema: all are off here.
Whatever it raises ends here as ``Unavailable``.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException, LDAPInvalidDnError
from ldap3.protocol.rfc4511 import BindRequest, LDAPMessage, MessageID, ProtocolOp
from ldap3.utils.dn import parse_dn

from idp_mfa.directory.ldap_socket import DeadlinedSocket, Stopwatch, VerifiedTls
from idp_mfa.ports import Unavailable

SUCCESS = 0
SIZE_LIMIT_EXCEEDED = 4

_PAGE = 500
_PAGED_RESULTS = "1.2.840.113556.1.4.319"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: attribute names in lower case, values as they came."""

    dn: str
    values: Mapping[str, tuple[bytes, ...]]

    def first(self, name: str) -> bytes | None:
        """The first value of an attribute, or None."""
        return next(iter(self.values.get(name.lower(), ())), None)


def parts_of(dn: str) -> tuple[tuple[str, str], ...]:
    """Attribute and escaped value of each part of a DN (RFC 4514); none of what is no DN."""
    try:
        return tuple((name, value) for name, value, _ in parse_dn(dn))
    except LDAPInvalidDnError:
        return ()


@dataclass(frozen=True, slots=True)
class Modification:
    """Values out of and into one attribute; either may be empty."""

    attribute: str
    remove: tuple[bytes, ...]
    add: tuple[bytes, ...]


class Wire:
    """One connection, used by one thread at a time.

    ``spent`` is set once a bind or a change was sent: to ask again could count it twice, so that
    one waits for its whole ``operation`` seconds. ``broken`` is set when no answer can be expected
    here any more.
    """

    def __init__(self, uri: str, tls: VerifiedTls | None, operation: float, now: Stopwatch) -> None:
        self.uri = uri
        self.kept_since = 0.0
        self.spent = False
        self.broken = False
        self.timed_out = False
        parts = urlsplit(uri)
        server = ldap3.Server(
            parts.hostname or "",
            port=parts.port,
            use_ssl=parts.scheme == "ldaps",
            tls=tls,
            get_info=ldap3.NONE,
            allowed_referral_hosts=[],
        )
        self._connection = ldap3.Connection(
            server,
            client_strategy=ldap3.SYNC,
            auto_bind=ldap3.AUTO_BIND_NONE,
            auto_referrals=False,
            use_referral_cache=False,
            check_names=False,
            raise_exceptions=False,
        )
        self._connection.send = self._send
        self._now = now
        self._operation = operation
        self._deadline = 0.0
        self._patience = 0.0

    def begin(self, deadline: float, patience: float) -> None:
        """A new piece of work: all of it by ``deadline``, each search within ``patience``."""
        self._deadline, self._patience = deadline, patience
        self.spent = False

    def open(self) -> None:
        """Connect, with TLS for ``ldaps://``."""
        left = min(self._patience, self._deadline - self._now())
        self._connection.server.connect_timeout = max(left, 0.01)
        self._ask(lambda: self._connection.open(read_server_info=False), left)
        self._hold()

    def start_tls(self) -> None:
        """StartTLS, with the certificate verified."""
        self._ask(lambda: self._connection.start_tls(read_server_info=False), self._patience)
        self._hold()

    def search(
        self,
        base: str,
        filter_: str,
        attributes: Sequence[str],
        *,
        scope: Literal["BASE", "SUBTREE"] = "SUBTREE",
        size_limit: int = 0,
    ) -> tuple[Entry, ...]:
        """The entries found; more than the limit is no error, continuations are not followed."""
        connection = self._connection
        code = self._ask(
            lambda: connection.search(
                base,
                filter_,
                scope,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=list(attributes) or [ldap3.NO_ATTRIBUTES],
                size_limit=size_limit,
            ),
            self._patience,
        )
        if code not in (SUCCESS, SIZE_LIMIT_EXCEEDED):
            raise Unavailable("directory", f"{self.uri}: a search ended with result {code}")
        return self._entries()

    def bind(self, dn: str, password: bytes) -> int:
        """The result code of one simple bind; the password goes byte for byte."""
        connection = self._connection
        connection.user, connection.password = dn, password
        connection.authentication = ldap3.SIMPLE
        self.spent = True
        try:
            return self._ask(lambda: connection.bind(read_server_info=False), self._operation)
        finally:
            connection.password = None

    def modify(self, dn: str, modifications: Sequence[Modification]) -> int:
        """The result code of one Modify: per attribute first what goes, then what comes."""
        changes = {
            one.attribute: [
                (act, list(values))
                for act, values in ((ldap3.MODIFY_DELETE, one.remove), (ldap3.MODIFY_ADD, one.add))
                if values
            ]
            for one in modifications
            if one.remove or one.add
        }
        self.spent = True
        return self._ask(
            lambda: self._connection.modify(dn, changes),  # type: ignore[no-untyped-call]
            self._operation,
        )

    def search_paged(self, base: str, filter_: str, attributes: Sequence[str]) -> tuple[Entry, ...]:
        """Every entry below a base, by RFC 2696; a list that was cut short is ``Unavailable``."""
        found, cookie = self._page(base, filter_, attributes, None)
        while cookie:
            more, cookie = self._page(base, filter_, attributes, cookie)
            found += more
        return found

    def _page(
        self, base: str, filter_: str, attributes: Sequence[str], cookie: bytes | None
    ) -> tuple[tuple[Entry, ...], bytes]:
        connection = self._connection
        code = self._ask(
            lambda: connection.search(
                base,
                filter_,
                "SUBTREE",
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=list(attributes),
                paged_size=_PAGE,
                paged_criticality=True,
                paged_cookie=cookie,
            ),
            self._patience,
        )
        if code == SIZE_LIMIT_EXCEEDED:
            why = f"{self.uri}: our account is not shown all entries; lift its size limit"
            raise Unavailable("directory", why)
        if code != SUCCESS:
            raise Unavailable("directory", f"{self.uri}: a search ended with result {code}")
        return self._entries(), connection.result["controls"][_PAGED_RESULTS]["value"]["cookie"]

    @property
    def usable(self) -> bool:
        """Nothing says that the server has hung up."""
        held = self._connection.socket
        return isinstance(held, DeadlinedSocket) and held.quiet

    def close(self) -> None:
        """Let go without a word: of a socket shared by a fork only our end goes."""
        if self._connection.socket is not None:
            self._connection.socket.close()

    def _hold(self) -> None:
        plain = self._connection.socket
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._connection.socket = DeadlinedSocket(plain, self._now)

    def _send(self, kind: str, request: BindRequest, controls: object = None) -> int:
        """In place of ldap3's own, which makes text of a bind's password and keeps it."""
        strategy = self._connection.strategy
        if kind != "bindRequest":
            return int(strategy.send(kind, request, controls))
        number = int(self._connection.server.next_message_id())
        message = LDAPMessage()
        message["messageID"] = MessageID(number)
        message["protocolOp"] = ProtocolOp().setComponentByName(kind, request)
        strategy._outstanding[number] = {"type": kind}
        strategy.sending(message)
        return number

    def _entries(self) -> tuple[Entry, ...]:
        return tuple(
            Entry(
                found["dn"],
                {name.lower(): tuple(values) for name, values in found["raw_attributes"].items()},
            )
            for found in self._connection.response or ()
            if found["type"] == "searchResEntry"
        )

    def _ask(self, act: Callable[[], object], within: float) -> int:
        connection = self._connection
        until = min(self._now() + within, self._deadline)
        if isinstance(connection.socket, DeadlinedSocket):
            connection.socket.until = until
        connection.result = None
        try:
            act()
            return SUCCESS if connection.result is None else int(connection.result["result"])
        # A garbled answer makes ldap3 raise anything at all.
        except Exception as error:
            self.broken = True
            self.timed_out = isinstance(error, TimeoutError) or self._now() >= until
            raise Unavailable("directory", f"{self.uri}: {_in_words(error)}") from None


def _in_words(error: Exception) -> str:
    """The kind of error alone: its text could quote what was sent."""
    match error:
        case TimeoutError():
            return "no answer in time"
        case LDAPException() | OSError():
            return type(error).__name__
        case _:
            return "an answer that cannot be read"
