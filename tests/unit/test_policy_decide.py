"""What a policy decides, row by row, and what no policy can be brought to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from idp_mfa.model import PASSWORD, Cause, Page, Refusal
from idp_mfa.policy.assurance import UNSPECIFIED
from idp_mfa.policy.cases import told
from idp_mfa.policy.decide import decide
from idp_mfa.policy.load import strictest
from idp_mfa.policy.model import Deny, Effect, Facts, Permit, Policy, StepUp
from tests.unit.policy_facts import (
    AAL2,
    FIDO2,
    MATRIX,
    MFA,
    NOW,
    PASSWORD_ACR,
    RECOVERY,
    TOTP,
    ZONES,
    facts,
    policy,
    shown,
)

CARD = policy("""
  - { name: inside, when: { page: sign-in, zone: [campus, vpn] }, then: skip }
  - { name: everyone, when: { page: sign-in }, then: { require: [totp, fido2, image_matrix] } }
  - { name: key, when: { page: portal.show }, then: { require: [totp, fido2], fresh: 5m } }
  - { name: desk, when: { page: desk }, then: { require: [totp, image_matrix], kinds: 2 } }
  - { name: both, when: { page: services }, then: { require: [image_matrix], kinds: 2 } }
""")
M = timedelta(minutes=1)


def outcome(rules: Policy, given: Facts) -> tuple[str, str, Cause]:
    decision = decide(rules, given).decision
    return told(decision), decision.because.rule, decision.because.cause


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # the network
        ({"zone": "campus"}, (f"permit with {PASSWORD_ACR}", "inside", Cause.NETWORK)),
        ({"zone": "vpn", "enrolled": ()}, (f"permit with {PASSWORD_ACR}", "inside", Cause.NETWORK)),
        ({}, ("ask totp", "everyone", Cause.NETWORK)),
        ({"zone": "guest"}, ("ask totp", "everyone", Cause.NETWORK)),
        ({"zone": "unknown", "address": None}, ("ask totp", "everyone", Cause.NETWORK_UNKNOWN)),
        # what is offered
        ({"enrolled": (TOTP, FIDO2, RECOVERY)}, ("ask fido2, totp", "everyone", Cause.NETWORK)),
        ({"enrolled": (RECOVERY,)}, ("deny (no-factor-enrolled)", "everyone", Cause.NO_FACTOR)),
        ({"enrolled": ()}, ("deny (no-factor-enrolled)", "everyone", Cause.NO_FACTOR)),
        (
            {"enrolled": (), "has_none": False},
            ("deny (no-factor-enrolled)", "everyone", Cause.NO_FACTOR),
        ),
        (
            {"enrolled": (), "unreadable": True},
            ("deny (credential-unreadable)", "everyone", Cause.UNREADABLE),
        ),
        (
            {"enrolled": (TOTP,), "unreadable": True},
            ("ask totp", "everyone", Cause.NETWORK),
        ),
        # what was shown
        (
            {"verified": (shown(PASSWORD), shown(TOTP))},
            (f"permit with {MFA}", "everyone", Cause.NETWORK),
        ),
        (
            {"verified": (shown(PASSWORD), shown(MATRIX))},
            (f"permit with {PASSWORD_ACR}", "everyone", Cause.NETWORK),
        ),
        (
            {"verified": (shown(PASSWORD), shown(RECOVERY))},
            ("ask totp", "everyone", Cause.NETWORK),
        ),
        # a service's demand
        (
            {"zone": "campus", "acr_values": (MFA,)},
            ("ask totp", "inside", Cause.SERVICE_DEMAND),
        ),
        (
            {"zone": "campus", "acr_values": (MFA,), "enrolled": (TOTP, FIDO2, MATRIX, RECOVERY)},
            ("ask fido2, totp", "inside", Cause.SERVICE_DEMAND),
        ),
        (
            {"zone": "campus", "acr_values": (MFA,), "enrolled": (MATRIX, RECOVERY)},
            ("deny (acr-unmet)", "inside", Cause.SERVICE_DEMAND),
        ),
        (
            {"zone": "campus", "acr_values": (MFA,), "enrolled": ()},
            ("deny (no-factor-enrolled)", "inside", Cause.NO_FACTOR),
        ),
        (
            {"zone": "campus", "acr_values": (MFA,), "enrolled": (), "unreadable": True},
            ("deny (credential-unreadable)", "inside", Cause.UNREADABLE),
        ),
        (
            {"zone": "campus", "acr_values": (MFA, PASSWORD_ACR)},
            (f"permit with {PASSWORD_ACR}", "inside", Cause.NETWORK),
        ),
        (
            {
                "zone": "campus",
                "acr_values": (MFA, PASSWORD_ACR),
                "verified": (shown(PASSWORD), shown(TOTP)),
            },
            (f"permit with {MFA}", "inside", Cause.NETWORK),
        ),
        (
            {
                "zone": "campus",
                "acr_values": (UNSPECIFIED,),
                "verified": (shown(PASSWORD), shown(TOTP)),
            },
            (f"permit with {UNSPECIFIED}", "inside", Cause.NETWORK),
        ),
        (
            {"zone": "campus", "acr_values": (AAL2,)},
            ("deny (acr-unmet)", "inside", Cause.SERVICE_DEMAND),
        ),
        (
            {"zone": "campus", "acr_values": (AAL2,), "enrolled": ()},
            ("deny (acr-unmet)", "inside", Cause.SERVICE_DEMAND),
        ),
        (
            {"zone": "campus", "acr_values": (AAL2, MFA)},
            ("ask totp", "inside", Cause.SERVICE_DEMAND),
        ),
        (
            {"acr_values": ("urn:x",), "verified": (shown(PASSWORD), shown(TOTP))},
            ("deny (acr-unmet)", "everyone", Cause.SERVICE_DEMAND),
        ),
        (
            {"acr_values": (MFA,), "enrolled": (MATRIX, TOTP)},
            ("ask totp", "everyone", Cause.NETWORK),
        ),
        (
            {"acr_values": (MFA,), "verified": (shown(PASSWORD), shown(MATRIX))},
            ("ask totp", "everyone", Cause.SERVICE_DEMAND),
        ),
        # time
        (
            {"page": Page.PORTAL_SHOW, "verified": (shown(PASSWORD, 60 * M), shown(TOTP, 5 * M))},
            (f"permit with {MFA}", "key", Cause.RULE),
        ),
        (
            {
                "page": Page.PORTAL_SHOW,
                "verified": (shown(PASSWORD), shown(TOTP, timedelta(minutes=5, seconds=1))),
            },
            ("ask totp", "key", Cause.FRESHNESS),
        ),
        ({"page": Page.PORTAL_SHOW, "zone": "campus"}, ("ask totp", "key", Cause.RULE)),
        (
            {"page": Page.PORTAL_SHOW, "verified": (shown(PASSWORD, 60 * M),)},
            ("ask totp", "key", Cause.RULE),
        ),
        (
            {"verified": (shown(PASSWORD), shown(TOTP, 4 * M)), "fresh_after": NOW - 4 * M},
            (f"permit with {MFA}", "everyone", Cause.NETWORK),
        ),
        (
            {
                "verified": (shown(PASSWORD), shown(TOTP, 5 * M)),
                "fresh_after": NOW - 4 * M,
            },
            ("ask totp", "everyone", Cause.FRESHNESS),
        ),
        (
            {
                "verified": (shown(PASSWORD), shown(TOTP, 5 * M)),
                "fresh_after": NOW - 4 * M,
                "zone": "campus",
            },
            (f"permit with {PASSWORD_ACR}", "inside", Cause.NETWORK),
        ),
        (
            {"verified": (shown(PASSWORD, 5 * M),), "fresh_after": NOW, "zone": "campus"},
            ("deny (policy)", "", Cause.FRESHNESS),
        ),
        ({"verified": (), "zone": "campus"}, ("deny (policy)", "", Cause.FRESHNESS)),
        ({"verified": (shown(RECOVERY),)}, ("deny (policy)", "", Cause.FRESHNESS)),
        # kinds
        (
            {"page": Page.DESK, "verified": (shown(PASSWORD), shown(MATRIX))},
            ("ask totp", "desk", Cause.TWO_KINDS),
        ),
        (
            {"page": Page.DESK, "enrolled": (TOTP, MATRIX, FIDO2)},
            ("ask totp", "desk", Cause.TWO_KINDS),
        ),
        (
            {"page": Page.DESK, "enrolled": (MATRIX,)},
            ("deny (no-factor-enrolled)", "desk", Cause.NO_FACTOR),
        ),
        (
            {"page": Page.SERVICES, "enrolled": (MATRIX, FIDO2, RECOVERY)},
            ("ask fido2, image_matrix", "both", Cause.TWO_KINDS),
        ),
        (
            {"page": Page.SERVICES, "verified": (shown(PASSWORD), shown(MATRIX))},
            ("ask totp", "both", Cause.TWO_KINDS),
        ),
        (
            {"page": Page.SERVICES, "verified": (shown(PASSWORD), shown(TOTP))},
            ("deny (no-factor-enrolled)", "both", Cause.NO_FACTOR),
        ),
        # no rule
        ({"page": Page.PORTAL_MAIL}, ("deny (policy)", "", Cause.NO_RULE)),
    ],
)
def test_the_cards_rule(given: dict[str, Any], expected: tuple[str, str, Cause]) -> None:
    given = dict(given)
    assert outcome(CARD, facts(given.pop("enrolled", (TOTP,)), **given)) == expected


def test_aal2_is_asserted_where_the_site_may() -> None:
    rules = "  - { name: in, when: { page: sign-in, zone: campus }, then: skip }"
    certified = policy(rules, ZONES + "assurance: { gakunin_aal2: true }")
    asked = facts(zone="campus", acr_values=(AAL2,))
    assert outcome(certified, asked)[0] == "ask totp"
    done = replace(asked, verified=(shown(PASSWORD), shown(TOTP)))
    assert outcome(certified, done)[0] == f"permit with {AAL2}"


def test_the_first_match_wins_and_the_trace_ends_there() -> None:
    rules = policy("""
  - { name: one, when: { group: nobody }, then: deny }
  - { name: two, when: { page: sign-in }, then: { require: [fido2] } }
  - { name: three, when: {}, then: deny }
