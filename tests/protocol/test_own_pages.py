"""What a page of ours keeps whatever a policy says, where the policy is content with less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol.attacked import Attacked
from tests.protocol.test_written_codes import made, opened, used
from tests.servers import slapd, valkey
from tests.servers.foreground import free_port
from tests.servers.idp import identity_provider
from tests.servers.valkey import Kind
from tests.simulators.phone import Phone

OUTSIDE = "203.0.113.10"
CONTENT = """\
version: 1
rules:
  - { name: a code on paper is enough, when: {}, then: { require: [recovery_code, totp] } }
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    place = tmp_path_factory.mktemp("policy")
    (place / "policy.yaml").write_text(CONTENT, encoding="utf-8")
    with (
        slapd.slapd() as directory,
        valkey.running(Kind.REDIS) as store,
        identity_provider(
            free_port(),
            directory=directory,
            store=store,
            more={
                "policy": str(place / "policy.yaml"),
                "factors": ["totp", "recovery_code"],
                "audit": {"file": str(place / "audit.jsonl")},
                "mail": {"folder": str(place / "outbox")},
            },
        ) as idp,
    ):
        found = Attacked(idp, directory, store, place / "audit.jsonl")
        try:
            yield found
        finally:
            for browser in found.browsers:
                browser.close()


@pytest.mark.parametrize("path", ["/portal/totp/show", "/ios/link", "/portal/mail"])
def test_a_code_on_paper_shows_no_key_changes_no_address_and_goes_in_no_circle(
    site: Attacked, path: str
) -> None:
    owner = site.person()
    codes = made(site, owner)
    agent = site.browser(OUTSIDE)
    page = owner.give_password(agent.open(f"{site.idp.origin}{path}"))
    page = used(page, "recovery_code", codes[0])
    assert owner.phone is not None
    assert (page.mark, page.status) == ("portal.refused", 403), page
    assert owner.phone.key not in page.text


@pytest.mark.parametrize("path", ["/portal/totp/show", "/ios/link", "/portal/mail"])
def test_a_device_that_was_shown_just_now_opens_them(site: Attacked, path: str) -> None:
    assert opened(site, site.person(), path).status == 200


def test_the_key_of_a_hardware_token_is_shown_to_nobody(site: Attacked, tmp_path: Path) -> None:
    owner, key = site.person(enrolled=False), "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    file = tmp_path / "tokens.csv"
    file.write_text(f"login,serial,base32\n{owner.login},K-17,{key}\n", encoding="ascii")
    site.idp.must(
        *("user", "import", str(file), "--format", "csv", "--apply", "--reason", "bought"),
        *("--report", str(tmp_path / "report.csv")),
    )
    owner.phone = Phone(key)
    for path in ("/portal/totp/show", "/ios/link"):
        page = opened(site, owner, path)
        assert page.status == 200
        assert key not in page.text.replace(" ", "")
        assert page.mark != "portal.totp.show"
