"""People and their sealed records in an LDAP directory: OpenLDAP, 389 Directory Server, AD."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from idp_mfa.directory.ldap_connections import Circuit, Servers, nobody, service_account
from idp_mfa.directory.ldap_entries import EntryReader
from idp_mfa.directory.ldap_socket import Stopwatch
from idp_mfa.directory.ldap_wire import SUCCESS, Entry, Modification, Wire
from idp_mfa.directory.options import LdapOptions
from idp_mfa.directory.records import (
    Rewrite,
    Stored,
    cleared,
    found_again,
    holder,
    resealed,
    rewritten,
    without_secrets,
)
from idp_mfa.directory.typed import usable_login, usable_password
from idp_mfa.model import Account, AccountState, Clock, Credentials, User, UserId
from idp_mfa.ports import Change, ChangeAnswer, Holder, PasswordAnswer, Unavailable
from idp_mfa.sealed import Sealer

CANARY_BELIEVED = timedelta(seconds=10)
LONGEST_LISTING = timedelta(minutes=10)

_NO_SUCH_ATTRIBUTE = 16
_CONSTRAINT_VIOLATION = 19
_ATTRIBUTE_OR_VALUE_EXISTS = 20
_NO_SUCH_OBJECT = 32
_INAPPROPRIATE_AUTHENTICATION = 48
_INVALID_CREDENTIALS = 49
_UNWILLING_TO_PERFORM = 53
_ASSERTION_FAILED = 122
_LOST_RACE = frozenset(
    {_NO_SUCH_ATTRIBUTE, _CONSTRAINT_VIOLATION, _ATTRIBUTE_OR_VALUE_EXISTS, _ASSERTION_FAILED}
)
_WRONG = frozenset({_INVALID_CREDENTIALS, _INAPPROPRIATE_AUTHENTICATION})
# What 389 Directory Server answers for a locked-out and for an inactivated account.
_REFUSED_AS_IT_STANDS = frozenset({_CONSTRAINT_VIOLATION, _UNWILLING_TO_PERFORM})


class LdapDirectory:
    """``Directory`` and ``CredentialStore``; one object serves every thread.

    A group's name is the first value of its DN, or the whole DN (``group_names``). Of an entry
    only the attributes of the options are read, credentials included, in one search; ``also`` names
    those that the policy in force looks at.
    """

    def __init__(
        self,
        options: LdapOptions,
        sealer: Sealer,
        clock: Clock,
        stopwatch: Stopwatch,
        also: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._options = options
        self._sealer = sealer
        self._clock = clock
        self._stopwatch = stopwatch
        self._reader = EntryReader(options, sealer, also)
        self._decoy = options.decoy_dn or f"cn=nobody,{options.base_dn}"
        self._canary_seen: dict[str, float] = {}
        rest = options.retry_after.total_seconds()
        circuits = {uri: Circuit(rest, stopwatch) for uri in (*options.uris, *options.write_uris)}
        service = service_account(options.bind_dn, options.bind_password_file)
        self._searches = Servers(options.uris, options, stopwatch, circuits, service)
        self._binds = Servers(options.uris, options, stopwatch, circuits, nobody)
        self._writes = (
            Servers(options.write_uris, options, stopwatch, circuits, service)
            if options.write_uris
            else self._searches
        )
        patient = replace(options, total_timeout=LONGEST_LISTING, kept_connections=0)
        self._listings = Servers(
            options.write_uris or options.uris, patient, stopwatch, circuits, service
        )

    # -- Directory ---------------------------------------------------------------------------

    def find(self, login: str) -> Account | None:
        """The one account meant by what was typed; two that match are none."""
        if not usable_login(login):
            return None
        filter_ = self._reader.by_login(login)
        return self._searches.read(lambda wire: self._account(wire, filter_))

    def authenticate(self, account: Account | None, password: bytes) -> PasswordAnswer:
        """Exactly one bind; nobody's costs one too, against ``decoy_dn``."""
        if not usable_password(password):
            return PasswordAnswer.UNUSABLE
        dn = self._decoy if account is None else account.entry
        code = self._binds.once(lambda wire: wire.bind(dn, password))
        if code in _WRONG or (account is None and code in (SUCCESS, _NO_SUCH_OBJECT)):
            return PasswordAnswer.WRONG
        if code == SUCCESS:
            return PasswordAnswer.RIGHT
        stands = account is None or account.standing.state is AccountState.ACTIVE
        if code in _REFUSED_AS_IT_STANDS and not stands:
            return PasswordAnswer.WRONG
        raise Unavailable("directory", f"a bind ended with result {code}")

    def read(self, user_id: UserId) -> Account | None:
        """The account by its stable id, from where changes are written."""
        filter_ = self._reader.by_id(user_id)
        if filter_ is None:
            return None
        return self._writes.read(lambda wire: self._account(wire, filter_))

    def search(self, text: str, limit: int) -> Sequence[User]:
        """People whose login, name or mail begins with a text."""
        if not usable_login(text):
            return ()
        filter_, base = self._reader.beginning_with(text), self._options.base_dn
        found = self._searches.read(
            lambda wire: wire.search(base, filter_, self._reader.naming, size_limit=limit)
        )
        return tuple(self._reader.user(entry) for entry in found)

    def everyone(self) -> Sequence[Account]:
        """Whom the user filter takes, page by page; the canary is nobody."""
        return self._listings.read(self._accounts)

    def ping(self) -> None:
        """The base is there and the canary visible, where is read and where is written."""
        self._searches.read(self._well)
        if self._writes is not self._searches:
            self._writes.read(self._well)

    def kept_open(self) -> AbstractContextManager[None]:
        """For many changes one after another; connections are kept anyway."""
        return nullcontext()

    def close(self) -> None:
        """Drop every kept connection."""
        for servers in (self._searches, self._binds, self._writes):
            servers.close()

    # -- CredentialStore ---------------------------------------------------------------------

    def change(self, user_id: UserId, read: Credentials, changes: Sequence[Change]) -> ChangeAnswer:
        """All changes and the manifest in one Modify."""
        return self._change(
            user_id, lambda stored: rewritten(stored, user_id, read, changes, self._sealer)
        )

    def clear(self, user_id: UserId, read: Credentials) -> ChangeAnswer:
        """Everything out, what does not open too, in one Modify."""
        return self._change(user_id, lambda stored: cleared(stored, user_id, read, self._sealer))

    def holders(self) -> Sequence[Holder]:
        """Everybody with sealed values, page by page; the canary is nobody."""
        reader, base = self._reader, self._options.base_dn
        attributes = (reader.id_attribute, *reader.stored)
        found = self._listings.read(
            lambda wire: wire.search_paged(base, reader.with_sealed_values, attributes)
        )
        return [
            holder(reader.records(entry), reader.id(entry))
            for entry in found
            if not self._is_canary(entry)
        ]

    def reseal(self, user_id: UserId) -> ChangeAnswer:
        """Under the active key, in one Modify; also for whom the user filter lets go."""
        filter_ = self._reader.by_id_alone(user_id)
        if filter_ is None:
            return ChangeAnswer.LOST_RACE
        return self._writes.read(
            lambda wire: self._modify(
                wire, filter_, lambda stored: resealed(stored, user_id, self._sealer)
            )
        )

    def _change(
        self, user_id: UserId, decide: Callable[[Stored], Rewrite | ChangeAnswer]
    ) -> ChangeAnswer:
        filter_ = self._reader.by_id(user_id)
        if filter_ is None:
            return ChangeAnswer.LOST_RACE
        return self._writes.read(lambda wire: self._modify(wire, filter_, decide))

    def _modify(
        self, wire: Wire, filter_: str, decide: Callable[[Stored], Rewrite | ChangeAnswer]
    ) -> ChangeAnswer:
        options = self._options
        entry = self._entry(wire, filter_, (*self._reader.stored, "objectClass"))
        if entry is None:
            return ChangeAnswer.LOST_RACE
        stored = self._reader.records(entry)
        match decide(stored):
            case Rewrite() as rewrite:
                old = () if rewrite.old_manifest is None else (rewrite.old_manifest,)
            case ChangeAnswer() as answer:
                return answer
            case never:
                assert_never(never)
        code = wire.modify(
            entry.dn,
            (
                Modification("objectClass", (), self._class_to_add(entry)),
                Modification(options.credential_attribute, rewrite.remove, rewrite.add),
                Modification(options.manifest_attribute, old, (rewrite.new_manifest,)),
            ),
        )
        now = self._stored(wire, entry.dn)
        if code == SUCCESS:
            if found_again(now, stored, rewrite):
                return ChangeAnswer.DONE
            raise Unavailable("directory", f"{wire.uri}: a change was not found again")
        if code in _LOST_RACE and now != stored:
            return ChangeAnswer.LOST_RACE
        raise Unavailable("directory", f"{wire.uri}: a change ended with result {code}")

    def _class_to_add(self, entry: Entry) -> tuple[bytes, ...]:
        name = self._options.object_class.encode()
        there = {value.lower() for value in entry.values.get("objectclass", ())}
        return () if not name or name.lower() in there else (name,)

    def _stored(self, wire: Wire, dn: str) -> Stored:
        found = wire.search(dn, "(objectClass=*)", self._reader.stored, scope="BASE")
        if len(found) != 1:
            raise Unavailable("directory", f"{wire.uri}: an entry was not found again")
        return self._reader.records(found[0])

    # -- one entry ---------------------------------------------------------------------------

    def _account(self, wire: Wire, filter_: str) -> Account | None:
        entry = self._entry(wire, filter_, self._reader.everything)
        if entry is None:
            return None
        stored = self._reader.records(entry)
        if stored.manifest is None and not stored.records:
            self._believe_nothing(wire)
        return self._reader.account(entry, self._groups(wire, entry), self._clock())

    def _accounts(self, wire: Wire) -> Sequence[Account]:
        reader, now = self._reader, self._clock()
        found = wire.search_paged(self._options.base_dn, reader.anybody, reader.everything)
        self._believe_nothing(wire)
        return [
            without_secrets(reader.account(entry, self._groups(wire, entry), now))
            for entry in found
            if not self._is_canary(entry)
        ]

    def _is_canary(self, entry: Entry) -> bool:
        return entry.dn.lower() == self._options.canary_dn.lower()

    def _entry(self, wire: Wire, filter_: str, attributes: Sequence[str]) -> Entry | None:
        found = wire.search(self._options.base_dn, filter_, attributes, size_limit=2)
        return found[0] if len(found) == 1 else None

    def _groups(self, wire: Wire, entry: Entry) -> frozenset[str]:
        options = self._options
        if not options.group_filter:
            return frozenset()
        filter_ = self._reader.groups_of(entry)
        found = wire.search(options.group_base_dn, filter_, (options.group_name_attribute,))
        names = (self._reader.group_name(group) for group in found)
        return frozenset(name for name in names if name)

    def _believe_nothing(self, wire: Wire) -> None:
        """That nothing is there counts only from a server that shows the canary's manifest."""
        dn, seen = self._options.canary_dn, self._canary_seen.get(wire.uri)
        now = self._stopwatch()
        if not dn or (seen is not None and now - seen < CANARY_BELIEVED.total_seconds()):
            return
        name = self._options.manifest_attribute
        found = wire.search(dn, "(objectClass=*)", (name,), scope="BASE")
        if not found or found[0].first(name) is None:
            why = f"{wire.uri}: the canary's {name} is not visible, so nobody's absence is believed"
            raise Unavailable("directory", why)
        self._canary_seen[wire.uri] = now

    def _well(self, wire: Wire) -> None:
        base = self._options.base_dn
        if not wire.search(base, "(objectClass=*)", (), scope="BASE"):
            raise Unavailable("directory", f"{wire.uri}: {base} is not visible")
        self._canary_seen.pop(wire.uri, None)
        self._believe_nothing(wire)