""")
    decided = decide(rules, facts((TOTP, FIDO2)))
    assert isinstance(decided.decision, StepUp)
    assert decided.decision.offered == {FIDO2}
    assert [(s.rule.name, s.rule.line, s.effect) for s in decided.steps] == [
        ("one", 10, Effect.PASSED_OVER),
        ("two", 11, Effect.DECIDED),
    ]


def test_a_denial_carries_its_message() -> None:
    rules = policy("  - { name: no, when: {}, then: { deny: { ja: だめ, en: No } } }")
    decision = decide(rules, facts()).decision
    assert isinstance(decision, Deny)
    assert decision.why is Refusal.POLICY
    assert decision.message == {"ja": "だめ", "en": "No"}


def test_a_denial_by_network_says_so() -> None:
    rules = policy("  - { name: no, when: { not: { zone: campus } }, then: deny }")
    assert outcome(rules, facts())[2] is Cause.NETWORK
    assert outcome(rules, facts(zone="unknown"))[2] is Cause.NETWORK_UNKNOWN


def test_the_network_is_the_cause_only_where_another_one_would_have_skipped() -> None:
    rules = policy("""
  - { name: no, when: { zone: guest }, then: deny }
  - { name: away, when: { page: portal.home, not: { zone: guest } }, then: skip }
  - { name: staff, when: { page: sign-in, zone: campus, group: staff }, then: skip }
  - { name: rest, when: {}, then: { require: [totp] } }
