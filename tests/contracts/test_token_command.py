"""``idp-mfa token`` and ``idp-mfa user import --stock``: from the vendor's file to its owner."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from click import Command
from click.testing import CliRunner, Result

from idp_mfa.cli.token import token
from idp_mfa.cli.user_import import import_
from idp_mfa.cli.user_lists import list_
from tests.contracts.desk_world import OPTIONS, STOCK, World, token_key

REASON = ("--reason", "delivery of May")


class Console:
    """Somebody at the console of a site with a stock."""

    def __init__(self, world: World, file: Path) -> None:
        self.world = world
        self.file = file
        rows = (f"{serial},{token_key(serial).key.hex()}" for serial in ("T-0001", "T-0002", ""))
        file.write_text("\n".join(["serial,hex", *rows]))
        self.stock: object = world.stock

    def types(self, command: Command, *words: str) -> Result:
        house = SimpleNamespace(
            token_stock=self.stock,
            helpdesk=self.world.stock.helpdesk,
            imports=SimpleNamespace(),
            directory=self.world.site.directory,
            randomness=os.urandom,
            factors={},
            settings=SimpleNamespace(desk=OPTIONS),
        )
        program = SimpleNamespace(house=house, actor="root")
        return CliRunner().invoke(command, words, obj=program)

    def imports(self, *words: str) -> Result:
        return self.types(import_, str(self.file), "--format", "csv", "--json", *words)

    def listed(self) -> dict[str, str | None]:
        done = self.types(token, "list", "--json")
        return {one["serial"]: one["owner"] for one in json.loads(done.stdout)}


@pytest.fixture
def console(tmp_path: Path) -> Console:
    return Console(World(tmp_path), tmp_path / "tokens.csv")


def results(done: Result) -> dict[str, int]:
    found: dict[str, int] = json.loads(done.stdout)["results"]
    return found


def test_keys_that_name_nobody_go_into_the_stock_where_that_is_said(console: Console) -> None:
    assert results(console.imports("--apply", *REASON)) == {"says not whose it is": 3}
    assert results(console.imports("--stock"))["taken"] == 2, "would be"
    assert console.listed() == {}
    done = console.imports("--stock", "--apply", *REASON)
    nameless = "has no serial number by which to ask for it"
    assert results(done) == {"taken": 2, nameless: 1}
    assert done.exit_code == 1, "one was not taken"
    again = results(console.imports("--stock", "--apply", *REASON))
    assert again == {"there already": 2, nameless: 1}
    assert console.listed() == {"T-0001": None, "T-0002": None}


def test_a_token_is_handed_out_and_forgotten_at_the_console(console: Console) -> None:
    console.imports("--stock", "--apply", *REASON)
    assert console.types(token, "assign", "hanako", "T-0001", *REASON).exit_code == 0
    assert console.listed()["T-0001"] == "hanako"
    refused = console.types(token, "assign", "taro", "T-0001", *REASON)
    assert (refused.exit_code, "somebody has this token" in refused.output) == (1, True)
    assert console.types(token, "assign", "nobody", "T-0002", *REASON).exit_code == 1
    assert console.types(token, "assign", "taro", "T-0002").exit_code == 2, "no reason"
    assert console.types(token, "forget", "T-0002", *REASON).exit_code == 0
    assert console.types(token, "forget", "T-0002", *REASON).exit_code == 1
    assert console.listed() == {"T-0001": "hanako"}


def test_without_a_stock_the_command_says_what_to_set(console: Console) -> None:
    console.stock = None
    for done in (console.types(token, "list"), console.imports("--stock")):
        assert (done.exit_code, "desk.token_stock" in done.output) == (2, True)


def test_the_stock_is_on_no_list_of_people(console: Console) -> None:
    for _ in range(2):
        done = console.types(list_, "--without-factor", "--json")
        found = [one["login"] for one in json.loads(done.stdout)]
        assert found == ["hanako", "helen", "ivan", "taro"]
        console.imports("--stock", "--apply", *REASON)


def test_the_stock_itself_is_nobody_to_hand_a_token_to(console: Console) -> None:
    console.imports("--stock", "--apply", *REASON)
    assert console.types(token, "assign", STOCK, "T-0001", *REASON).exit_code == 1
    assert console.listed()["T-0001"] is None
