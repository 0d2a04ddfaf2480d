"""Where an address is, from a file; whatever is wrong with the file, nobody is anywhere."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from idp_mfa.cli.checks import Notice, countries
from idp_mfa.countries import CountryFile
from tests.servers.country_file import write_country_file
from tests.unit.policy_facts import policy

NETWORKS = {
    "192.0.2.0/24": "JP",
    "203.0.113.0/25": "FR",
    "198.51.100.0/24": "QQ",
    "2001:db8:5::/48": "KR",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "countries.mmdb"
    write_country_file(found, NETWORKS)
    return found


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("192.0.2.9", "JP"),
        ("203.0.113.127", "FR"),
        ("203.0.113.128", None),
        ("2001:db8:5::1", "KR"),
        ("2001:db8:6::1", None),
        ("10.0.0.1", None),
        # a code that no country has
        ("198.51.100.1", None),
    ],
)
def test_an_address_is_in_the_country_that_the_file_says(
    path: Path, address: str, code: str | None
) -> None:
    file = CountryFile(path)
    assert file.country_of(ip_address(address)) == code
    assert file.why_not is None
    assert str(file.describe()).endswith("Test-Country, made on 2026-03-31")


def test_a_file_that_is_not_there_tells_no_country(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = CountryFile(tmp_path / "none.mmdb")
    for _ in range(3):
        assert file.country_of(ip_address("192.0.2.9")) is None
    assert file.why_not == "none.mmdb cannot be read (FileNotFoundError)"
    assert file.describe() is None
    assert len(caplog.messages) == 1
    write_country_file(tmp_path / "none.mmdb", NETWORKS)
    assert file.country_of(ip_address("192.0.2.9")) == "JP"


@pytest.mark.parametrize("content", [b"", b"rubbish" * 100])
def test_a_file_of_something_else_tells_no_country(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "countries.mmdb"
    path.write_bytes(content)
    file = CountryFile(path)
    assert file.country_of(ip_address("192.0.2.9")) is None
    assert "is no MaxMind DB file" in str(file.why_not)


def test_a_cut_file_tells_no_country_and_stops_nobody(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.with_suffix(".cut").write_bytes(whole[:length])
        found = CountryFile(path.with_suffix(".cut")).country_of(ip_address("192.0.2.9"))
        assert found in (None, "JP")


def test_a_new_file_counts_when_it_is_moved_into_place(path: Path) -> None:
    file = CountryFile(path)
    assert file.country_of(ip_address("192.0.2.9")) == "JP"
    write_country_file(path, {"192.0.2.0/24": "FR"})
    assert file.country_of(ip_address("192.0.2.9")) == "FR"
    broken = path.with_suffix(".broken")
    broken.write_bytes(b"rubbish" * 100)
    broken.replace(path)
    assert file.country_of(ip_address("192.0.2.9")) == "FR"
    assert "is no MaxMind DB file" in str(file.why_not)


def test_check_says_whether_countries_can_be_told_where_the_policy_names_them(path: Path) -> None:
    plain = policy("  - { name: all, when: {}, then: { require: [totp] } }")
    abroad = policy("  - { name: all, when: { not: { country: JP } }, then: deny }")
    assert countries(None, plain) == "no file"
    assert countries(None, abroad) == Notice("no file, and the policy names countries")
    assert countries(CountryFile(path), abroad) == "Test-Country, made on 2026-03-31"
    path.unlink()
    found = countries(CountryFile(path), abroad)
    assert isinstance(found, Notice)
    assert "cannot be read" in found.says
