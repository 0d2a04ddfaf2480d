"""What only LDAP servers do to us: they hang, fall silent, refer elsewhere, are busy, and lie."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from idp_mfa.directory.ldap import LdapDirectory
from idp_mfa.directory.options import LdapOptions
from idp_mfa.model import AccountState
from idp_mfa.ports import Change, ChangeAnswer, PasswordAnswer, Unavailable
from idp_mfa.sealed import Sealer
from tests.contracts.directory_sites import RING, account, bind, credential, now
from tests.servers.certificates import authority
from tests.servers.foreground import free_port
from tests.servers.slapd import BASE, CANARY, DECOY, PEOPLE, Person, Slapd, slapd

MDB = "olcDatabase={1}mdb,cn=config"
ALICE = Person("alice", "Alice")
SCHEMAS = Path(__file__).parents[2] / "deploy" / "ldap"
Opened = Callable[..., LdapDirectory]


@pytest.fixture
def server() -> Iterator[Slapd]:
    with slapd() as running:
        yield running


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Adapters that are closed when the test ends."""
    directories: list[LdapDirectory] = []

    def open_(options: LdapOptions, **changes: object) -> LdapDirectory:
        directory = LdapDirectory(
            replace(options, **changes), Sealer(RING, os.urandom), now, time.monotonic
        )
        directories.append(directory)
        return directory

    yield open_
    for directory in directories:
        directory.close()


@contextlib.contextmanager
def trap(
    answer: Callable[[socket.socket], None] | None = None,
) -> Iterator[tuple[str, list[bytes]]]:
    """A listener that answers nothing, or what it is told, and keeps what it hears."""
    heard: list[bytes] = []
    open_: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    open_.append(peer)
                    threading.Thread(target=hear, args=(peer,), daemon=True).start()

        def hear(peer: socket.socket) -> None:
            with contextlib.suppress(OSError):
                heard.append(peer.recv(4096))
                if answer is not None:
                    answer(peer)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"ldap://127.0.0.1:{listener.getsockname()[1]}", heard
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for peer in open_:
                peer.close()


