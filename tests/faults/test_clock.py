"""A node whose clock is off says that it cannot judge: it calls no right code wrong."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.nodes import Node, answers_ready, node
from tests.faults.stand import Stand, wait_until
from tests.faults.test_house import SHARED
from tests.faults.test_store import pauses
from tests.faults.visitor import Visitor, way_on
from tests.protocol.attacked import carried
from tests.servers import another_clock
from tests.simulators.phone import STEP_SECONDS
from tests.simulators.user_agent import Page


@pytest.fixture
def hands(tmp_path: Path) -> Path:
    """By how many seconds a node's clock is off."""
    file = tmp_path / "clock"
    file.write_text("0")
    return file


def at(other: Node, visitor: Visitor, page: Page) -> Page:
    """The same page of the same browser at another node; loopback's cookies know no port."""
    page.url = page.url.replace(visitor.idp, other.origin)
    visitor.idp = other.origin
    return page


def typed(page: Page, code: str) -> Page:
    return page.submit(page.form_with("code"), code=code)


def missing(at_node: Node) -> list[str]:
    """The parts that a node says are not there."""
    return [name for name, said in at_node.ready().json().items() if said != "ok"]


@pytest.mark.parametrize("shift", ["180", "-180"])
def test_a_right_code_on_a_node_minutes_off_is_a_pause_and_no_wrong_code(
    site: Stand, hands: Path, shift: str
) -> None:
    person, visitor = site.person(), site.visitor()
    page = person.give_password(visitor.ask())
    assert page.mark == "signin.challenge"
    assert person.phone is not None
    here = visitor.idp
    hands.write_text(shift)
    with node(site, f"off{shift}", more=SHARED, prefix=another_clock.prefix(hands)) as other:
        wait_until(lambda: missing(other) == ["clock"])
        code = person.phone.code()
        paused = pauses(typed(at(other, visitor, page), code))
        pauses(way_on(paused))
        record = (site.idp.folder / f"audit-off{shift}.jsonl").read_text()
        assert "factor.rejected" not in record
        assert '"part":"clock"' in record
    visitor.idp = here
    assert carried(typed(visitor.open(page.url.replace(other.origin, here)), code))


def test_a_dead_code_is_dead_on_a_node_that_lives_in_the_past(site: Stand, hands: Path) -> None:
    person, visitor = site.person(), site.visitor()
    page = person.give_password(visitor.ask())
    assert person.phone is not None
    hands.write_text("-180")
    with node(site, "past", more=SHARED, prefix=another_clock.prefix(hands)) as past:
        wait_until(lambda: missing(past) == ["clock"])
        dead = person.phone.at(int(time.time() - 180) // STEP_SECONDS)
        pauses(typed(at(past, visitor, page), dead))


@pytest.mark.parametrize("shift", ["5", "-5"])
def test_a_small_drift_is_nobodys_trouble(site: Stand, hands: Path, shift: str) -> None:
    person = site.person()
    # The directory says when a password was set: in such a node's future, it would void it.
    time.sleep(5.5)
    hands.write_text(shift)
    with node(
        site,
        f"near{shift}",
        more=SHARED,
        prefix=another_clock.prefix(hands),
        started=answers_ready,
    ) as near:
        done = site.visitor(origin=near.origin).sign_in(person)
        assert carried(done.page)
        assert not done.failed


def test_a_clock_that_is_set_while_people_sign_in(site: Stand, hands: Path) -> None:
    person = site.person()
    assert person.phone is not None
    prefix = another_clock.prefix(hands)
    with node(site, "set", more=SHARED, prefix=prefix, started=answers_ready) as leaping:
        visitor = site.visitor(origin=leaping.origin)
        page = person.give_password(visitor.ask())
        assert page.mark == "signin.challenge"
        code = person.phone.code()
        for shift in ("180", "-180", "3600"):
            hands.write_text(shift)
            pauses(typed(page, code))
            assert missing(leaping) == ["clock"]
        hands.write_text("0")
        assert carried(typed(page, code))
        assert missing(leaping) == []
