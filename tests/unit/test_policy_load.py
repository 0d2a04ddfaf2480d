"""What an admin is told about a policy that cannot be used: where, and in words."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa.model import PASSWORD, Acr, BoundBy, FactorKind, FactorName
from idp_mfa.policy.conditions import All, HasValue
from idp_mfa.policy.dated import During, WasBound, WasVerified
from idp_mfa.policy.load import load
from idp_mfa.policy.model import (
    Assurance,
    Enrol,
    Grace,
    Policy,
    Refuse,
    Require,
    Skip,
    ZoneKind,
    ZoneName,
)
from idp_mfa.yaml_document import Problems
from tests.unit.policy_facts import ZONES, policy

SHIPPED = Path(__file__).parents[2] / "policies"


def problems(text: str) -> list[str]:
    answer = load(text, "p.yaml")
    assert isinstance(answer, Problems), "was loaded"
    return [str(problem) for problem in answer]


def of_rule(rule: str) -> list[str]:
    return problems(f"{ZONES}rules:\n  - {rule}\n")


def of_zones(zones: str) -> list[str]:
    return problems(f"version: 1\nrules: [{{ name: a, when: {{}}, then: deny }}]\nzones:\n{zones}")


def test_what_the_whole_language_says_is_read_as_written() -> None:
    read = load(
        """version: 1
time_zone: Asia/Tokyo
zones:
  lent:
    kind: other
    networks: [192.0.2.0/25, { network: 198.51.100.0/24, expires: 2027-03-31 }]
rules:
  - name: one
    when:
      attribute: { title: [staff, dean], o: x }
      time: { days: [mon, fri], from: 08:00, to: "24:00", zone: Europe/Paris }
      bound: { by: [mailed-code, desk], factor: totp, within: 1d }
      verified: { factor: [totp, password], within: 5m }
    then: deny
  - { name: two, when: { bound: import, time: { from: 22:00, to: 06:00 } }, then: deny }
  - { name: three, when: { page: sign-in }, then: { grace: { until: 2027-03-31 } } }
  - { name: four, when: { page: sign-in }, then: { enrol: [totp, fido2] } }
""",
        "p.yaml",
    )
    assert isinstance(read, Policy), str(read)
    assert read.attributes == {"title", "o"}
    end = datetime(2027, 3, 31, 15, tzinfo=UTC)
    lent = read.zones[ZoneName("lent")]
    assert lent.ends == {ip_network("198.51.100.0/24"): end}
    totp, fido2 = FactorName("totp"), FactorName("fido2")
    assert [rule.when for rule in read.rules[:2]] == [
        All(
            (
                All(
                    (
                        HasValue("title", frozenset({"staff", "dean"})),
                        HasValue("o", frozenset({"x"})),
                    )
                ),
                During(frozenset({0, 4}), time(8), time(), ZoneInfo("Europe/Paris")),
                WasBound(
                    frozenset({BoundBy.MAILED_CODE, BoundBy.DESK}),
                    frozenset({totp}),
                    timedelta(days=1),
                ),
                WasVerified(frozenset({totp, PASSWORD}), timedelta(minutes=5)),
            )
        ),
        All(
            (
                WasBound(frozenset({BoundBy.IMPORT}), frozenset(), None),
                During(frozenset(range(7)), time(22), time(6), ZoneInfo("Asia/Tokyo")),
            )
        ),
    ]
    assert [rule.then for rule in read.rules[2:]] == [Grace(end), Enrol(frozenset({totp, fido2}))]


def test_a_policy_is_read_as_written() -> None:
    text = f"""{ZONES}
  # comment
assurance: {{ gakunin_aal2: true, refeds_phishing_resistant: "https://refeds.org/x" }}
rules:
  - name: one
    when: {{ page: [sign-in, desk], not: {{ zone: campus }} }}
    then: {{ require: [totp, fido2], fresh: 90s, kinds: 2 }}
  - {{ name: two, when: {{ page: sign-in }}, then: skip }}
  - {{ name: three, when: {{}}, then: deny }}