""")
    assert outcome(rules, facts(page=Page.DESK))[1:] == ("rest", Cause.RULE)
    assert outcome(rules, facts())[1:] == ("rest", Cause.RULE)
    assert outcome(rules, facts(groups=frozenset({"staff"})))[1:] == ("rest", Cause.NETWORK)
    lost = facts(zone="unknown", page=Page.PORTAL_HOME)
    assert outcome(policy(AWAY), lost)[1:] == ("rest", Cause.NETWORK_UNKNOWN)
    guest = facts(zone="guest", page=Page.PORTAL_HOME)
    assert outcome(policy(AWAY), guest)[1:] == ("rest", Cause.NETWORK)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "any: [{ zone: campus }, { group: staff }]",
        "any: [{ not: { zone: guest } }, { group: staff }]",
        "not: { zone: guest, page: portal.home }",
        "not: { any: [{ zone: guest }, { group: staff }] }",
    ],
)
def test_the_network_is_the_cause_however_the_rule_that_would_have_skipped_is_put(
    elsewhere: str,
) -> None:
    rules = policy(f"""
  - {{ name: away, when: {{ page: portal.home, {elsewhere} }}, then: skip }}
  - {{ name: rest, when: {{}}, then: {{ require: [totp] }} }}
""")
    guest = facts(zone="guest", page=Page.PORTAL_HOME)
    assert outcome(rules, guest)[1:] == ("rest", Cause.NETWORK)
    assert outcome(rules, replace(guest, page=Page.DESK))[1:] == ("rest", Cause.RULE)


def test_who_was_let_in_by_a_rule_of_the_network_is_told_so() -> None:
    rules = policy("  - { name: guests, when: { zone: guest }, then: { require: [totp] } }")
    done = facts(zone="guest", verified=(shown(PASSWORD), shown(TOTP)))
    assert outcome(rules, done) == (f"permit with {MFA}", "guests", Cause.NETWORK)


def test_where_nothing_was_shown_no_rule_is_looked_at() -> None:
    given = facts(verified=())
    decided = decide(CARD, given)
    assert (decided.facts, decided.steps) == (given, ())


AWAY = """
  - { name: away, when: { page: portal.home, not: { zone: guest } }, then: skip }
  - { name: rest, when: {}, then: { require: [totp] } }
