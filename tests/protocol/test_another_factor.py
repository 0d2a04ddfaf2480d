"""docs/howto/add-a-factor.md, followed to the letter: a factor from a package outside the tree."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol.attacked import PLAIN, Attacked, carried
from tests.protocol.mailed import press
from tests.servers import slapd, valkey
from tests.servers.foreground import folder, free_port
from tests.servers.idp import WIDE, identity_provider
from tests.servers.valkey import Kind

ROOT = Path(__file__).parents[2]
OUTSIDE = "203.0.113.10"
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs" / "howto" / "add-a-factor.md").read_text(encoding="utf-8")
    return [block for written, block in _BLOCK.findall(text) if written == language]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The howto's two files, installed by pip into a folder of their own."""
    source, target = tmp_path_factory.mktemp("wordcard"), tmp_path_factory.mktemp("installed")
    (code,), (project,) = blocks("python"), blocks("toml")
    (source / "wordcard.py").write_text(code, encoding="utf-8")
    (source / "pyproject.toml").write_text(project, encoding="utf-8")
    words = ("install", "--no-deps", "--no-index", "--no-build-isolation", "--quiet")
    subprocess.run(
        (sys.executable, "-m", "pip", *words, "--target", str(target), str(source)),
        check=True,
        timeout=240,
    )
    return target


@pytest.fixture(scope="module")
def site(package: Path) -> Iterator[Attacked]:
    shipped = (ROOT / "policies" / "default.yaml").read_text(encoding="utf-8")
    assert shipped.count("recovery_code, passcode] }") == 1
    with (
        pytest.MonkeyPatch.context() as patch,
        folder("wordcard") as place,
        slapd.slapd() as directory,
        valkey.running(Kind.VALKEY) as store,
    ):
        patch.setenv("PYTHONPATH", str(package))
        patch.syspath_prepend(str(package))
        policy = place / "policy.yaml"
        policy.write_text(
            shipped.replace("recovery_code, passcode] }", "recovery_code, passcode, wordcard] }"),
            encoding="utf-8",
        )
        with identity_provider(
            free_port(),
            directory=directory,
            store=store,
            more={
                "factors": ["totp", "recovery_code", "wordcard"],
                "policy": str(policy),
                "audit": {"file": str(place / "audit.jsonl")},
                "limits": WIDE,
            },
        ) as idp:
            started = Attacked(idp, directory, store, place / "audit.jsonl")
            idp.register(PLAIN.metadata())
            yield started
            for browser in started.browsers:
                browser.close()


def test_it_is_set_up_and_signs_in_and_nothing_of_ours_knows_it(site: Attacked) -> None:
    owner = site.person()
    page = owner.sign_in(site.browser(OUTSIDE).open(f"{site.idp.origin}/portal/wordcard"))
    assert page.mark == "portal.wordcard", page.words[:300]
    page = press(page, "/begin")
    word = page.tree.xpath("string(//*[@data-shown='word'])")
    assert len(word) == 20
    assert press(page, "/complete", word="else").status == 422
    assert press(page, "/complete", word=word).mark == "portal.wordcard.done"
    asked = owner.give_password(site.browser(OUTSIDE).ask())
    asked = asked.agent.open(f"{asked.url}/choose").press("factor", "wordcard")
    wrong = asked.submit(asked.form_with("word"), word="wrong")
    assert (wrong.status, wrong.mark) == (422, "signin.challenge")
    done = wrong.submit(wrong.form_with("word"), word=word)
    assert carried(done)
    assert site.answer(done).acr.endswith("PasswordProtectedTransport"), "it is knowledge"
    assert len(site.credentials(owner)) == 2, "in the same attribute as every factor's"


def test_who_has_nothing_else_does_not_set_it_up(site: Attacked) -> None:
    nobody = site.person(enrolled=False)
    page = nobody.sign_in(site.browser("192.0.2.10").open(f"{site.idp.origin}/portal/wordcard"))
    assert "does not do alone" in page.words


def test_its_name_stands_nowhere_in_the_tree() -> None:
    for path in (*(ROOT / "idp_mfa").rglob("*.py"), *(ROOT / "templates").rglob("*.*")):
        assert "wordcard" not in path.read_text(encoding="utf-8"), path
    for path in (ROOT / "deploy").rglob("*.ldif"):
        assert "wordcard" not in path.read_text(encoding="utf-8"), path