"""
    read = load(text, "p.yaml")
    assert isinstance(read, Policy)
    assert read.version == hashlib.sha256(text.encode()).hexdigest()
    assert read.source == "p.yaml"
    assert read.assurance == Assurance(True, Acr("https://refeds.org/x"))
    factors = frozenset({FactorName("totp"), FactorName("fido2")})
    assert [rule.then for rule in read.rules] == [
        Require(factors, timedelta(seconds=90), 2),
        Skip(),
        Refuse(),
    ]
    assert [(rule.name, rule.line) for rule in read.rules] == [
        ("one", 11),
        ("two", 14),
        ("three", 15),
    ]
    assert {zone.name: zone.kind for zone in read.zones.values()} == {
        "campus": ZoneKind.CAMPUS,
        "guest": ZoneKind.OTHER,
        "vpn": ZoneKind.VPN,
    }


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            "{ name: a, when: { page: sign-in, §netwrok: campus }, then: skip }",
            "`netwrok` is not a condition; did you mean `zone`?",
        ),
        (
            "{ name: a, when: { page: sign-in, §groups: x }, then: skip }",
            "`groups` is not a condition; did you mean `group`?",
        ),
        (
            "{ name: a, when: { page: sign-in, zone: §campsu }, then: skip }",
            "`campsu` is not known in `zone`; did you mean `campus`?",
        ),
        (
            "{ name: a, when: { page: [sign-in, §signin] }, then: deny }",
            "`signin` is not known in `page`; did you mean `sign-in`?",
        ),
        (
            "{ name: a, when: { enrolled: §password }, then: deny }",
            "`password` is not known in `enrolled`; did you mean `passcode`?",
        ),
        (
            "{ name: a, when: { asked: §'https://refeds.org/profile/mffa' }, then: deny }",
            "`https://refeds.org/profile/mffa` is not known in `asked`; did you mean"
            " `https://refeds.org/profile/mfa`?",
        ),
        ("{ name: a, when: { zone: §[] }, then: deny }", "`zone` names nothing"),
        ("{ name: a, when: { zone: §{} }, then: deny }", "each word of `zone` must"),
        ("{ name: a, when: { zone: §~ }, then: deny }", "each word of `zone` must"),
        ("{ name: a, when: { any: §[] }, then: deny }", "`any` names nothing"),
        ("{ name: a, when: { any: §{} }, then: deny }", "`any` must be a list"),
        ("{ name: a, when: { not: §campus }, then: deny }", "conditions must be a"),
        ("{ name: a, when: §always, then: deny }", "conditions must be a mapping"),
        ("§{ name: a, then: deny }", "a rule needs `when`"),
        ("{ name: a, when: {}, §than: deny }", "`than` is not known in a rule; did"),
        ("{ name: §~, when: {}, then: deny }", "a rule's name must be a text"),
        ("§skip", "a rule must be a mapping"),
        (
            "{ name: a, when: {}, then: §allow }",
            "`then: allow` is no outcome; did you mean `skip`?",
        ),
        (
            "{ name: a, when: {}, then: §often }",
            "`then: often` is no outcome; `then` must be `skip`",
        ),
        (
            "{ name: a, when: {}, then: { §requires: [totp] } }",
            "`requires` is no outcome; did you mean `require`?",
        ),
        (
            "{ name: a, when: {}, then: { enrol: [§otp] } }",
            "`otp` is not known in `enrol`; did you",
        ),
        ("{ name: a, when: {}, then: { grace: §{} } }", "`grace` needs `until`"),
        (
            "{ name: a, when: {}, then: { grace: { until: §2027-02-30 } } }",
            "`until` must be a day such as",
        ),
        ("{ name: a, when: { attribute: §title }, then: deny }", "`attribute` must be a mapping"),
        (
            "{ name: a, when: { attribute: { §'cn;lang-ja': [x] } }, then: deny }",
            "`cn;lang-ja`: an attribute's name is",
        ),
        (
            "{ name: a, when: { attribute: { §userPassword: [x] } }, then: deny }",
            "`userPassword` is a secret",
        ),
        (
            "{ name: a, when: { attribute: { title: §[] } }, then: deny }",
            "attribute `title` names nothing",
        ),
        (
            "{ name: a, when: { country: [JP, §UK] }, then: deny }",
            "`UK` is not known in `country`",
        ),
        (
            "{ name: a, when: { country: §jp }, then: deny }",
            "`jp` is not known in `country`; did you mean `JP`?",
        ),
        (
            "{ name: a, when: { device: §unknown }, then: deny }",
            "`unknown` is not known in `device`; known are `computer`, `phone`, `tablet`",
        ),
        ("{ name: a, when: { time: §{} }, then: deny }", "`time` needs `days`, or `from` and `to`"),
        (
            "{ name: a, when: { time: { days: [§monday] } }, then: deny }",
            "`monday` is not known in `days`; did you mean `mon`?",
        ),
        ("{ name: a, when: { time: { §from: 08:00 } }, then: deny }", "`from` needs `to` besides"),
        (
            "{ name: a, when: { time: { from: §8am, to: 18:00 } }, then: deny }",
            "`from` must be a time such as `08:00`",
        ),
        (
            "{ name: a, when: { time: { from: 25:00, to: §18:60 } }, then: deny }",
            "`to` must be a time such as `08:00`",
        ),
        (
            "{ name: a, when: { time: { from: 08:00, to: §08:00 } }, then: deny }",
            "`to` is the same time as `from`",
        ),
        (
            "{ name: a, when: { time: { days: mon, zone: §asia/tokyo } }, then: deny }",
            "`asia/tokyo` is not known in `zone` of `time`; did you mean `Asia/Tokyo`?",
        ),
        (
            "{ name: a, when: { time: { days: mon, zone: §../../etc } }, then: deny }",
            "`../../etc` is not known in `zone` of `time`",
        ),
        (
            "{ name: a, when: { bound: §mail }, then: deny }",
            "`mail` is not known in `bound`; did you mean `mailed-code`?",
        ),
        ("{ name: a, when: { bound: §{} }, then: deny }", "`bound` needs `by`, `factor` or"),
        (
            "{ name: a, when: { bound: { within: §tomorrow } }, then: deny }",
            "`within` must be a duration such as",
        ),
        ("{ name: a, when: { verified: §{ factor: totp } }, then: deny }", "`verified` needs `wi"),
        (
            "{ name: a, when: { verified: { factor: §otp, within: 5m } }, then: deny }",
            "`otp` is not known in `factor`; did you mean `totp`?",
        ),
        ("{ name: a, when: {}, then: §{} }", "`then` must be"),
        (
            "{ name: a, when: {}, then: { require: [§otp] } }",
            "`otp` is not known in `require`; did you mean `totp`?",
        ),
        (
            "{ name: a, when: {}, then: { require: [§password] } }",
            "`password` is not known in `require`",
        ),
        ("{ name: a, when: {}, then: { require: §[] } }", "`require` names nothing"),
        (
            "{ name: a, when: {}, then: { require: totp, fresh: §5 } }",
            "`fresh` must be a duration such as",
        ),
        (
            "{ name: a, when: {}, then: { require: totp, fresh: §0m } }",
            "`fresh` must be a duration such as",
        ),
        (
            "{ name: a, when: {}, then: { require: totp, kinds: §3 } }",
            "`kinds` must be a number from 1 to 2",
        ),
        (
            "{ name: a, when: {}, then: { require: totp, kinds: §true } }",
            "`kinds` must be a number from 1 to 2",
        ),
        (
            "{ name: a, when: {}, then: { require: totp, §deny: {} } }",
            "`deny` is not known in an outcome that requires",
        ),
        ("{ name: a, when: {}, then: { deny: §{ en: No } } }", "`deny` needs `ja`"),
        (
            "{ name: a, when: {}, then: { deny: { en: No, ja: §'', fr: Non } } }",
            "`ja` of `deny` must be a text",
        ),
    ],
)
def test_a_rule_that_is_not_well_written(rule: str, said: str) -> None:
    column = rule.index("§") + len("  - ") + 1
    found = of_rule(rule.replace("§", ""))
    assert any(problem.startswith(f"p.yaml:8:{column}: {said}") for problem in found), found


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("{ page: sign-in, zone: [campus, unknown] }", "cannot name the zone `unknown`"),
        ("{ page: sign-in, any: [{ zone: unknown }] }", "cannot name the zone `unknown`"),
        ("{ page: sign-in, not: { zone: unknown } }", "cannot name the zone `unknown`"),
        ("{ zone: campus }", "must name its pages"),
        ("{}", "must name its pages"),
        ("{ zone: campus, not: { page: desk } }", "must name its pages"),
        ("{ any: [{ page: sign-in }, { zone: campus }] }", "must name its pages"),
        ("{ page: portal.show, zone: campus }", "`portal.show` cannot be skipped"),
        ("{ page: [sign-in, portal.mail] }", "`portal.mail` cannot be skipped"),
        ("{ all: [{ page: portal.remove-factor }] }", "`portal.remove-factor` cannot be skipped"),
        ("{ page: desk, group: desk }", "`desk` cannot be skipped"),
        ("{ page: services }", "`services` cannot be skipped"),
        ("{ page: sign-in, device: phone }", "cannot look at `device`"),
        ("{ page: sign-in, not: { any: [{ device: phone }] } }", "cannot look at `device`"),
        ("{ page: portal.add-factor, zone: campus }", "`portal.add-factor` cannot be skipped"),
        (
            "{ page: portal.add-factor, enrolled: [none, totp] }",
            "`portal.add-factor` cannot be skipped",
        ),
    ],
)
def test_what_no_rule_may_skip(when: str, said: str) -> None:
    (problem,) = of_rule(f"{{ name: a, when: {when}, then: skip }}")
    assert said in problem


@pytest.mark.parametrize("then", ["{ grace: { until: 2027-03-31 } }", "{ enrol: [totp] }"])
@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("{}", "must name its pages"),
        ("{ page: portal.add-factor }", "cannot do so on `portal.add-factor`"),
        ("{ page: [sign-in, portal.home] }", "cannot do so on `portal.home`"),
        ("{ page: sign-in, zone: unknown }", "cannot name the zone `unknown`"),
        ("{ page: sign-in, device: computer }", "cannot look at `device`"),
    ],
)
def test_where_nobody_is_let_in_or_sent_to_set_up(then: str, when: str, said: str) -> None:
    (problem,) = of_rule(f"{{ name: a, when: {when}, then: {then} }}")
    assert said in problem


def test_a_grace_is_for_the_sign_in_alone_but_the_desk_may_have_a_factor_set_up() -> None:
    desk = "{ page: desk }"
    assert of_rule(f"{{ name: a, when: {desk}, then: {{ grace: {{ until: 2027-03-31 }} }} }}")
    policy(f"  - {{ name: a, when: {desk}, then: {{ enrol: [totp] }} }}")


def test_a_first_factor_may_be_set_up_without_one() -> None:
    policy("  - { name: a, when: { page: portal.add-factor, enrolled: none }, then: skip }")


@pytest.mark.parametrize(
    ("zones", "said"),
    [
        (
            "  a: { kind: campus, networks: [192.0.2.0/24] }\n"
            "  b: { kind: vpn, networks: [198.51.100.0/24, 192.0.2.0/24] }",
            "p.yaml:5:47: `192.0.2.0/24` stands in zone `a` already, line 4",
        ),
        (
            "  a: { kind: campus, networks: [192.0.2.0/24, '::ffff:192.0.2.0/120'] }",
            "p.yaml:4:47: `::ffff:192.0.2.0/120` stands in zone `a` already, line 4",
        ),
        (
            "  a: { kind: campus, networks: [192.0.2.9, 192.0.2.9/32] }",
            "p.yaml:4:44: `192.0.2.9/32` stands in zone `a` already",
        ),
        (
            "  a: { kind: campus, networks: [192.0.2.10/24] }",
            "p.yaml:4:33: `192.0.2.10/24` is no network: bits are set beyond the prefix; did you"
            " mean `192.0.2.0/24`?",
        ),
        ("  a: { kind: campus, networks: [192.0.2/24] }", "p.yaml:4:33: `192.0.2/24` is no"),
        ("  a: { kind: campus, networks: 192.0.2.0/24 }", "p.yaml:4:32: `networks` must be a"),
        ("  a: { kind: campus, networks: [5] }", "p.yaml:4:33: `5` is no network"),
        ("  a: { kind: camp, networks: [] }", "p.yaml:4:14: `camp` is not known in `kind`; did"),
        ("  a: { networks: [] }", "p.yaml:4:6: zone `a` needs `kind`"),
        ("  a: { kind: campus }", "p.yaml:4:6: zone `a` needs `networks`"),
        ("  outside: { kind: campus, networks: [] }", "p.yaml:4:3: `outside` is what addresses"),
        ("  unknown: { kind: campus, networks: [] }", "p.yaml:4:3: `unknown` is what addresses"),
        ("  学内: { kind: campus, networks: [] }", "p.yaml:4:3: `学内`: a zone's name is a-z"),
        (
            "  a: { kind: vpn, networks: [], own_factor: yes }",
            "p.yaml:4:45: `own_factor` must be `true` or `false`",
        ),
        ("  - a", "p.yaml:4:3: `zones` must be a mapping"),
        (
            "  a: { kind: campus, networks: [{ network: 192.0.2.0/24, expires: soon }] }",
            "p.yaml:4:67: `expires` must be a day such as `2027-03-31`",
        ),
        (
            "  a: { kind: campus, networks: [{ network: 192.0.2.0/24, expiry: 2027-03-31 }] }",
            "p.yaml:4:58: `expiry` is not known in a network; did you mean `expires`?",
        ),
        (
            "  a: { kind: campus, networks: [192.0.2.0/24, { network: 192.0.2.0/24 }] }",
            "p.yaml:4:58: `192.0.2.0/24` stands in zone `a` already",
        ),
        ("  a: { kind: vpn, networks: [{ expires: 2027-03-31 }] }", "p.yaml:4:30: a network needs"),
    ],
)
def test_zones_that_are_not_well_written(zones: str, said: str) -> None:
    assert of_zones(zones)[0].startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "p.yaml:1:1: a policy needs `version`"),
        ("- a", "p.yaml:1:1: a policy must be a mapping"),
        ("a", "p.yaml:1:1: a policy must be a mapping"),
        ("version: 2\nrules: []", "p.yaml:1:10: `version` must be a number from 1 to 1"),
        ("version: 1\nrules: []", "p.yaml:2:8: `rules` names nothing"),
        ("version: 1\nrules: {}", "p.yaml:2:8: `rules` must be a list"),
        ("version: 1\nrule: []", "p.yaml:1:1: a policy needs `rules`"),
        ("version: 1\nrules: [", "p.yaml:"),
        (
            "version: 1\nrules:\n- { name: a, when: {}, then: deny }\n"
            "- { name: a, when: {}, then: deny }",
            "p.yaml:4:3: rule 'a' stands here twice, first in line 3",
        ),
        (
            "version: 1\nrules:\n- { name: a, when: {}, then: deny }\nassurance: { aal2: true }",
            "p.yaml:4:14: `aal2` is not known in `assurance`",
        ),
    ],
)
def test_a_document_that_is_no_policy(text: str, said: str) -> None:
    assert problems(text)[0].startswith(said)


def test_all_problems_are_found_at_once_in_their_order() -> None:
    found = problems("""version: 1
