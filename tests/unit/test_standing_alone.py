"""Who has only what binds no other factor begins as who has none, where the site lets that be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from idp_mfa.assets import folder
from idp_mfa.enrolment import CODE_COUNTS, NotAllowed, may_bind
from idp_mfa.factors.image_matrix import ImageMatrix
from idp_mfa.factors.recovery_code import RECOVERY_CODES
from idp_mfa.factors.totp import Totp
from idp_mfa.model import (
    ENROLMENT_PASSCODE,
    PASSCODE,
    Account,
    AccountState,
    BoundBy,
    Credential,
    CredentialId,
    Credentials,
    CredentialState,
    FactorName,
    Page,
    Standing,
    User,
    UserId,
    Verification,
)
from idp_mfa.policy.decide import decide
from idp_mfa.policy.load import load
from idp_mfa.policy.model import Deny, Permit, Policy
from idp_mfa.policy.ways import with_ways
from idp_mfa.session import carried
from idp_mfa.standing_alone import StandingAlone
from tests.unit.policy_facts import MATRIX, MFA, NOW, PASSWORD, TOTP, facts, shown

FILE = folder("policies") / "default.yaml"
RECOVERY_CODE = FactorName("recovery_code")
ALLOWED = frozenset({MATRIX})
INSTALLED = {TOTP: Totp("T"), MATRIX: ImageMatrix(), RECOVERY_CODE: RECOVERY_CODES}


def shipped() -> Policy:
    found = load(FILE.read_text("utf-8"), str(FILE))
    assert isinstance(found, Policy)
    return found


DEFAULT = shipped()
CAMPUS = DEFAULT.zones["campus"]  # type: ignore[index]


def account(
    *held: FactorName, state: CredentialState = CredentialState.ACTIVE, unreadable: int = 0
) -> Account:
    records = tuple(
        Credential(CredentialId(name), name, state, name, NOW, BoundBy.CAMPUS, 1, {})
        for name in held
    )
    return Account(
        User(UserId("a"), "a", "a"),
        frozenset(),
        {},
        Standing(AccountState.ACTIVE),
        Credentials(records, unreadable, None),
    )


ADDING = {"page": Page.PORTAL_ADD_FACTOR, "enrolled": (MATRIX,)}


@pytest.mark.parametrize(
    ("zone", "alone", "let_in"),
    [("campus", True, True), ("campus", False, False), ("outside", True, False)],
)
def test_the_policy_lets_them_begin_on_campus(zone: str, alone: bool, let_in: bool) -> None:
    found = decide(DEFAULT, facts(**ADDING, zone=zone, alone=alone)).decision
    assert isinstance(found, Permit if let_in else Deny)


def test_the_refusal_of_a_service_tells_them_where() -> None:
    kinds = {name: one.may_show for name, one in INSTALLED.items()}
    for alone, set_up in ((True, ("campus",)), (False, ())):
        asked = facts(enrolled=(MATRIX,), zone="campus", acr_values=(MFA,), alone=alone)
        found = with_ways(DEFAULT, asked, decide(DEFAULT, asked).decision, kinds)
        assert isinstance(found, Deny)
        assert found.because.ways.set_up == set_up


@pytest.mark.parametrize(
    ("whose", "alone", "proof"),
    [
        (account(MATRIX), ALLOWED, BoundBy.CAMPUS),
        (account(MATRIX), frozenset(), NotAllowed.FRESH_FACTOR),
        (account(MATRIX, TOTP), ALLOWED, NotAllowed.FRESH_FACTOR),
        (account(TOTP, state=CredentialState.DISABLED), ALLOWED, NotAllowed.FRESH_FACTOR),
        (account(MATRIX, unreadable=1), ALLOWED, NotAllowed.FRESH_FACTOR),
        (account(RECOVERY_CODE), ALLOWED, NotAllowed.FRESH_FACTOR),
        (account(), frozenset(), BoundBy.CAMPUS),
        (account(PASSCODE), frozenset(), BoundBy.CAMPUS),
    ],
)
def test_what_binds_a_factor_on_campus(
    whose: Account, alone: frozenset[FactorName], proof: BoundBy | NotAllowed
) -> None:
    assert may_bind(whose, CAMPUS, (shown(PASSWORD),), NOW, alone) is proof


def code(factor: FactorName, ago: timedelta) -> tuple[Verification, ...]:
    return (Verification(factor, frozenset(), (), NOW - ago),)


def test_which_codes_bind_a_factor_from_anywhere_and_how_long() -> None:
    soon, late = timedelta(minutes=1), CODE_COUNTS + timedelta(seconds=1)
    for whose in (account(), account(TOTP)):
        binds = may_bind(whose, None, code(ENROLMENT_PASSCODE, soon), NOW)
        assert binds is BoundBy.PASSCODE
        binds = may_bind(whose, None, code(RECOVERY_CODE, soon), NOW)
        assert binds is BoundBy.RECOVERY_CODE
        for none in (code(PASSCODE, soon), code(ENROLMENT_PASSCODE, late)):
            assert isinstance(may_bind(whose, None, none, NOW), NotAllowed)


def test_a_code_lets_one_sign_in_go_on_and_no_other() -> None:
    verified = (shown(PASSWORD), *code(RECOVERY_CODE, timedelta()), *code(PASSCODE, timedelta()))
    assert carried(verified, Page.SIGN_IN) == (shown(PASSWORD),)
    assert carried(verified, Page.PORTAL_ADD_FACTOR) == verified


def test_what_may_be_somebodys_only_factor() -> None:
    by_default = StandingAlone(INSTALLED, frozenset())
    assert by_default.stands(TOTP)
    assert not by_default.stands(MATRIX)
    assert not by_default.stands(FactorName("made_up"))
    allowing = StandingAlone(INSTALLED, ALLOWED)
    assert allowing.stands(MATRIX)
    assert not allowing.stands(RECOVERY_CODE)
    for standing, whose, name, may in (
        (by_default, account(), MATRIX, False),
        (by_default, account(RECOVERY_CODE), MATRIX, False),
        (by_default, account(TOTP), MATRIX, True),
        (allowing, account(), MATRIX, True),
        (allowing, account(MATRIX), RECOVERY_CODE, True),
        (by_default, account(MATRIX), RECOVERY_CODE, False),
    ):
        assert standing.may_begin(whose, name) is may
    assert by_default.enough(account(MATRIX, TOTP), but=MATRIX)
    assert not by_default.enough(account(MATRIX, TOTP), but=TOTP), "the last one that stands"
