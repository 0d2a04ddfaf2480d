"""LDAP over TLS: verified, kept, and never gone without."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from idp_mfa.directory.options import LdapOptions
from idp_mfa.ports import PasswordAnswer, Unavailable
from tests.contracts.directory_sites import account
from tests.contracts.ldap.traps import Opened, trap, within
from tests.servers.certificates import authority
from tests.servers.slapd import Slapd

# -- TLS -------------------------------------------------------------------------------------


def _start_tls(server: Slapd) -> LdapOptions:
    uri = server.uri.replace("127.0.0.1", "localhost")
    return replace(server.options(), uris=(uri,), start_tls=True, ca_file=server.ca_file)


def _ldaps(server: Slapd) -> LdapOptions:
    return replace(server.options(), uris=(server.tls_uri,), ca_file=server.ca_file)


@pytest.mark.parametrize("options_of", [_start_tls, _ldaps])
def test_tls_is_spoken_and_its_connections_kept(
    server: Slapd, opened: Opened, options_of: Callable[[Slapd], LdapOptions]
) -> None:
    directory = opened(options_of(server))
    found = account(directory, "alice")
    assert directory.authenticate(found, b"demo-alice") is PasswordAnswer.RIGHT
    accepted = len(server.lines(" ACCEPT "))
    account(directory, "alice")
    assert directory.authenticate(found, b"wrong") is PasswordAnswer.WRONG
    assert len(server.lines(" ACCEPT ")) == accepted
    assert len(server.lines("TLS established")) == 2


@pytest.mark.parametrize("options_of", [_start_tls, _ldaps])
def test_a_certificate_of_another_authority_is_refused(
    server: Slapd,
    opened: Opened,
    options_of: Callable[[Slapd], LdapOptions],
    tmp_path: Path,
) -> None:
    other = authority(tmp_path).pair.certificate
    directory = opened(options_of(server), ca_file=other)
    binds = len(server.lines("BIND dn="))
    for act in (lambda: directory.find("alice"), lambda: directory.authenticate(None, b"demo")):
        with pytest.raises(Unavailable):
            act()
    assert len(server.lines("BIND dn=")) == binds


@pytest.mark.parametrize("options_of", [_start_tls, _ldaps])
def test_a_certificate_of_another_host_is_refused(
    server: Slapd, opened: Opened, options_of: Callable[[Slapd], LdapOptions]
) -> None:
    options = options_of(server)
    uris = tuple(uri.replace("localhost", "127.0.0.1") for uri in options.uris)
    directory = opened(options, uris=uris)
    binds = len(server.lines("BIND dn="))
    with pytest.raises(Unavailable):
        directory.find("alice")
    assert len(server.lines("BIND dn=")) == binds


def test_start_tls_that_is_refused_is_not_gone_without(server: Slapd, opened: Opened) -> None:
    refusal = bytes.fromhex("300c02010178070a010204000400")
    with trap(lambda peer: peer.sendall(refusal) or heard.append(peer.recv(4096))) as (
        refusing,
        heard,
    ):
        directory = opened(_start_tls(server), uris=(refusing,))
        with pytest.raises(Unavailable):
            directory.find("alice")
        while len(heard) < 2:
            time.sleep(0.01)
        asked, after = heard
    assert b"1.3.6.1.4.1.1466.20037" in asked
    assert after == b""


def test_a_silent_tls_server_is_unavailable_in_time(server: Slapd, opened: Opened) -> None:
    with trap() as (silent, _):
        uri = silent.replace("ldap://127.0.0.1", "ldaps://localhost")
        directory = opened(_ldaps(server), uris=(uri,))
        with within(5), pytest.raises(Unavailable):
            directory.find("alice")