zones: { a: { kind: campus, networks: [x] } }
rules:
  - { name: a, when: { zoone: a }, then: { require: [otp], fresh: soon } }
  - { name: b, when: { page: sign-in }, then: alow }
tests:
  - { name: c, given: { from: here }, expect: { outcome: allow } }
""")
    assert [problem.split(":")[1] for problem in found] == ["2", "4", "4", "4", "5", "7", "7"]


def test_a_policy_whose_own_test_fails_is_not_loaded() -> None:
    text = f"""{ZONES}
rules:
  - {{ name: ask, when: {{}}, then: {{ require: [totp] }} }}
tests:
  - {{ name: right, given: {{ from: 192.0.2.1, enrolled: totp }}, expect: {{ outcome: ask }} }}
  - {{ name: hopeful, given: {{ from: 192.0.2.1, enrolled: totp }}, expect: {{ outcome: skip }} }}
"""
    assert problems(text) == [
        "p.yaml:12:5: test 'hopeful' fails: ask totp, by rule 'ask' in zone campus"
    ]


@pytest.mark.parametrize(
    ("given", "expect", "fails"),
    [
        ("from: unknown", "outcome: deny, why: no-factor-enrolled", False),
        ("from: unknown", "outcome: deny, why: policy", True),
        ("from: 192.0.2.1, enrolled: unreadable", "outcome: deny, why: no-factor-enrolled", True),
        ("from: 192.0.2.1, enrolled: totp", "outcome: ask, factors: [totp]", False),
        ("from: 192.0.2.1, enrolled: [totp, fido2]", "outcome: ask, factors: [totp]", True),
        ("from: 192.0.2.1, enrolled: totp", "outcome: ask, rule: ask", False),
        ("from: 192.0.2.1, enrolled: totp", "outcome: ask, rule: other", True),
        ("from: 192.0.2.1, verified: ['password:1h', 'totp:9m']", "outcome: permit", False),
        ("from: 192.0.2.1, verified: ['password:1h', 'totp:11m']", "outcome: permit", True),
        ("from: 192.0.2.1, verified: [password, totp]", "outcome: skip", True),
        (
            "from: 192.0.2.1, verified: [password, totp]",
            "outcome: permit, class: 'https://refeds.org/profile/mfa'",
            False,
        ),
        (
            "from: 192.0.2.1, verified: [password, totp]",
            "outcome: permit, class: 'urn:oasis:names:tc:SAML:2.0:ac:classes:Password'",
            True,
        ),
    ],
)
def test_a_test_sees_each_thing_it_expects(given: str, expect: str, fails: bool) -> None:
    answer = load(
        f"""{ZONES}
