"""LDAP's octets, held against ldap3, which makes and reads the same by a road of its own."""

from __future__ import annotations

from collections.abc import Sequence

import ldap3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.operation.bind import bind_operation
from ldap3.operation.search import search_operation
from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
from pyasn1.codec.ber import encoder

from idp_mfa.directory import ldap_filter, ldap_message
from idp_mfa.directory.ldap_entries import escaped
from idp_mfa.directory.ldap_exchange import Exchange
from idp_mfa.directory.ldap_message import Entry, element
from tests.simulators.ldap_answers import done, entry, message

BASE = "ou=人,dc=example,dc=ac,dc=jp"


def by_ldap3(number: int, kind: str, operation: object) -> bytes:
    whole = LDAPMessage()
    whole["messageID"] = MessageID(number)
    whole["protocolOp"] = ProtocolOp().setComponentByName(kind, operation)
    # True is 0xFF and nothing else (RFC 4511 5.1); pyasn1 writes 0x01.
    return bytes(encoder.encode(whole)).replace(b"\x84\x01\x01", b"\x84\x01\xff")


def search_by_ldap3(number: int, filter_: str, attributes: Sequence[str], scope: str) -> bytes:
    operation = search_operation(
        BASE, filter_, scope, ldap3.DEREF_NEVER, list(attributes), 2, 0, False, None, None
    )
    return by_ldap3(number, "searchRequest", operation)


def search(number: int, filter_: str, attributes: Sequence[str], scope: str) -> bytes:
    octets = ldap_filter.octets_of(filter_)
    return ldap_message.search_request(number, BASE, octets, attributes, scope=scope, size_limit=2)


# -- what is asked ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "filter_",
    [
        "(uid=alice)",
        "(uid=*)",
        "(&(objectClass=person)(uid=a*l*e))",
        "(|(cn=a*)(cn=*e)(cn=*l*))",
        "(!(userAccountControl=2))",
        "(&(objectClass=person)(|(uid=x)(!(uid=y)))(age>=3)(age<=9)(cn~=bob))",
        "(userAccountControl:1.2.840.113556.1.4.803:=2)",
        "(memberOf:1.2.840.113556.1.4.1941:=cn=staff,dc=example)",
        "(ou:dn:=people)",
        "(ou:dn:2.5.13.5:=people)",
        r"(cn=\2a\28\29\5c\00\e4\ba\ba)",
        "(cn=人)",
    ],
)
@pytest.mark.parametrize("scope", ["BASE", "SUBTREE"])
def test_a_filter_is_what_ldap3_makes_of_it(filter_: str, scope: str) -> None:
    attributes = ("uid", "mfaCredential")
    assert search(7, filter_, attributes, scope) == search_by_ldap3(7, filter_, attributes, scope)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.integers(1, 2**31 - 1),
    st.lists(st.sampled_from(["uid", "mail", "entryUUID"]), min_size=1, max_size=200),
)
def test_what_somebody_typed_is_one_value(typed: str, number: int, names: list[str]) -> None:
    filter_ = f"(&(objectClass=person)(uid={escaped(typed)}))"
    octets = search(number, filter_, names, "SUBTREE")
    assert octets == search_by_ldap3(number, filter_, names, "SUBTREE")
    assert element(0x04, typed.encode()) in octets


def test_spaces_and_lines_between_filters_mean_nothing() -> None:
    written = "(&\n  (objectClass=person)\n  (uid=alice)\n)\n"
    plain = "(&(objectClass=person)(uid=alice))"
    assert ldap_filter.octets_of(written) == ldap_filter.octets_of(plain)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "uid=alice",
        "(uid=alice",
        "(uid=alice))",
        "(&(uid=alice)",
        "(!(a=1)(b=2))",
        "(uid)",
        "(=alice)",
        r"(uid=\zz)",
        "(uid>=a*)",
        "(:=alice)",
        "(uid:dn:=a)(uid=b)",
    ],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"filter|attribute|text after|asterisk|backslash"):
        ldap_filter.octets_of(text)


def test_a_bind_is_what_ldap3_makes_of_it() -> None:
    dn, password = f"uid=alice,{BASE}", b"\xff pass\x01word"
    operation = bind_operation(3, ldap3.SIMPLE, dn, password)
    operation["authentication"]["simple"] = password
    assert ldap_message.bind_request(300, dn, password) == by_ldap3(300, "bindRequest", operation)


@pytest.mark.parametrize(("dn", "password"), [("uid=alice", b""), ("", b"secret")])
def test_a_bind_that_would_be_nobodys_is_never_made(dn: str, password: bytes) -> None:
    with pytest.raises(ValueError, match="a bind needs"):
        ldap_message.bind_request(1, dn, password)


# -- what is answered ------------------------------------------------------------------------


class Peer:
    """A server that has its answer ready, and hands it out in pieces."""

    def __init__(self, answer: bytes, piece: int) -> None:
        self._pieces = [answer[at : at + piece] for at in range(0, len(answer), piece)]

    def sendall(self, octets: bytes) -> None:
        assert octets

    def recv(self, size: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_entries_come_whole_however_they_are_cut(piece: int) -> None:
    long = bytes(range(256)) * 300
    answer = (
        message(5, entry("uid=a", {"uid": [b"a"], "jpegPhoto": [long, b""], "none": []}))
        + message(5, element(0x73, element(0x04, b"ldap://elsewhere.example/")))
        + message(5, entry("uid=人", {"UID": [b"b", "人".encode()]}))
        + message(5, done(4))
    )
    exchange = Exchange(Peer(answer, piece))
    code, entries = exchange.search(5, b"request")
    assert (code, exchange.over) == (4, True)
    assert entries == [
        Entry("uid=a", {"uid": (b"a",), "jpegphoto": (long, b""), "none": ()}),
        Entry("uid=人", {"uid": (b"b", "人".encode())}),
    ]


def test_what_comes_after_the_end_is_noticed() -> None:
    disconnection = message(0, element(0x78, element(0x0A, b"\x34")))
    exchange = Exchange(Peer(message(5, done()) + disconnection, 100))
    assert exchange.search(5, b"request") == (0, [])
    assert not exchange.over


@pytest.mark.parametrize(
    "answer",
    [
        message(6, done()),
        message(0, element(0x78, element(0x0A, b"\x34"))),
        message(5, element(0x61, element(0x0A, b"\x00"))),
        message(5, element(0x64, element(0x04, b"uid=a") + b"\x30\x09\x30\x07\x04\x03uid\x31\x09")),
        message(5, element(0x65, b"\x04\x01\x00")),
        b"\x30\x80\x02\x01\x05\x65\x00\x00\x00",
        b"\x30\x84\x7f\xff\xff\xff\x02\x01\x05",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
    ids=["another", "unasked", "a bind's", "cut off", "no code", "endless", "too long", "http"],
)
def test_an_answer_that_is_none_is_not_believed(answer: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        Exchange(Peer(answer, 100)).search(5, b"request")


def test_a_search_s_end_is_no_answer_to_a_bind() -> None:
    with pytest.raises(ValueError, match="does not answer a bind"):
        Exchange(Peer(message(5, done()), 100)).bind(5, b"request")


def test_a_server_that_hangs_up_is_told_from_one_that_answers() -> None:
    with pytest.raises(ConnectionResetError):
        Exchange(Peer(message(5, done())[:-3], 100)).search(5, b"request")
