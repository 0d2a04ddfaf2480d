"""From an LDAP entry to an account: ids, names, groups, attributes, and text made safe to ask."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from idp_mfa.directory.ldap_standing import StandingReader, standing_reader
from idp_mfa.directory.ldap_wire import Entry, parts_of
from idp_mfa.directory.options import LdapKind, LdapOptions
from idp_mfa.directory.records import Stored, opened
from idp_mfa.model import Account, User, UserId
from idp_mfa.ports import Unavailable
from idp_mfa.sealed import Sealer

_UNIT = "ou"
_PLAIN = re.compile(r"[^A-Za-z0-9@._-]", re.ASCII)
_ESCAPED = re.compile(rb"\\([0-9a-fA-F]{2}|.)", re.DOTALL)
_FIRST_VALUE = re.compile(rb"[^=]+=((?:\\.|[^,+\\])*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Usual:
    """What a kind of server calls things."""

    id_attribute: str
    login_attribute: str
    user_filter: str
    search_attributes: tuple[str, ...]


_USUAL: Mapping[LdapKind, _Usual] = {
    "openldap": _Usual(
        "entryUUID",
        "uid",
        "(&(objectClass=person)(uid={login}))",
        ("uid", "cn", "displayName", "mail"),
    ),
    "389ds": _Usual(
        "nsUniqueId",
        "uid",
        "(&(objectClass=person)(uid={login}))",
        ("uid", "cn", "displayName", "mail"),
    ),
    "ad": _Usual(
        "objectGUID",
        "sAMAccountName",
        "(&(objectCategory=person)(objectClass=user)(sAMAccountName={login}))",
        ("sAMAccountName", "cn", "displayName", "mail"),
    ),
}


def escaped(text: str) -> str:
    """A value in a filter (RFC 4515): whatever is not plainly harmless is written in hex."""
    return _PLAIN.sub(lambda found: "".join(f"\\{one:02x}" for one in found[0].encode()), text)


def leaf_value(dn: bytes) -> str | None:
    """The first value of a DN, unescaped (RFC 4514): the group's own name."""
    found = _FIRST_VALUE.match(dn)
    if found is None:
        return None
    return _unescaped(found[1])


def units_of(dn: str) -> tuple[str, ...]:
    """The organisational units in which an entry stands, the nearest first (RFC 4514)."""
    units = (_unescaped(value.encode()) for name, value in parts_of(dn) if name.lower() == _UNIT)
    return tuple(unit for unit in units if unit)


def _unescaped(value: bytes) -> str | None:
    return _text(
        _ESCAPED.sub(
            lambda hit: bytes.fromhex(hit[1].decode()) if len(hit[1]) == 2 else hit[1], value
        )
    )


