"""Activated policies on several nodes: one wins, all follow, nothing bad replaces what is good."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.policies import (
    MOST_TEXTS,
    MOST_VERSIONS,
    SETTINGS,
    Activated,
    Missing,
    NotWell,
    Overtaken,
    Policies,
    Unchanged,
)
from idp_mfa.policy.assurance import SHIPPED_FACTORS
from idp_mfa.policy.in_force import InForce, Origin, PolicyFile, PolicyInForce, Readings
from idp_mfa.policy.model import Policy
from idp_mfa.ports import Unavailable
from idp_mfa.registry.policies import LOOK_EVERY, SharedPolicies, decode, encode
from idp_mfa.store.memory import MemoryStore
from idp_mfa.yaml_document import Problem, Problems

NOW = datetime.fromisoformat("2026-11-22T01:00:00+00:00")
_STALE = timedelta(seconds=30)


def text(name: str) -> str:
    """A policy whose one rule has a name."""
    return (
        f"version: 1\nrules:\n  - name: {name}\n    when: {{}}\n    then: {{ require: [totp] }}\n"
    )


FAILS_ITS_TEST = """version: 1
rules:
  - { name: lax, when: { page: sign-in }, then: skip }
tests:
  - { name: outside asks, given: { from: 203.0.113.1 }, expect: { outcome: ask } }
"""


class Ticking:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Stoppable(MemoryStore):
    """The memory store behind a switch; it counts what it is asked."""

    stopped = False
    asked = 0
    meanwhile: Callable[[], object] | None = None
    """What somebody else does just before the next change."""

    def get(self, key: str) -> bytes | None:
        self.asked += 1
        if self.stopped:
            raise Unavailable("store", "stopped")
        return super().get(key)

    def swap(self, key: str, old: bytes, new: bytes, ttl: timedelta) -> bool:
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        return super().swap(key, old, new, ttl)

    def flush(self) -> None:
        self._kept.clear()


class Record:
    """Keeps what is put on it, while it can."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.full = False

    def ping(self) -> None:
        if self.full:
            raise Unavailable("audit", "full")

    def record(self, record: AuditRecord) -> None:
        self.ping()
        self.records.append(record)

    def story(self, reference: object) -> list[AuditRecord]:
        raise NotImplementedError

    def recent(self, limit: int) -> list[AuditRecord]:
        raise NotImplementedError


class Node:
    """One process of a node: what it holds in memory, and its node's disk."""

    def __init__(self, site: Site, name: str, knows: tuple[str, ...] = ()) -> None:
        self.site = site
        self.copy = site.folder / name / "policies.json"
        readings = _Older(knows) if knows else Readings(SHIPPED_FACTORS)
        self.shelf = SharedPolicies(site.store, self.copy, site.clock, readings.fit)
        self.in_force = PolicyInForce(self.shelf, readings, site.file)
        self.policies = Policies(
            self.shelf, readings, site.file, site.audit, site.clock, lambda count: b"\7" * count
        )

    def activate(self, name: str, **more: int) -> object:
        return self.policies.activate(PolicyFile(f"{name}.yaml", text(name)), "ivan", **more)

    @property
    def rule(self) -> str:
        """By which rule this process decides now."""
        return self.now.policy.rules[0].name

    @property
    def now(self) -> InForce:
        found = self.in_force.now()
        assert isinstance(found, InForce), found
        return found


class _Older(Readings):
    """A release that cannot use some policies."""

    def __init__(self, unknown: tuple[str, ...]) -> None:
        super().__init__(SHIPPED_FACTORS)
        self._unknown = unknown

    def of(self, version, texts):  # type: ignore[no-untyped-def]
        if any(name in texts.get(version.digest, "") for name in self._unknown):
            return Problems((Problem(version.source, 1, 1, "unknown"),))
        return super().of(version, texts)


