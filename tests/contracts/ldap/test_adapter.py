"""What a sign-in costs an LDAP server, and what servers know of an account."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

from idp_mfa.model import AccountState
from idp_mfa.ports import PasswordAnswer, Unavailable
from tests.contracts.directory_sites import account, bind, credential
from tests.contracts.ldap.traps import ALICE, MDB, Opened
from tests.servers.slapd import BASE, DECOY, PEOPLE, Person, Slapd

SCHEMAS = Path(__file__).parents[3] / "deploy" / "ldap"


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