rules: [{{ name: ask, when: {{}}, then: {{ require: [totp, fido2], fresh: 10m }} }}]
tests: [{{ name: t, given: {{ {given} }}, expect: {{ {expect} }} }}]
""",
        "p.yaml",
    )
    assert isinstance(answer, Problems) is fails, str(answer)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("{ name: a, given: { from: here }, expect: { outcome: ask } }", "`from` must be an IP"),
        ("{ name: a, given: {}, expect: { outcome: ask } }", "`given` needs `from`"),
        (
            "{ name: a, given: { from: unknown, group: x }, expect: { outcome: ask } }",
            "`group` is not known in `given`; did you mean `groups`?",
        ),
        (
            "{ name: a, given: { from: unknown, verified: 'totp:3' }, expect: { outcome: ask } }",
            "`totp:3` must be a factor's name",
        ),
        (
            "{ name: a, given: { from: unknown, verified: sms }, expect: { outcome: ask } }",
            "`sms` must be a factor's name",
        ),
        (
            "{ name: a, given: { from: unknown }, expect: { outcome: ask, class: x } }",
            "`class` says nothing about `ask`",
        ),
        (
            "{ name: a, given: { from: unknown }, expect: { outcome: deny, why: no } }",
            "`no` is not known in `why`",
        ),
        ("{ name: a, given: { from: unknown } }", "a test needs `expect`"),
        (
            "{ name: a, given: { from: unknown, at: noon }, expect: { outcome: ask } }",
            "`at` must be a moment such as",
        ),
        (
            "{ name: a, given: { from: unknown, device: mobile }, expect: { outcome: ask } }",
            "`mobile` is not known in `device`",
        ),
        (
            "{ name: a, given: { from: unknown, bound: { totp: x } }, expect: { outcome: ask } }",
            "`totp` must be one of `campus`",
        ),
        (
            "{ name: a, given: { from: unknown, attributes: [x] }, expect: { outcome: ask } }",
            "`attributes` must be a mapping",
        ),
    ],
)
def test_tests_that_are_not_well_written(case: str, said: str) -> None:
    found = problems(f"{ZONES}rules: [{{ name: a, when: {{}}, then: deny }}]\ntests: [{case}]")
    assert said in found[0]


def test_an_installed_factor_can_be_named() -> None:
    text = f"""{ZONES}
