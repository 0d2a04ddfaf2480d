"""A profile counts where the settings say nothing, and its mistakes are told where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from idp_mfa.assets import folder
from idp_mfa.cli.checks import Notice, colours, contact
from idp_mfa.enrolment import Onsite
from idp_mfa.policy.load import load as load_policy
from idp_mfa.settings import Settings, load
from idp_mfa.site import READABLE
from idp_mfa.yaml_document import Problems

PROFILES = folder("conf") / "profiles"
SHIPPED = sorted(path.stem for path in PROFILES.glob("*.yaml"))
OWN = """
base_url: https://idp.example.ac.jp
profile: {profile}
directory: {{ sqlite: {{ path: directory.sqlite }} }}
store: {{ url: "unix:///run/valkey.sock" }}
keys:
  {{ sealing: s, signing: s, pairwise_salt: s, limits: s, addresses: s }}
registry: {{ folder: registry }}
audit: {{ file: audit.jsonl }}
saml: {{ entity_id: "https://idp.example.ac.jp/idp", scopes: [example.ac.jp], release: r.yaml }}
{more}
"""


def written(place: Path, profile: Path | str, more: str = "") -> Settings | Problems:
    file = place / "idp_mfa.yaml"
    file.write_text(OWN.format(profile=profile, more=more), "utf-8")
    return load(file)


def test_two_are_shipped() -> None:
    assert SHIPPED == ["omu", "sums"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_is_whole(tmp_path: Path, name: str) -> None:
    settings = written(tmp_path, PROFILES / f"{name}.yaml")
    assert isinstance(settings, Settings), settings
    site = settings.site
    for language in ("ja", "en"):
        assert site.in_language(language).name != site.short_name
        assert settings.mail.sender_name[language]
    assert site.logo is not None
    assert site.logo.startswith("data:image/")
    assert site.manual_url.startswith("https://")
    assert not isinstance(contact(site), Notice)
    assert not isinstance(colours(site), Notice)
    assert (site.factor_contrast or 0) > READABLE
    assert settings.mail.subject_prefix.startswith("[")
    assert settings.totp.issuer == name.upper()
    policy = settings.policy.resolve()
    assert policy.name == f"{name}.yaml"
    assert not isinstance(load_policy(policy.read_text("utf-8"), str(policy)), Problems)


def test_a_password_replaces_a_key_in_one_of_them_alone(tmp_path: Path) -> None:
    found = {name: written(tmp_path, PROFILES / f"{name}.yaml") for name in SHIPPED}
    onsite = {name: one.onsite for name, one in found.items() if isinstance(one, Settings)}
    assert onsite == {"omu": Onsite.NEVER, "sums": Onsite.BY_POLICY}


def test_what_the_settings_say_goes_before_the_profile(tmp_path: Path) -> None:
    more = "policy: own.yaml\nsite: { name: { ja: 本学 }, contact_url: 'https://desk.example/' }"
    settings = written(tmp_path, PROFILES / "omu.yaml", more)
    assert isinstance(settings, Settings), settings
    assert settings.policy == tmp_path / "own.yaml"
    assert settings.site.name["ja"] == "本学"
    assert settings.site.name["en"] == "Osaka Metropolitan University"
    assert settings.site.contact_url == "https://desk.example/"
    assert settings.site.short_name == "OMU"


def test_a_mistake_in_a_profile_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "unknown.yaml").write_text("policy: p.yaml\nsite:\n  colour: red\n")
    problems = written(tmp_path, "unknown.yaml")
    assert isinstance(problems, Problems)
    assert [(Path(one.file).name, one.line) for one in problems] == [("unknown.yaml", 3)]
    (tmp_path / "wrong.yaml").write_text("policy: p.yaml\ntotp:\n  issuer: 'a:b'\n")
    problems = written(tmp_path, "wrong.yaml")
    assert isinstance(problems, Problems)
    assert {Path(one.file).name for one in problems} == {"wrong.yaml"}
    problems = written(tmp_path, "nowhere.yaml")
    assert isinstance(problems, Problems)
    assert "cannot be read" in str(next(iter(problems)))
