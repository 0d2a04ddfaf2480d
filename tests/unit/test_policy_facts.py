"""What a decision is made from: nothing lost, nothing invented on the way from the directory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest

from idp_mfa.model import (
    PASSWORD,
    Account,
    AccountState,
    Acr,
    Amr,
    AuthnRequest,
    BoundBy,
    Credential,
    CredentialId,
    Credentials,
    CredentialState,
    Device,
    FactorKind,
    FactorName,
    Page,
    Seen,
    Service,
    ServiceId,
    Standing,
    User,
    UserId,
)
from idp_mfa.policy.assurance import (
    PASSWORD_CLASS,
    UNSPECIFIED,
    amr_of,
    class_of,
    kinds_asked,
    levels,
    reached,
)
from idp_mfa.policy.facts import facts_of
from idp_mfa.policy.model import Assurance, Bound, Facts, Policy, ZoneName
from tests.unit.policy_facts import (
    AAL2,
    FIDO2,
    KINDS,
    MATRIX,
    MFA,
    NOW,
    PASSWORD_ACR,
    PHR,
    TOTP,
    policy,
    shown,
)

POLICY = policy("  - { name: all, when: {}, then: deny }")
ALICE = User(UserId("1"), "alice", "Alice")
BEGAN = NOW - timedelta(minutes=2)
NOWHERE = Seen(None, ())
HARDWARE = FactorName("hardware_no_longer_installed")
REQUEST = AuthnRequest(
    Service(
        ServiceId("https://sp.example/"), {"en": "SP"}, "sp.example", tags=frozenset({"internal"})
    ),
    Page.PORTAL_SHOW,
    "/saml/resume",
    {},
    acr_values=(MFA, PASSWORD_ACR),
    max_age=timedelta(minutes=5),
)


def credential(
    factor: FactorName = TOTP,
    state: CredentialState = CredentialState.ACTIVE,
    days: int = 0,
    by: BoundBy = BoundBy.CAMPUS,
) -> Credential:
    bound_at = NOW - timedelta(days=days)
    return Credential(CredentialId(f"{factor} {days}"), factor, state, "", bound_at, by, 1, {})


def account(*records: Credential, unreadable: int = 0) -> Account:
    return Account(
        ALICE,
        frozenset({"staff"}),
        {"department": ("medicine",)},
        Standing(AccountState.ACTIVE, None),
        Credentials(records, unreadable, b"1"),
    )


def gathered(
    whose: Account,
    request: AuthnRequest = REQUEST,
    seen: Seen = NOWHERE,
    rules: Policy = POLICY,
) -> Facts:
    return facts_of(
        rules,
        whose,
        request,
        seen,
        (shown(PASSWORD),),
        kinds=KINDS,
        country="JP",
        began_at=BEGAN,
        at=NOW,
    )


def test_every_fact_is_the_one_that_was_seen() -> None:
    whose = account(credential(days=3), credential(days=1, by=BoundBy.PASSCODE), credential(MATRIX))
    seen = Seen(ip_address("192.0.2.10"), (), Device.PHONE)
    assert gathered(whose, seen=seen) == Facts(
        user=ALICE,
        groups=frozenset({"staff"}),
        attributes={"department": ("medicine",)},
        service=ServiceId("https://sp.example/"),
        service_tags=frozenset({"internal"}),
        page=Page.PORTAL_SHOW,
        acr_values=(MFA, PASSWORD_ACR),
        zone=ZoneName("campus"),
        address="192.0.2.10",
        country="JP",
        device=Device.PHONE,
        enrolled={TOTP: KINDS[TOTP], MATRIX: KINDS[MATRIX]},
        bound={
            TOTP: (
                Bound(BoundBy.CAMPUS, NOW - timedelta(days=3)),
                Bound(BoundBy.PASSCODE, NOW - timedelta(days=1)),
            ),
            MATRIX: (Bound(BoundBy.CAMPUS, NOW),),
        },
        has_none=False,
        unreadable=False,
        verified=(shown(PASSWORD),),
        fresh_after=BEGAN - timedelta(minutes=5),
        at=NOW,
    )


def test_a_network_that_has_ended_by_now_is_not_believed() -> None:
    lent = """
version: 1
zones:
  campus: { kind: campus, networks: [{ network: 192.0.2.0/24, expires: 2026-03-01 }] }