@contextlib.contextmanager
def stopped(server: Slapd) -> Iterator[None]:
    """A server that holds its connections and says nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    os.waitpid(server.pid, os.WUNTRACED)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


# -- what a sign-in costs the server ---------------------------------------------------------


def test_a_password_try_is_one_search_and_one_bind(server: Slapd, opened: Opened) -> None:
    directory = opened(server.options())
    account(directory, "alice")
    directory.authenticate(None, b"warm")
    binds, searches = len(server.lines("method=128")), len(server.lines("SRCH base"))

    found = account(directory, "alice")
    assert directory.authenticate(found, b"wrong") is PasswordAnswer.WRONG
    assert len(server.lines("method=128")) == binds + 1
    assert len(server.lines(f'BIND dn="{ALICE.dn}" method=128')) == 1
    assert directory.authenticate(found, b"demo-alice") is PasswordAnswer.RIGHT
    assert len(server.lines("method=128")) == binds + 2
    assert len(server.lines("SRCH base")) == searches + 1


def test_nobody_costs_a_bind_too(server: Slapd, opened: Opened) -> None:
    directory = opened(server.options())
    assert directory.find("nobody") is None
    assert directory.authenticate(None, b"demo") is PasswordAnswer.WRONG
    assert len(server.lines(f'BIND dn="{DECOY}" method=128')) == 1

    unnamed = opened(server.options(), decoy_dn="")
    assert unnamed.authenticate(None, b"demo") is PasswordAnswer.WRONG
    assert len(server.lines(f'BIND dn="cn=nobody,{BASE}" method=128')) == 1


def test_an_unusable_password_reaches_no_server(server: Slapd, opened: Opened) -> None:
    directory = opened(server.options())
    found = account(directory, "alice")
    for password in (b"", b"\x00", b"x" * 4097):
        directory.authenticate(found, password)
        directory.authenticate(None, password)
    assert not server.lines(f'BIND dn="{ALICE.dn}"')
    assert not server.lines(f'BIND dn="{DECOY}"')


def test_connections_are_kept_and_no_schema_is_read(server: Slapd, opened: Opened) -> None:
    directory = opened(server.options())
    bind(directory, "alice", credential())
    directory.authenticate(account(directory, "alice"), b"demo-alice")
    accepted, searches = len(server.lines(" ACCEPT ")), len(server.lines("SRCH base"))
    for _ in range(5):
        found = account(directory, "alice")
        directory.authenticate(found, b"demo-alice")
        directory.read(found.user.id)
    assert len(server.lines(" ACCEPT ")) == accepted
    assert len(server.lines("SRCH base")) == searches + 10
    assert not server.lines('SRCH base=""')
    assert not server.lines("ubschema")


def test_many_threads_share_few_connections(server: Slapd, opened: Opened) -> None:
    directory = opened(server.options(), kept_connections=4)
    wrong: list[object] = []

    def sign_in(login: str) -> None:
        for _ in range(20):
            found = account(directory, login)
            if found.user.login != login:
                wrong.append(found)
            if directory.authenticate(found, f"demo-{login}".encode()) is not PasswordAnswer.RIGHT:
                wrong.append(login)

    logins = ["alice", "bob", "dave", "helen"] * 4
    threads = [threading.Thread(target=sign_in, args=(login,)) for login in logins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    accepted = len(server.lines(" ACCEPT "))
    account(directory, "alice")
    assert len(server.lines(" ACCEPT ")) == accepted


def test_a_forked_worker_leaves_its_parents_connections_alone(
    server: Slapd, opened: Opened
) -> None:
    directory = opened(server.options())
    found = account(directory, "alice")
    directory.authenticate(found, b"demo-alice")
    accepted = len(server.lines(" ACCEPT "))
    child = os.fork()
    if child == 0:
        fine = (
            directory.find("bob") is not None
            and directory.authenticate(found, b"demo-alice") is PasswordAnswer.RIGHT
        )
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(server.lines(" ACCEPT ")) == accepted + 2
    account(directory, "alice")
    assert directory.authenticate(found, b"demo-alice") is PasswordAnswer.RIGHT
    assert len(server.lines(" ACCEPT ")) == accepted + 2


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


# -- answers that are none -------------------------------------------------------------------


def test_a_busy_server_has_not_said_that_a_password_is_wrong(server: Slapd, opened: Opened) -> None:
    directory = opened(server.options())
    found = account(directory, "alice")
    server.configure(MDB, "olcRestrict", "bind")
    for who in (found, None):
        for password in (b"demo-alice", b"wrong"):
            with pytest.raises(Unavailable):
                directory.authenticate(who, password)


def test_a_read_only_server_signs_in_and_changes_nothing(server: Slapd, opened: Opened) -> None:
    directory = opened(server.options())
    found = bind(directory, "alice", credential("c1"))
    server.configure(MDB, "olcReadOnly", "TRUE")
    with pytest.raises(Unavailable, match="result 53"):
        directory.change(found.user.id, found.credentials, [Change(None, credential("c2"))])
    assert account(directory, "alice") == found
    assert directory.authenticate(found, b"demo-alice") is PasswordAnswer.RIGHT


def test_an_unanswered_change_is_not_sent_twice(server: Slapd, opened: Opened) -> None:
    directory = opened(server.options())
    found = account(directory, "alice")
    server.configure(MDB, "olcRestrict", "modify")
    modifies = len(server.lines("MOD dn="))
    with pytest.raises(Unavailable):
        directory.change(found.user.id, found.credentials, [Change(None, credential())])
    assert len(server.lines("MOD dn=")) == modifies + 1


def test_a_change_that_the_server_cannot_take_is_no_lost_race(
    server: Slapd, opened: Opened
) -> None:
    bind(opened(server.options()), "alice", credential("c1"))
    by_number = "2.25.226371887495737558124347922651636100889.2.1"
    directory = opened(server.options(), object_class=by_number)
    found = account(directory, "alice")
    with pytest.raises(Unavailable, match="result 20"):
        directory.change(found.user.id, found.credentials, [Change(None, credential("c2"))])


def test_a_referral_is_not_followed(server: Slapd, opened: Opened) -> None:
    with trap() as (elsewhere, heard):
        server.configure("cn=config", "olcReferral", elsewhere)
        directory = opened(server.options(), base_dn="dc=other")
        for act in (lambda: directory.find("alice"), directory.ping):
            with pytest.raises(Unavailable):
                act()
        with server.as_admin() as connection:
            attributes = {"objectClass": ["referral", "extensibleObject"], "ref": elsewhere}
            connection.add(f"ou=elsewhere,{PEOPLE}", attributes=attributes)
        assert opened(server.options()).find("nobody") is None
        inside = opened(server.options(), base_dn=f"ou=elsewhere,{PEOPLE}")
        with pytest.raises(Unavailable):
            inside.find("alice")
        assert heard == []


def test_writes_go_where_writes_are_told_to_go(opened: Opened) -> None:
    with slapd() as replica, slapd() as writer:
        writer.put(writer.service_dn, "userPassword", replica.password_file.read_text().strip())
        replica.configure(MDB, "olcReadOnly", "TRUE")
        id_there = account(
            opened(writer.options(), bind_password_file=replica.password_file), "bob"
        )
        directory = opened(replica.options(), write_uris=(writer.uri,))
        change = [Change(None, credential())]
        id, read = id_there.user.id, id_there.credentials
        assert directory.change(id, read, change) is ChangeAnswer.DONE
        there = directory.read(id)
        assert there is not None
        assert there.credentials.records
        assert account(directory, "bob").credentials.has_none
        assert len(writer.lines('filter="(&(objectClass=person)(uid=bob')) == 1


def test_two_that_match_are_nobody(server: Slapd, opened: Opened) -> None:
    server.add([Person("one", "Same"), Person("two", "Same")])
    directory = opened(
        server.options(), user_filter="(&(objectClass=person)(|(uid={login})(cn={login})))"
    )
    assert directory.find("Same") is None
    assert account(directory, "one").user.display_name == "Same"


def test_whom_the_filter_lets_go_is_gone_for_running_sessions(
    server: Slapd, opened: Opened
) -> None:
    directory = opened(
        server.options(), user_filter="(&(eduPersonAffiliation=student)(uid={login}))"
    )
    id = account(directory, "alice").user.id
    server.put(ALICE.dn, "eduPersonAffiliation", "alum")
    assert directory.read(id) is None


# -- absence that is not believed ------------------------------------------------------------


def test_has_none_is_not_believed_where_the_canary_is_not_seen(
    server: Slapd, opened: Opened
) -> None:
    directory = opened(server.options())
    enrolled = bind(directory, "alice", credential())
    server.configure(
        MDB,
        "olcAccess",
        "to attrs=userPassword by anonymous auth by * none",
        f"to dn.subtree={PEOPLE} attrs=mfaCredential,mfaManifest by * none",
        f"to dn.exact={CANARY} attrs=mfaManifest by * none",
        f"to * by dn.exact={server.service_dn} read by * none",
    )
    blind = opened(server.options())
    for login in ("alice", "bob"):
        with pytest.raises(Unavailable, match="canary"):
            blind.find(login)
    with pytest.raises(Unavailable, match="canary"):
        blind.read(enrolled.user.id)
    with pytest.raises(Unavailable, match="canary"):
        blind.ping()


def test_the_canary_is_asked_at_most_every_ten_seconds(server: Slapd, opened: Opened) -> None:
    directory = opened(server.options())
    for _ in range(5):
        account(directory, "bob")
    assert len(server.lines(f'SRCH base="{CANARY}"')) == 1


def test_a_schema_that_is_not_loaded_changes_nothing(server: Slapd, opened: Opened) -> None:
    directory = opened(server.options(), manifest_attribute="noSuchManifest", canary_dn="")
    found = account(directory, "alice")
    with pytest.raises(Unavailable, match="result 17"):
        directory.change(found.user.id, found.credentials, [Change(None, credential())])
    with pytest.raises(Unavailable, match="canary"):
        opened(server.options(), manifest_attribute="noSuchManifest").find("alice")


def test_the_service_account_may_write_nothing_else(server: Slapd, opened: Opened) -> None:
    directory = opened(server.options(), credential_attribute="description")
    found = account(directory, "alice")
    with pytest.raises(Unavailable, match="result 50"):
        directory.change(found.user.id, found.credentials, [Change(None, credential())])


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


# -- what servers know of an account ---------------------------------------------------------


def test_a_locked_account_is_a_wrong_password_to_its_user(server: Slapd, opened: Opened) -> None:
    directory = opened(server.options())
    found = account(directory, "alice")
    server.put(ALICE.dn, "pwdAccountLockedTime", "000001010000Z")
    assert directory.authenticate(found, b"demo-alice") is PasswordAnswer.WRONG
    assert account(directory, "alice").standing.state is AccountState.LOCKED


def test_an_entry_without_a_password_has_no_right_one(server: Slapd, opened: Opened) -> None:
    directory = opened(server.options())
    found = account(directory, "alice")
    server.put(ALICE.dn, "userPassword")
    assert directory.authenticate(found, b"demo-alice") is PasswordAnswer.WRONG


def test_groups_can_be_searched_for(server: Slapd, opened: Opened) -> None:
    directory = opened(
        server.options(),
        member_of_attribute="",
        group_base_dn=BASE,
        group_filter="(&(objectClass=groupOfNames)(member={dn}))",
    )
    assert account(directory, "helen").groups == {"staff", "help-desk"}
    dns = opened(server.options(), group_names="dn")
    assert account(dns, "bob").groups == {f"cn=students,ou=groups,{BASE}"}


def test_a_name_with_everything_in_it_is_one_persons(server: Slapd, opened: Opened) -> None:
    odd = "o'hara (a*b) \\2a"
    escaped_dn = f"uid=odd,{PEOPLE}"
    with server.as_admin() as connection:
        attributes = {
            "objectClass": ["inetOrgPerson"],
            "cn": "Odd",
            "sn": "Odd",
            "uid": ["odd", odd],
        }
        assert connection.add(escaped_dn, attributes=attributes), connection.result
    directory = opened(server.options())
    assert account(directory, odd).user.display_name == "Odd"


# -- the schema ------------------------------------------------------------------------------


def _definitions(text: str) -> list[str]:
    """Each definition in one spelling, whatever file it stands in."""
    unfolded = text.replace("\n ", " ").replace("\n    ", " ")
    found = re.findall(r"(?:attributetypes?|objectclass(?:es)?):?\s*(\(.*\))", unfolded, re.I)
    arc = "2.25.226371887495737558124347922651636100889."
    return [
        " ".join(one.replace("idpMfa:", arc).replace(" X-ORIGIN 'idp_mfa'", "").split())
        for one in found
    ]


def test_each_schema_file_says_the_same() -> None:
    ldif, schema, ds389 = (
        _definitions((SCHEMAS / name).read_text())
        for name in ("idp_mfa.ldif", "idp_mfa.schema", "99idp_mfa.ldif")
    )
    assert len(ldif) == 3
    assert ldif == schema == ds389
    assert all("EQUALITY octetStringMatch" in one for one in ldif[:2])


def test_the_schema_file_of_slapd_conf_loads(tmp_path: Path) -> None:
    written = tmp_path / "slapd.conf"
    written.write_text(
        f"include /etc/ldap/schema/core.schema\ninclude {SCHEMAS / 'idp_mfa.schema'}\n"
    )
    run = subprocess.run(
        ["/usr/sbin/slaptest", "-u", "-f", written], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_the_access_rules_of_the_manual_are_the_tried_ones(server: Slapd) -> None:
    manual = (SCHEMAS.parents[1] / "docs" / "howto" / "ldap.md").read_text()
    written = re.findall(r"^olcAccess: \{\d\}(.*)$", manual, re.M)
    with server.as_admin("cn=config") as connection:
        connection.search(MDB, "(objectClass=*)", "BASE", attributes=["olcAccess"])
        (found,) = connection.response
        in_force = [re.sub(rb"^\{\d\}", b"", one) for one in found["raw_attributes"]["olcAccess"]]
    assert len(written) == 2
    assert [" ".join(one.split()).encode() for one in written] == [
        b" ".join(one.split()) for one in in_force[:2]
    ]


# -- everybody -------------------------------------------------------------------------------


def test_more_people_than_a_page_holds_are_all_listed(server: Slapd, opened: Opened) -> None:
    limits = f'dn.exact="{server.service_dn}" size.prtotal=unlimited'
    server.configure(MDB, "olcLimits", limits)
    many = {f"s{number}" for number in range(1100)}
    server.add([Person(login, login) for login in many])
    listed = [one.user.login for one in opened(server.options()).everyone()]
    assert many <= set(listed)
    assert len(listed) == len(set(listed))


def test_a_list_that_was_cut_short_is_no_list(server: Slapd, opened: Opened) -> None:
    server.configure(MDB, "olcSizeLimit", "3")
    with pytest.raises(Unavailable, match="size limit"):
        opened(server.options()).everyone()
