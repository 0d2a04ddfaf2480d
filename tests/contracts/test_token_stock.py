"""Hardware tokens: from a vendor's file into the stock, from there to one person at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from idp_mfa.desk.outcome import Done, NotDone
from idp_mfa.desk.roles import Act, member
from idp_mfa.factor import Accepted, Challenge, Rejected, Response
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.helpdesk import Actor
from idp_mfa.letters import NoticeKind
from idp_mfa.model import BoundBy, Credential, CredentialState
from idp_mfa.ports import Change, ChangeAnswer, Unavailable
from idp_mfa.token_stock import UNDER_WAY, Assigned, NotAssigned, Stocked
from tests.contracts.desk_world import OPTIONS, RUN, STOCK, World, key, token_key
from tests.contracts.store_acts import race
from tests.simulators.hardware_token import oathtool

BY = Actor("helen", "no phone")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.fill("T-0001", "T-0002")
    return made


def token_of(world: World, login: str = "hanako") -> Credential:
    (found,) = world.account(login).credentials.of(TOTP)
    return found


def signs_in(world: World, serial: str, login: str = "hanako") -> bool:
    """Whether the code that the token shows now counts for somebody."""
    code = Response({"code": oathtool(token_key(serial), world.now)})
    held = world.account(login).credentials.of(TOTP)
    answer = world.totp.verify(Challenge(TOTP), code, held, world.now)
    assert isinstance(answer, Accepted | Rejected)
    return isinstance(answer, Accepted)


def owners(world: World) -> dict[str, str | None]:
    return {
        one.serial: None if one.owner is None else one.owner.user.login
        for one in world.stock.tokens()
    }


# -- the stock -------------------------------------------------------------------------------


def test_a_file_is_taken_once_however_often_it_comes(world: World) -> None:
    put = [world.stock.put(token_key("T-0001"), BY, RUN) for _ in range(3)]
    assert put == [Stocked.THERE_ALREADY] * 3
    other = replace(token_key("other"), serial="t-0001 ")
    assert world.stock.put(other, BY, RUN) is Stocked.OTHER_KEY
    assert world.stock.put(replace(other, serial=" "), BY, RUN) is Stocked.NO_SERIAL
    assert world.stock.look(token_key("T-0003")) is Stocked.NEW
    assert owners(world) == {"T-0001": None, "T-0002": None}


def test_of_two_imports_at_once_each_key_is_there_once(world: World) -> None:
    answers = race(lambda _: world.stock.put(token_key("T-0003"), BY, RUN))
    assert Counter(answers)[Stocked.NEW] == 1
    assert list(owners(world)) == ["T-0001", "T-0002", "T-0003"]


def test_the_stock_holds_no_more_than_can_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idp_mfa.token_stock.MOST", 2)
    assert world.stock.put(token_key("T-0003"), BY, RUN) is Stocked.FULL


def test_nobody_signs_in_by_what_lies_in_the_stock(world: World) -> None:
    entry = world.account(STOCK)
    assert entry.credentials.active == ()
    assert entry.credentials.factors == ()
    stored = world.site.stored(STOCK)
    secret = world.totp.taken(key(), token_key("T-0001")).secret["key"].encode()
    assert all(secret not in record for record in stored.records)


def test_the_stock_is_no_person_at_the_desk(world: World) -> None:
    staff = world.account("helen")
    found = member(replace(staff, groups=frozenset({"help-desk"})), OPTIONS)
    assert found is not None
    assert found.case(world.account(STOCK)) is None
    assert found.case(world.account("hanako")) is not None


def test_a_stock_that_is_not_there_or_does_not_open_is_not_taken_for_empty(world: World) -> None:
    nowhere = replace(world.stock, login="nobody")
    with pytest.raises(Unavailable):
        nowhere.tokens()
    stored = world.site.stored(STOCK)
    world.site.overwrite(STOCK, replace(stored, records=stored.records[:1]))
    with pytest.raises(Unavailable):
        world.stock.put(token_key("T-0003"), BY, RUN)
    with pytest.raises(Unavailable):
        world.stock.assign(world.account(), "T-0001", BY)


# -- handing out -----------------------------------------------------------------------------


def test_a_token_that_was_handed_out_signs_in_and_its_owner_is_told(world: World) -> None:
    assert world.ask(Act.ASSIGN, serial="t-0001") is NotDone.NO_PROOF
    world.vouch()
    done = world.ask(Act.ASSIGN, serial=" t-0001 ")
    assert isinstance(done, Done)
    assert signs_in(world, "T-0001")
    assert not signs_in(world, "T-0002")
    held = token_of(world)
    assert (held.label, held.bound_by) == ("T-0001", BoundBy.DESK)
    assert not {"owner", "given_at"} & held.secret.keys()
    assert not world.totp.may_be_shown(held)
    assert owners(world) == {"T-0001": "hanako", "T-0002": None}
    assert world.told() == [NoticeKind.FACTOR_ADDED]
    (line,) = [one for one in world.recorded() if one.reference == done.reference]
    assert (line.actor, line.detail["serial"], line.detail["caller"]) == ("helen", "T-0001", "card")
    assert held.secret["key"] not in (world.place / "audit.jsonl").read_text()


def test_it_takes_the_place_of_what_was_there_before(world: World) -> None:
    world.holds(key())
    world.vouch()
    assert isinstance(world.ask(Act.RESET), Done)
    assert isinstance(world.ask(Act.ASSIGN, serial="T-0001"), Done)
    assert Counter(world.states()) == {CredentialState.RETIRED: 1, CredentialState.ACTIVE: 1}
    assert isinstance(world.ask(Act.ASSIGN, serial="T-0002"), Done)
    assert [one.label for one in world.account().credentials.of(TOTP)] == ["T-0002"]
    assert owners(world) == {"T-0001": None, "T-0002": "hanako"}


def test_a_token_is_one_persons_until_it_is_taken_from_them(world: World) -> None:
    given = world.stock.assign(world.account("taro"), "T-0001", BY)
    assert isinstance(given, Assigned)
    world.now += UNDER_WAY
    assert world.stock.assign(world.account(), "T-0001", BY) is NotAssigned.HELD
    assert world.stock.assign(world.account("taro"), "T-0001", BY) is NotAssigned.THEIRS_ALREADY
    assert world.stock.assign(world.account(), "T-0009", BY) is NotAssigned.NO_SUCH_TOKEN
    taro = world.account("taro")
    for state in (CredentialState.DISABLED, CredentialState.SUSPENDED):
        # What may come back is still theirs.
        (before,) = world.account("taro").credentials.factors
        after = replace(before, state=state, generation=before.generation + 1)
        taro = world.account("taro")
        world.site.directory.change(taro.user.id, taro.credentials, (Change(before, after),))
        assert world.stock.assign(world.account(), "T-0001", BY) is NotAssigned.HELD
    taro = world.account("taro")
    gone = (Change(taro.credentials.factors[0], None),)
    assert world.site.directory.change(taro.user.id, taro.credentials, gone) is ChangeAnswer.DONE
    assert isinstance(world.stock.assign(world.account(), "T-0001", BY), Assigned)
    assert signs_in(world, "T-0001")
    assert owners(world)["T-0001"] == "hanako"


def test_nobody_knows_what_somebody_has_whose_records_do_not_open(world: World) -> None:
    assert isinstance(world.stock.assign(world.account("taro"), "T-0001", BY), Assigned)
    world.now += UNDER_WAY
    stored = world.site.stored("taro")
    world.site.overwrite("taro", replace(stored, records=(b"rubbish",)))
    assert world.stock.assign(world.account(), "T-0001", BY) is NotAssigned.HELD
    assert world.stock.assign(world.account("taro"), "T-0002", BY) is NotAssigned.UNREADABLE


def test_of_two_people_who_are_given_one_token_at_once_one_has_it(world: World) -> None:
    people = [world.account("hanako"), world.account("taro")]
    answers = race(lambda number: world.stock.assign(people[number % 2], "T-0001", BY))
    assert sum(isinstance(one, Assigned) for one in answers) == 1
    holding = [one for one in ("hanako", "taro") if world.account(one).credentials.of(TOTP)]
    assert len(holding) == 1
    assert owners(world)["T-0001"] == holding[0]


def test_what_died_half_way_is_asked_for_again_and_is_nobody_elses_meanwhile(world: World) -> None:
    # The person's entry is changed by somebody else in the very moment.
    stale = world.account()
    world.holds(key())
    assert world.stock.assign(stale, "T-0001", BY) is NotAssigned.CHANGED_ELSEWHERE
    assert world.stock.assign(world.account("taro"), "T-0001", BY) is NotAssigned.HELD
    assert isinstance(world.stock.assign(world.account(), "T-0001", BY), Assigned)
    assert world.told() == [NoticeKind.FACTOR_ADDED], "and no letter about what never happened"


def test_what_died_half_way_is_free_again_after_a_while(world: World) -> None:
    stale = world.account()
    world.holds(key())
    assert world.stock.assign(stale, "T-0001", BY) is NotAssigned.CHANGED_ELSEWHERE
    world.now += UNDER_WAY
    assert isinstance(world.stock.assign(world.account("taro"), "T-0001", BY), Assigned)


def test_a_lost_token_is_forgotten(world: World) -> None:
    assert world.stock.forget("T-0009", BY) is NotAssigned.NO_SUCH_TOKEN
    assert isinstance(world.stock.forget("T-0001", BY), str)
    assert owners(world) == {"T-0002": None}
    assert "token.forgotten" in world.events()


# -- its clock -------------------------------------------------------------------------------


def codes_ahead(world: World, off: timedelta) -> tuple[str, str]:
    """Two codes, one after the other, of a token whose clock is off."""
    first, second = (
        oathtool(token_key("T-0001"), world.now + off + timedelta(minutes=n)) for n in (0, 1)
    )
    return first, second


def test_a_token_whose_clock_is_off_is_set_right_at_the_desk(world: World) -> None:
    world.vouch()
    world.ask(Act.ASSIGN, serial="T-0001")
    world.told()
    held = token_of(world)
    codes = codes_ahead(world, timedelta(hours=3))
    asked = {"credential": held.id, "codes": codes}
    assert world.ask(Act.RESYNCHRONISE, **asked | {"codes": (codes[1], codes[0])}) is (
        NotDone.WRONG_CODES
    )
    world.now += timedelta(minutes=1)
    done = world.ask(Act.RESYNCHRONISE, **asked)
    assert isinstance(done, Done)
    assert world.told() == [NoticeKind.TOKEN_RESYNCHRONISED]
    assert world.ask(Act.RESYNCHRONISE, **asked) is NotDone.CODES_USED
    for _ in range(20):
        last = world.ask(Act.RESYNCHRONISE, **asked | {"codes": ("1" * 8, "2" * 8)})
    assert last is NotDone.TOO_MANY_TRIES


def test_an_apps_key_has_no_clock_of_its_own(world: World) -> None:
    world.holds(key())
    world.vouch()
    asked = {"credential": key().id, "codes": ("123456", "234567")}
    assert world.ask(Act.RESYNCHRONISE, **asked) is NotDone.NOTHING


def test_for_protected_people_the_codes_are_typed_when_it_is_carried_out(world: World) -> None:
    world.vouch()
    world.ask(Act.ASSIGN, serial="T-0001")
    codes = codes_ahead(world, timedelta(hours=-3))
    asked = {"credential": token_of(world).id, "codes": codes}
    world.ask(Act.RESYNCHRONISE, "finance", **asked)
    (waiting,) = world.desk.proposals.waiting()
    assert waiting.order.codes == ("", "")
    kept = world.store.get(f"desk:proposal:{waiting.id}") or b""
    assert not any(code.encode() in kept for code in codes)
    theirs = world.warrant(Act.RESYNCHRONISE, "ivan", "finance")
    assert world.desk.approve(theirs, waiting) is None
    (agreed,) = world.desk.proposals.waiting()
    mine = world.warrant(Act.RESYNCHRONISE, "helen", "finance")
    assert world.desk.carry_out(mine, agreed) is NotDone.WRONG_CODES
    (again,) = world.desk.proposals.waiting()
    assert again == agreed, "mistyped codes cost no second agreement"
    world.now += timedelta(minutes=1)
    assert isinstance(world.desk.carry_out(mine, again, codes), Done)
    assert world.desk.proposals.waiting() == ()


def test_a_second_is_asked_for_what_can_be_done_alone(world: World) -> None:
    world.vouch()
    assert world.ask(Act.ASSIGN, "finance", serial="T-0009") is NotDone.NO_SUCH_TOKEN
    assert world.desk.proposals.waiting() == ()