"""
    ended = policy("  - { name: all, when: {}, then: deny }", lent)
    seen = Seen(ip_address("192.0.2.10"), ())
    assert gathered(account(), seen=seen, rules=ended).zone == "unknown"


def test_an_address_that_cannot_be_told_is_in_no_zone() -> None:
    found = gathered(account())
    assert (found.zone, found.address) == ("unknown", None)


@pytest.mark.parametrize(
    "state", [state for state in CredentialState if state is not CredentialState.ACTIVE]
)
def test_what_may_not_sign_in_is_not_offered(state: CredentialState) -> None:
    found = gathered(account(credential(state=state)))
    assert (found.enrolled, found.bound) == ({}, {})
    assert found.has_none is (state is CredentialState.UNFINISHED), "but it is one all the same"


def test_a_factor_that_the_site_no_longer_installs_cannot_be_asked_and_is_one() -> None:
    found = gathered(account(credential(HARDWARE), credential(TOTP)))
    assert set(found.enrolled) == set(found.bound) == {TOTP}
    assert not gathered(account(credential(HARDWARE))).has_none


def test_one_record_that_does_not_open_is_told() -> None:
    assert gathered(account(credential(), unreadable=1)).unreadable
    assert not gathered(account(unreadable=1)).has_none
    assert not gathered(account()).unreadable
    assert gathered(account()).has_none


def test_forced_is_fresh_since_the_sign_in_began() -> None:
    assert gathered(account(), replace(REQUEST, force_authn=True)).fresh_after == BEGAN
    assert gathered(account(), replace(REQUEST, max_age=None)).fresh_after is None


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        ((), 0),
        ((MFA,), 2),
        ((PASSWORD_ACR,), 1),
        ((MFA, PASSWORD_ACR), 1),
        ((PASSWORD_ACR, MFA), 1),
        ((PHR,), 2),
        ((PHR, PASSWORD_ACR), 1),
        ((AAL2,), None),
        ((AAL2, MFA), 2),
        ((Acr("urn:x"),), None),
        ((Acr("urn:x"), UNSPECIFIED), 1),
    ],
)
def test_a_request_takes_what_its_easiest_class_takes(
    asked: tuple[Acr, ...], kinds: int | None
) -> None:
    assert kinds_asked(asked, Assurance()) == kinds


def test_no_factor_is_taken_for_more_kinds_than_it_shows() -> None:
    have, know = FactorKind.POSSESSION, FactorKind.KNOWLEDGE
    assert {str(name): set(kinds) for name, kinds in KINDS.items()} == {
        "password": {know},
        "totp": {have},
        "fido2": {have, know},
        "image_matrix": {know},
        "recovery_code": set(),
        "passcode": set(),
        "enrolment_passcode": set(),
    }


def test_aal2_takes_two_kinds_where_the_site_may_assert_it() -> None:
    certified = Assurance(gakunin_aal2=True)
    assert kinds_asked((AAL2,), certified) == 2
    strongest_first = [
        (PHR, 2),
        (MFA, 2),
        (AAL2, 2),
        (PASSWORD_ACR, 1),
        (PASSWORD_CLASS, 1),
        (UNSPECIFIED, 1),
    ]
    assert [(one.acr, one.kinds) for one in levels(certified)] == strongest_first
    assert [one.acr for one in levels(Assurance())] == [
        PHR,
        MFA,
        PASSWORD_ACR,
        PASSWORD_CLASS,
        UNSPECIFIED,
    ]


def test_a_service_reads_each_method_once_and_mfa_for_two_kinds_alone() -> None:
    pwd, otp = replace(shown(PASSWORD), amr=(Amr("pwd"),)), replace(shown(TOTP), amr=(Amr("otp"),))
    picture = replace(shown(MATRIX), amr=(Amr("kba"),))
    assert amr_of(()) == ()
    assert amr_of((pwd,)) == ("pwd",)
    assert amr_of((pwd, picture)) == ("pwd", "kba")
    assert amr_of((pwd, otp)) == ("pwd", "otp", "mfa")
    assert amr_of((otp, pwd, otp)) == ("otp", "pwd", "mfa")
    assert amr_of(iter((pwd, otp))) == ("pwd", "otp", "mfa")


def test_what_withstands_phishing_earns_its_classes_with_another_kind_alone() -> None:
    """A touch is one kind; with the password two, and with its own PIN or biometrics too."""
    touched = replace(shown(FIDO2), kinds=frozenset({FactorKind.POSSESSION}))
    named = Acr("https://refeds.org/profile/its-second-class")
    site = Assurance(refeds_phishing_resistant=named)
    for verified, earned in (
        ((shown(PASSWORD), touched), True),
        ((shown(FIDO2),), True),
        ((touched,), False),
        ((shown(PASSWORD), shown(TOTP)), False),
        ((shown(PASSWORD), shown(MATRIX)), False),
    ):
        assert ({PHR, named} <= set(reached(verified, site))) is earned
        assert (class_of((named,), verified, site) == named) is earned
        assert (class_of((PHR,), verified, Assurance()) == PHR) is earned
        assert class_of((named,), verified, Assurance()) is None
    assert class_of((), (shown(FIDO2),), site) == MFA
    assert class_of((), (shown(PASSWORD),), site) == PASSWORD_ACR
    assert class_of((), (), site) is None