class EntryReader:
    """Knows a site's attribute names: what to ask for, and what the answer means.

    ``also`` names attributes besides those of the options, now and not for ever.
    """

    def __init__(
        self,
        options: LdapOptions,
        sealer: Sealer,
        also: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._also = also
        usual = _USUAL[options.kind]
        self._options = options
        self._sealer = sealer
        self._standing: StandingReader = standing_reader(options)
        self._id = options.id_attribute or usual.id_attribute
        self._login = options.login_attribute or usual.login_attribute
        self._user_filter = options.user_filter or usual.user_filter
        self._search = options.search_attributes or usual.search_attributes
        names = (self._id, self._login, options.display_name_attribute, "cn")
        self.naming = tuple(dict.fromkeys(name for name in names if name))
        self.stored = (options.credential_attribute, options.manifest_attribute)
        always = (
            *self.naming,
            *options.attributes,
            options.member_of_attribute,
            *self._standing.names.values(),
            *self.stored,
        )
        self._always = tuple(dict.fromkeys(name for name in always if name))

    @property
    def everything(self) -> tuple[str, ...]:
        """What is asked for of a person's entry."""
        return tuple(dict.fromkeys((*self._always, *self._also())))

    def by_login(self, login: str) -> str:
        """The filter for what somebody typed."""
        return self._user_filter.replace("{login}", escaped(login))

    def by_id(self, user_id: UserId) -> str | None:
        """The filter for a stable id; None for what cannot be one.

        The user filter stays in force: whom it lets go is gone for running sessions too.
        """
        filter_ = self.by_id_alone(user_id)
        return None if filter_ is None else f"(&{filter_}{self.anybody})"

    def by_id_alone(self, user_id: UserId) -> str | None:
        """The same for those too whom the user filter lets go."""
        if self._id.lower() == "objectguid":
            try:
                octets = uuid.UUID(user_id).bytes_le
            except ValueError:
                return None
            value = "".join(f"\\{one:02x}" for one in octets)
        else:
            value = escaped(user_id)
        return f"({self._id}={value})"

    @property
    def anybody(self) -> str:
        """The filter for everybody whom the user filter takes."""
        return self._user_filter.replace("{login}", "*")

    @property
    def with_sealed_values(self) -> str:
        """The filter for everybody who has any, whatever the user filter says of them."""
        return "(|" + "".join(f"({name}=*)" for name in self.stored) + ")"

    @property
    def id_attribute(self) -> str:
        """What the stable id is called here."""
        return self._id

    def beginning_with(self, text: str) -> str:
        """The filter for people whose login, name or mail begins so."""
        starts = "".join(f"({name}={escaped(text)}*)" for name in self._search)
        return f"(&{self.anybody}(|{starts}))"

    def groups_of(self, entry: Entry) -> str:
        """The filter for the groups that name this entry."""
        return self._options.group_filter.replace("{dn}", escaped(entry.dn)).replace(
            "{login}", escaped(self._one_text(entry, self._login) or "")
        )

    def user(self, entry: Entry) -> User:
        """Who it is."""
        login = self._one_text(entry, self._login)
        if login is None:
            raise Unavailable("directory", f"an entry has no {self._login}")
        shown = self._one_text(entry, self._options.display_name_attribute)
        return User(self.id(entry), login, shown or self._one_text(entry, "cn") or login)

    def id(self, entry: Entry) -> UserId:
        """The stable id; an entry without just one is no entry to work with."""
        values = entry.values.get(self._id.lower(), ())
        if len(values) != 1:
            raise Unavailable("directory", f"an entry has not exactly one {self._id}")
        if self._id.lower() == "objectguid":
            if len(values[0]) != 16:
                raise Unavailable("directory", "an objectGUID is not of 16 bytes")
            return UserId(str(uuid.UUID(bytes_le=values[0])))
        text = _text(values[0])
        if not text:
            raise Unavailable("directory", f"{self._id} is no text")
        return UserId(text)

    def records(self, entry: Entry) -> Stored:
        """The sealed bytes of the entry."""
        options = self._options
        manifests = entry.values.get(options.manifest_attribute.lower(), ())
        if len(manifests) > 1:
            why = f"{options.manifest_attribute} must be single-valued"
            raise Unavailable("directory", why)
        return Stored(
            entry.values.get(options.credential_attribute.lower(), ()), next(iter(manifests), None)
        )

    def account(self, entry: Entry, groups_found: frozenset[str], now: datetime) -> Account:
        """All that one read tells."""
        user = self.user(entry)
        standing = {
            role: value
            for role, name in self._standing.names.items()
            if (value := self._one_text(entry, name)) is not None
        }
        return Account(
            user=user,
            groups=self._member_of(entry) | groups_found,
            attributes={
                name: texts
                for name in (*self._options.attributes, *self._also())
                if (texts := _said(entry, name))
            },
            standing=self._standing.read(standing, now),
            credentials=opened(self.records(entry), user.id, self._sealer),
            entry=entry.dn,
        )

    def group_name(self, entry: Entry) -> str | None:
        """What a group that was searched for is called."""
        match self._options.group_names:
            case "dn":
                return entry.dn
            case "cn":
                return self._one_text(entry, self._options.group_name_attribute)
            case never:
                assert_never(never)

    def _member_of(self, entry: Entry) -> frozenset[str]:
        values = entry.values.get(self._options.member_of_attribute.lower(), ())
        match self._options.group_names:
            case "dn":
                names = [_text(value) for value in values]
            case "cn":
                names = [leaf_value(value) for value in values]
            case never:
                assert_never(never)
        return frozenset(name for name in names if name)

    def _one_text(self, entry: Entry, name: str) -> str | None:
        return next(iter(_texts(entry, name)), None)


def _said(entry: Entry, name: str) -> tuple[str, ...]:
    """A site that files its people by unit need not repeat it in each entry."""
    texts = _texts(entry, name)
    if name.lower() != _UNIT:
        return texts
    known = {text.casefold() for text in texts}
    return (*texts, *(unit for unit in units_of(entry.dn) if unit.casefold() not in known))


def _texts(entry: Entry, name: str) -> tuple[str, ...]:
    values = (_text(value) for value in entry.values.get(name.lower(), ()))
    return tuple(text for text in values if text)


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