class Site:
    """Nodes with one store, which can be flushed or stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Ticking()
        self.store = Stoppable(self.clock)
        self.audit = Record()
        self.of_settings, self.path = text("file"), "settings.yaml"

    def file(self) -> PolicyFile | Problems:
        return PolicyFile(self.path, self.of_settings)

    def node(self, name: str, knows: tuple[str, ...] = ()) -> Node:
        return Node(self, name, knows)

    def later(self, seconds: float = LOOK_EVERY.total_seconds()) -> None:
        self.clock.now += timedelta(seconds=seconds)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# -- in force ------------------------------------------------------------------------------------


def test_until_one_is_activated_the_settings_file_decides(site: Site) -> None:
    node = site.node("a")
    assert (node.rule, node.now.origin) == ("file", Origin.FILE)
    site.of_settings = text("edited")
    site.later()
    assert node.rule == "file", "as every other setting, it is read at the start"
    assert site.node("a").rule == "edited"
    site.of_settings = "rules: ["
    assert isinstance(site.node("a").in_force.now(), Problems)


def test_every_node_follows_within_two_seconds_and_a_start_too(site: Site) -> None:
    admin, server = site.node("a"), site.node("b")
    assert server.rule == "file"
    assert isinstance(admin.activate("first"), Activated)
    assert admin.rule == "first"
    site.later(1.9)
    assert server.rule == "file"
    site.later(0.1)
    assert (server.rule, server.now.origin) == ("first", Origin.ACTIVATED)
    assert site.node("c").rule == "first"
    site.of_settings = text("edited")
    assert site.node("b").rule == "first", "an edit of the file changes nothing any more"
    site.of_settings = "rules: ["
    assert site.node("b").rule == "first", "nor does a bad file"


def test_a_decision_asks_the_store_for_nothing(site: Site) -> None:
    admin, server = site.node("a"), site.node("b")
    admin.activate("first")
    first = server.now
    asked = site.store.asked
    for _ in range(1000):
        assert server.now is first
    assert site.store.asked == asked
    site.later()
    assert server.now is first
    assert site.store.asked == asked + 1


def test_what_is_not_well_replaces_nothing(site: Site) -> None:
    node = site.node("a")
    node.activate("good")
    for bad, why in (
        ("rules: [", ""),
        ("", "a policy needs `rules`"),
        (FAILS_ITS_TEST, "'outside asks' fails"),
        ("version: 1\nrules: []\n", "everybody would be denied"),
    ):
        answer = node.policies.activate(PolicyFile("bad.yaml", bad), "ivan")
        assert isinstance(answer, NotWell), bad
        assert str(answer.problems).startswith("bad.yaml:")
        assert why in str(answer.problems)
    site.later()
    assert node.rule == "good"
    assert [each.event for each in site.audit.records] == [AuditEvent.POLICY_ACTIVATED]


def test_while_one_reads_what_is_new_nobody_waits(site: Site) -> None:
    admin, server = site.node("a"), site.node("b")
    admin.activate("old")
    assert server.rule == "old"
    admin.activate("new")
    site.later()
    reading, read = threading.Event(), threading.Event()
    ask = site.store.get

    def slow(key: str) -> bytes | None:
        reading.set()
        assert read.wait(10)
        return ask(key)

    site.store.get = slow  # type: ignore[method-assign]
    rules: list[str] = []
    first = threading.Thread(target=lambda: rules.append(server.rule))
    first.start()
    assert reading.wait(10)
    assert server.rule == "old"
    read.set()
    first.join()
    assert rules == ["new"]
    assert server.rule == "new"


def test_the_tools_are_given_the_text_that_decides(site: Site) -> None:
    node = site.node("a")
    assert node.in_force.text() == PolicyFile("settings.yaml", text("file"))
    assert node.in_force.overlooked() is None
    node.activate("first")
    assert node.in_force.text() == PolicyFile("version 2", text("first"))
    assert node.in_force.overlooked() == PolicyFile("settings.yaml", text("file"))
    node.copy.write_bytes(b"garbage")
    site.store.flush()
    assert isinstance(site.node("a").in_force.text(), Problems), "nobody wrote the built-in one"


# -- who, when, what -----------------------------------------------------------------------------


def test_history_begins_with_the_file_and_goes_back_to_it(site: Site) -> None:
    node = site.node("a")
    (only,) = node.policies.history().versions
    assert (only.number, only.actor, only.source) == (1, SETTINGS, "settings.yaml")
    answer = node.activate("second")
    assert isinstance(answer, Activated)
    assert answer.before == only
    site.later()
    back = node.policies.roll_back(None, "olga", reason="too strict")
    assert isinstance(back, Activated)
    assert node.rule == "file"
    rows = [(v.number, v.actor, v.again, v.reason) for v in node.policies.history().versions]
    assert rows == [(1, SETTINGS, None, ""), (2, "ivan", None, ""), (3, "olga", 1, "too strict")]
    assert node.policies.history().versions[-1].at == site.clock.now
    told = [(each.event, each.actor, dict(each.detail)) for each in site.audit.records]
    assert [event for event, _, _ in told] == [
        AuditEvent.POLICY_ACTIVATED,
        AuditEvent.POLICY_ROLLED_BACK,
    ]
    assert told[1][1] == "olga"
    assert told[1][2]["again"] == 1
    assert told[1][2]["policy"] == back.policy.version[:12]


def test_back_by_number_again_and_what_there_is_not(site: Site) -> None:
    node = site.node("a")
    assert node.policies.roll_back(None, "ivan") is Missing.VERSION
    for name in ("two", "three", "four"):
        node.activate(name)
    assert isinstance(node.policies.roll_back(2, "ivan"), Activated)
    assert node.rule == "two"
    assert isinstance(node.policies.roll_back(None, "ivan"), Activated)
    assert node.rule == "four", "without a number it is what was in force before"
    assert node.policies.roll_back(99, "ivan") is Missing.VERSION
    assert isinstance(node.policies.roll_back(4, "ivan"), Unchanged)


def test_the_same_text_is_no_new_version(site: Site) -> None:
    node = site.node("a")
    assert isinstance(node.policies.activate(PolicyFile("x", text("file")), "ivan"), Activated)
    assert [each.actor for each in node.policies.history().versions] == ["ivan"]
    assert isinstance(node.policies.activate(PolicyFile("y", text("file")), "olga"), Unchanged)


def test_old_texts_are_let_go_and_it_is_said(site: Site) -> None:
    node = site.node("a")
    for number in range(MOST_VERSIONS + 5):
        node.activate(f"n{number}")
    known = node.policies.history()
    assert len(known.versions) == MOST_VERSIONS
    assert len(known.texts) == MOST_TEXTS
    assert known.versions[-1].number == MOST_VERSIONS + 6
    kept = known.versions[-MOST_TEXTS].number
    assert node.policies.roll_back(kept - 1, "ivan") is Missing.TEXT
    assert isinstance(node.policies.roll_back(kept, "ivan"), Activated)


def test_nothing_is_activated_that_cannot_be_put_on_record(site: Site) -> None:
    node = site.node("a")
    site.audit.full = True
    with pytest.raises(Unavailable):
        node.activate("first")
    site.audit.full = False
    assert node.rule == "file"
    assert site.node("b").rule == "file"


# -- two at once ---------------------------------------------------------------------------------


def test_of_two_admins_one_wins_and_the_other_is_told(site: Site) -> None:
    nodes = [site.node(f"n{number}") for number in range(8)]
    for node in nodes:
        assert node.rule == "file"
    line, answers = threading.Barrier(len(nodes)), []

    def race(number: int) -> None:
        line.wait()
        answers.append(nodes[number].activate(f"racer{number}", after=1))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(len(nodes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (won,) = [each for each in answers if isinstance(each, Activated)]
    lost = [each for each in answers if isinstance(each, Overtaken)]
    assert len(lost) == len(nodes) - 1
    site.later()
    assert {node.now.policy.version for node in nodes} == {won.policy.version}
    assert len(site.audit.records) == 1, "who lost is not on record as if it had been activated"


def test_who_was_first_by_a_hair_is_not_undone(site: Site) -> None:
    first, second = site.node("a"), site.node("b")
    first.activate("before")
    site.later()
    site.store.meanwhile = lambda: first.activate("by a hair")
    answer = second.activate("too late")
    assert isinstance(answer, Overtaken)
    assert answer.by is not None
    assert answer.by.source == "by a hair.yaml"
    site.later()
    assert first.rule == second.rule == "by a hair"


def test_who_looked_at_an_older_version_is_told_by_whom_it_was_replaced(site: Site) -> None:
    one, two = site.node("a"), site.node("b")
    assert isinstance(one.activate("first", after=1), Activated)
    answer = two.activate("second", after=1)
    assert isinstance(answer, Overtaken)
    assert answer.by is not None
    assert (answer.by.number, answer.by.actor) == (2, "ivan")
    assert isinstance(two.activate("second", after=2), Activated)


# -- what is lost or damaged ---------------------------------------------------------------------


def test_a_flushed_store_gets_the_highest_version_back(site: Site) -> None:
    ahead, behind = site.node("a"), site.node("b")
    ahead.activate("old")
    site.later()
    assert behind.rule == "old"
    ahead.activate("new")
    site.store.flush()
    site.later()
    assert behind.rule == "old"
    site.later()
    assert ahead.rule == "new"
    site.later()
    assert behind.rule == "new"
    assert site.node("c").rule == "new"


def test_a_worker_that_comes_of_an_older_process_puts_nothing_old_back(site: Site) -> None:
    forked = site.node("a")
    forked.activate("old")
    site.node("a").activate("new")
    site.store.flush()
    site.later(_STALE.total_seconds())
    assert forked.rule == "new", "its node's disk knows better than its memory"
    assert site.node("b").rule == "new"


def test_while_the_store_is_away_the_copy_on_disk_decides_also_after_a_restart(site: Site) -> None:
    node = site.node("a")
    node.activate("good")
    site.store.stopped = True
    site.later()
    assert node.rule == "good"
    assert site.node("a").rule == "good"
    with pytest.raises(Unavailable):
        site.node("never-saw-one").in_force.now()
    assert site.node("never-saw-one").in_force.text() == PolicyFile("settings.yaml", text("file"))
    site.store.stopped = False
    site.later()
    assert node.rule == "good"


def test_who_saw_that_none_was_activated_goes_on_with_the_file_while_the_store_is_away(
    site: Site,
) -> None:
    node, late = site.node("a"), site.node("b")
    assert node.rule == "file"
    site.store.stopped = True
    for _ in range(3):
        site.later(60)
        assert (node.rule, node.now.origin) == ("file", Origin.FILE)
    # Nobody told this one: one may have been activated that asks for more than the file does.
    with pytest.raises(Unavailable):
        late.in_force.now()
    site.store.stopped = False
    site.node("c").activate("second")
    site.later()
    assert node.rule == late.rule == "second"


def test_a_change_whose_maker_died_before_telling_is_found(site: Site) -> None:
    server, admin = site.node("a"), site.node("b")
    admin.activate("first")
    site.later()
    assert server.rule == "first"
    told = site.store.get("policies:version")
    assert told is not None
    admin.activate("second")
    site.store.put("policies:version", told, timedelta(days=1))
    site.later(_STALE.total_seconds())
    assert server.rule == "second"


DAMAGES = {
    "garbage": lambda octets: b"\x00\xff" * 64,
    "empty": lambda octets: b"",
    "cut off": lambda octets: octets[:-20],
    "another release": lambda octets: octets.replace(b'"v": 1', b'"v": 0'),
    "an edited text": lambda octets: json.dumps(
        json.loads(octets) | {"texts": dict.fromkeys(json.loads(octets)["texts"], "eJwDAAAAAAE=")}
    ).encode(),
    "no object": lambda octets: b"[1, 2]",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_copy_is_named_and_never_used(
    site: Site, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    node = site.node("a")
    node.activate("good")
    node.copy.write_bytes(DAMAGES[damage](node.copy.read_bytes()))
    after = site.node("a")
    assert after.rule == "good", "the store has it"
    assert str(after.copy) in caplog.text
    assert decode(after.copy.read_bytes()).versions, "and the copy is whole again"
    after.copy.write_bytes(DAMAGES[damage](after.copy.read_bytes()))
    site.store.flush()
    alone = site.node("a")
    assert alone.now.origin is Origin.BUILT_IN
    assert alone.rule == "Two kinds of factor", "never the file, which may be laxer"
    assert alone.now.trouble


@pytest.mark.parametrize("damage", ["garbage", "another release"])
def test_what_is_damaged_in_the_store_replaces_nothing_and_is_not_written_over(
    site: Site, damage: str
) -> None:
    node = site.node("a")
    node.activate("good")
    octets = site.store.get("policies:document")
    assert octets is not None
    spoilt = DAMAGES[damage](octets)
    site.store.put("policies:document", spoilt, timedelta(days=1))
    site.store.put("policies:version", b"x", timedelta(days=1))
    site.later()
    assert node.rule == "good"
    assert site.node("a").rule == "good"
    with pytest.raises(Unavailable):
        node.activate("better")
    assert site.store.get("policies:document") == spoilt


def test_a_release_that_cannot_use_the_newest_stays_with_its_last_good_one(site: Site) -> None:
    newer, older = site.node("a"), site.node("b", knows=("modern",))
    newer.activate("plain")
    site.later()
    assert older.rule == "plain"
    newer.activate("modern")
    site.later()
    assert older.rule == "plain"
    assert site.node("b", knows=("modern",)).rule == "plain", "after a restart as well"
    fresh = site.node("c", knows=("modern",))
    assert fresh.now.origin is Origin.BUILT_IN, "it never had a good one"
    assert isinstance(fresh.activate("plain"), Activated), "and there is a way out"
    site.later()
    assert newer.rule == fresh.rule == "plain"


# -- the shadow ----------------------------------------------------------------------------------


def test_a_shadow_decides_nothing_and_ends(site: Site) -> None:
    node, other = site.node("a"), site.node("b")
    assert other.now.shadow is None
    begun = node.policies.begin_shadow(PolicyFile("s.yaml", text("shadow")), "ivan")
    assert isinstance(begun, Activated)
    site.later()
    for each in (node, other, site.node("c")):
        assert (each.rule, each.now.origin) == ("file", Origin.FILE)
        assert isinstance(each.now.shadow, Policy)
        assert each.now.shadow.rules[0].name == "shadow"
    node.activate("first")
    site.later()
    assert other.now.shadow is not None
    assert other.rule == "first"
    ended = node.policies.end_shadow("olga")
    assert not isinstance(ended, Overtaken | Missing)
    site.later()
    assert other.now.shadow is None
    assert node.policies.end_shadow("olga") is Missing.SHADOW
    assert [each.event for each in site.audit.records] == [
        AuditEvent.POLICY_SHADOW_BEGAN,
        AuditEvent.POLICY_ACTIVATED,
        AuditEvent.POLICY_SHADOW_ENDED,
    ]
    assert site.audit.records[-1].actor == "olga"


def test_a_shadow_that_is_activated_is_none_any_more(site: Site) -> None:
    node = site.node("a")
    node.policies.begin_shadow(PolicyFile("s.yaml", text("shadow")), "ivan")
    node.activate("shadow")
    assert node.rule == "shadow"
    assert node.now.shadow is None


def test_a_bad_shadow_is_refused(site: Site) -> None:
    node = site.node("a")
    answer = node.policies.begin_shadow(PolicyFile("s.yaml", FAILS_ITS_TEST), "ivan")
    assert isinstance(answer, NotWell)
    assert node.policies.history().shadow is None


# -- the document --------------------------------------------------------------------------------


def test_the_document_keeps_everything(site: Site) -> None:
    node = site.node("a")
    node.activate("first")
    node.policies.roll_back(1, "olga", reason="理由")
    node.policies.begin_shadow(PolicyFile("s.yaml", text("shadow")), "ivan")
    known = node.policies.history()
    assert decode(encode(known)) == known
    assert encode(decode(encode(known))) == encode(known)
    assert decode(encode(replace(known, shadow=None))).shadow is None
