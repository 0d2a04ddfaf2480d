"""conf/idp_mfa.yaml is the reference of every setting; mistakes are told with their line."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
import yaml

from idp_mfa.assets import folder
from idp_mfa.settings import Settings, load
from idp_mfa.yaml_document import Problems

REFERENCE = folder("conf") / "idp_mfa.yaml"
NOT_IN_THE_REFERENCE = {
    # The embedded directory is the demo's; a file names one directory, and a site has LDAP.
    "directory.sqlite",
    # Written out in a comment, because a site has one or none.
    "saml.logo",
}


def names(kind: Any, above: str = "") -> Iterator[str]:
    branches = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    owner = next((one for one in branches if isinstance(one, type) and is_dataclass(one)), None)
    if owner is None:
        return
    hints = get_type_hints(owner)
    for one in fields(owner):
        name = f"{above}{one.name}"
        yield name
        yield from names(hints[one.name], f"{name}.")


def test_the_reference_names_every_setting() -> None:
    document = yaml.safe_load(REFERENCE.read_text("utf-8"))
    for name in names(Settings):
        if any(name.startswith(left_out) for left_out in NOT_IN_THE_REFERENCE):
            continue
        found = document
        for step in name.split("."):
            assert isinstance(found, dict), name
            assert step in found, f"{name} is missing from {REFERENCE.name}"
            found = found[step]


def test_the_reference_loads_and_shows_the_defaults() -> None:
    settings = load(REFERENCE)
    assert isinstance(settings, Settings), settings
    written = yaml.safe_load(REFERENCE.read_text("utf-8"))
    for name in ("server", "sign_in", "session", "limits"):
        part = getattr(settings, name)
        assert part == type(part)(), f"{name} in the reference is not the default"
        assert set(written[name]) == {one.name for one in fields(part)}
    assert settings.session.idle == timedelta(hours=1)
    assert settings.policy == REFERENCE.parent.absolute() / "../policies/default.yaml"


def changed(tmp_path: Path, before: str, after: str) -> Settings | Problems:
    text = REFERENCE.read_text("utf-8")
    assert before in text
    file = tmp_path / "idp_mfa.yaml"
    file.write_text(text.replace(before, after, 1), "utf-8")
    return load(file)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("  workers: 2", "  wokers: 2", "'wokers' is not a setting here; did you mean 'workers'?"),
        ("store:", "stor:", "'stor' is not a setting here; did you mean 'store'?"),
        ("  idle: 1h", "  idle: soon", "session.idle"),
        ("  workers: 2", "  workers: many", "server.workers"),
        ("base_url: https://", "base_url: http://", "base_url must be https"),
        ("base_url: https://", "base_url: https://a@", "base_url must be a scheme and a host"),
        ("  issuer: Example", "  issuer: 大学", "issuer must be short ASCII"),
        ("  network_hosts: {}", "  network_hosts: { v5: https://a.example }", "are v4 and v6"),
        ("  network_hosts: {}", "  network_hosts: { v4: http://a.example }", "must be https://"),
        ("  network_hosts: {}", '  network_hosts: { v4: "https://a.example/x" }', "a host alone"),
        ("  scopes: [example.ac.jp]", "  scopes: []", "scopes"),
        ("  ldap:", "  ldap: null\n  sqlite:", "is not a setting here"),
        ("  idle: 1h", "  idle: 1h\n  idle: 2h", "idle"),
    ],
)
def test_a_mistake_is_told_with_its_line(
    tmp_path: Path, before: str, after: str, says: str
) -> None:
    problems = changed(tmp_path, before, after)
    assert isinstance(problems, Problems), "a mistake must never become a silent default"
    assert says in str(problems)
    line = (
        (tmp_path / "idp_mfa.yaml").read_text("utf-8").splitlines()[next(iter(problems)).line - 1]
    )
    assert line.strip(), problems


def test_a_path_may_come_from_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/idp_mfa.service")
    settings = changed(
        tmp_path, "  limits: secrets/limits", "  limits: $CREDENTIALS_DIRECTORY/limits"
    )
    assert isinstance(settings, Settings)
    assert settings.keys.limits == Path("/run/credentials/idp_mfa.service/limits")


def test_a_file_that_is_not_there_is_a_problem_in_words(tmp_path: Path) -> None:
    assert "cannot be read" in str(load(tmp_path / "nothing.yaml"))
