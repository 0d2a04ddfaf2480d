"""Registering services, and the registry that several nodes share."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from idp_mfa.audit import AuditEvent
from idp_mfa.model import ServiceId
from idp_mfa.ports import (
    ChangeAnswer,
    Encryption,
    Registration,
    Registrations,
    ServiceOptions,
    SignedRequests,
    Unavailable,
)
from idp_mfa.registry.document import decode, encode
from idp_mfa.registry.shared import SharedRegistry
from idp_mfa.saml.providers import ServiceProviders
from idp_mfa.services import Added, FindingKind, NotAdded, Trait
from idp_mfa.store.memory import MemoryStore
from tests.simulators.service_provider import TestServiceProvider, key_pair
from tests.unit.saml_parts import NOW, Registered

SP = TestServiceProvider()
NAMES = """<md:Extensions><mdui:UIInfo xmlns:mdui="urn:oasis:names:tc:SAML:metadata:ui">
    <mdui:DisplayName xml:lang="ja">図書館</mdui:DisplayName>
    <mdui:DisplayName xml:lang="en">Library</mdui:DisplayName>
    </mdui:UIInfo></md:Extensions>"""


class Ticking:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Site:
    """Nodes with one store, which can be flushed or stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Ticking()
        self.store = Stoppable(self.clock)

    def node(self, name: str) -> SharedRegistry:
        return SharedRegistry(self.store, self.folder / name / "registry.json", self.clock)

    def later(self) -> None:
        self.clock.now += timedelta(seconds=1)


class Stoppable(MemoryStore):
    """The memory store behind a switch."""

    stopped = False

    def get(self, key: str) -> bytes | None:
        if self.stopped:
            raise Unavailable("store", "stopped")
        return super().get(key)

    def flush(self) -> None:
        self._kept.clear()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def row(name: str) -> Registration:
    options = ServiceOptions(
        Encryption.ALWAYS, SignedRequests.ALWAYS, frozenset({"a"}), "https://x/"
    )
    return Registration(ServiceId(name), f"<{name}/>", options, NOW)


def put(registry: SharedRegistry, *names: str) -> ChangeAnswer:
    read = registry.current()
    return registry.change(read, {**read.by_id, **{ServiceId(name): row(name) for name in names}})


def held(registry: SharedRegistry) -> tuple[int, set[str]]:
    current = registry.current()
    return current.version, set(current.by_id)


# -- the shared registry ---------------------------------------------------------------------


def test_a_running_node_sees_a_change_within_a_second(site: Site) -> None:
    server, admin = site.node("one"), site.node("two")
    assert held(server) == (0, set())
    assert put(admin, "a") is ChangeAnswer.DONE
    assert held(admin) == (1, {"a"}), "who changed it sees it at once"
    site.later()
    assert held(server) == (1, {"a"})
    first = server.current()
    site.later()
    assert server.current() is first


def test_of_two_changes_one_loses_and_nothing_is_lost(site: Site) -> None:
    one, two = site.node("one"), site.node("two")
    assert put(one, "a") is ChangeAnswer.DONE
    site.later()
    read = two.current()
    assert put(one, "b") is ChangeAnswer.DONE
    assert two.change(read, {**read.by_id, ServiceId("c"): row("c")}) is ChangeAnswer.LOST_RACE
    assert put(two, "c") is ChangeAnswer.DONE
    site.later()
    assert held(one) == (3, {"a", "b", "c"})


def test_after_a_flush_the_highest_version_comes_back(site: Site) -> None:
    ahead, behind = site.node("ahead"), site.node("behind")
    put(ahead, "a")
    site.later()
    held(behind)
    put(ahead, "b")
    site.store.flush()
    site.later()
    assert held(behind) == (1, {"a"})
    site.later()
    assert held(ahead) == (2, {"a", "b"})
    site.later()
    assert held(behind) == (2, {"a", "b"})
    assert put(behind, "c") is ChangeAnswer.DONE
    site.later()
    assert held(ahead) == (3, {"a", "b", "c"})


def test_a_node_that_starts_after_a_flush_has_its_copy(site: Site) -> None:
    put(site.node("one"), "a")
    site.store.flush()
    assert held(site.node("one")) == (1, {"a"})
    assert held(site.node("other")) == (1, {"a"}), "put back for all"


def test_while_the_store_is_away_the_last_good_copy_counts(site: Site) -> None:
    server = site.node("one")
    put(server, "a")
    site.store.stopped = True
    site.later()
    assert held(server) == (1, {"a"})
    assert held(site.node("one")) == (1, {"a"}), "also in a process that starts now"
    with pytest.raises(Unavailable):
        site.node("other").current()
    site.store.stopped = False
    assert put(site.node("other"), "b") is ChangeAnswer.DONE
    site.later()
    assert held(server) == (2, {"a", "b"})


