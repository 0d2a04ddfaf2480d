"""``idp-mfa sp``, ``key`` and ``metadata`` as an admin types them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from idp_mfa.cli.key import key
from idp_mfa.cli.metadata import metadata
from idp_mfa.cli.sp import sp
from idp_mfa.key_folder import KeyFolder
from idp_mfa.model import ServiceId, UserId
from idp_mfa.ports import Encryption, Holder
from tests.simulators.service_provider import TestServiceProvider, key_pair
from tests.unit.saml_parts import IDP, NOW, Registered

SP = TestServiceProvider(encryption=key_pair("encryption"))


class Admin:
    """Somebody at the console of a node."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOW
        self.registered = Registered()
        self.signing = KeyFolder(folder / "signing", self.clock, os.urandom)
        self.recorded: list[str] = []
        self.holders: list[Holder] = []
        self.program = SimpleNamespace(
            actor="root",
            recorded=lambda event, **detail: self.recorded.append(event.value),
            settings=SimpleNamespace(
                base_url="https://idp.example",
                keys=SimpleNamespace(
                    sealing=folder / "sealing",
                    pairwise_salt=folder / "salt",
                    limits=folder / "limits",
                    addresses=folder / "addresses",
                ),
            ),
            house=SimpleNamespace(
                services=self.registered.services,
                signing_keys=self.signing,
                identity_provider=IDP,
                randomness=os.urandom,
                clock=self.clock,
                directory=SimpleNamespace(holders=lambda: self.holders),
            ),
        )

    def clock(self) -> datetime:
        return self.now

    def types(self, *words: str) -> Result:
        """Run a command."""
        group = {"sp": sp, "key": key, "metadata": metadata}[words[0]]
        return CliRunner().invoke(group, words[1:], obj=self.program)

    def file(self, service: TestServiceProvider) -> str:
        """A service's metadata in a file."""
        path = self.folder / "service.xml"
        path.write_bytes(service.metadata())
        return str(path)


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    return Admin(tmp_path)


def test_a_service_is_added_listed_shown_and_removed(admin: Admin) -> None:
    added = admin.types("sp", "add", admin.file(SP), "--tag", "internal", "--encryption", "always")
    assert added.exit_code == 0, added.output
    assert "new" in added.output
    assert "its requests need no signature" in added.output
    options = admin.registered.registry.current().by_id[ServiceId(SP.entity_id)].options
    assert (options.tags, options.encryption) == ({"internal"}, Encryption.ALWAYS)
    assert SP.entity_id in admin.types("sp", "list").output
    shown = admin.types("sp", "show", SP.entity_id).output
    assert "answers go to: https://sp.example/acs" in shown
    assert "tags: internal" in shown
    (listed,) = json.loads(admin.types("sp", "list", "--json").output)
    assert listed["entity_id"] == SP.entity_id
    assert listed["answer-addresses"] == ["https://sp.example/acs"]
    assert admin.types("sp", "remove", SP.entity_id).exit_code == 0
    assert admin.types("sp", "remove", SP.entity_id).exit_code == 1
    assert admin.types("sp", "show", SP.entity_id).exit_code == 1


def test_adding_again_says_what_changed(admin: Admin) -> None:
    admin.types("sp", "add", admin.file(SP))
    moved = replace(SP, acs_url="https://sp.example/new")
    again = admin.types("sp", "add", admin.file(moved)).output
    assert "replaced" in again
    assert "- answers go to: https://sp.example/acs" in again
    assert "+ answers go to: https://sp.example/new" in again
    told = json.loads(admin.types("sp", "add", admin.file(SP), "--json").output)
    assert told["added"][0]["changes"][0]["come"] == ["https://sp.example/acs"]


def test_a_bad_one_is_refused_in_words_and_changes_nothing(admin: Admin) -> None:
    admin.types("sp", "add", admin.file(SP))
    refused = admin.types("sp", "add", admin.file(replace(SP, acs_url="http://sp.example/acs")))
    assert refused.exit_code == 1
    assert "http://sp.example/acs is not https" in refused.output
    assert "NOT taken" in refused.output
    assert admin.registered.provider(SP).default_consumer.url == "https://sp.example/acs"


