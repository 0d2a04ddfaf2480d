"""Each budget by its name and its numbers.

Nodes of two versions share one store during an upgrade: a budget that changed its name would be
counted anew, and whoever was shut out would be let in.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from idp_mfa.model import CredentialId, Seen, TransactionId, UserId
from idp_mfa.ports import AfterLoss, Bucket, Budget, Reservation, Throttled, Window
from idp_mfa.store.memory import MemoryStore
from idp_mfa.throttle import Limits, Standpoint, Throttle, Trust

KEY = b"k" * 32
FOR_GOOD = timedelta(days=3650)
DAY, HOUR, MINUTE, SECOND = (
    timedelta(**{unit: 1}) for unit in ("days", "hours", "minutes", "seconds")
)
NUMBERS = Limits(
    factor_tries_per_transaction=101,
    factor_burst=102,
    factor_refill=103 * SECOND,
    factor_per_day=104,
    factor_sticky=105,
    factor_sticky_span=106 * DAY,
    factor_in_a_row=107,
    factor_after_loss=18,
    factor_after_loss_span=109 * SECOND,
    factor_warn_after=110,
    factor_warn_span=111 * SECOND,
    enrolment_tries=112,
    enrolment_span=113 * SECOND,
    password_tries_per_transaction=114,
    password_burst=115,
    password_refill=116 * SECOND,
    password_per_day=117,
    password_in_a_row=118,
    source_burst=119,
    source_refill=120 * SECOND,
    declared_burst=121,
    declared_refill=122 * SECOND,
    declared_networks=("198.51.100.0/24",),
    spray_people=123,
    spray_span=124 * SECOND,
    spray_burst=125,
    spray_refill=126 * SECOND,
    transactions_per_minute=127,
    transaction_span=128 * SECOND,
    unknown_names=65521,
    mailed_code_tries=129,
    mail_per_hour=130,
    mail_per_day=131,
    mail_per_month=132,
    mail_first_per_hour=133,
    signed_burst=134,
    signed_refill=135 * SECOND,
)
THROTTLE = Throttle(NUMBERS, KEY)
LOST = AfterLoss(18, 109 * SECOND)
FIRST, ALICE = TransactionId("first transaction"), UserId("5f1c6e0e-alice")
HOME, DECLARED = (Seen(ip_address(each), ()) for each in ("203.0.113.10", "198.51.100.7"))
SIXTH, NOWHERE = Seen(ip_address("2001:db8::7"), ()), Seen(None, ())
OUTSIDE = Standpoint(Trust.UNTRUSTED, HOME)
INSIDE = Standpoint(Trust.INSIDE, HOME)
KNOWN = Standpoint(Trust.KNOWN_BROWSER, HOME, "her laptop")


def mac(kind: str, text: str) -> bytes:
    return hmac.digest(KEY, f"{kind}\0{text}".encode("utf-8", "surrogatepass"), "sha256")


def name(kind: str, text: str) -> str:
    return mac(kind, text)[:16].hex()


def bucket_of_nobody(folded: str) -> str:
    return f"u:{int.from_bytes(mac('name', folded)[:8]) % 65521}"


TRANSACTION, PERSON = name("transaction", FIRST), name("user", ALICE)
LAPTOP, NETWORK = name("device", "her laptop"), name("network", "203.0.113.10/32")


def password(owner: str) -> tuple[Budget, ...]:
    return (
        Window(f"limit:pt:{TRANSACTION}", 114, 128 * SECOND),
        Bucket(f"limit:{owner}", 115, 116 * SECOND),
        Window(f"limit:{owner}:day", 117, DAY),
        Window(f"limit:{owner}:row", 118, FOR_GOOD),
    )


def factor(owner: str) -> tuple[Budget, ...]:
    return (
        Window(f"limit:ft:{TRANSACTION}", 101, 128 * SECOND),
        Window(f"limit:f:{PERSON}:row", 107, FOR_GOOD, LOST),
        Bucket(f"limit:{owner}", 102, 103 * SECOND),
        Window(f"limit:{owner}:day", 104, DAY),
        Window(f"limit:{owner}:month", 105, 106 * DAY, LOST),
    )


def test_a_password_spends_what_its_place_has() -> None:
    untrusted, inside, known = (
        THROTTLE.password(FIRST, ALICE, "alice", place) for place in (OUTSIDE, INSIDE, KNOWN)
    )
    assert untrusted == password(f"p:{PERSON}")
    assert inside == password(f"p:{PERSON}:inside")[:2]
    assert known == password(f"p:{PERSON}:{LAPTOP}")[:2]
    assert THROTTLE.password_in_a_row(ALICE) == untrusted[3:], "what a success opens again"


@pytest.mark.parametrize(
    ("typed", "folded"),
    [("ＮOBODY ", "nobody"), ("", ""), ("lone \udc80 half", "lone \udc80 half")],
)
def test_a_name_of_nobody_spends_one_of_so_many_buckets(typed: str, folded: str) -> None:
    assert THROTTLE.password(FIRST, None, typed, KNOWN) == password(bucket_of_nobody(folded))


def test_an_answer_spends_the_sign_ins_the_persons_and_the_places() -> None:
    assert THROTTLE.second_factor(FIRST, ALICE, OUTSIDE) == factor(f"f:{PERSON}")
    assert THROTTLE.second_factor(FIRST, ALICE, INSIDE) == factor(f"f:{PERSON}")
    assert THROTTLE.second_factor(FIRST, ALICE, KNOWN) == factor(f"f:{PERSON}:{LAPTOP}")
    assert THROTTLE.answers(FIRST) == factor("")[0]
    assert THROTTLE.in_a_row(ALICE) == factor("")[1]


def test_a_signed_answer_spends_nothing_of_what_codes_have() -> None:
    own = Bucket(f"limit:g:{PERSON}", 134, 135 * SECOND)
    assert THROTTLE.signed_answers(FIRST, ALICE) == (THROTTLE.answers(FIRST), own)
    assert own not in THROTTLE.second_factor(FIRST, ALICE, OUTSIDE)
    assert own in THROTTLE.of_user(ALICE)


def test_failures_that_warn_and_set_ups_have_their_own() -> None:
    assert THROTTLE.warning(ALICE) == Window(f"limit:w:{PERSON}", 110, 111 * SECOND)
    proving = Window(f"limit:e:{name('credential', 'one')}", 112, 113 * SECOND)
    assert THROTTLE.enrolment(CredentialId("one")) == (proving,)


@pytest.mark.parametrize("typed", ["hanako@example.org", "Hanako@Example.ORG"])
def test_a_letter_spends_what_the_person_and_the_address_have(typed: str) -> None:
    address = name("address", "hanako@example.org")
    assert THROTTLE.mail(ALICE, typed) == tuple(
        window
        for who in (PERSON, address)
        for window in (
            Window(f"limit:m:{who}:hour", 130, HOUR),
            Window(f"limit:m:{who}:day", 131, DAY),
            Window(f"limit:m:{who}:month", 132, 30 * DAY),
        )
    )
    assert THROTTLE.mail_of_first_set_up(ALICE, typed) == tuple(
        Window(f"limit:n:{who}", 133, HOUR) for who in (PERSON, address)
    )


def test_a_mailed_code_has_tries_of_its_own_that_outlive_it() -> None:
    assert THROTTLE.mailed_code("code 1") == (
        Window(f"limit:c:{name('code', 'code 1')}", 129, DAY),
    )
    assert Limits().mailed_code_lives < DAY


@pytest.mark.parametrize(
    ("seen", "network"),
    [
        (HOME, "203.0.113.10/32"),
        (SIXTH, "2001:db8::/64"),
        (Seen(ip_address("2001:db8::ffff:1:2:3"), ()), "2001:db8::/64"),
        (Seen(ip_address("2001:db8:0:0:8000::1"), ()), "2001:db8::/64"),
        (NOWHERE, "unknown"),
    ],
)
def test_a_network_spends_its_own(seen: Seen, network: str) -> None:
    whose = name("network", network)
    assert THROTTLE.source(seen) == Bucket(f"limit:s:{whose}", 119, 120 * SECOND)
    assert THROTTLE.transactions(seen) == (Window(f"limit:t:{whose}", 127, MINUTE),)
    assert THROTTLE.looks(seen) == (Window(f"limit:l:{whose}", 127, MINUTE),)
    assert THROTTLE.spray(seen) == Bucket(f"limit:y:{whose}", 123, 124 * SECOND / 123)
    relief = 9 * (124 * SECOND / 123)
    assert THROTTLE.spray_relief(seen) == Bucket(f"limit:y:{whose}", 123, relief)
    assert THROTTLE.slowed(seen) == Bucket(f"limit:x:{whose}", 125, 126 * SECOND)
    assert THROTTLE.spraying(seen) == f"limit:a:{whose}"
    assert THROTTLE.spray_mark(seen, ALICE, "alice") == f"limit:z:{whose}:{PERSON}"
    nobody = bucket_of_nobody("nobody")
    assert THROTTLE.spray_mark(seen, None, "Nobody") == f"limit:z:{whose}:{nobody}"


def test_a_declared_network_spends_what_many_people_need() -> None:
    whose = name("network", "198.51.100.7/32")
    assert THROTTLE.source(DECLARED) == Bucket(f"limit:s:{whose}", 121, 122 * SECOND)
    assert THROTTLE.transactions(DECLARED) == ()


@pytest.mark.parametrize(("failures_to_a_success", "told"), [(8, 0), (9, 0), (12, 1), (1000, 1)])
def test_a_spray_is_more_than_nine_failures_to_one_success(
    failures_to_a_success: int, told: int
) -> None:
    """A thousand people fail within a minute, and others get in between."""
    store = MemoryStore(lambda: datetime(2026, 4, 1, tzinfo=UTC))
    spent = 0
    for number in range(1, 1001):
        spent += isinstance(store.reserve((THROTTLE.spray(HOME),)), Throttled)
        if number % failures_to_a_success == 0:
            store.refund(Reservation((THROTTLE.spray_relief(HOME),), 0))
    assert (spent > 0) == bool(told)


def test_whoever_got_in_before_speaks_for_no_more_than_stand_against_the_network() -> None:
    store = MemoryStore(lambda: datetime(2026, 4, 1, tzinfo=UTC))
    for _ in range(100):
        store.refund(Reservation((THROTTLE.spray_relief(HOME),), 0))
    answers = [store.reserve((THROTTLE.spray(HOME),)) for _ in range(124)]
    assert [isinstance(one, Throttled) for one in answers] == [False] * 123 + [True]


def test_the_same_words_of_another_kind_are_another_name() -> None:
    """Who may choose a service's or a device's name does not choose a person's with it."""
    same = Standpoint(Trust.KNOWN_BROWSER, HOME, "same")
    keys = [
        *(one.key for one in THROTTLE.password(TransactionId("same"), UserId("same"), "", same)),
        *(one.key for one in THROTTLE.enrolment(CredentialId("same"))),
    ]
    parts = [part for key in keys for part in key.split(":") if len(part) == 32]
    assert len(set(parts)) == 4


def test_what_a_store_that_lost_its_counts_is_taken_to_know_shuts_nobody_out() -> None:
    Limits(factor_after_loss=0)
    Limits(factor_after_loss=49)
    for wrong in (50, -1):
        with pytest.raises(ValueError, match=r"^factor_after_loss must .* shuts everybody out$"):
            Limits(factor_after_loss=wrong)
    with pytest.raises(ValueError, match="factor_after_loss"):
        Limits(factor_in_a_row=20)
