"""LDAP servers that are away, hang, fall silent, trickle or talk rubbish."""

from __future__ import annotations

import socket
import time
from datetime import timedelta
from pathlib import Path

import pytest

from idp_mfa.ports import PasswordAnswer, Unavailable
from tests.contracts.directory_sites import account
from tests.contracts.ldap.traps import ALICE, Opened, stopped, trap, within
from tests.servers.foreground import free_port
from tests.servers.slapd import Person, Slapd, slapd

# -- servers that fail -----------------------------------------------------------------------


@pytest.mark.alone
def test_no_server_is_unavailable_at_once(server: Slapd, opened: Opened) -> None:
    found = account(opened(server.options()), "alice")
    directory = opened(server.options(), uris=(f"ldap://127.0.0.1:{free_port()}",))
    for act in (
        lambda: directory.find("alice"),
        lambda: directory.authenticate(found, b"demo-alice"),
        lambda: directory.authenticate(None, b"demo-alice"),
        lambda: directory.read(found.user.id),
        lambda: directory.search("al", 5),
        lambda: directory.change(found.user.id, found.credentials, []),
        directory.ping,
    ):
        with within(1), pytest.raises(Unavailable) as told:
            act()
        assert told.value.part == "directory"


@pytest.mark.alone
def test_a_silent_server_is_unavailable_in_time_and_then_at_once(
    server: Slapd, opened: Opened
) -> None:
    with trap() as (silent, _):
        directory = opened(server.options(), uris=(silent,))
        with within(3), pytest.raises(Unavailable):
            directory.find("alice")
        with within(0.1), pytest.raises(Unavailable):
            directory.find("alice")


def test_a_server_that_falls_silent_is_unavailable_in_time_and_comes_back(
    server: Slapd, opened: Opened
) -> None:
    directory = opened(server.options(), retry_after=timedelta(0))
    found = account(directory, "alice")
    directory.authenticate(found, b"demo-alice")
    with stopped(server):
        with within(6), pytest.raises(Unavailable):
            directory.find("alice")
        with within(6), pytest.raises(Unavailable):
            directory.authenticate(found, b"demo-alice")
    account(directory, "alice")
    assert directory.authenticate(found, b"demo-alice") is PasswordAnswer.RIGHT


def test_a_trickling_server_is_given_up_in_time(server: Slapd, opened: Opened) -> None:
    def trickle(peer: socket.socket) -> None:
        while True:
            peer.sendall(b"\x30\x84\x00\x0f\xff\xff\x00"[:1])
            time.sleep(0.2)

    with trap(trickle) as (slow, _):
        directory = opened(server.options(), uris=(slow,))
        with within(6), pytest.raises(Unavailable):
            directory.find("alice")


@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 400 Bad\r\n\r\n", b"\x30\x05\xff\xff\xff\xff\xff", b""]
)
def test_a_garbled_answer_is_unavailable(server: Slapd, opened: Opened, garbage: bytes) -> None:
    def garble(peer: socket.socket) -> None:
        peer.sendall(garbage)
        peer.close()

    with trap(garble) as (odd, _):
        directory = opened(server.options(), uris=(odd,))
        with within(4), pytest.raises(Unavailable):
            directory.find("alice")


@pytest.mark.alone
def test_the_next_server_takes_over_in_two_seconds(server: Slapd, opened: Opened) -> None:
    with trap() as (silent, _):
        directory = opened(server.options(), uris=(silent, server.uri))
        with within(3):
            found = account(directory, "alice")
        with within(0.5):
            assert directory.authenticate(found, b"demo-alice") is PasswordAnswer.RIGHT
            account(directory, "alice")


def test_a_server_that_falls_silent_is_taken_over_and_taken_back(opened: Opened) -> None:
    with slapd() as first, slapd(people=[Person("alice", "Second")]) as second:
        password = first.password_file.read_text().strip()
        second.put(second.service_dn, "userPassword", password)
        directory = opened(first.options(), uris=(first.uri, second.uri), retry_after=timedelta(0))
        assert account(directory, "alice").user.display_name == "Alice 有栖"
        with stopped(first), within(3):
            assert account(directory, "alice").user.display_name == "Second"
        assert account(directory, "alice").user.display_name == "Alice 有栖"


@pytest.mark.alone
def test_an_unanswered_bind_is_not_sent_twice(opened: Opened) -> None:
    with slapd() as first, slapd() as second:
        password = first.password_file.read_text().strip()
        second.put(second.service_dn, "userPassword", password)
        directory = opened(first.options(), uris=(first.uri, second.uri))
        found = account(directory, "alice")
        directory.authenticate(found, b"demo-alice")
        with stopped(first), within(4), pytest.raises(Unavailable):
            directory.authenticate(found, b"demo-alice")
        assert not second.lines(f'BIND dn="{ALICE.dn}"')
        with stopped(first), within(0.5):
            assert directory.authenticate(found, b"demo-alice") is PasswordAnswer.RIGHT


@pytest.mark.alone
def test_a_bind_is_no_way_to_find_out_whether_a_server_is_back(opened: Opened) -> None:
    with slapd() as first, slapd() as second:
        second.put(second.service_dn, "userPassword", first.password_file.read_text().strip())
        directory = opened(first.options(), uris=(first.uri, second.uri), retry_after=timedelta(0))
        found = account(directory, "alice")
        with stopped(first):
            account(directory, "alice")
            with within(0.5):
                assert directory.authenticate(found, b"demo-alice") is PasswordAnswer.RIGHT


def test_a_connection_that_the_server_closed_is_replaced_unseen(
    server: Slapd, opened: Opened
) -> None:
    directory = opened(server.options())
    found = account(directory, "alice")
    directory.authenticate(found, b"demo-alice")
    server.configure("cn=config", "olcIdleTimeout", "1")
    time.sleep(2.5)
    account(directory, "alice")
    assert directory.authenticate(found, b"demo-alice") is PasswordAnswer.RIGHT


def test_a_server_that_came_back_with_another_service_password(
    server: Slapd, opened: Opened
) -> None:
    server.put(server.service_dn, "userPassword", "another")
    directory = opened(server.options(), retry_after=timedelta(0))
    with pytest.raises(Unavailable, match="service account was refused"):
        directory.find("alice")
    server.password_file.write_text("another\n")
    account(directory, "alice")


def test_a_missing_service_password_says_so(server: Slapd, opened: Opened, tmp_path: Path) -> None:
    directory = opened(server.options(), bind_password_file=tmp_path / "none")
    with pytest.raises(Unavailable, match="password cannot be read"):
        directory.ping()
