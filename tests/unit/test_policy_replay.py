"""A policy tried on what happened says what it would have decided, or that it cannot be told."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.audit import AuditEvent, AuditRecord, Veiled
from idp_mfa.cli.policy_replay import plain, rows, summary
from idp_mfa.model import Acr, Reference, Refusal, Seen, UserId
from idp_mfa.policy.cases import Outcome
from idp_mfa.policy.decide import decide
from idp_mfa.policy.model import Facts, Policy, ZoneName
from idp_mfa.policy.record import Verdict, from_record, to_record, verdict_of
from idp_mfa.policy.replay import Change, Decidable, NotDecidable, Replay, Tally, change
from idp_mfa.policy.zones import locate
from tests.simulators.sign_ins import SignIns
from tests.unit.policy_facts import MATRIX, NOW, PASSWORD_ACR, TOTP, facts, policy

OLD = """
  - name: campus
    when: { page: sign-in, zone: campus }
    then: skip
  - name: vpn
    when: { page: sign-in, zone: vpn }
    then: skip
  - name: others
    when: {}
    then: { require: [totp, image_matrix] }
"""
CAMPUS, VPN, OUTSIDE = "192.0.2.1", "198.51.100.1", "203.0.113.10"


@pytest.fixture(scope="module")
def old() -> Policy:
    return policy(OLD)


def with_rule(rule: str, rules: str = OLD) -> Policy:
    return policy(f"{rule}\n{rules}")


def on_record(old: Policy, of: Facts, **other: Any) -> AuditRecord:
    address = None if of.address is None else ip_address(of.address)
    of = replace(of, zone=locate(old, address, of.at))
    values: dict[str, Any] = {
        "at": NOW,
        "event": AuditEvent.PASSWORD_ACCEPTED,
        "reference": Reference("K7WQ2MZP"),
        "user": of.user.id,
        "service": of.service,
        "seen": Seen(address, ()),
        "decision": to_record(old, of, decide(old, of)),
    }
    return AuditRecord(**(values | other))


def unopened(record: AuditRecord) -> AuditRecord:
    """As it is read once the key is destroyed, or from an exported copy."""
    assert record.seen is not None
    mark = None if record.seen.address is None else "mark"
    return replace(record, seen=None, veiled=Veiled(NOW.date(), None, mark, mark))


def judged(new: Policy, record: AuditRecord, *known: Policy) -> Decidable | NotDecidable:
    recorded = from_record(record)
    assert recorded is not None
    return Replay(new, known).judge(recorded)


def test_the_same_policy_changes_nothing(old: Policy) -> None:
    tally = Replay(old).tally(SignIns(old, NOW, people=200).records(1000))
    assert tally.sign_ins == 1000
    assert not tally.rows
    assert (tally.changes, tally.not_decidable) == (Counter(), Counter())


def test_who_is_newly_asked_and_has_nothing_to_show_is_counted_once(old: Policy) -> None:
    new = policy(OLD.replace("zone: vpn", "zone: guest"))
    records = [
        on_record(old, facts(address=VPN)),
        on_record(old, facts((), address=VPN)),
        on_record(old, facts((), address=VPN)),
        on_record(old, facts(address=CAMPUS)),
        on_record(old, facts(address=OUTSIDE)),
        on_record(old, facts(address=VPN), event=AuditEvent.ASSERTION_ISSUED),
    ]
    tally = Replay(new).tally(records)
    assert tally.sign_ins == 5
    assert tally.changes == Counter({Change.NEWLY_ASKED: 3})
    assert tally.no_factor == {UserId("1")}
    assert [row.answer.no_factor for row in tally.rows if isinstance(row.answer, Decidable)] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("rule", "address", "expected"),
    [
        (
            "- { name: a, when: { page: sign-in, zone: outside }, then: skip }",
            OUTSIDE,
            Change.NEWLY_SKIPPED,
        ),
        ("- { name: a, when: { zone: campus }, then: deny }", CAMPUS, Change.NEWLY_DENIED),
        ("- { name: a, when: { zone: outside }, then: deny }", OUTSIDE, Change.NEWLY_DENIED),
        (
            "- { name: a, when: { zone: campus }, then: { require: [totp] } }",
            CAMPUS,
            Change.NEWLY_ASKED,
        ),
        (
            "- { name: a, when: { zone: outside }, then: { require: [image_matrix] } }",
            OUTSIDE,
            Change.ASKED_OTHERWISE,
        ),
        ("- { name: a, when: { zone: vpn }, then: deny }", CAMPUS, None),
        (
            "- { name: another name, when: { page: sign-in, zone: campus }, then: skip }",
            CAMPUS,
            None,
        ),
    ],
)
def test_what_changes_is_told(
    old: Policy, rule: str, address: str, expected: Change | None
) -> None:
    answer = judged(with_rule(f"  {rule}"), on_record(old, facts((TOTP, MATRIX), address=address)))
    assert isinstance(answer, Decidable)
    assert answer.change is expected


def test_who_was_denied_and_would_not_be_is_told(old: Policy) -> None:
    strict = with_rule("  - { name: no, when: { zone: campus }, then: deny }")
    answer = judged(old, on_record(strict, facts(address=CAMPUS)))
    assert isinstance(answer, Decidable)
    assert answer.change is Change.NO_LONGER_DENIED


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            Verdict(Outcome.SKIP, "a", acr=PASSWORD_ACR),
            Verdict(Outcome.PERMIT, "b", acr=Acr("x")),
            None,
        ),
        (
            Verdict(Outcome.SKIP, "a"),
            Verdict(Outcome.DENY, "b", why=Refusal.NO_FACTOR_ENROLLED),
            Change.NEWLY_ASKED,
        ),
        (Verdict(Outcome.GRACE, "a"), Verdict(Outcome.ENROL, "b"), Change.NEWLY_ASKED),
        (
            Verdict(Outcome.DENY, "a", why=Refusal.NO_FACTOR_ENROLLED),
            Verdict(Outcome.GRACE, "b"),
            Change.NEWLY_SKIPPED,
        ),
        (
            Verdict(Outcome.SKIP, "a"),
            Verdict(Outcome.DENY, "b", why=Refusal.ACR_UNMET),
            Change.NEWLY_DENIED,
        ),
        (
            Verdict(Outcome.DENY, "a", why=Refusal.POLICY),
            Verdict(Outcome.DENY, "b", why=Refusal.ACR_UNMET),
            None,
        ),
    ],
)
def test_a_change_is_one_for_whoever_signs_in(
    before: Verdict, after: Verdict, expected: Change | None
) -> None:
    assert change(before, after) is expected


# -- what was not recorded -----------------------------------------------------------------------


def test_what_was_not_recorded_matters_only_where_it_is_asked_for(old: Policy) -> None:
    new = policy(
        OLD.replace(
            "  - name: others",
            "  - name: deans\n    when: { attribute: { title: [dean] } }\n"
            "    then: { require: [image_matrix] }\n  - name: others",
        )
    )
    both = (TOTP, MATRIX)
    assert judged(new, on_record(old, facts(both, address=OUTSIDE))) == NotDecidable(("title",))
    assert isinstance(judged(new, on_record(old, facts(both, address=CAMPUS))), Decidable)
    # Whoever has the matrix alone is asked for it, dean or not.
    assert isinstance(judged(new, on_record(old, facts((MATRIX,), address=OUTSIDE))), Decidable)


def test_a_group_that_the_old_policy_did_not_name_is_not_taken_for_absent(old: Policy) -> None:
    new = with_rule("  - { name: a, when: { not: { group: staff } }, then: deny }")
    assert judged(new, on_record(old, facts(address=OUTSIDE))) == NotDecidable(("staff",))
    knows = with_rule("  - { name: a, when: { group: staff, zone: guest }, then: deny }")
    answer = judged(new, on_record(knows, facts(address=OUTSIDE, groups=frozenset({"staff"}))))
    assert isinstance(answer, Decidable)
    assert answer.change is None


def test_an_address_that_cannot_be_opened_is_in_the_zone_that_was_told(old: Policy) -> None:
    record = unopened(on_record(old, facts(address=VPN)))
    same_zones = policy(OLD.replace("zone: vpn }\n    then: skip", "zone: vpn }\n    then: deny"))
    answer = judged(same_zones, record, old)
    assert isinstance(answer, Decidable)
    assert answer.change is Change.NEWLY_DENIED
    assert judged(same_zones, record) == NotDecidable(("address",))
    everywhere = policy("  - { name: a, when: {}, then: { require: [totp] } }")
    assert isinstance(judged(everywhere, record), Decidable)
    other_zones = policy(
        OLD,
        top="version: 1\nzones:\n  campus: { kind: campus, networks: [192.0.2.0/24] }\n"
        "  vpn: { kind: vpn, networks: [10.0.0.0/8] }",
    )
    assert judged(other_zones, record, old) == NotDecidable(("address",))


def test_an_address_that_could_not_be_told_is_unknown_without_any_key(old: Policy) -> None:
    record = unopened(on_record(old, facts(address=None, zone=ZoneName("unknown"))))
    answer = judged(old, record)
    assert isinstance(answer, Decidable)
    assert answer.after.outcome is Outcome.ASK


def test_the_new_zones_count_at_the_time_of_the_sign_in(old: Policy) -> None:
    day = (NOW + timedelta(days=1)).date().isoformat()
    new = policy(
        OLD,
        top="version: 1\nzones:\n  campus: { kind: campus, networks: [192.0.2.0/24] }\n"
        f"  vpn: {{ kind: vpn, networks: [{{ network: 203.0.113.0/24, expires: {day} }}] }}",
    )
    then = judged(new, on_record(old, facts(address=OUTSIDE)))
    assert isinstance(then, Decidable)
    assert then.change is Change.NEWLY_SKIPPED
    later = judged(new, on_record(old, facts(address=OUTSIDE, at=NOW + timedelta(days=9))))
    assert isinstance(later, Decidable)
    assert later.change is None


def test_a_sign_in_of_before_decisions_were_recorded_is_not_decidable(old: Policy) -> None:
    record = on_record(old, facts(), decision=None)
    tally = Replay(old).tally([record])
    assert summary(tally) == (
        "1 sign-in: 0 newly asked, 0 newly skipped; "
        "1 not decidable: what it was judged by was not recorded"
    )


_WHENS = st.recursive(
    st.sampled_from(
        [
            "group: a",
            "group: [b, c]",
            "attribute: { t: [x] }",
            "attribute: { t: [y] }",
            "attribute: { u: [x, y] }",
            "zone: campus",
            "zone: outside",
        ]
    ).map(lambda words: f"{{ {words} }}"),
    lambda inner: (
        inner.map(lambda one: f"{{ not: {one} }}")
        | st.lists(inner, min_size=1, max_size=3).map(
            lambda each: f"{{ any: [{', '.join(each)}] }}"
        )
        | st.lists(inner, min_size=1, max_size=3).map(
            lambda each: f"{{ all: [{', '.join(each)}] }}"
        )
    ),
    max_leaves=4,
)
_THENS = st.sampled_from(["deny", "{ require: [totp] }", "{ require: [image_matrix, totp] }"])
_POLICIES = st.lists(st.tuples(_WHENS, _THENS), min_size=1, max_size=3).map(
    lambda rules: policy(
        "".join(
            f"  - name: rule {number}\n    when: {when}\n    then: {then}\n"
            for number, (when, then) in enumerate(rules)
        )
    )
)
_VALUES = st.lists(st.sampled_from("xyz"), max_size=2, unique=True).map(tuple)
_PEOPLE = st.builds(
    facts,
    enrolled=st.sampled_from([(), (TOTP,), (MATRIX,), (TOTP, MATRIX)]),
    address=st.sampled_from([CAMPUS, VPN, OUTSIDE, None]),
    groups=st.frozensets(st.sampled_from("abcd")),
    attributes=st.dictionaries(st.sampled_from("tu"), _VALUES),
)


@given(_POLICIES, _POLICIES, _PEOPLE, st.booleans())
def test_what_is_said_to_be_decidable_is_what_the_policy_would_have_decided(
    before: Policy, after: Policy, somebody: Facts, is_opened: bool
) -> None:
    record = on_record(before, somebody)
    answer = judged(after, record if is_opened else unopened(record), before)
    address = None if somebody.address is None else ip_address(somebody.address)
    truth = verdict_of(decide(after, replace(somebody, zone=locate(after, address, NOW))))
    if isinstance(answer, Decidable):
        assert replace(answer.after, rule="") == replace(truth, rule="")


# -- telling -------------------------------------------------------------------------------------


def test_the_figures_stand_in_a_sentence() -> None:
    tally = Tally(
        11402,
        Counter({Change.NEWLY_ASKED: 318, Change.NEWLY_SKIPPED: 4}),
        {UserId(str(number)) for number in range(27)},
        Counter({("title",): 12}),
    )
    assert summary(tally) == (
        "11,402 sign-ins: 318 newly asked, 4 newly skipped; 27 people newly asked have no usable "
        "factor; 12 not decidable: `title` was not recorded"
    )


def test_the_list_names_each_sign_in_with_what_it_was_and_would_be(old: Policy) -> None:
    new = policy(OLD.replace("zone: vpn", "group: deans"))
    tally = Replay(new).tally(
        [
            on_record(old, facts((), address=VPN)),
            on_record(old, facts(address=CAMPUS)),
            on_record(old, facts(address=VPN)),
        ]
    )
    line = "2026-04-01T09:00:00+00:00 K7WQ2MZP 1 https://sp.example/: "
    assert list(rows(tally)) == [f"{line}not decidable: `deans` was not recorded"] * 2
    denied = Replay(with_rule("  - { name: no, when: { zone: vpn }, then: deny }")).tally(
        [on_record(old, facts(address=VPN))]
    )
    assert list(rows(denied)) == [
        "2026-04-01T09:00:00+00:00 K7WQ2MZP 1 https://sp.example/: newly denied: "
        f"skip {PASSWORD_ACR} -> deny policy"
    ]
    told = plain(denied, listed=True)
    assert told["newly_denied"] == 1
    assert [row["change"] for row in told["rows"]] == ["newly denied"]  # type: ignore[attr-defined]
    assert "rows" not in plain(denied, listed=False)
