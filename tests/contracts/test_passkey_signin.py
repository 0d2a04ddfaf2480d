"""Signing in with a passkey: each question counts once, and the account's standing is asked."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from idp_mfa import assets
from idp_mfa.audit import AuditEvent
from idp_mfa.audit_log.options import AuditOptions
from idp_mfa.audit_log.trail import audit_trail
from idp_mfa.audit_log.window import MemoryWindow
from idp_mfa.devices import Devices
from idp_mfa.factor import Rejection, Response
from idp_mfa.factors.fido2 import NAME as FIDO2_NAME
from idp_mfa.factors.fido2 import Fido2
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.factors.totp import Totp
from idp_mfa.model import (
    AccountState,
    AuthnRequest,
    BoundBy,
    Credential,
    CredentialId,
    CredentialState,
    FactorKind,
    Page,
    Refusal,
    Seen,
    Service,
    ServiceId,
)
from idp_mfa.policy.load import load
from idp_mfa.policy.model import Policy
from idp_mfa.ports import Change, StateStore
from idp_mfa.session import SessionLimits, Sessions
from idp_mfa.signin.flow import Authenticated, AwaitIdentity, AwaitResponse, Refused
from idp_mfa.signin.outcomes import (
    AnswerNotAccepted,
    At,
    Begun,
    PasskeyNotAccepted,
    Stale,
    Typed,
)
from idp_mfa.signin.parts import SignInParts
from idp_mfa.signin.service import SignIn
from idp_mfa.signin.transactions import SignInLimits
from idp_mfa.store.memory import MemoryStore
from idp_mfa.store.memory_outbox import MemoryOutbox
from idp_mfa.store.redis import RedisServer, RedisStore
from idp_mfa.throttle import Limits, Throttle
from tests.contracts.audit_acts import ADDRESSES, CHAIN
from tests.contracts.directory_sites import SqliteSite, account
from tests.contracts.test_reauthentication import Hand
from tests.simulators.authenticator import PRESENT, Authenticator

OUTSIDE = Seen(ip_address("203.0.113.10"), ())
KEY = b"k" * 32
RACERS = 64
SHIPPED = Limits()
ROOM_FOR_ALL = Limits(factor_tries_per_transaction=RACERS, signed_burst=RACERS)


@dataclass
class House:
    site: SqliteSite
    signin: SignIn
    fido2: Fido2
    clock: Hand
    window: MemoryWindow
    device: Authenticator

    def begun(self) -> Begun:
        service = Service(ServiceId("https://sp.example/"), {}, "sp.example")
        found = self.signin.begin(AuthnRequest(service, Page.SIGN_IN, "/answer", {}), OUTSIDE)
        assert isinstance(found, Begun)
        return found

    def asked(self) -> At:
        """The yellow screen, behind a right password."""
        begun = self.begun()
        typed = Typed("alice", b"demo-alice", shared_computer=False)
        at = self.signin.identify(
            begun.transaction.id, begun.binding, 0, typed=typed, device_cookie=None, seen=OUTSIDE
        )
        assert isinstance(at, At), at
        assert isinstance(at.transaction.state, AwaitResponse)
        return at

    def options(self, at: At) -> str:
        state = at.transaction.state
        assert isinstance(state, AwaitResponse)
        assert state.challenge.factor == FIDO2_NAME
        return state.challenge.shown["options"]

    def respond(self, at: At, posted: str) -> object:
        return self.signin.respond(
            at.transaction.id,
            at.binding,
            at.transaction.version,
            response=Response({"credential": posted}),
            device_cookie=None,
            seen=OUTSIDE,
        )

    def without_name(self, begun: Begun, posted: str) -> object:
        return self.signin.identify_by_passkey(
            begun.transaction.id,
            begun.binding,
            Response({"credential": posted}),
            OUTSIDE,
            shared_computer=False,
        )

    def question(self, begun: Begun) -> str:
        asked = self.signin.ask_passkey(begun.transaction.id, begun.binding)
        assert asked is not None
        return asked.shown["options"]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return built(tmp_path, MemoryStore)


@pytest.fixture
def shared(tmp_path: Path, connected: RedisServer) -> House:
    """The same on Redis and Valkey, where nodes meet."""
    return built(tmp_path, lambda _: RedisStore(connected), ROOM_FOR_ALL)


def built(tmp_path: Path, kept: Callable[[Hand], StateStore], limits: Limits = SHIPPED) -> House:
    site = SqliteSite(tmp_path / "directory.sqlite")
    site.person("alice")
    clock = Hand()
    store = kept(clock)
    fido2 = Fido2("idp.example.ac.jp", "OMU", "https://idp.example.ac.jp", lambda: KEY)
    text = (assets.folder("policies") / "default.yaml").read_text()
    factors = {FIDO2_NAME: fido2, TOTP: Totp("OMU")}
    policy = load(text, "default.yaml", {name: one.may_show for name, one in factors.items()})
    assert isinstance(policy, Policy), policy
    window = MemoryWindow(999)
    signin = SignIn(
        SignInParts(
            directory=site.directory,
            credentials=site.directory,
            store=store,
            audit=audit_trail(AuditOptions(tmp_path / "audit.log"), window, ADDRESSES, CHAIN),
            sessions=Sessions(store, clock, os.urandom, SessionLimits()),
            policy=lambda: policy,
            factors=factors,
            preference=(FIDO2_NAME, TOTP),
            throttle=Throttle(limits, KEY),
            devices=Devices(store, os.urandom, KEY),
            outbox=MemoryOutbox(),
            clock=clock,
            randomness=os.urandom,
            limits=SignInLimits(),
            nameless=fido2,
        )
    )
    made = House(site, signin, fido2, clock, window, Authenticator(counts=True))
    enrol(made)
    return made


def enrol(house: House) -> None:
    who = account(house.site.directory, "alice")
    empty = Credential(
        CredentialId("one"),
        FIDO2_NAME,
        CredentialState.UNFINISHED,
        "",
        house.clock(),
        BoundBy.CAMPUS,
        1,
        {},
    )
    begun = house.fido2.begin_enrolment(who.user, empty, os.urandom)
    posted = house.device.create(begun.shown["options"])
    done = house.fido2.complete_enrolment(begun, Response({"credential": posted}), house.clock())
    passkey = done.credential  # type: ignore[union-attr]
    house.site.directory.change(who.user.id, who.credentials, [Change(None, passkey)])


def signed_in(found: object) -> Authenticated:
    assert isinstance(found, At), found
    assert isinstance(found.transaction.state, Authenticated), found.transaction.state
    return found.transaction.state


def race(act: Callable[[int], object]) -> list[object]:
    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(act, range(RACERS)))


def test_the_right_answer_signs_in_with_two_kinds(house: House) -> None:
    at = house.asked()
    done = signed_in(house.respond(at, house.device.get(house.options(at))))
    shown = {kind for one in done.verified for kind in one.kinds}
    assert shown == {FactorKind.KNOWLEDGE, FactorKind.POSSESSION}


def test_of_many_answers_to_one_question_one_is_looked_at(house: House) -> None:
    at = house.asked()
    posted = house.device.get(house.options(at))
    found = race(lambda _: house.respond(at, posted))
    moved = [one for one in found if isinstance(one, At)]
    assert len(moved) == 1
    assert sum(isinstance(one, Stale) for one in found) == RACERS - 1


def test_of_many_answers_on_many_nodes_one_counts(shared: House) -> None:
    """What each of them would be let try by the limits, the store lets one do."""
    at = shared.asked()
    posted = shared.device.get(shared.options(at))
    found = race(lambda _: shared.respond(at, posted))
    (done,) = (one for one in found if isinstance(one, At))
    assert signed_in(done).user.login == "alice"
    assert sum(isinstance(one, Stale) for one in found) == RACERS - 1
    accepted = [one for one in shared.window.recent(999) if AuditEvent.FACTOR_ACCEPTED.value in one]
    assert len(accepted) == 1


def test_a_wrong_answer_spends_the_question(house: House) -> None:
    """G2: also for the right answer that comes after it, in the same tab or another."""
    at = house.asked()
    right = house.device.get(house.options(at))
    wrong = house.respond(at, house.device.get(house.options(at), origin="https://evil.example"))
    assert isinstance(wrong, AnswerNotAccepted)
    assert isinstance(house.respond(at, right), Stale)
    again = At(wrong.transaction, at.binding)
    found = house.respond(again, right)
    assert isinstance(found, AnswerNotAccepted)
    assert found.rejected.detail == "wrong-challenge"
    third = At(found.transaction, at.binding)
    signed_in(house.respond(third, house.device.get(house.options(third))))


def test_a_question_that_is_too_old_is_asked_anew(house: House) -> None:
    at = house.asked()
    posted = house.device.get(house.options(at))
    house.clock.now += timedelta(minutes=5, seconds=1)
    late = house.respond(at, posted)
    assert isinstance(late, AnswerNotAccepted)
    assert late.rejected.why is Rejection.EXPIRED
    again = At(late.transaction, at.binding)
    signed_in(house.respond(again, house.device.get(house.options(again))))


def test_a_copy_of_the_key_is_refused_once_its_counter_lags(house: House) -> None:
    """G8: also one that says that it never counts."""
    at = house.asked()
    signed_in(house.respond(at, house.device.get(house.options(at), count=50)))
    for count in (50, 20):
        at = house.asked()
        found = house.respond(at, house.device.get(house.options(at), count=count))
        assert isinstance(found, AnswerNotAccepted)
        assert found.rejected.why is Rejection.COPIED
    at = house.asked()
    signed_in(house.respond(at, house.device.get(house.options(at), count=51)))


@pytest.mark.parametrize("state", [AccountState.LOCKED, AccountState.DISABLED])
def test_a_locked_account_is_not_let_in(house: House, state: AccountState) -> None:
    at, begun = house.asked(), house.begun()
    posted, nameless = house.device.get(house.options(at)), house.question(begun)
    user = account(house.site.directory, "alice").user.id
    house.site.directory.set_state(user, state)
    found = house.respond(at, posted)
    assert isinstance(found, At)
    assert found.transaction.state == Refused(Refusal.ACCOUNT)
    assert isinstance(house.without_name(begun, house.device.get(nameless)), PasskeyNotAccepted)


# -- without a name --------------------------------------------------------------------------


def test_without_a_name_the_owner_is_found_and_the_question_counts_once(shared: House) -> None:
    house = shared
    begun = house.begun()
    posted = house.device.get(house.question(begun))
    found = race(lambda _: house.without_name(begun, posted))
    (done,) = (one for one in found if isinstance(one, At))
    assert signed_in(done).user.login == "alice"
    kinds = {kind for one in signed_in(done).verified for kind in one.kinds}
    assert kinds == {FactorKind.KNOWLEDGE, FactorKind.POSSESSION}
    assert done.binding != begun.binding, "whoever knew the cookie before is left with nothing"


def test_without_a_name_a_wrong_answer_spends_the_question(house: House) -> None:
    begun = house.begun()
    asked = house.question(begun)
    wrong = house.device.get(asked, origin="https://evil.example")
    for posted in (wrong, house.device.get(asked)):
        assert isinstance(house.without_name(begun, posted), PasskeyNotAccepted)
    signed_in(house.without_name(begun, house.device.get(house.question(begun))))


def test_without_a_name_what_is_wrong_is_told_to_nobody(house: House) -> None:
    begun = house.begun()
    stranger = Authenticator(held=[replace(house.device.held[0], handle=os.urandom(44))])
    unverified = house.device.get(house.question(begun), flags=PRESENT)
    for posted in (
        unverified,
        stranger.get(house.question(begun)),
        house.device.get(house.question(begun), origin="https://evil.example"),
        json.dumps({}),
    ):
        found = house.without_name(begun, posted)
        assert isinstance(found, PasskeyNotAccepted)
        assert isinstance(found.transaction.state, AwaitIdentity)
    lines = [line for line in house.window.recent(50) if AuditEvent.PASSKEY_REJECTED.value in line]
    assert len(lines) == 4


def test_an_answer_of_the_yellow_screen_is_none_without_a_name(house: House) -> None:
    """A challenge is bound to its ceremony and its sign-in."""
    at, begun = house.asked(), house.begun()
    of_the_yellow_screen = house.device.get(house.options(at))
    house.question(begun)
    found = house.without_name(begun, of_the_yellow_screen)
    assert isinstance(found, PasskeyNotAccepted)
    other = house.begun()
    house.question(other)
    elsewhere = house.device.get(house.question(house.begun()))
    assert isinstance(house.without_name(other, elsewhere), PasskeyNotAccepted)
