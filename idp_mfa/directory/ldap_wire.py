"""One connection to an LDAP server: verified, bounded in time, and never chasing a referral.

With ldap_socket the only place that speaks to ldap3. Its defaults follow referrals with the
password to any host, check no certificate, wait for ever and read the schema: all are off here.
Whatever it raises ends here as ``Unavailable``. Searches and binds go past it (ldap_message), on
the connection that it opened.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException

from idp_mfa.directory import ldap_filter, ldap_message
from idp_mfa.directory.ldap_exchange import Exchange
from idp_mfa.directory.ldap_message import Entry, Scope
from idp_mfa.directory.ldap_socket import DeadlinedSocket, Stopwatch, VerifiedTls
from idp_mfa.ports import Unavailable

SUCCESS = 0
SIZE_LIMIT_EXCEEDED = 4

_PAGE = 500
_PAGED_RESULTS = "1.2.840.113556.1.4.319"

T = TypeVar("T")

_RANGE = ";range="


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
        scope: Scope = "SUBTREE",
        size_limit: int = 0,
    ) -> tuple[Entry, ...]:
        """The entries found; more than the limit is no error, continuations are not followed."""
        number = self._next_number()

        def searched() -> tuple[int, list[Entry]]:
            octets = ldap_filter.octets_of(filter_)
            request = ldap_message.search_request(
                number, base, octets, attributes, scope=scope, size_limit=size_limit
            )
            return self._exchange.search(number, request)

        code, entries = self._within(self._patience, searched)
        if code not in (SUCCESS, SIZE_LIMIT_EXCEEDED):
            raise Unavailable("directory", f"{self.uri}: a search ended with result {code}")
        return tuple(self._complete(entry) for entry in entries)

    def bind(self, dn: str, password: bytes) -> int:
        """The result code of one simple bind; the password goes byte for byte."""
        number = self._next_number()
        self.spent = True
        return self._within(
            self._operation,
            lambda: self._exchange.bind(number, ldap_message.bind_request(number, dn, password)),
        )

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
        entries = tuple(
            Entry(
                one["dn"],
                {name.lower(): tuple(values) for name, values in one["raw_attributes"].items()},
            )
            for one in connection.response or ()
            if one["type"] == "searchResEntry"
        )
        return entries, connection.result["controls"][_PAGED_RESULTS]["value"]["cookie"]

    @property
    def usable(self) -> bool:
        """Nothing says that the server has hung up."""
        held = self._connection.socket
        return isinstance(held, DeadlinedSocket) and self._exchange.over and held.quiet

    def close(self) -> None:
        """Let go without a word: of a socket shared by a fork only our end goes."""
        if self._connection.socket is not None:
            self._connection.socket.close()

    def _hold(self) -> None:
        plain = self._connection.socket
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        held = DeadlinedSocket(plain, self._now)
        self._connection.socket = held
        self._exchange = Exchange(held)

    def _next_number(self) -> int:
        return int(self._connection.server.next_message_id())

    def _complete(self, entry: Entry) -> Entry:
        """The entry with the values that Active Directory sends in pieces (MS-ADTS 3.1.1.3.1.3.3).

        An attribute of more than some 1,500 values comes as ``memberOf;range=0-1499``.
        """
        pieces = [name for name in entry.values if _RANGE in name]
        if not pieces:
            return entry
        values = dict(entry.values)
        for name in pieces:
            attribute, _, bounds = name.partition(_RANGE)
            values[attribute] = values.pop(name) + self._after(entry.dn, attribute, bounds)
        return replace(entry, values=values)

    def _after(self, dn: str, attribute: str, bounds: str) -> tuple[bytes, ...]:
        """The values of an attribute from behind a piece of it, whose bounds are first-last."""
        last = bounds.partition("-")[2]
        if last == "*":
            return ()
        if not last.isdigit():
            raise Unavailable("directory", f"{self.uri}: {attribute} comes in unreadable pieces")
        rest = f"{attribute}{_RANGE}{int(last) + 1}-*"
        found = self.search(dn, "(objectClass=*)", (rest,), scope="BASE")
        if len(found) != 1:
            raise Unavailable("directory", f"{self.uri}: an entry was not found again")
        return found[0].values.get(attribute, ())

    def _ask(self, act: Callable[[], object], within: float) -> int:
        """The result code of an operation by ldap3."""
        connection = self._connection

        def asked() -> int:
            connection.result = None
            act()
            return SUCCESS if connection.result is None else int(connection.result["result"])

        return self._within(within, asked)

    def _within(self, seconds: float, act: Callable[[], T]) -> T:
        held = self._connection.socket
        until = min(self._now() + seconds, self._deadline)
        if isinstance(held, DeadlinedSocket):
            held.until = until
        try:
            return act()
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