def test_check_says_what_add_would_and_changes_nothing(admin: Admin) -> None:
    assert admin.types("sp", "check", admin.file(SP)).exit_code == 0
    assert admin.types("sp", "check").exit_code == 0
    assert not admin.registered.registry.current().by_id
    admin.types(
        "sp", "add", admin.file(replace(SP, attributes='validUntil="2027-01-01T00:00:00Z"'))
    )
    admin.registered.now = NOW + timedelta(days=60)
    later = admin.types("sp", "check")
    assert later.exit_code == 1
    assert "ran out" in later.output


@pytest.mark.parametrize(
    "source",
    ["missing.xml", "http://sp.example/metadata", "ftp://sp.example/m", "file:///etc/hostname"],
)
def test_where_metadata_may_come_from(admin: Admin, source: str) -> None:
    assert admin.types("sp", "add", source).exit_code == 2


def test_keys_are_made_once_and_rotated_in_two_steps(admin: Admin) -> None:
    first = admin.types("key", "create", "--type", "p-256")
    assert first.exit_code == 0, first.output
    assert "signs from now on" in first.output
    secrets = {name: (admin.folder / name).read_bytes() for name in ("salt", "limits")}
    assert admin.types("key", "create").output == ""
    assert secrets == {name: (admin.folder / name).read_bytes() for name in secrets}
    assert "is published" in admin.types("key", "rotate", "--type", "p-256").output
    early = admin.types("key", "rotate")
    assert early.exit_code == 1
    assert "--now" in early.output
    admin.now += timedelta(days=2)
    assert "signs from now on" in admin.types("key", "rotate").output
    told = json.loads(admin.types("key", "list", "--json").output)
    states = {row["state"]: row["id"] for row in told if row["purpose"] == "signing"}
    assert set(states) == {"active", "previous"}
    assert admin.types("key", "retire", "signing", states["active"]).exit_code == 1
    assert admin.types("key", "retire", "signing", states["previous"]).exit_code == 0
    listed = admin.types("key", "list").output
    assert states["active"] in listed
    assert states["previous"] not in listed
    assert "sealing" in listed


def test_a_sealing_key_opens_everywhere_before_it_seals(admin: Admin) -> None:
    admin.types("key", "create", "--type", "p-256")

    def ring() -> dict[str, str]:
        told = json.loads(admin.types("key", "list", "--json").output)
        return {row["id"]: row["state"] for row in told if row["purpose"] == "sealing"}

    (first,) = ring()
    added = admin.types("key", "rotate", "sealing")
    assert "every node" in added.output
    (second,) = ring().keys() - {first}
    assert ring() == {first: "active", second: "next"}
    assert admin.types("key", "rotate", "sealing").exit_code == 1
    assert admin.types("key", "activate", "nonsense").exit_code == 1
    assert admin.types("key", "activate", second).exit_code == 0
    assert ring() == {second: "active", first: "decrypt"}
    assert admin.types("key", "retire", "sealing", second).exit_code == 1
    admin.holders = [Holder(UserId("alice"), (second, first, first))]
    refused = admin.types("key", "retire", "sealing", first)
    assert refused.exit_code == 1
    assert f"2 value(s) are still sealed by {first}" in refused.output
    assert ring()[first] == "decrypt"
    admin.holders = [Holder(UserId("alice"), (second, second))]
    assert admin.types("key", "retire", "sealing", first).exit_code == 0
    assert ring() == {second: "active", first: "retired"}
    assert admin.recorded == ["key.added", "key.activated", "key.retired"]


def test_metadata_is_printed(admin: Admin) -> None:
    admin.types("key", "create", "--type", "p-256")
    printed = admin.types("metadata").output
    assert printed.startswith("<?xml")
    assert 'entityID="https://idp.example/idp"' in printed