rules: [{{ name: a, when: {{}}, then: {{ require: [card] }} }}]
tests: [{{ name: t, given: {{ from: unknown, verified: [password, card] }},
  expect: {{ outcome: permit, class: "https://refeds.org/profile/mfa" }} }}]
"""
    assert "`card` is not known in `require`" in problems(text)[0]
    card = {FactorName("card"): frozenset({FactorKind.POSSESSION})}
    assert isinstance(load(text, "p.yaml", card), Policy)


@pytest.mark.parametrize(
    "file", sorted(SHIPPED.rglob("*.yaml")), ids=lambda file: str(file.relative_to(SHIPPED))
)
def test_every_shipped_policy_loads_with_its_tests(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    answer = load(text, file.name)
    assert isinstance(answer, Policy), str(answer)
    assert "\ntests:\n" in text


KEYS = ["version", "rules", "zones", "tests", "when", "then", "name", "given", "expect", "from"]
VALUES = ["page", "zone", "group", "sign-in", "campus", "unknown", "skip", "deny", "require", "ask"]
WORDS = st.sampled_from([*KEYS, *VALUES, "totp", "outcome", "any", "all", "not", "1", "true"])
TREES = st.recursive(
    WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=25,
)


@given(TREES)
def test_every_document_is_loaded_or_refused_in_words(tree: object) -> None:
    answer = load(flow(tree), "p.yaml")
    assert isinstance(answer, Policy) or all(problem.message for problem in answer)


def flow(tree: object) -> str:
    match tree:
        case dict():
            return "{" + ", ".join(f'"{key}": {flow(value)}' for key, value in tree.items()) + "}"
        case list():
            return "[" + ", ".join(map(flow, tree)) + "]"
        case _:
            return str(tree)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("https://refeds.org/profile/mfa", "must be another class than those known"),
        ("https://www.gakunin.jp/profile/AAL2", "must be another class than those known"),
        ("phr", "must be an https address"),
        ("http://refeds.org/profile/x", "must be an https address"),
        ("https://refeds.org/ x", "must be an https address"),
        ("true", "must be an https address"),
    ],
)
def test_the_phishing_resistant_class_is_an_identifier_of_its_own(written: str, said: str) -> None:
    """A class that weaker sign-ins reach can never take its name, nor it theirs."""
    top = f"assurance: {{ refeds_phishing_resistant: {written!r} }}"
    (problem,) = problems(f"version: 1\n{top}\nrules: [{{ name: a, when: {{}}, then: deny }}]\n")
    assert said in problem


def test_a_rule_may_look_at_the_class_that_the_site_filled_in_and_at_no_other() -> None:
    named = "https://refeds.org/profile/its-second-class"
    rules = f"rules: [{{ name: a, when: {{ asked: {named!r} }}, then: deny }}]"
    (problem,) = problems(f"version: 1\n{rules}\n")
    assert "is not known in `asked`" in problem
    top = f"assurance: {{ refeds_phishing_resistant: {named!r} }}"
    assert isinstance(load(f"version: 1\n{top}\n{rules}\n", "p.yaml"), Policy)
    empty = "assurance: { refeds_phishing_resistant: '' }"
    read = load(f"version: 1\n{empty}\nrules: [{{ name: a, when: {{}}, then: deny }}]", "p.yaml")
    assert isinstance(read, Policy)
    assert read.assurance == Assurance()
