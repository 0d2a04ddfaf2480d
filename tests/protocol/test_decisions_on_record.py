"""What a sign-in leaves on record: enough to judge it again, and no address without the key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from tests.protocol.attacked import CAMPUS, OFF_CAMPUS, Attacked, attacked, carried
from tests.simulators.person import Person

VPN = "198.51.100.10"
CAMPUS_V6 = "2001:db8:1::10"
ADDRESSES = (CAMPUS, OFF_CAMPUS, VPN, CAMPUS_V6)
DEFAULT = Path(__file__).parents[2] / "policies/default.yaml"


@pytest.fixture(scope="module")
def site() -> Iterator[Attacked]:
    """One of its own: every line on record is of these journeys."""
    with attacked() as started:
        yield started


@pytest.fixture(scope="module")
def people(site: Attacked) -> tuple[Person, Person]:
    """Two people after a small set of journeys: one with a phone, one with nothing."""
    phone, nothing = site.person(), site.person(enrolled=False)
    for address in (CAMPUS, CAMPUS_V6, VPN):
        assert carried(phone.give_password(site.browser(address).ask()))
    assert carried(nothing.give_password(site.browser(CAMPUS).ask()))
    for address in (OFF_CAMPUS, None):
        refused = nothing.give_password(site.browser(address).ask())
        assert refused.mark == "signin.refused"
    assert nothing.give_password(site.browser(CAMPUS).ask_mfa()).mark == "signin.refused"
    browser = site.browser(CAMPUS)
    assert carried(phone.give_password(browser.ask()))
    assert carried(browser.ask())
    assert carried(phone.give_code(browser.ask_mfa()))
    browser.address = None
    assert carried(browser.ask())
    browser.open(f"{browser.idp}/portal/totp")
    return phone, nothing


@pytest.fixture(scope="module")
def lines(site: Attacked, people: tuple[Person, Person]) -> list[dict[str, Any]]:
    assert people
    return [json.loads(line) for line in site.audited().splitlines()]


FIRST = ("password.accepted", "session.recognised")


def stable(site: Attacked, person: Person) -> str:
    (found,) = site.directory.get(site.entry(person), "entryUUID")
    return found.decode()


def replayed(site: Attacked, policy: Path, *more: str) -> dict[str, Any]:
    told = site.idp.must("policy", "replay", str(policy), "--json", *more)
    answer: dict[str, Any] = json.loads(told)
    return answer


def test_the_same_policy_decides_every_sign_in_as_it_was_decided(
    site: Attacked, lines: list[dict[str, Any]]
) -> None:
    first = [line for line in lines if line["event"] in FIRST]
    assert {line["decision"]["outcome"] for line in first} == {"skip", "permit", "ask", "deny"}
    assert len(first) >= 11
    told = replayed(site, DEFAULT, "--list")
    assert told["sign_ins"] == len(first)
    assert told["rows"] == []
    assert told["not_decidable"] == []


def test_each_answer_and_each_refusal_says_what_it_was_judged_by(
    lines: list[dict[str, Any]],
) -> None:
    told = {(line["event"], line["decision"]["outcome"]) for line in lines if line.get("decision")}
    assert {("assertion.issued", "skip"), ("assertion.issued", "permit")} <= told
    issued = [line for line in lines if line["event"] == "assertion.issued"]
    assert all(line["decision"]["acr"] == line["detail"]["acr"] for line in issued)
    by_policy = [
        line
        for line in lines
        if line["event"] == "sign-in.refused" and line["detail"].get("rule") is not None
    ]
    stories = {line["reference"] for line in lines if line.get("decision")}
    assert by_policy
    assert {line["reference"] for line in by_policy} <= stories


def test_a_stricter_policy_names_whom_it_would_ask_and_who_has_nothing(
    site: Attacked, people: tuple[Person, Person], tmp_path: Path
) -> None:
    text = DEFAULT.read_text(encoding="utf-8").partition("\ntests:")[0]
    stricter = tmp_path / "stricter.yaml"
    stricter.write_text(text.replace("zone: [campus, vpn] }", "zone: vpn }"), encoding="utf-8")
    told = replayed(site, stricter, "--list")
    assert (told["newly_skipped"], told["newly_denied"], told["not_decidable"]) == (0, 0, [])
    assert told["newly_asked"] == len(told["rows"]) >= 5
    assert told["people_without_factor"] == [stable(site, people[1])]
    assert {row["user"] for row in told["rows"]} == {stable(site, one) for one in people}
    said = site.idp.must("policy", "replay", str(stricter))
    assert f"{told['newly_asked']} newly asked, 0 newly skipped" in said
    assert "1 person newly asked has no usable factor" in said


def test_what_nobody_looked_at_is_not_decidable(
    site: Attacked, people: tuple[Person, Person], tmp_path: Path
) -> None:
    assert people
    text = DEFAULT.read_text(encoding="utf-8").partition("\ntests:")[0]
    asking = tmp_path / "asking.yaml"
    rule = "  - name: deans\n    when: { attribute: { title: dean } }\n    then: deny\n"
    asking.write_text(text.replace("rules:\n", f"rules:\n{rule}", 1), encoding="utf-8")
    told = replayed(site, asking)
    assert told["not_decidable"] == [{"missing": ["title"], "count": told["sign_ins"]}]


def test_a_policy_that_is_not_well_written_is_not_tried(site: Attacked, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nrules: [{ name: a, when: { netwrok: x }, then: deny }]")
    done = site.idp.command("policy", "replay", str(bad))
    assert done.returncode == 2
    assert "netwrok" in done.stderr


# -- why was I asked? ----------------------------------------------------------------------------


def reference_of(lines: list[dict[str, Any]], **wanted: str) -> str:
    found = [
        line["reference"]
        for line in lines
        if line["event"] in FIRST and wanted.items() <= line["decision"].items()
    ]
    assert found, wanted
    return str(found[0])


def test_a_reference_tells_why(site: Attacked, lines: list[dict[str, Any]]) -> None:
    asked = reference_of(lines, outcome="ask", zone="campus")
    told = site.idp.must("policy", "explain", "--reference", asked.lower())
    assert (
        "session.recognised: ask totp by 'On campus and on the VPN nothing more is asked'" in told
    )
    assert "the one in force:" in told
    assert "because: the service asks for a class of sign-in" in told
    assert f"from {CAMPUS}, zone campus" in told
    assert "not what was decided" not in told
    refused = reference_of(lines, outcome="deny", zone="outside")
    told = site.idp.must("policy", "explain", "--reference", refused, "--json")
    answer = json.loads(told)
    assert (answer["same_policy"], answer["same"], answer["now"]) == (
        True,
        True,
        "deny no-factor-enrolled",
    )


def test_a_reference_under_another_policy_says_that_it_is_another(
    site: Attacked, lines: list[dict[str, Any]], tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    text = DEFAULT.read_text(encoding="utf-8").partition("\ntests:")[0]
    other.write_text(text.replace("zone: [campus, vpn] }", "zone: vpn }"), encoding="utf-8")
    code = reference_of(lines, outcome="skip", zone="campus")
    told = site.idp.must("policy", "explain", "--policy", str(other), "--reference", code)
    assert "which is another" in told
    assert "which is not what was decided then: skip" in told


@pytest.mark.parametrize("words", [(), ("--reference", "ZZZZZZZZ")])
def test_what_is_not_on_record_cannot_be_explained(site: Attacked, words: tuple[str, ...]) -> None:
    done = site.idp.command("policy", "explain", *words)
    assert done.returncode == (1 if words else 2)


# -- addresses -----------------------------------------------------------------------------------


def test_no_line_shows_an_address(site: Attacked, lines: list[dict[str, Any]]) -> None:
    assert any(line["seen"] for line in lines)
    with redis.Redis(unix_socket_path=str(site.store.socket)) as client:
        window = b"\n".join(
            line
            for key in client.scan_iter(match="*audit*")
            if client.type(key) == b"list"
            for line in client.lrange(key, 0, -1)
        ).decode()
    assert '"event":"assertion.issued"' in window
    for text in (site.audited(), window, site.idp.must("audit", "export")):
        for address in (*ADDRESSES, "127.0.0.1"):
            assert address not in text


def test_who_has_the_key_reads_addresses_and_finds_by_them(
    site: Attacked, lines: list[dict[str, Any]]
) -> None:
    code = reference_of(lines, outcome="skip", zone="vpn")
    shown = json.loads(site.idp.must("audit", "show", code, "--json"))
    assert {record["address"] for record in shown} == {VPN}
    assert all(VPN in record["walk"][-1] for record in shown)
    for given in (VPN, "198.51.100.0/24"):
        found = json.loads(site.idp.must("audit", "search", "--address", given, "--json"))
        assert {record["address"] for record in found} == {VPN}
        assert code in {record["reference"] for record in found}
    v6 = json.loads(site.idp.must("audit", "search", "--address", "2001:db8:1::/56", "--json"))
    assert {record["address"] for record in v6} == {CAMPUS_V6}
    assert json.loads(site.idp.must("audit", "search", "--address", "192.0.2.11", "--json")) == []
    assert site.idp.command("audit", "search", "--address", "192.0.2.0/25").returncode == 2


def test_an_exported_copy_is_searched_by_marks_and_replayed_by_zones(
    site: Attacked, lines: list[dict[str, Any]], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_text(site.idp.must("audit", "export"), encoding="ascii")
    assert len(copy.read_text().splitlines()) >= len(lines)
    words = ("audit", "search", "--audit", str(copy), "--json", "--address")
    found = json.loads(site.idp.must(*words, VPN))
    assert found
    assert {record["address"] for record in found} == {"sealed"}
    told = replayed(site, DEFAULT, "--audit", str(copy), "--list")
    assert (told["sign_ins"] > 0, told["rows"]) == (True, [])


def test_another_key_opens_and_finds_nothing(
    site: Attacked, lines: list[dict[str, Any]], tmp_path: Path
) -> None:
    settings = yaml.safe_load((site.idp.folder / "idp_mfa.yaml").read_text())
    settings["keys"]["addresses"] = str(tmp_path / "addresses")
    file = site.idp.folder / "other-key.yaml"
    file.write_text(yaml.safe_dump(settings, allow_unicode=True))
    code = reference_of(lines, outcome="skip", zone="vpn")

    def must(*words: str) -> str:
        return site.idp.must("--config", str(file), *words)

    must("key", "create")
    shown = json.loads(must("audit", "show", code, "--json"))
    assert {record["address"] for record in shown} == {"sealed"}
    assert VPN not in must("audit", "show", code)
    assert json.loads(must("audit", "search", "--address", VPN, "--json")) == []


def test_the_service_is_not_ready_without_the_key(site: Attacked) -> None:
    key = site.idp.folder / "secrets" / "addresses"
    aside = key.with_name("aside")
    assert "addresses" in site.idp.must("check")
    key.rename(aside)
    try:
        done = site.idp.command("check")
        assert done.returncode == 1
        assert "addresses cannot be read" in done.stdout
    finally:
        aside.rename(key)


def test_keys_of_old_addresses_are_destroyed_on_demand(site: Attacked) -> None:
    assert "addresses can be opened back to" in site.idp.must("audit", "expire")
