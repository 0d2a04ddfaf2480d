"""The documents tell the truth: links lead somewhere, and rules they state are kept."""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

from idp_mfa.cli.program import program

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    if "node_modules" not in path.parts
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_QUOTED_PATH = re.compile(
    r"`((?:conf|deploy|docs|idp_mfa|policies|templates|tests)/[\w./-]+\.\w+)`"
)
_COMMAND = re.compile(r"idp-mfa((?: --config \S+)?)((?: [a-z][a-z-]*)+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_named_files_are_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = (link.partition("#")[0] for link in _LINK.findall(text))
    local = [link for link in links if link and "://" not in link]
    named = _QUOTED_PATH.findall(text)
    missing = [link for link in local if not (document.parent / link).exists()]
    missing += [name for name in named if not (ROOT / name).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_exist(document: Path) -> None:
    unknown = []
    for block in re.findall(r"```(?:sh)?\n(.*?)```|`([^`\n]+)`", document.read_text(), re.S):
        for _, words in _COMMAND.findall("".join(block)):
            path = words.split()
            commands = inner_of(program)
            for depth, word in enumerate(path):
                if word not in commands:
                    if depth == 0:
                        unknown.append(" ".join(path))
                    break
                commands = inner_of(commands[word])
    assert not unknown


def test_the_reference_lists_every_command() -> None:
    text = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
    rows = [row.partition("`")[2].partition("`")[0] for row in text.splitlines() if "| `" in row]
    assert sorted(rows) == sorted(f"idp-mfa {' '.join(path)}" for path in _commands(program, ()))


def inner_of(command: click.Command) -> Mapping[str, click.Command]:
    """What a group holds; nothing for a command."""
    if not isinstance(command, click.Group):
        return {}
    context = click.Context(command)
    found = {name: command.get_command(context, name) for name in command.list_commands(context)}
    return {name: one for name, one in found.items() if one is not None}


def _commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        for name, inner in inner_of(command).items():
            yield from _commands(inner, (*path, name))
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield path


def test_the_table_of_doors_is_that_of_the_import_rules() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    kept = {
        parser[section]["protected_modules"].strip(): {
            module.removeprefix("idp_mfa.")
            for module in parser[section]["allowed_importers"].split()
        }
        for section in parser.sections()
        if parser[section].get("type") == "protected"
    }
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = text.partition("| library | its door |")[2].partition("\n\n")[0]
    rows = [row.split("|") for row in table.splitlines()[2:]]
    assert {row[1].strip(): set(re.findall(r"`([\w.]+)`", row[2])) for row in rows} == kept


def test_the_house_keeps_its_words() -> None:
    """No module for leftovers, no mocks, no paths of somebody's machine."""
    names = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
    machine = re.compile(r"(?<![\w/.])/(?:work|root|home/\w+)/")
    mock = re.compile(r"^\s*(?:from|import)\s+unittest\.mock", re.M)
    wrong = []
    for path in sorted((*(ROOT / "idp_mfa").rglob("*.py"), *(ROOT / "tests").rglob("*.py"))):
        if path == Path(__file__).resolve():
            continue
        text = path.read_text(encoding="utf-8")
        if path.stem in names or mock.search(text) or machine.search(text):
            wrong.append(str(path.relative_to(ROOT)))
    assert not wrong


def test_python_is_the_version_that_the_documents_ask_for() -> None:
    assert sys.version_info >= (3, 11)
    assert "Python 3.11" in (ROOT / "README.md").read_text(encoding="utf-8")
