"""Answers of LDAP servers that are none, and absence that is not believed."""

from __future__ import annotations

import pytest

from idp_mfa.ports import Change, ChangeAnswer, PasswordAnswer, Unavailable
from tests.contracts.directory_sites import account, bind, credential
from tests.contracts.ldap.traps import ALICE, MDB, Opened, trap
from tests.servers.slapd import CANARY, PEOPLE, Person, Slapd, slapd

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
