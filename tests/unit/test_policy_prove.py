"""What ``prove`` finds: planted lock-outs, whom they hit, and none that is not there."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from math import prod
from pathlib import Path

import pytest

from idp_mfa.cli.policy_cells import in_words
from idp_mfa.model import (
    Account,
    AccountState,
    BoundBy,
    Credential,
    CredentialId,
    Credentials,
    CredentialState,
    FactorName,
    Standing,
    User,
    UserId,
)
from idp_mfa.policy.accepted import Accepted
from idp_mfa.policy.cells import split
from idp_mfa.policy.dimensions import space, told_apart
from idp_mfa.policy.load import Untried, load_untried
from idp_mfa.policy.lock_out import LockOuts
from idp_mfa.policy.prove import Proof, prove

SHIPPED = Path(__file__).parents[2] / "policies"
DEFAULT = (SHIPPED / "default.yaml").read_text(encoding="utf-8")
NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
SKIP = "zone: [campus, vpn] }\n    then: skip"
EVERYONE_ELSE = (
    "require: [totp, fido2, image_matrix, recovery_code, passcode] }\n\n  # -- one's own"
)
FIRST = "  - name: On campus and on the VPN nothing more is asked\n"


def well_written(text: str) -> Untried:
    found = load_untried(text, "test.yaml")
    assert isinstance(found, Untried), str(found)
    return found


def proved(text: str, people: Iterable[Account] | None = None) -> Proof:
    return prove(well_written(text), NOW, people)


def unexpected(text: str) -> list[str]:
    proof = proved(text)
    return [in_words(proof.space, cell) for cell in proof.unexpected]


def swapped(old: str, new: str) -> str:
    assert DEFAULT.count(old) == 1, old
    return DEFAULT.replace(old, new)


def before_all(rule: str) -> str:
    return swapped(FIRST, f"  - {{ name: planted, {rule} }}\n{FIRST}")


def without(name: str) -> str:
    """The policy without one of its rules."""
    begin = DEFAULT.index(f"  - name: {name}")
    return DEFAULT[:begin] + DEFAULT[DEFAULT.index("\n\n", begin) :]


def required(what: str) -> str:
    rest = EVERYONE_ELSE.removeprefix(
        "require: [totp, fido2, image_matrix, recovery_code, passcode]"
    )
    return swapped(EVERYONE_ELSE, f"require: {what}{rest}")


LOCK_OUTS = {
    "nobody may set up a first factor": (
        without("The first factor is set up on campus"),
        "people who have no factor, from outside",
    ),
    "a first factor on a VPN that asks for no factor": (
        swapped("enrolled: none, zone: campus }", "enrolled: none, zone: vpn }"),
        "people who have no factor, from outside",
    ),
    "the campus is no campus": (
        swapped("kind: campus", "kind: other"),
        "people who have no factor, from outside",
    ),
    "the campus is lent and gone": (
        swapped(
            'networks: [192.0.2.0/24, "2001:db8:1::/48"]',
            "networks: [{ network: 192.0.2.0/24, expires: 2026-03-01 }]",
        ),
        "people who have no factor, from outside",
    ),
    "the campus is asked": (swapped(SKIP, SKIP.replace("campus, ", "")), "from campus"),
    "the VPN is asked": (swapped(SKIP, SKIP.replace(", vpn", "")), "from vpn"),
    "keys alone": (required("[fido2]"), "people who have totp but not fido2, from outside"),
    "codes alone": (
        required("[totp]"),
        "people who have fido2 but not totp, from outside",
    ),
    "two kinds": (
        required("[totp, fido2, image_matrix, recovery_code], kinds: 2"),
        "people who have only image_matrix or recovery_code, from outside",
    ),
    "no rule for unknown addresses": (
        swapped(
            "when: { page: [sign-in, portal.home] }\n",
            "when: { page: [sign-in, portal.home], zone: outside }\n",
        ),
        "people who have a factor, from an address that cannot be told",
    ),
    "no rule for the sign-in": (
        swapped("when: { page: [sign-in, portal.home] }\n", "when: { page: portal.home }\n"),
        "everybody, from outside or an address that cannot be told",
    ),
    "a group is denied": (
        before_all("when: { page: sign-in, group: guests }, then: deny"),
        "people in guests",
    ),
    "a group needs a key": (
        before_all(
            "when: { page: sign-in, group: staff, zone: outside }, then: { require: [fido2] }"
        ),
        "people in staff who have totp but not fido2, from outside",
    ),
    "all but a group are denied": (
        before_all("when: { page: sign-in, not: { group: staff } }, then: deny"),
        "people not in staff",
    ),
    "a service is denied": (
        before_all("when: { service: library, zone: outside }, then: deny"),
        "everybody, from outside or an address that cannot be told, where no class is asked, to "
        "library",
    ),
    "a value of an attribute is denied": (
        before_all("when: { page: sign-in, attribute: { title: [visitor] } }, then: deny"),
        "people whose title is not handed out by the directory or is visitor",
    ),
    "other countries are denied": (
        before_all("when: { page: sign-in, not: { country: JP } }, then: deny"),
        "in a country that cannot be told or any other country",
    ),
    "nights are denied": (
        before_all(
            "when: { page: sign-in, zone: outside, time: { from: '22:00', to: '06:00', "
            "zone: Asia/Tokyo } }, then: deny"
        ),
        "22:00-06:00 Asia/Tokyo",
    ),
    "phones are denied": (
        before_all("when: { page: sign-in, device: phone }, then: deny"),
        "a phone",
    ),
    "what was bound by a mailed code is denied": (
        before_all("when: { page: sign-in, bound: { by: mailed-code, within: 1d } }, then: deny"),
        "with factors bound by mailed-code 1d ago",
    ),
    "a factor is denied": (
        before_all("when: { page: sign-in, enrolled: image_matrix }, then: deny"),
        "people who have image_matrix",
    ),
    "what was shown is denied": (
        before_all("when: { page: sign-in, verified: recovery_code }, then: deny"),
        "people who have only recovery_code, from outside",
    ),
    "set up first, and not from here": (
        before_all("when: { page: sign-in, zone: outside }, then: { enrol: [totp] }"),
        "people who have no factor, from outside",
    ),
    "a demanded class is denied": (
        before_all("when: { asked: 'https://refeds.org/profile/mfa' }, then: deny"),
        "where REFEDS MFA is asked",
    ),
    "no key is issued anew": (
        without("Re-issuing starts with the password"),
        "only factors that cannot be used",
    ),
}


@pytest.mark.parametrize(("text", "whom"), LOCK_OUTS.values(), ids=LOCK_OUTS)
def test_a_planted_lock_out_is_found(text: str, whom: str) -> None:
    found = unexpected(text)
    assert any(whom in one for one in found), found


@pytest.mark.parametrize("file", sorted(SHIPPED.rglob("*.yaml")), ids=lambda file: file.stem)
def test_the_shipped_policies_lock_out_those_alone_whom_their_tests_name(file: Path) -> None:
    assert unexpected(file.read_text(encoding="utf-8")) == []


# -- what it says of them --------------------------------------------------------------------


def test_who_has_none_outside_is_told_what_to_do() -> None:
    (found,) = (
        cell.label
        for cell in proved(DEFAULT).lock_outs
        if cell.label.accepted is not None and "without a factor" in cell.label.accepted.name
    )
    assert (found.set_up, found.reissue, found.elsewhere) == (("campus",), (), ("campus", "vpn"))
    assert (found.why, found.rule) == ("no-factor-enrolled", "Everyone else shows a factor")


def test_a_test_that_fails_accepts_nothing() -> None:
    said = "given: { from: 203.0.113.10, enrolled: none }\n    expect: { outcome: deny, why: "
    wrong = swapped(f"{said}no-factor-enrolled }}", f"{said}acr-unmet }}")
    assert any("who have no factor, from outside" in one for one in unexpected(wrong))


def test_who_can_do_nothing_is_not_accepted_by_the_denial_alone() -> None:
    proof = proved(without("Re-issuing starts with the password"))
    assert all(not cell.label.has_road for cell in proof.unexpected)
    tests = "".join(
        f"  - {{ name: none from {zone}, given: {{ from: {address}, page: portal.reissue, "
        "enrolled: unusable }, expect: { outcome: deny, why: policy } }\n"
        for zone, address in (
            ("campus", "192.0.2.10"),
            ("vpn", "198.51.100.10"),
            ("outside", "203.0.113.10"),
        )
    )
    text = without("Re-issuing starts with the password") + tests
    assert not any("disabled" in one and "outside" in one for one in unexpected(text))


def test_what_a_service_demands_is_no_lock_out_by_the_policy() -> None:
    proof = proved(DEFAULT)
    told = {in_words(proof.space, cell): cell.label for cell in proof.demands}
    none = told["people who have no factor, where REFEDS MFA is asked"]
    assert (none.demanded, none.set_up) == (True, ("campus",))
    assert any("only image_matrix or recovery_code" in one for one in told)


def test_a_skip_that_a_demanded_class_overrides_is_told() -> None:
    proof = proved(DEFAULT)
    (skip,) = proof.overridden
    assert skip.label == "On campus and on the VPN nothing more is asked"
    assert in_words(proof.space, skip) == "everybody, from campus or vpn, where REFEDS MFA is asked"


# -- how many people -------------------------------------------------------------------------


def account(
    login: str,
    *factors: str,
    groups: tuple[str, ...] = (),
    credential_state: CredentialState = CredentialState.ACTIVE,
    state: AccountState = AccountState.ACTIVE,
    unreadable: int = 0,
) -> Account:
    records = tuple(
        Credential(
            CredentialId(f"{login} {factor}"),
            FactorName(factor),
            credential_state,
            "",
            NOW - timedelta(days=90),
            BoundBy.CAMPUS,
            1,
            {},
        )
        for factor in factors
    )
    return Account(
        User(UserId(login), login, login),
        frozenset(groups),
        {},
        Standing(state),
        Credentials(records, unreadable, None),
    )


PEOPLE = (
    account("alice", "totp"),
    account("bob"),
    account("carol", "totp", credential_state=CredentialState.DISABLED),
    account("dave", "totp", "image_matrix", groups=("staff",)),
    account("erin", state=AccountState.DISABLED),
    account("frank", "image_matrix", groups=("staff", "guests", "others")),
    account("grace", "totp", unreadable=1),
    account("heidi", "totp", credential_state=CredentialState.UNFINISHED),
)


def test_the_people_in_a_lock_out_are_named() -> None:
    proof = proved(DEFAULT, PEOPLE)
    by_words = {in_words(proof.space, cell): proof.who(cell) for cell in proof.lock_outs}
    outside = "from outside or an address that cannot be told, where no class is asked"
    assert by_words[f"people who have no factor, {outside}"] == ("bob", "heidi")
    unusable = "only factors that cannot be used (disabled, suspended)"
    assert by_words[f"people who have {unusable}, {outside}"] == ("carol",)


def test_people_in_several_groups_are_counted_as_they_are() -> None:
    rule = "when: { page: sign-in, group: guests, not: { group: staff } }, then: deny"
    proof = proved(before_all(rule), PEOPLE)
    told = {in_words(proof.space, cell): proof.who(cell) for cell in proof.unexpected}
    assert told
    assert not any("frank" in logins for logins in told.values()), told


def test_without_a_directory_nobody_is_counted() -> None:
    assert proved(DEFAULT).people is None
    assert proved(DEFAULT, ()).people == []


# -- how -------------------------------------------------------------------------------------

TOP = """
version: 1
assurance: { gakunin_aal2: true }
zones:
  campus: { kind: campus, networks: [192.0.2.0/24] }
  vpn: { kind: vpn, networks: [198.51.100.0/24], own_factor: true }
