"""Roles: whom a member of the staff may look at, what they may do, and for whom it takes two."""

from __future__ import annotations

from dataclasses import replace

import pytest

from idp_mfa.desk.roles import Act, DeskOptions, Grant, Role, Warrant, member
from idp_mfa.model import Account, AccountState, Credentials, Standing, User, UserId

STUDENTS = {"eduPersonAffiliation": ("student",)}
OPTIONS = DeskOptions(
    (
        Grant(Role.DESK, "help-desk"),
        Grant(Role.DESK, "student-desk", STUDENTS, (Act.UNLOCK, Act.RESET)),
        Grant(Role.IDENTITY_ADMIN, "identity-admins"),
        Grant(Role.AUDITOR, "auditors"),
        Grant(Role.AUDITOR, "student-auditors", STUDENTS, (Act.UNLOCK,)),
    ),
    ("finance",),
)
ROLES = ("help-desk", "student-desk", "identity-admins", "auditors", "student-auditors")
ALL = frozenset(Act)


def person(login: str, *groups: str, affiliation: str = "student") -> Account:
    return Account(
        User(UserId(f"id-{login}"), login, login),
        frozenset(groups),
        {"eduPersonAffiliation": (affiliation,)},
        Standing(AccountState.ACTIVE),
        Credentials((), 0, None),
    )


STUDENT = person("alice")
TEACHER = person("dave", affiliation="staff")
CASHIER = person("erin", "finance", affiliation="staff")
COLLEAGUE = person("helen", "help-desk", affiliation="staff")


def warrants(group: str, who: Account) -> dict[Act, Warrant] | None:
    staff = member(person("staff", group), OPTIONS)
    assert staff is not None
    case = staff.case(who)
    return None if case is None else dict(case.warrants)


NOBODYS = None
TABLE = [
    ("help-desk", STUDENT, ALL),
    ("help-desk", TEACHER, ALL),
    ("help-desk", CASHIER, ALL),
    ("student-desk", STUDENT, {Act.UNLOCK, Act.RESET}),
    ("student-desk", TEACHER, NOBODYS),
    ("student-desk", CASHIER, NOBODYS),
    ("identity-admins", COLLEAGUE, ALL),
    ("auditors", STUDENT, frozenset()),
    ("auditors", CASHIER, frozenset()),
    ("student-auditors", STUDENT, frozenset()),
    ("student-auditors", TEACHER, NOBODYS),
]


@pytest.mark.parametrize(("group", "who", "acts"), TABLE)
def test_a_role_reaches_so_far(group: str, who: Account, acts: frozenset[Act] | None) -> None:
    found = warrants(group, who)
    assert (None if found is None else set(found)) == (None if acts is None else set(acts))
    for act, warrant in (found or {}).items():
        assert (warrant.act, warrant.person) == (act, who)


@pytest.mark.parametrize("group", ["", "students", "HELP-DESK", "help-desk2"])
def test_no_other_group_is_staff(group: str) -> None:
    assert member(person("mallory", group), OPTIONS) is None
    assert member(person("mallory", *ROLES), DeskOptions()) is None


@pytest.mark.parametrize("who", [CASHIER, COLLEAGUE, person("aud", "auditors")])
def test_for_protected_people_and_all_staff_everything_takes_two(who: Account) -> None:
    found = warrants("help-desk", who)
    assert found
    assert all(warrant.takes_two for warrant in found.values())


def test_for_others_the_address_alone_takes_two() -> None:
    found = warrants("help-desk", STUDENT)
    assert found
    assert [act for act, warrant in found.items() if warrant.takes_two] == [Act.ADDRESS]


@pytest.mark.parametrize("group", ROLES)
def test_nobody_acts_for_themselves(group: str) -> None:
    me = person("me", group)
    staff = member(me, OPTIONS)
    assert staff is not None
    case = staff.case(me)
    assert case is not None
    assert not case.warrants


def test_grants_of_several_groups_add_up_where_each_reaches() -> None:
    both = member(person("staff", "student-desk", "auditors"), OPTIONS)
    assert both is not None
    student, teacher = both.case(STUDENT), both.case(TEACHER)
    assert student is not None
    assert teacher is not None
    assert set(student.warrants) == {Act.UNLOCK, Act.RESET}
    assert not teacher.warrants, "an auditor's reach lends the desk's acts to nobody else"


def test_a_story_is_told_only_of_people_within_reach() -> None:
    staff = member(person("staff", "student-desk"), OPTIONS)
    assert staff is not None
    assert staff.may_read([STUDENT])
    assert staff.may_read([])
    assert not staff.may_read([STUDENT, TEACHER])


def test_what_was_not_read_of_a_person_is_within_no_reach() -> None:
    assert warrants("student-desk", replace(STUDENT, attributes={})) is None


def test_what_opens_something_wants_a_caller_who_is_known() -> None:
    assert {act for act in Act if not act.opens} == {Act.UNLOCK, Act.END_SESSIONS, Act.DISABLE}