"""


# -- a fact that is missing ------------------------------------------------------------------


def test_an_unknown_zone_is_denied_where_any_zone_is() -> None:
    rules = policy("""
  - { name: no, when: { zone: guest }, then: deny }
  - { name: yes, when: { page: sign-in }, then: skip }
""")
    assert outcome(rules, facts(zone="unknown", address=None))[:2] == ("deny (policy)", "no")


def test_a_skip_needs_the_fact_it_names() -> None:
    rules = policy("""
  - { name: trusted, when: { page: sign-in, enrolled: fido2 }, then: skip }
  - { name: rest, when: { page: sign-in }, then: { require: [totp] } }
""")
    assert outcome(rules, facts((TOTP, FIDO2)))[:2] == (f"permit with {PASSWORD_ACR}", "trusted")
    assert outcome(rules, facts((TOTP,), unreadable=True))[:2] == ("ask totp", "rest")


def test_an_unknown_zone_never_skips_even_where_no_rule_names_a_zone() -> None:
    rules = policy("""
  - { name: yes, when: { page: sign-in }, then: skip }
  - { name: ask, when: { page: sign-in }, then: { require: [totp] } }
""")
    assert outcome(rules, facts())[0] == f"permit with {PASSWORD_ACR}"
    unknown = facts(zone="unknown", address=None)
    assert outcome(rules, unknown) == ("ask totp", "ask", Cause.NETWORK_UNKNOWN)


def test_a_require_matched_on_unknown_holds_besides_the_next_match() -> None:
    rules = policy("""
  - { name: guests, when: { zone: guest }, then: { require: [fido2] } }
  - { name: rest, when: { page: sign-in }, then: { require: [totp, image_matrix] } }
""")
    unknown = facts((TOTP, FIDO2, MATRIX), zone="unknown", address=None)
    assert outcome(rules, unknown) == (
        "ask fido2, image_matrix, totp",
        "guests",
        Cause.NETWORK_UNKNOWN,
    )
    half = replace(unknown, verified=(shown(PASSWORD), shown(TOTP)))
    assert outcome(rules, half)[:2] == ("ask fido2", "guests")
    other_half = replace(unknown, verified=(shown(PASSWORD), shown(FIDO2)))
    assert outcome(rules, other_half)[:2] == ("ask image_matrix, totp", "rest")
    done = replace(unknown, verified=(shown(PASSWORD), shown(FIDO2), shown(TOTP)))
    assert outcome(rules, done)[0] == f"permit with {MFA}"
    effects = [step.effect for step in decide(rules, unknown).steps]
    assert effects == [Effect.JOINED, Effect.DECIDED]


def test_a_require_matched_on_unknown_alone_lets_nobody_in() -> None:
    rules = policy("  - { name: guests, when: { zone: guest }, then: { require: [totp] } }")
    unknown = facts(zone="unknown", verified=(shown(PASSWORD), shown(TOTP)))
    assert outcome(rules, unknown) == ("deny (policy)", "", Cause.NO_RULE)


def test_a_rule_that_names_the_unknown_zone_is_certain_of_it() -> None:
    rules = policy("""
  - { name: lost, when: { zone: unknown }, then: { require: [fido2] } }
  - { name: rest, when: {}, then: { require: [totp] } }
""")
    assert outcome(rules, facts((TOTP, FIDO2), zone="unknown"))[:2] == ("ask fido2", "lost")
    assert outcome(rules, facts((TOTP, FIDO2)))[:2] == ("ask totp", "rest")


# -- without a policy ------------------------------------------------------------------------


@pytest.mark.parametrize("page", list(Page))
def test_the_strictest_policy_asks_two_kinds_everywhere(page: Page) -> None:
    for zone in ("campus", "outside", "unknown"):
        plain = facts((TOTP, MATRIX, RECOVERY), page=page, zone=zone)
        assert outcome(strictest(), plain)[0] == "ask totp"
        weak = replace(plain, verified=(shown(PASSWORD), shown(MATRIX), shown(RECOVERY)))
        assert outcome(strictest(), weak)[0] == "ask totp"
        strong = replace(plain, verified=(shown(PASSWORD), shown(TOTP)))
        assert isinstance(decide(strictest(), strong).decision, Permit)
        assert isinstance(decide(strictest(), facts((), page=page, zone=zone)).decision, Deny)


def test_the_strictest_policy_shows_no_key_after_an_old_code() -> None:
    old = facts(page=Page.PORTAL_SHOW, verified=(shown(PASSWORD), shown(TOTP, 6 * M)))
    assert outcome(strictest(), old)[0] == "ask totp"
