"""What every directory adapter must do, tried on slapd and on SQLite."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from idp_mfa.directory.records import Stored
from idp_mfa.model import AccountState, CredentialState, UserId
from idp_mfa.ports import Change, ChangeAnswer, PasswordAnswer
from tests.contracts.directory_sites import (
    OTHER_RING,
    LdapSite,
    Site,
    SqliteSite,
    account,
    bind,
    credential,
    now,
)
from tests.servers.slapd import Slapd, slapd

LOST, DONE = ChangeAnswer.LOST_RACE, ChangeAnswer.DONE
_numbers = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Slapd]:
    with slapd(people=()) as running:
        yield running


@pytest.fixture(params=["ldap", "sqlite"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "sqlite":
        yield SqliteSite(tmp_path / "directory.sqlite")
        return
    ldap = LdapSite(request.getfixturevalue("server"))
    try:
        yield ldap
    finally:
        ldap.close()


@pytest.fixture
def alice(site: Site) -> str:
    """Somebody new in every test."""
    return _new(site, "alice")


@pytest.fixture
def bob(site: Site) -> str:
    return _new(site, "bob")


def _new(site: Site, name: str) -> str:
    login = f"{name}{next(_numbers)}"
    site.person(login)
    return login


# -- who it is -------------------------------------------------------------------------------


def test_tells_what_is_known_of_a_person(site: Site, alice: str) -> None:
    found = account(site.directory, alice)
    assert (found.user.login, found.user.display_name) == (alice, f"{alice} さん")
    assert found.groups == {"students"}
    assert found.attributes["mail"] == (f"{alice}@example.ac.jp",)
    assert found.standing.state is AccountState.ACTIVE
    assert found.credentials.has_none
    assert found.credentials.version is None
    assert site.directory.read(found.user.id) == found


def test_every_spelling_of_a_login_is_one_person(site: Site, alice: str) -> None:
    wide = "".join(chr(ord(one) + 0xFEE0) for one in alice)
    for spelling in (alice.upper(), f" {alice} ", alice.title(), wide):
        found = account(site.directory, spelling)
        assert found.user == account(site.directory, alice).user
        assert found.user.login == alice


@pytest.mark.parametrize(
    "login",
    [
        "",
        " ",
        "*",
        "a*",
        "alice*",
        "nobody)(uid=*",
        "*)(objectClass=*",
        "\\2a",
        "a\\",
        "\x00",
        "alice\x00",
        "😀",
        "x" * 100_000,
        "\udc80",
        "(",
        "))",
        "uid=alice",
    ],
)
def test_what_is_no_login_is_nobody(site: Site, alice: str, login: str) -> None:
    assert site.directory.find(login) is None


def test_an_injected_filter_finds_nobody(site: Site, alice: str) -> None:
    assert site.directory.find(f"{alice})(uid=*") is None
    assert site.directory.find(f"{alice}*") is None
    assert site.directory.find(f"*{alice[1:]}") is None
    assert site.directory.find(f"{alice}\x00") is None


@pytest.mark.parametrize("id", ["", "*", "none", "d4519f5a-7a42-1041-98c3-7598eb3f3c93", ")(uid=*"])
def test_an_id_of_nobody_reads_as_nobody(site: Site, alice: str, id: str) -> None:
    assert site.directory.read(UserId(id)) is None
    unknown = account(site.directory, alice).credentials
    assert site.directory.change(UserId(id), unknown, [Change(None, credential())]) is LOST


def test_a_removed_person_is_gone(site: Site, alice: str) -> None:
    id = account(site.directory, alice).user.id
    site.remove(alice)
    assert site.directory.read(id) is None
    assert site.directory.find(alice) is None


def test_people_are_found_by_the_beginning_of_login_name_or_mail(site: Site, alice: str) -> None:
    user = account(site.directory, alice).user
    for text in (alice[:-1], alice.upper(), f"{alice} さ", f"{alice}@ex"):
        assert user in site.directory.search(text, 50)
    for text in ("", " ", "*", f"{alice}*", ")(uid=*", alice[1:], "\x00"):
        assert user not in site.directory.search(text, 50)


def test_a_search_gives_no_more_than_was_asked_for(site: Site) -> None:
    for _ in range(4):
        _new(site, "many")
    assert len(site.directory.search("many", 3)) == 3


def test_ping_is_silent_when_all_is_well(site: Site) -> None:
    site.directory.ping()


# -- the password ----------------------------------------------------------------------------


def test_the_right_password_is_right_and_others_wrong(site: Site, alice: str) -> None:
    found = account(site.directory, alice)
    right = f"demo-{alice}".encode()
    assert site.directory.authenticate(found, right) is PasswordAnswer.RIGHT
    for wrong in (b"x", right + b" ", b" " + right, right.upper(), right[:-1], b"\xff\xfe", b"*"):
        assert site.directory.authenticate(found, wrong) is PasswordAnswer.WRONG


def test_a_full_width_password_is_another_password(site: Site, alice: str) -> None:
    wide = f"ｄemo-{alice}".encode()
    found = account(site.directory, alice)
    assert site.directory.authenticate(found, wide) is PasswordAnswer.WRONG


def test_bytes_that_are_no_text_can_be_a_password(site: Site, alice: str) -> None:
    odd = b"\xff\xfe caf\xe9"
    site.set_password(alice, odd)
    found = account(site.directory, alice)
    assert site.directory.authenticate(found, odd) is PasswordAnswer.RIGHT


@pytest.mark.parametrize("password", [b"", b"\x00", b"demo\x00", b"x" * 4097])
def test_an_unusable_password_is_never_asked_about(site: Site, alice: str, password: bytes) -> None:
    found = account(site.directory, alice)
    assert site.directory.authenticate(found, password) is PasswordAnswer.UNUSABLE
    assert site.directory.authenticate(None, password) is PasswordAnswer.UNUSABLE


def test_a_long_password_is_taken_whole(site: Site, alice: str) -> None:
    long = b"x" * 4096
    site.set_password(alice, long)
    found = account(site.directory, alice)
    assert site.directory.authenticate(found, long) is PasswordAnswer.RIGHT
    assert site.directory.authenticate(found, long[:-1]) is PasswordAnswer.WRONG


def test_nobody_has_no_right_password(site: Site) -> None:
    assert site.directory.authenticate(None, b"demo") is PasswordAnswer.WRONG


def test_somebody_removed_between_two_steps_does_not_get_in(site: Site, alice: str) -> None:
    found = account(site.directory, alice)
    site.remove(alice)
    answer = site.directory.authenticate(found, f"demo-{alice}".encode())
    assert answer is PasswordAnswer.WRONG


def test_a_changed_password_shows_when(site: Site, alice: str) -> None:
    before = account(site.directory, alice).standing.password_changed_at
    assert before is not None
    assert abs((now() - before).total_seconds()) < 60
    time.sleep(1.1)
    site.set_password(alice, b"new")
    after = account(site.directory, alice).standing.password_changed_at
    assert after is not None
    assert after > before


def test_a_locked_account_shows_as_locked(site: Site, alice: str) -> None:
    id = account(site.directory, alice).user.id
    site.lock(alice)
    locked = site.directory.read(id)
    assert locked is not None
    assert locked.standing.state is AccountState.LOCKED


# -- credentials -----------------------------------------------------------------------------


def test_a_credential_comes_back_as_it_was(site: Site, alice: str) -> None:
    kept = credential()
    after = bind(site.directory, alice, kept)
    assert after.credentials.records == (kept,)
    assert after.credentials.unreadable == 0
    assert not after.credentials.has_none
    assert "JBSWY3DPEHPK3PXP" not in repr(after)


def test_nothing_of_a_secret_is_kept_in_clear(site: Site, alice: str) -> None:
    bind(site.directory, alice, credential())
    stored = site.stored(alice)
    for octets in (*stored.records, stored.manifest or b""):
        assert b"JBSWY" not in octets
        assert octets.startswith(b"$1$k1$")


def test_several_changes_are_one(site: Site, alice: str) -> None:
    one, two, three = credential("c1"), credential("c2"), credential("c3")
    before = bind(site.directory, alice, one, two)
    changes = [Change(one, replace(one, state=CredentialState.RETIRED)), Change(two, None)]
    id = before.user.id
    assert site.directory.change(id, before.credentials, [*changes, Change(None, three)]) is DONE
    after = account(site.directory, alice).credentials
    assert after.active == (three,)
    assert [(c.id, c.state) for c in after.records] == [
        ("c1", CredentialState.RETIRED),
        ("c3", CredentialState.ACTIVE),
    ]
    assert after.unreadable == 0


def test_who_removed_all_factors_has_none(site: Site, alice: str) -> None:
    kept = credential()
    before = bind(site.directory, alice, kept)
    site.directory.change(before.user.id, before.credentials, [Change(kept, None)])
    after = account(site.directory, alice).credentials
    assert after.has_none
    assert after.version is not None


def test_a_stale_change_loses(site: Site, alice: str) -> None:
    stale = account(site.directory, alice)
    bind(site.directory, alice, credential("c1"))
    for changes in ([Change(None, credential("c2"))], [Change(credential("c1"), None)], []):
        assert site.directory.change(stale.user.id, stale.credentials, changes) is LOST
    assert [c.id for c in account(site.directory, alice).credentials.records] == ["c1"]


def test_what_is_not_there_cannot_be_replaced(site: Site, alice: str) -> None:
    before = bind(site.directory, alice, credential("c1"))
    for changes in (
        [Change(credential("c9"), None)],
        [Change(None, credential("c1"))],
        [Change(replace(before.credentials.records[0], generation=9), None)],
    ):
        assert site.directory.change(before.user.id, before.credentials, changes) is LOST
    assert account(site.directory, alice).credentials == before.credentials


@pytest.mark.parametrize("enrolled", [False, True])
def test_of_sixteen_racers_one_wins(site: Site, alice: str, enrolled: bool) -> None:
    old = credential("old")
    before = bind(site.directory, alice, old) if enrolled else account(site.directory, alice)
    barrier = threading.Barrier(16)
    answers: dict[int, ChangeAnswer] = {}

    def race(number: int) -> None:
        new = credential(f"new-{number}")
        barrier.wait()
        answers[number] = site.directory.change(
            before.user.id, before.credentials, [Change(old if enrolled else None, new)]
        )

    threads = [threading.Thread(target=race, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [number for number, answer in answers.items() if answer is DONE]
    assert sorted(answers) == list(range(16))
    after = account(site.directory, alice).credentials
    assert [c.id for c in after.records] == [f"new-{winner}"]
    assert after.unreadable == 0


# -- an intruder in the directory ------------------------------------------------------------

Tamper = Callable[[Stored, Stored], Stored]


def _edited(stored: Stored) -> bytes:
    return stored.records[0].replace(b"$1$totp$", b"$2$totp$")


TAMPERED: dict[str, tuple[Tamper, int]] = {
    "a record deleted": (lambda mine, _: Stored(mine.records[1:], mine.manifest), 1),
    "all records deleted": (lambda mine, _: Stored((), mine.manifest), 2),
    "the manifest deleted": (lambda mine, _: Stored(mine.records, None), 3),
    "another's record added": (
        lambda mine, other: Stored((*mine.records, *other.records), mine.manifest),
        1,
    ),
    "another's records and manifest": (lambda _, other: other, 2),
    "another's manifest": (lambda mine, other: Stored(mine.records, other.manifest), 3),
    "a header edited": (
        lambda mine, _: Stored((_edited(mine), *mine.records[1:]), mine.manifest),
        2,
    ),
    "the manifest cut": (
        lambda mine, _: Stored(mine.records, (mine.manifest or b"")[:-4]),
        3,
    ),
    "the manifest of an unknown key": (
        lambda mine, _: Stored(mine.records, (mine.manifest or b"").replace(b"$1$k1$", b"$1$k7$")),
        3,
    ),
    "junk added": (lambda mine, _: Stored((*mine.records, b"junk"), mine.manifest), 1),
    "a broken manifest left alone": (lambda _mine, _other: Stored((), b"junk"), 1),
    "only junk": (lambda _mine, _other: Stored((b"junk",), b"junk"), 2),
}


@pytest.mark.parametrize("tamper", TAMPERED)
def test_tampering_is_seen_and_never_means_not_enrolled(
    site: Site, alice: str, bob: str, tamper: str
) -> None:
    bind(site.directory, alice, credential("c1"), credential("c2"))
    bind(site.directory, bob, credential("c3"))
    act, unreadable = TAMPERED[tamper]
    site.overwrite(alice, act(site.stored(alice), site.stored(bob)))
    after = account(site.directory, alice).credentials
    assert not after.has_none
    assert after.unreadable == unreadable
    assert all(record.id in {"c1", "c2"} for record in after.records)


def test_a_record_of_the_past_put_back_is_seen(site: Site, alice: str) -> None:
    stolen = credential("c1", "STOLEN")
    before = bind(site.directory, alice, stolen)
    past = site.stored(alice)
    site.directory.change(
        before.user.id, before.credentials, [Change(stolen, credential("c1", "FRESH"))]
    )
    present = site.stored(alice)
    site.overwrite(alice, Stored(past.records, present.manifest))
    after = account(site.directory, alice).credentials
    assert after.records == ()
    assert after.unreadable == 2


def test_what_another_ring_sealed_is_unreadable_and_not_absent(site: Site, alice: str) -> None:
    bind(site.directory, alice, credential("c1"))
    other = account(site.under(OTHER_RING), alice).credentials
    assert other.records == ()
    assert other.unreadable > 0
    assert not other.has_none


@pytest.mark.parametrize("tamper", TAMPERED)
def test_a_later_change_does_not_make_tampering_be_forgotten(
    site: Site, alice: str, bob: str, tamper: str
) -> None:
    bind(site.directory, alice, credential("c1"), credential("c2"))
    bind(site.directory, bob, credential("c3"))
    act, _ = TAMPERED[tamper]
    site.overwrite(alice, act(site.stored(alice), site.stored(bob)))
    seen = account(site.directory, alice).credentials.unreadable
    later = bind(site.directory, alice, credential("c4")).credentials
    assert later.unreadable >= min(seen, 1)
    assert "c4" in [record.id for record in later.records]
    site.directory.change(
        account(site.directory, alice).user.id,
        later,
        [Change(record, None) for record in later.records],
    )
    assert not account(site.directory, alice).credentials.has_none


@pytest.mark.parametrize("tamper", TAMPERED)
def test_the_desk_can_clear_what_does_not_open(
    site: Site, alice: str, bob: str, tamper: str
) -> None:
    stale = bind(site.directory, alice, credential("c1"), credential("c2"))
    bind(site.directory, bob, credential("c3"))
    act, _ = TAMPERED[tamper]
    site.overwrite(alice, act(site.stored(alice), site.stored(bob)))
    found = account(site.directory, alice)
    assert site.directory.clear(found.user.id, found.credentials) is DONE
    assert account(site.directory, alice).credentials.has_none
    assert site.directory.clear(found.user.id, stale.credentials) is LOST
    assert bind(site.directory, alice, credential("c5")).credentials.unreadable == 0


# -- everybody -------------------------------------------------------------------------------


def test_everybody_is_listed_with_groups_and_standing(site: Site, alice: str, bob: str) -> None:
    site.lock(bob)
    bind(site.directory, alice, credential())
    listed = {one.user.login: one for one in site.directory.everyone()}
    assert {alice, bob} <= listed.keys()
    assert "canary" not in listed
    assert listed[bob] == account(site.directory, bob)
    assert listed[bob].standing.state is AccountState.LOCKED
    assert listed[bob].credentials.has_none
    assert listed[alice].groups == {"students"}
    assert listed[alice].attributes == account(site.directory, alice).attributes


def test_everybody_is_listed_without_a_secret(site: Site, alice: str) -> None:
    held = bind(site.directory, alice, credential("c1"), credential("c2"))
    (listed,) = (one for one in site.directory.everyone() if one.user.login == alice)
    assert [replace(one, secret={}) for one in held.credentials.records] == list(
        listed.credentials.records
    )
    removal = [Change(listed.credentials.records[0], None)]
    assert site.directory.change(listed.user.id, listed.credentials, removal) is LOST


def test_what_does_not_open_is_listed_as_unreadable(site: Site, alice: str) -> None:
    bind(site.directory, alice, credential())
    (listed,) = (one for one in site.under(OTHER_RING).everyone() if one.user.login == alice)
    assert listed.credentials.unreadable
    assert not listed.credentials.has_none
