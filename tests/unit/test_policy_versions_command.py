"""``idp-mfa policy activate`` and its siblings as an admin types them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from idp_mfa.cli.policy_standing import standing
from idp_mfa.cli.policy_versions import activate, history, rollback, shadow
from idp_mfa.ports import Unavailable
from tests.unit.test_policies import FAILS_ITS_TEST, Site, text

_COMMANDS = {"activate": activate, "history": history, "rollback": rollback, "shadow": shadow}


class Admin:
    """Somebody at the console of a node."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = Site(folder)
        self.node = self.site.node("a")
        self.house = SimpleNamespace(
            policies=self.node.policies,
            policy_in_force=self.node.in_force,
            shared_policies=self.node.shelf,
        )

    def types(self, *words: str) -> Result:
        program = SimpleNamespace(actor="ivan", house=self.house)
        return CliRunner().invoke(_COMMANDS[words[0]], words[1:], obj=program)

    def file(self, name: str, written: str | None = None) -> str:
        file = self.folder / f"{name}.yaml"
        file.write_text(text(name) if written is None else written)
        return str(file)

    def says(self) -> tuple[str, bool]:
        """What ``idp-mfa check`` says of the policy."""
        found = standing(self.house)  # type: ignore[arg-type]
        return found.says, found.soon


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    return Admin(tmp_path)


def test_what_is_in_force_is_told_with_the_way_back(admin: Admin) -> None:
    told = admin.types("history").output
    assert "(settings)" in told
    assert "nothing was activated" in told
    done = admin.types("activate", admin.file("first"), "--reason", "because")
    assert done.exit_code == 0
    assert "version 2 is in force" in done.output
    assert "rollback" in done.output
    rows = admin.types("history").output.splitlines()
    assert rows[0].startswith("     1")
    assert rows[1].startswith("*    2")
    assert "ivan" in rows[1]
    assert "because" in rows[1]
    assert admin.types("history", "show", "2").output == text("first")
    assert admin.types("history", "show", "1").output == text("file")
    assert admin.types("history", "show", "9").exit_code == 1
    assert json.loads(admin.types("rollback", "--json").output)["version"]["again"] == 1
    assert admin.types("rollback", "9").exit_code == 1
    again = admin.types("activate", admin.file("file"))
    assert (again.exit_code, "nothing to do" in again.output) == (0, True)


def test_no_is_said_with_exit_code_1(admin: Admin) -> None:
    bad = admin.types("activate", admin.file("bad", FAILS_ITS_TEST))
    assert bad.exit_code == 1
    assert "bad.yaml:5:" in bad.output
    assert "NOT activated" in bad.output
    as_json = admin.types("activate", admin.file("bad", "rules: ["), "--json")
    assert as_json.exit_code == 1
    late = admin.types("activate", admin.file("late"), "--after", "7")
    assert late.exit_code == 1
    assert "version 1" in late.output
    assert admin.types("rollback").exit_code == 1
    assert admin.types("shadow", "--off").exit_code == 1
    unreadable = admin.folder / "latin.yaml"
    unreadable.write_bytes(b"\xe9")
    assert admin.types("activate", str(unreadable)).exit_code == 1
    assert admin.node.rule == "file"


def test_a_shadow_is_told_until_it_ends(admin: Admin) -> None:
    assert "no shadow" in admin.types("shadow").output
    done = admin.types("activate", admin.file("tried"), "--shadow")
    assert done.exit_code == 0
    assert "in force" in done.output
    assert admin.node.rule == "file"
    assert "ivan" in admin.types("shadow").output
    assert "shadow: " in admin.types("history").output
    assert "a shadow is judged" in admin.says()[0]
    assert admin.types("shadow", "--off").exit_code == 0
    assert json.loads(admin.types("shadow", "--json").output) == {"shadow": None}
    both = admin.types("activate", admin.file("tried"), "--shadow", "--after", "1")
    assert both.exit_code == 2


def test_check_says_which_text_does_not_count(admin: Admin) -> None:
    assert "nothing was activated" in admin.says()[0]
    admin.site.of_settings = text("changed")
    admin.types("activate", admin.file("other"))
    says, soon = admin.says()
    assert "version 2" in says
    assert "settings.yaml has another text, which does not count" in says
    assert not soon, "the file of the settings was never what was activated"
    (admin.folder / "x").mkdir()
    admin.site.path = str(admin.folder / "x" / ".." / "other.yaml")
    says, soon = admin.says()
    assert soon, "somebody edited the very file that was activated, and forgot to activate it"


def test_check_says_no_when_the_sites_own_policy_does_not_decide(admin: Admin) -> None:
    admin.types("activate", admin.file("good"))
    admin.node.copy.write_bytes(b"garbage")
    admin.site.store.flush()
    admin.node = admin.site.node("a")
    admin.house.policy_in_force = admin.node.in_force
    with pytest.raises(Unavailable, match="strictest"):
        admin.says()


def test_check_says_no_while_the_newest_cannot_be_used_here(admin: Admin) -> None:
    older = admin.site.node("b", knows=("modern",))
    admin.house.policy_in_force, admin.house.shared_policies = older.in_force, older.shelf
    admin.types("activate", admin.file("plain"))
    assert "version 2" in admin.says()[0]
    admin.types("activate", admin.file("modern"))
    admin.site.later()
    assert older.rule == "plain"
    with pytest.raises(Unavailable, match="version 3 cannot be used by this release; 2 decides"):
        admin.says()
