"""TOTP: the RFCs' vectors, the window, what counts as six digits, and the set-up's proof."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.factor import Accepted, Challenge, Enrolled, Rejected, Rejection, Response, StepSpend
from idp_mfa.factors.totp import NAME, Totp, code_at, matching_steps
from idp_mfa.model import (
    Amr,
    BoundBy,
    Credential,
    CredentialId,
    CredentialState,
    FactorKind,
    User,
    UserId,
    Verification,
)
from idp_mfa.typed_code import six_digits

AT = datetime(2026, 4, 1, 12, 0, 7, tzinfo=UTC)
ALICE = User(UserId("id-alice"), "alice@student", "Alice")
KEY = base64.b32encode(b"12345678901234567890").decode()
TOTP = Totp("OMU")


def credential(key: str = KEY, id: str = "one") -> Credential:
    return Credential(
        CredentialId(id),
        NAME,
        CredentialState.ACTIVE,
        "OMU(2026-04)",
        AT,
        BoundBy.CAMPUS,
        1,
        {"key": key},
    )


def answer(code: str, at: datetime = AT, *credentials: Credential) -> Accepted | Rejected:
    return TOTP.verify(
        Challenge(NAME), Response({"code": code}), credentials or (credential(),), at
    )


@pytest.mark.parametrize(
    ("seconds", "code"),
    # RFC 6238 appendix B, SHA-1: the last six of its eight digits.
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_rfc_6238_appendix_b(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert code_at(credential(), at) == code
    accepted = answer(code, at)
    assert isinstance(accepted, Accepted)
    assert isinstance(accepted.spend, StepSpend)
    assert accepted.spend.number == seconds // 30


@pytest.mark.parametrize(
    ("counter", "code"),
    # RFC 4226 appendix D.
    [
        (0, "755224"),
        (1, "287082"),
        (2, "359152"),
        (3, "969429"),
        (4, "338314"),
        (5, "254676"),
        (6, "287922"),
        (7, "162583"),
        (8, "399871"),
        (9, "520489"),
    ],
)
def test_rfc_4226_appendix_d(counter: int, code: str) -> None:
    at = datetime.fromtimestamp(counter * 30 + 1, UTC)
    assert matching_steps(credential(), code, at) == [counter]


@pytest.mark.parametrize(
    ("offset", "taken"), [(-3, False), (-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_one_step_either_way_and_no_more(offset: int, taken: bool) -> None:
    code = pyotp.TOTP(KEY).at(AT + offset * timedelta(seconds=30))
    assert isinstance(answer(code), Accepted) is taken


@pytest.mark.parametrize(
    "typed",
    [
        "123456",
        " 123 456 ",
        "123-456",
        "１２３４５６",
        "123\u3000456",
        "１２３－４５６",
        "12 34 56",
    ],
)
def test_what_people_type_is_six_digits(typed: str) -> None:
    assert six_digits(typed) == "123456"


def test_every_full_width_digit_is_a_digit() -> None:
    assert six_digits("０１２３４５") == "012345"
    assert six_digits("４５６７８９") == "456789"


def test_blanks_may_be_many_and_not_endless() -> None:
    assert six_digits("123456" + " " * 58) == "123456"
    assert six_digits("123456" + " " * 59) is None


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "12345",
        "1234567",
        "12345a",
        "²³¹⁴⁵⁶",
        "𝟏𝟐𝟑𝟒𝟓𝟔",
        "١٢٣٤٥٦",
        "①②③④⑤⑥",
        "0x1234",
        "+12345",
        "1" * 10000,
        "12345\x00",
        "123456X",
        "１２３４５／",
        "１２３４５：",
    ],
)
def test_other_scripts_and_lengths_are_no_code(typed: str) -> None:
    assert six_digits(typed) is None
    assert answer(typed) == Rejected(Rejection.MALFORMED)


@given(st.text())
def test_whatever_is_typed_is_six_ascii_digits_or_nothing(typed: str) -> None:
    found = six_digits(typed)
    assert found is None or (len(found) == 6 and found.isascii() and found.isdecimal())


def test_the_spelling_does_not_change_what_is_spent() -> None:
    code = pyotp.TOTP(KEY).at(AT)
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in code)
    first, second = answer(code), answer(f" {wide} ")
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert first.spend == second.spend


def test_the_credential_that_answered_is_named() -> None:
    other = credential(base64.b32encode(b"abcdefghijabcdefghij").decode(), "two")
    accepted = answer(pyotp.TOTP(other.secret["key"]).at(AT), AT, credential(), other)
    assert isinstance(accepted, Accepted)
    assert accepted.verification == Verification(
        NAME, frozenset({FactorKind.POSSESSION}), (Amr("otp"),), AT, CredentialId("two")
    )


def test_what_is_spent_is_the_step_of_that_credential_for_longer_than_it_lives() -> None:
    accepted = answer(pyotp.TOTP(KEY).at(AT))
    assert isinstance(accepted, Accepted)
    assert accepted.spend == StepSpend(
        CredentialId("one"),
        int(AT.timestamp()) // 30,
        timedelta(minutes=10),
        timedelta(seconds=30),
    )


@pytest.mark.parametrize("at", [62075368, 62075369])
def test_a_code_that_two_steps_share_is_spent_for_both(at: int) -> None:
    """Once in a million; the earlier step alone would leave the same digits good again."""
    accepted = answer("235522", datetime.fromtimestamp(at * 30, UTC))
    assert isinstance(accepted, Accepted)
    assert isinstance(accepted.spend, StepSpend)
    assert accepted.spend.number == 62075369


def test_a_key_that_is_held_twice_still_signs_in() -> None:
    code = pyotp.TOTP(KEY).at(AT)
    assert isinstance(answer(code, AT, credential(), credential(id="two")), Accepted)


def test_the_question_is_for_this_factor_and_sends_nothing() -> None:
    assert TOTP.challenge((credential(),), os.urandom) == Challenge(NAME)


def test_whoever_has_a_token_of_eight_digits_is_asked_for_as_many() -> None:
    token = replace(credential(id="token"), secret={"key": KEY, "digits": "8"})
    for theirs, told in ((token,), "8"), ((credential(), token), "6 / 8"):
        assert TOTP.challenge(theirs, os.urandom).shown == {"digits": told}


def test_phones_offer_the_code_and_show_digits_alone() -> None:
    (field,) = TOTP.fields
    assert (field.name, field.input_mode, field.autocomplete) == (
        "code",
        "numeric",
        "one-time-code",
    )
    assert field.max_length >= len("123 - 456")
    assert TOTP.may_show == {FactorKind.POSSESSION}


def test_an_answer_without_a_code_is_none() -> None:
    assert TOTP.verify(Challenge(NAME), Response({}), (credential(),), AT) == Rejected(
        Rejection.MALFORMED
    )


def test_no_credential_is_never_right() -> None:
    assert TOTP.verify(Challenge(NAME), Response({"code": "000000"}), (), AT) == Rejected(
        Rejection.NO_CREDENTIAL
    )


def test_a_set_up_is_complete_only_with_a_code_of_its_own_key() -> None:
    empty = replace(credential(), state=CredentialState.UNFINISHED, secret={})
    begun = TOTP.begin_enrolment(ALICE, empty, os.urandom)
    key = begun.shown["key"]
    assert len(base64.b32decode(key)) == 20
    assert begun.credential.state is CredentialState.UNFINISHED
    assert TOTP.show_enrolment(ALICE, begun.credential) == begun
    wrong = TOTP.complete_enrolment(begun, Response({"code": pyotp.TOTP(KEY).at(AT)}), AT)
    assert wrong == Rejected(Rejection.WRONG)
    right = TOTP.complete_enrolment(begun, Response({"code": pyotp.TOTP(key).at(AT)}), AT)
    assert isinstance(right, Enrolled)
    assert right.credential.state is CredentialState.ACTIVE
    assert right.accepted.verification.credential_id == right.credential.id


def test_the_uri_is_what_every_app_reads() -> None:
    empty = replace(credential(), state=CredentialState.UNFINISHED, secret={})
    shown = TOTP.begin_enrolment(ALICE, empty, os.urandom).shown
    assert (shown["issuer"], shown["account"]) == ("OMU(2026-04)", "alice@student")
    # As the apps' own documents write it: brackets and the at sign stand for themselves.
    assert shown["uri"].startswith("otpauth://totp/OMU(2026-04):alice@student?secret=")
    assert "&issuer=OMU(2026-04)&" in shown["uri"]
    uri = urlsplit(shown["uri"])
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == "/OMU(2026-04):alice@student"
    asked = parse_qs(uri.query)
    assert "=" not in asked["secret"][0]
    assert (asked["algorithm"], asked["digits"], asked["period"]) == (["SHA1"], ["6"], ["30"])
    assert asked["issuer"] == ["OMU(2026-04)"]
    # The same URI read by another hand gives the same codes.
    assert pyotp.parse_uri(uri.geturl()).at(AT) == pyotp.TOTP(asked["secret"][0]).at(AT)


def test_no_secret_in_a_repr() -> None:
    begun = TOTP.begin_enrolment(ALICE, replace(credential(), secret={}), os.urandom)
    assert begun.shown["key"] not in repr(begun)
    assert "123456" not in repr(Response({"code": "123456"}))


def test_the_next_code_is_due_within_a_step() -> None:
    accepted = answer(pyotp.TOTP(KEY).at(AT))
    assert isinstance(accepted, Accepted)
    assert accepted.retry_in == timedelta(seconds=23)
