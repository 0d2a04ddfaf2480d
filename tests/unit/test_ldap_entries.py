"""From entries of OpenLDAP, 389 Directory Server and Active Directory to accounts."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.directory.ldap_entries import EntryReader, escaped, leaf_value, units_of
from idp_mfa.directory.ldap_socket import tls_of
from idp_mfa.directory.ldap_standing import filetime, generalized_time, standing_reader
from idp_mfa.directory.ldap_wire import Entry
from idp_mfa.directory.options import LdapOptions
from idp_mfa.directory.typed import usable_login
from idp_mfa.model import AccountState, UserId
from idp_mfa.ports import Unavailable
from idp_mfa.sealed import Sealer
from idp_mfa.sealing_keys import KeyEncryptionKeys

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SEALER = Sealer(KeyEncryptionKeys("k", {"k": bytes(32)}), os.urandom)


def ldap(**options: object) -> LdapOptions:
    return LdapOptions(**{"uris": ("ldaps://localhost",), "base_dn": "dc=x", **options})


def reader(**options: object) -> EntryReader:
    return EntryReader(ldap(**options), SEALER)


def entry(dn: str = "uid=a,dc=x", **values: bytes | tuple[bytes, ...]) -> Entry:
    return Entry(
        dn,
        {
            name.lower(): value if isinstance(value, tuple) else (value,)
            for name, value in values.items()
        },
    )


def state(kind: str, at: datetime = NOW, lockout: int = 0, **values: str) -> AccountState:
    options = ldap(kind=kind, lockout_duration=timedelta(seconds=lockout))
    return standing_reader(options).read(values, at).state


# -- times -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("20261121120000Z", NOW),
        ("202611211200Z", NOW),
        ("2026112112Z", NOW),
        ("20261121120000.5Z", NOW + timedelta(seconds=0.5)),
        ("20261121120000,25Z", NOW + timedelta(seconds=0.25)),
        ("2026112112.5Z", NOW + timedelta(minutes=30)),
        ("202611211200.5Z", NOW + timedelta(seconds=30)),
        ("20261121210000+0900", NOW),
        ("20261121210000+09", NOW),
        ("20261121073000-0430", NOW),
        ("20261121115960Z", NOW - timedelta(seconds=1)),
        ("20261121120000.123456789Z", NOW + timedelta(microseconds=123457)),
    ],
)
def test_generalized_time_in_each_of_its_forms(text: str, when: datetime) -> None:
    assert generalized_time(text) == when
    assert generalized_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["", "2026", "20261121120000", "20261321120000Z", "20261121250000Z", "2026-11-21T12:00:00Z"],
)
def test_what_is_no_generalized_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        generalized_time(text)


def test_filetime() -> None:
    assert filetime("132223104000000000") == datetime(2020, 1, 1, tzinfo=UTC)
    assert filetime("116444736000000000") == datetime(1970, 1, 1, tzinfo=UTC)
    assert filetime("0") is None
    assert filetime(str(2**63 - 1)) is None


# -- standing --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, AccountState.ACTIVE),
        ({"locked_at": "000001010000Z"}, AccountState.LOCKED),
        ({"locked_at": "20200101000000Z"}, AccountState.LOCKED),
        ({"begins_at": "20261121120001Z"}, AccountState.DISABLED),
        ({"begins_at": "20261121120000Z"}, AccountState.ACTIVE),
        ({"ends_at": "20261121120000Z"}, AccountState.EXPIRED),
        ({"ends_at": "20261121120001Z"}, AccountState.ACTIVE),
        ({"expires_on_day": "20778"}, AccountState.EXPIRED),
        ({"expires_on_day": "20779"}, AccountState.ACTIVE),
        ({"expires_on_day": "-1"}, AccountState.ACTIVE),
    ],
)
def test_openldap(values: dict[str, str], expected: AccountState) -> None:
    assert state("openldap", **values) is expected


def test_openldap_unlocks_after_a_while_if_the_site_says_so() -> None:
    locked = {"locked_at": "20261121115500Z"}
    assert state("openldap", lockout=301, **locked) is AccountState.LOCKED
    assert state("openldap", lockout=300, **locked) is AccountState.ACTIVE
    assert state("openldap", lockout=300, locked_at="000001010000Z") is AccountState.LOCKED


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, AccountState.ACTIVE),
        ({"disabled": "true"}, AccountState.DISABLED),
        ({"disabled": "TRUE"}, AccountState.DISABLED),
        ({"disabled": "false"}, AccountState.ACTIVE),
        ({"unlocks_at": "20261121120001Z"}, AccountState.LOCKED),
        ({"unlocks_at": "20261121120000Z"}, AccountState.ACTIVE),
        ({"unlocks_at": "19700101000000Z"}, AccountState.LOCKED),
        ({"password_expires_at": "20261121120000Z"}, AccountState.EXPIRED),
        ({"password_expires_at": "19700101000000Z"}, AccountState.EXPIRED),
        ({"password_expires_at": "20380119031407Z"}, AccountState.ACTIVE),
    ],
)
def test_389ds(values: dict[str, str], expected: AccountState) -> None:
    assert state("389ds", **values) is expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"control": "512", "password_changed_at": "134082360000000000"}, AccountState.ACTIVE),
        ({"control": "514"}, AccountState.DISABLED),
        ({"control": "512", "computed_control": "16"}, AccountState.LOCKED),
        ({"control": "512", "computed_control": "8388608"}, AccountState.EXPIRED),
        ({"control": "512", "expires_at": "134082360000000000"}, AccountState.EXPIRED),
        ({"control": "512", "expires_at": "9223372036854775807"}, AccountState.ACTIVE),
        ({"control": "512", "expires_at": "0"}, AccountState.ACTIVE),
        ({"control": "512", "password_changed_at": "0"}, AccountState.EXPIRED),
    ],
)
def test_active_directory(values: dict[str, str], expected: AccountState) -> None:
    assert state("ad", **values) is expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [("openldap", "20261121100000Z"), ("389ds", "20261121100000Z"), ("ad", "134397360000000000")],
)
def test_each_kind_tells_when_the_password_changed(kind: str, value: str) -> None:
    read = standing_reader(ldap(kind=kind)).read({"password_changed_at": value}, NOW)
    assert read.password_changed_at is not None
    assert read.password_changed_at.year == 2026


@pytest.mark.parametrize(
    ("kind", "role"),
    [("openldap", "ends_at"), ("389ds", "unlocks_at"), ("ad", "control"), ("ad", "expires_at")],
)
def test_a_standing_that_cannot_be_read_is_not_an_active_one(kind: str, role: str) -> None:
    with pytest.raises(Unavailable):
        state(kind, **{role: "soon"})


def test_a_site_renames_what_standing_looks_at_or_leaves_it_out() -> None:
    options = ldap(standing_attributes={"password_changed_at": "siteChanged", "locked_at": ""})
    names = standing_reader(options).names
    assert names["password_changed_at"] == "siteChanged"
    assert "locked_at" not in names
    with pytest.raises(ValueError, match="no role lockedAt for openldap"):
        ldap(standing_attributes={"lockedAt": "x"})


# -- ids -------------------------------------------------------------------------------------


def test_an_object_guid_is_read_and_asked_for_in_its_own_byte_order() -> None:
    octets = bytes.fromhex("33221100554477668899aabbccddeeff")
    ad = reader(kind="ad")
    id = ad.id(entry(objectGUID=octets))
    assert id == "00112233-4455-6677-8899-aabbccddeeff"
    asked = "".join(f"\\{one:02x}" for one in octets)
    assert f"(objectGUID={asked})" in (ad.by_id(id) or "")
    assert ad.by_id(UserId("not a guid")) is None
    with pytest.raises(Unavailable):
        ad.id(entry(objectGUID=octets[:-1]))


def test_ids_that_are_text() -> None:
    unique = b"3a1c9e02-8d7f11ee-b2b1c3a0-1f2e3d4c"
    assert reader(kind="389ds").id(entry(nsUniqueId=unique)) == unique.decode()
    assert "(nsUniqueId=a\\2a)" in (reader(kind="389ds").by_id(UserId("a*")) or "")
    for values in ({}, {"entryUUID": (b"a", b"b")}, {"entryUUID": b"\xff"}):
        with pytest.raises(Unavailable):
            reader().id(entry(**values))


def test_a_second_manifest_is_no_manifest_to_work_with() -> None:
    with pytest.raises(Unavailable, match="single-valued"):
        reader().records(entry(mfaManifest=(b"a", b"b")))


# -- names, groups, attributes ---------------------------------------------------------------


def test_only_text_is_released_and_only_what_was_listed() -> None:
    found = entry(
        entryUUID=b"i",
        uid=b"a",
        mail=(b"a@x", b"\xff\xfe"),
        telephoneNumber=b"1",
    )
    account = reader(attributes=("mail", "jpegPhoto")).account(found, frozenset({"g"}), NOW)
    assert account.attributes == {"mail": ("a@x",)}
    assert account.groups == {"g"}
    assert account.user.display_name == "a"


def test_the_shown_name_falls_back() -> None:
    everything = entry(entryUUID=b"i", uid=b"a", cn=b"C", displayName="表示".encode())
    assert reader().user(everything).display_name == "表示"
    assert reader().user(entry(entryUUID=b"i", uid=b"a", cn=b"C")).display_name == "C"


@pytest.mark.parametrize(
    ("dn", "name"),
    [
        (b"cn=staff,ou=groups,dc=x", "staff"),
        (b"cn=a\\, b,dc=x", "a, b"),
        (b"CN=a\\2Cb,dc=x", "a,b"),
        (b"cn=\\E6\\A0\\A1,dc=x", "校"),
        ("cn=校,dc=x".encode(), "校"),
        (b"cn=a\\+b+ou=c,dc=x", "a+b"),
        (b"nonsense", None),
        (b"", None),
        (b"cn=\\ff,dc=x", None),
    ],
)
def test_a_groups_own_name(dn: bytes, name: str | None) -> None:
    assert leaf_value(dn) == name


@pytest.mark.parametrize(
    ("dn", "units"),
    [
        ("uid=a,ou=students,ou=people,dc=x", ("students", "people")),
        ("uid=a,OU=\\E5\\8C\\BB,dc=x", ("医",)),
        ("uid=a,ou=R\\2CD\\, Lab+l=Osaka,dc=x", ("R,D, Lab",)),
        ("uid=ou=people\\,x,dc=x", ()),
        ("uid=a,dc=ou", ()),
        ("no dn", ()),
        ("", ()),
    ],
)
def test_units_are_those_of_the_dn(dn: str, units: tuple[str, ...]) -> None:
    assert units_of(dn) == units


def test_a_unit_counts_in_the_entry_and_in_its_dn() -> None:
    found = Entry(
        "uid=a,ou=students,ou=people,dc=x",
        {"entryuuid": (b"i",), "uid": (b"a",), "ou": (b"Library", b"Students")},
    )
    account = reader(attributes=("ou",)).account(found, frozenset(), NOW)
    assert account.attributes["ou"] == ("Library", "Students", "people")
    assert "ou" not in reader().account(found, frozenset(), NOW).attributes


def test_groups_are_names_or_whole_dns() -> None:
    found = entry(entryUUID=b"i", uid=b"a", memberOf=(b"cn=a,dc=x", b"cn=b,dc=x"))
    assert reader().account(found, frozenset(), NOW).groups == {"a", "b"}
    dns = reader(group_names="dn").account(found, frozenset(), NOW).groups
    assert dns == {"cn=a,dc=x", "cn=b,dc=x"}


# -- what people type ------------------------------------------------------------------------


@given(st.text())
def test_nothing_typed_can_be_more_than_a_value(text: str) -> None:
    if not usable_login(text):
        return
    assert not set(escaped(text)) & set("*()\x00")
    for before, after in pairwise(escaped(text) + "\\"):
        assert before != "\\" or after in "0123456789abcdef"


@given(st.text(st.characters(categories=["C"]), min_size=1))
def test_invisible_characters_name_nobody(text: str) -> None:
    assert not usable_login(text)
    assert not usable_login("alice" + text)


# -- options that could only go wrong later --------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"user_filter": "(uid=%s)"},
        {"group_filter": "(member={dn})"},
        {"bind_dn": "cn=a"},
        {"uris": ()},
    ],
)
def test_options_that_contradict_themselves(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"must|needs"):
        ldap(**options)


@pytest.mark.parametrize(
    "uri",
    [
        "ldap://ldap.example.ac.jp",
        "ldap://127.evil.example",
        "ldap://localhost.example",
        "ldap://10.0.0.1",
        "ldapi:///",
        "http://localhost",
        "localhost",
        "",
    ],
)
def test_nothing_goes_in_clear_beyond_this_host(uri: str) -> None:
    with pytest.raises(ValueError, match=r"goes in clear|neither"):
        ldap(uris=(uri,))
    with pytest.raises(ValueError, match=r"goes in clear|neither"):
        ldap(write_uris=(uri,))


def test_clear_text_is_for_loopback_or_by_an_explicit_word() -> None:
    for uri in ("ldap://127.0.0.1:389", "ldap://localhost", "ldap://[::1]"):
        assert tls_of(uri, ldap(uris=(uri,))) is None
    far = ("ldap://ldap.example.ac.jp",)
    assert tls_of(far[0], ldap(uris=far, allow_plaintext=True)) is None
    assert tls_of(far[0], ldap(uris=far, start_tls=True)) is not None


def test_a_missing_authority_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ca_file"):
        tls_of("ldaps://localhost", ldap(ca_file=tmp_path / "none.pem"))


def test_what_the_policy_in_force_looks_at_is_asked_for_and_handed_out_besides() -> None:
    looked_at = {"title"}
    reader = EntryReader(ldap(attributes=("mail",)), SEALER, lambda: looked_at)
    assert {"mail", "title"} <= set(reader.everything)
    person = entry(entryUUID=b"u", uid=b"alice", title=b"professor", o=b"x", mail=b"a@x.example")
    found = reader.account(person, frozenset(), NOW).attributes
    assert found == {"mail": ("a@x.example",), "title": ("professor",)}
    # Another policy is activated: no restart is needed.
    looked_at.clear()
    looked_at.add("o")
    assert "o" in reader.everything
    assert "title" not in reader.everything
    assert reader.account(person, frozenset(), NOW).attributes["o"] == ("x",)
    # An attribute that the entry does not hold was not handed out.
    looked_at.add("ou")
    assert "ou" not in reader.account(person, frozenset(), NOW).attributes
