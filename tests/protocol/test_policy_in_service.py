"""The whole language against a real directory, a file of countries and what browsers say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocol.attacked import CAMPUS, OFF_CAMPUS, PLAIN, Attacked, carried
from tests.servers import slapd, valkey
from tests.servers.country_file import write_country_file
from tests.servers.foreground import free_port
from tests.servers.idp import identity_provider
from tests.servers.valkey import Kind
from tests.simulators.person import Person

IPAD = "Mozilla/5.0 (iPad; CPU OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
PC = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0"
FRENCH = "198.51.100.200"
NOWHERE = "198.18.0.1"
POLICY = """
version: 1
zones:
  campus: { kind: campus, networks: [192.0.2.0/24] }
rules:
  - name: not from abroad
    when: { page: sign-in, zone: outside, not: { country: JP } }
    then: { deny: { ja: 国外からは利用できません。, en: Not from abroad. } }
  - name: no tablets in the archive
    when: { attribute: { employeeType: archivist }, device: tablet }
    then: { deny: { ja: タブレットは使えません。, en: No tablets. } }
  - name: newcomers set up first
    when: { page: sign-in, attribute: { employeeType: newcomer } }
    then: { enrol: [totp] }
  - name: guests have time
    when: { page: sign-in, attribute: { employeeType: guest } }
    then: { grace: { until: 2199-12-31 } }
  - name: professors are always asked
    when: { page: sign-in, attribute: { employeeType: professor } }
    then: { require: [totp] }
  - name: inside
    when: { page: sign-in, zone: campus }
    then: skip
  - name: first set-up on campus
    when: { page: portal.add-factor, enrolled: none, zone: campus }
    then: skip
  - { name: rest, when: {}, then: { require: [totp] } }
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    place = tmp_path_factory.mktemp("policy")
    (place / "policy.yaml").write_text(POLICY, encoding="utf-8")
    write_country_file(place / "countries.mmdb", {f"{OFF_CAMPUS}/32": "JP", f"{FRENCH}/32": "FR"})
    with (
        slapd.slapd() as directory,
        valkey.running(Kind.REDIS) as store,
        identity_provider(
            free_port(),
            directory=directory,
            store=store,
            more={
                "policy": str(place / "policy.yaml"),
                "countries": str(place / "countries.mmdb"),
                "audit": {"file": str(place / "audit.jsonl")},
                "mail": {"folder": str(place / "outbox")},
            },
        ) as idp,
    ):
        found = Attacked(idp, directory, store, place / "audit.jsonl")
        idp.register(PLAIN.metadata())
        try:
            yield found
        finally:
            for browser in found.browsers:
                browser.close()


def somebody(site: Attacked, kind: str | None, *, enrolled: bool = True) -> Person:
    person = site.person(enrolled=enrolled)
    if kind is not None:
        site.directory.put(site.entry(person), "employeeType", kind)
    return person


def came(site: Attacked, person: Person, address: str, user_agent: str = PC) -> str:
    """Let in, or the mark of the page where the sign-in stands."""
    browser = site.browser(address)
    browser.session.headers["User-Agent"] = user_agent
    page = person.give_password(browser.ask())
    return "in" if carried(page) else str(page.mark)


ASKED, REFUSED = "signin.challenge", "signin.refused"


@pytest.mark.parametrize(
    ("kind", "address", "user_agent", "expected"),
    [
        ("student", CAMPUS, PC, "in"),
        ("student", OFF_CAMPUS, PC, ASKED),
        ("professor", CAMPUS, PC, ASKED),
        # the directory hands nothing out: nobody can tell, so it is asked
        (None, CAMPUS, PC, ASKED),
        # abroad, and where no file knows the country
        ("student", FRENCH, PC, REFUSED),
        ("student", NOWHERE, PC, REFUSED),
        # what a browser says, and what it keeps to itself
        ("archivist", CAMPUS, PC, "in"),
        ("archivist", CAMPUS, IPAD, REFUSED),
        ("archivist", CAMPUS, "something new", REFUSED),
        ("student", CAMPUS, IPAD, "in"),
    ],
)
def test_the_language_decides_in_service(
    site: Attacked, kind: str | None, address: str, user_agent: str, expected: str
) -> None:
    assert came(site, somebody(site, kind), address, user_agent) == expected


@pytest.mark.parametrize(
    ("kind", "address", "expected"),
    [
        ("guest", OFF_CAMPUS, "in"),
        ("guest", FRENCH, REFUSED),
        ("student", OFF_CAMPUS, REFUSED),
        (None, CAMPUS, REFUSED),
        ("newcomer", CAMPUS, REFUSED),
        ("newcomer", OFF_CAMPUS, REFUSED),
    ],
)
def test_people_without_a_factor(
    site: Attacked, kind: str | None, address: str, expected: str
) -> None:
    assert came(site, somebody(site, kind, enrolled=False), address) == expected


def test_no_grace_where_a_service_asks_for_mfa(site: Attacked) -> None:
    guest = somebody(site, "guest", enrolled=False)
    assert guest.give_password(site.browser(OFF_CAMPUS).ask_mfa()).mark == REFUSED


def test_who_has_to_set_up_first_is_led_there_and_nothing_is_sent(site: Attacked) -> None:
    """From the campus, as P6 has it; elsewhere no way to a set-up is shown."""
    newcomer = somebody(site, "newcomer", enrolled=False)
    for address, led in ((CAMPUS, True), (OFF_CAMPUS, False)):
        page = newcomer.give_password(site.browser(address).ask())
        assert not carried(page)
        assert "Two-factor sign-in is not set up yet" in page.words
        assert bool(page.tree.xpath("//form[contains(@action, '/set-up')]")) is led


def test_explain_says_the_same_of_a_person_of_the_directory(site: Attacked) -> None:
    professor = somebody(site, "professor")
    said = site.idp.must("policy", "explain", "--user", professor.login, "--ip", CAMPUS)
    assert "true: attribute employeeType is professor (it is professor)" in said
    assert "outcome: ask totp" in said


def test_check_tells_of_the_file_of_countries(site: Attacked) -> None:
    assert "Test-Country, made on 2026-03-31" in site.idp.command("check").stdout
