"""Keys that were made elsewhere: brought in by the command, they sign in at the running server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import product

import pytest

from idp_mfa.factor import HashAlgorithm, SharedKey
from tests.protocol.attacked import Attacked
from tests.simulators.hardware_token import oathtool
from tests.simulators.person import Person
from tests.simulators.service_provider import REFEDS_MFA

KINDS = tuple(product(HashAlgorithm, (6, 8), (30, 60)))
Owners = Mapping[tuple[HashAlgorithm, int, int], tuple[Person, SharedKey]]


@pytest.fixture(scope="module")
def owners(site: Attacked, tmp_path_factory: pytest.TempPathFactory) -> Owners:
    """Somebody for each kind of token, all taken by one run of the command."""
    found = {
        kind: (site.person(enrolled=False), SharedKey(os.urandom(32), *kind, f"K-{number}"))
        for number, kind in enumerate(KINDS)
    }
    file = tmp_path_factory.mktemp("tokens") / "tokens.csv"
    rows = "".join(
        f"{one.login},{key.serial},{key.key.hex()},{key.algorithm.value},{key.digits},{key.period}\n"
        for one, key in found.values()
    )
    file.write_text(f"login,serial,hex,algorithm,digits,period\n{rows}", encoding="ascii")
    command = ("user", "import", str(file), "--format", "csv")
    said = site.idp.must(*command, "--apply", "--reason", "bought")
    assert said.split() == ["12", "taken"]
    assert site.idp.must(*command).split() == ["12", "there", "already"]
    return found


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_the_token_shows_is_something_its_owner_has(
    kind: tuple[HashAlgorithm, int, int], site: Attacked, owners: Owners
) -> None:
    owner, key = owners[kind]
    page = owner.give_password(site.browser().ask_mfa())
    assert (page.mark, page.factor) == ("signin.challenge", "totp"), page
    wrong = oathtool(SharedKey(bytes(20), *kind), datetime.now(UTC))
    page = page.submit(page.form_with("code"), code=wrong)
    assert (page.mark, page.status) == ("signin.challenge", 422), page
    assert f"({key.digits} digits)" in page.words
    page = page.submit(page.form_with("code"), code=oathtool(key, datetime.now(UTC)))
    assert site.answer(page).acr == REFEDS_MFA
