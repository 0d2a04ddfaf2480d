"""Who is on which list, and that a spreadsheet takes no name for a formula."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.model import (
    Account,
    AccountState,
    BoundBy,
    Credential,
    CredentialId,
    Credentials,
    CredentialState,
    FactorKind,
    FactorName,
    Standing,
    User,
    UserId,
)
from idp_mfa.rosters import COLUMNS, Roster, Row, listed, safe_cell, table

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
TOTP, MATRIX, CODES, PASSCODE, ADDRESS = map(
    FactorName, ("totp", "image_matrix", "recovery_code", "enrolment_passcode", "reissue_address")
)
KINDS = {
    TOTP: frozenset({FactorKind.POSSESSION}),
    MATRIX: frozenset({FactorKind.KNOWLEDGE}),
    CODES: frozenset[FactorKind](),
    PASSCODE: frozenset[FactorKind](),
}
ACTIVE, DISABLED, SUSPENDED, UNFINISHED, RETIRED = (
    CredentialState.ACTIVE,
    CredentialState.DISABLED,
    CredentialState.SUSPENDED,
    CredentialState.UNFINISHED,
    CredentialState.RETIRED,
)


def person(
    *held: tuple[FactorName, CredentialState],
    login: str = "alice",
    unreadable: int = 0,
    state: AccountState = AccountState.ACTIVE,
    groups: frozenset[str] = frozenset({"student"}),
) -> Account:
    records = tuple(
        Credential(CredentialId(str(n)), factor, state, "", AT, BoundBy.CAMPUS, 1, {})
        for n, (factor, state) in enumerate(held)
    )
    return Account(
        User(UserId(login), login, login.title()),
        groups,
        {},
        Standing(state),
        Credentials(records, unreadable, None),
    )


@pytest.mark.parametrize(
    ("account", "on"),
    [
        (person(), {Roster.WITHOUT_FACTOR}),
        (person((ADDRESS, ACTIVE), (PASSCODE, ACTIVE)), {Roster.WITHOUT_FACTOR}),
        (person(unreadable=1), set()),
        (person((TOTP, UNFINISHED)), {Roster.WITHOUT_FACTOR, Roster.UNFINISHED}),
        (person((TOTP, ACTIVE)), {Roster.ONE_DEVICE}),
        (person((TOTP, ACTIVE), (CODES, ACTIVE)), {Roster.ONE_DEVICE}),
        (person((TOTP, ACTIVE), (TOTP, ACTIVE)), set()),
        (person((MATRIX, ACTIVE)), {Roster.ONE_DEVICE, Roster.KNOWLEDGE_ONLY}),
        (person((MATRIX, ACTIVE), (CODES, ACTIVE)), {Roster.ONE_DEVICE, Roster.KNOWLEDGE_ONLY}),
        (person((MATRIX, ACTIVE), (TOTP, ACTIVE)), set()),
        (person((TOTP, DISABLED)), {Roster.DISABLED}),
        (
            person((TOTP, SUSPENDED), (MATRIX, ACTIVE)),
            {Roster.DISABLED, Roster.ONE_DEVICE, Roster.KNOWLEDGE_ONLY},
        ),
        (person((TOTP, RETIRED)), set()),
        (person((TOTP, ACTIVE), (TOTP, UNFINISHED)), {Roster.ONE_DEVICE}),
        (person(state=AccountState.LOCKED), {Roster.WITHOUT_FACTOR}),
        (person(state=AccountState.EXPIRED), set()),
        (person(state=AccountState.DISABLED), set()),
    ],
)
def test_who_is_on_which_list(account: Account, on: set[Roster]) -> None:
    assert {roster for roster in Roster if listed([account], roster, None, KINDS)} == on


def test_one_group_alone_by_login() -> None:
    people = [
        person(login="carol"),
        person(login="bob", groups=frozenset({"staff", "student"})),
        person(login="dave", groups=frozenset({"staff"})),
    ]
    rows = listed(people, Roster.WITHOUT_FACTOR, "student", KINDS)
    assert [row.login for row in rows] == ["bob", "carol"]
    assert rows[0].groups == ("staff", "student")
    assert len(listed(people, Roster.WITHOUT_FACTOR, None, KINDS)) == 3


EVIL = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "  =1+1",
    "\uff1d1+1",
    "\u200b=1",
    "\n=1",
)


@pytest.mark.parametrize("name", EVIL)
def test_no_name_is_a_formula_in_a_spreadsheet(name: str) -> None:
    text = table([Row(UserId("id-1"), name, name, (name,), (), None)])
    _, row = csv.reader(io.StringIO(text, newline=""))
    assert all(cell == f"'{name}" for cell in row[:3])


@given(st.text(), st.text(), st.lists(st.text(), max_size=2))
def test_every_table_reads_back_cell_by_cell(login: str, name: str, groups: list[str]) -> None:
    text = table([Row(UserId("id-1"), login, name, tuple(groups), ((TOTP, ACTIVE),), AT)] * 2)
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == list(COLUMNS)
    assert (
        rows[1]
        == rows[2]
        == [
            safe_cell(login),
            safe_cell(name),
            safe_cell("; ".join(groups)),
            "totp (active)",
            AT.isoformat(),
        ]
    )
    for cell in rows[1]:
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