rules:
"""
INTERTWINED = {
    "a skip that names no zone, and yet needs one": """
  - { name: s, when: { page: sign-in, group: staff }, then: skip }
  - { name: t, when: { page: sign-in }, then: { require: [totp] } }
""",
    "people, places, services, hours": """
  - { name: a, when: { group: staff, not: { zone: campus } }, then: { require: [fido2], kinds: 2 } }
  - name: b
    when:
      any: [{ zone: [campus, vpn] }, { service: pay }]
      page: sign-in
      not: { group: staff }
    then: skip
  - name: f
    when: { page: portal.add-factor, enrolled: none, zone: [campus, vpn] }
    then: skip
  - name: h
    when: { page: sign-in, time: { from: "08:00", to: "18:00", zone: Asia/Tokyo } }
    then: { require: [totp, fido2, image_matrix] }
  - { name: i, when: { page: sign-in }, then: { grace: { until: 2026-04-04 } } }
  - name: j
    when: { asked: none, not: { enrolled: fido2 } }
    then: { require: [totp, recovery_code], fresh: 5m }
""",
    "attributes, devices, countries, bindings": """
  - { name: d, when: { device: phone, page: sign-in }, then: { require: [totp, fido2] } }
  - { name: e, when: { not: { country: JP }, attribute: { title: [x] } }, then: deny }
  - name: g
    when: { bound: { by: mailed-code, within: 1d }, page: sign-in }
    then: { require: [fido2] }
  - { name: k, when: { verified: recovery_code, zone: outside }, then: deny }
  - { name: l, when: { page: sign-in, zone: campus }, then: skip }
  - { name: m, when: { page: sign-in }, then: { enrol: [totp] } }
  - { name: n, when: {}, then: { require: [totp, fido2, image_matrix, recovery_code] } }
""",
}


@pytest.mark.parametrize("rules", INTERTWINED.values(), ids=INTERTWINED)
def test_a_cell_holds_for_each_of_its_points(rules: str) -> None:
    """What was left open was rightly left open: any point at all is judged as its cell says."""
    untried = well_written(TOP + rules)
    where = space((untried.policy,), told_apart((untried.policy,), untried.factors), NOW)
    judging = LockOuts(untried.policy, untried.factors, where, NOW, Accepted.by(untried))
    cells = split(where, judging.no_way)
    assert len(cells) < prod(len(one.values) for one in where) * 0.8
    chance = random.Random(1)
    for _ in range(300):
        point = {one.name: chance.choice(one.values) for one in where}
        (cell,) = (one for one in cells if one.holds(point))
        assert judging.no_way(point).label == cell.label, point