def test_the_copy_on_disk_is_whole_and_a_damaged_one_is_told(site: Site) -> None:
    put(site.node("one"), "a")
    copy = site.folder / "one" / "registry.json"
    assert json.loads(copy.read_bytes())["version"] == 1
    assert [path.name for path in copy.parent.iterdir()] == ["registry.json"]
    copy.write_text("{}")
    site.store.stopped = True
    with pytest.raises(Unavailable):
        site.node("one").current()


def test_a_full_disk_stops_no_sign_in(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    put(site.node("one"), "a")
    (site.folder / "no-folder").write_text("")
    assert held(site.node("no-folder/beneath")) == (1, {"a"})
    assert "copy on disk" in caplog.text


def test_the_document_keeps_everything() -> None:
    registrations = Registrations(7, {row("a").id: row("a"), row("b").id: row("b")})
    assert decode(encode(registrations)) == registrations
    for damaged in (b"", b"[]", b"{}", encode(registrations)[:-9], b'{"v": 2}'):
        with pytest.raises(Unavailable):
            decode(damaged)


# -- registering -----------------------------------------------------------------------------


def test_what_changed_is_told_when_a_service_comes_again() -> None:
    house = Registered()
    (first,) = house.add(SP).taken
    assert first.changes is None
    (same,) = house.add(SP).taken
    assert same.changes == ()
    moved = replace(SP, acs_url="https://sp.example/new", signing=(key_pair("new"),))
    (changed,) = house.add(moved).taken
    assert changed.changes is not None
    told = {change.trait: (change.gone, change.come) for change in changed.changes}
    assert told[Trait.ANSWER_ADDRESSES] == (
        ("https://sp.example/acs",),
        ("https://sp.example/new",),
    )
    assert set(told) == {Trait.ANSWER_ADDRESSES, Trait.SIGNING_KEYS}
    assert house.provider(SP).default_consumer.url == "https://sp.example/new"


def test_a_bad_document_never_replaces_a_good_one() -> None:
    house = Registered(SP)
    for bad in (
        b"<x",
        replace(SP, acs_url="javascript:x").metadata(),
        replace(SP, attributes='validUntil="2020-01-01T00:00:00Z"').metadata(),
    ):
        answer = house.services.add(bad, lambda was: was, "test")
        assert isinstance(answer, NotAdded)
        assert house.provider(SP).default_consumer.url == "https://sp.example/acs"
    assert house.registry.current().version == 1


def test_options_stay_until_they_are_set_anew() -> None:
    house = Registered(replace(SP, encryption=key_pair("encryption")))

    def options() -> ServiceOptions:
        return house.registry.current().by_id[ServiceId(SP.entity_id)].options

    house.services.add(
        replace(SP, encryption=key_pair("encryption")).metadata(),
        lambda was: replace(was, tags=frozenset({"x"}), encryption=Encryption.ALWAYS),
        "test",
    )
    house.add(replace(SP, encryption=key_pair("encryption")))
    assert options().tags == {"x"}
    assert options().encryption is Encryption.ALWAYS
    answer = house.services.add(SP.metadata(), lambda was: was, "test")
    assert isinstance(answer, NotAdded), "its key is gone, and plain text is not allowed"
    assert {p.kind for p in answer.problems[0].problems} == {FindingKind.ENCRYPTS_WITHOUT_KEY}


def test_signatures_that_an_admin_demands_need_a_key() -> None:
    def demand(was: ServiceOptions) -> ServiceOptions:
        return replace(was, signed_requests=SignedRequests.ALWAYS)

    house = Registered()
    answer = house.services.add(replace(SP, signing=()).metadata(), demand, "test")
    assert isinstance(answer, NotAdded)
    assert isinstance(house.services.add(SP.metadata(), demand, "test"), Added)
    assert house.provider(SP).must_sign


def test_checking_changes_nothing_and_removing_is_on_record() -> None:
    house = Registered()
    assert isinstance(house.services.check(SP.metadata(), lambda was: was), Added)
    assert house.registry.current().version == 0
    house.add(SP)
    assert [each.registration.id for each in house.services.list()] == [SP.entity_id]
    assert house.services.remove(ServiceId(SP.entity_id), "somebody")
    assert not house.services.remove(ServiceId(SP.entity_id), "somebody")
    assert house.services.show(ServiceId(SP.entity_id)) is None
    events = [getattr(record, "event", None) for record in house.audit.records]
    assert events == [AuditEvent.SERVICE_ADDED, AuditEvent.SERVICE_REMOVED]


def test_a_service_has_its_name_on_pages_or_its_id_if_nobody_can_tell(site: Site) -> None:
    named = replace(SP, role_extensions=NAMES)
    found = Registered(named).providers
    assert [found.name(SP.entity_id, language) for language in ("ja", "en")] == [
        "図書館",
        "Library",
    ]
    other = ServiceId("https://gone.example/sp")
    assert found.name(other, "en") == other
    site.store.stopped = True
    unread = ServiceProviders(site.node("other"), site.clock)
    assert unread.name(SP.entity_id, "en") == SP.entity_id
