"""A session whose password is too old for what is asked: the password is asked again, not refused.

By ``max_age`` as OpenID Connect and our own pages have it; SAML's ForceAuthn takes the same way.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from idp_mfa import assets
from idp_mfa.audit_log.options import AuditOptions
from idp_mfa.audit_log.trail import audit_trail
from idp_mfa.audit_log.window import MemoryWindow
from idp_mfa.devices import Devices
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.factors.totp import Totp
from idp_mfa.model import (
    PASSWORD,
    AuthnRequest,
    FactorKind,
    FactorName,
    Page,
    Refusal,
    Seen,
    Service,
    ServiceId,
    User,
    Verification,
)
from idp_mfa.policy.load import load
from idp_mfa.policy.model import Policy
from idp_mfa.session import SessionLimits, Sessions
from idp_mfa.signin.flow import AwaitIdentity, Refused
from idp_mfa.signin.outcomes import At, BrowserCookies, Finished, Typed
from idp_mfa.signin.parts import SignInParts
from idp_mfa.signin.service import SignIn
from idp_mfa.signin.transactions import SignInLimits
from idp_mfa.store.memory import MemoryStore
from idp_mfa.store.memory_outbox import MemoryOutbox
from idp_mfa.throttle import Limits, Throttle
from tests.contracts.audit_acts import ADDRESSES, CHAIN
from tests.contracts.directory_sites import SqliteSite

CAMPUS = Seen(ip_address("192.0.2.10"), ())
KEY = b"k" * 32


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, slots=True)
class House:
    """A sign-in on campus, where the password is all, and somebody's session."""

    signin: SignIn
    clock: Hand
    user: User
    cookie: str

    def comes(self, **request: object) -> At:
        """The browser with the session comes with a request."""
        service = Service(ServiceId("https://sp.example/"), {}, "sp.example")
        asked = AuthnRequest(service, Page.SIGN_IN, "/answer", {}, **request)  # type: ignore[arg-type]
        begun = self.signin.begin(asked, CAMPUS)
        assert not hasattr(begun, "until")
        at = self.signin.arrive(begun.transaction.id, begun.binding, self.cookie, CAMPUS)
        assert isinstance(at, At)
        return replace(at, binding=at.binding or begun.binding)

    def answered(self, at: At) -> Finished:
        """What the service is told."""
        done = self.signin.finish(at, BrowserCookies(self.cookie), CAMPUS)
        assert isinstance(done, Finished)
        return done


@pytest.fixture
def house(tmp_path: Path) -> House:
    site = SqliteSite(tmp_path / "people.db")
    site.person("alice")
    account = site.directory.find("alice")
    assert account is not None
    clock = Hand()
    store = MemoryStore(clock)
    file = assets.folder("policies") / "default.yaml"
    policy = load(file.read_text("utf-8"), str(file), {TOTP: Totp("T").may_show})
    assert isinstance(policy, Policy)
    sessions = Sessions(store, clock, os.urandom, SessionLimits())
    signin = SignIn(
        SignInParts(
            directory=site.directory,
            credentials=site.directory,
            store=store,
            audit=audit_trail(
                AuditOptions(tmp_path / "audit.jsonl"), MemoryWindow(99), ADDRESSES, CHAIN
            ),
            sessions=sessions,
            policy=lambda: policy,
            factors={TOTP: Totp("T")},
            preference=(TOTP,),
            throttle=Throttle(Limits(), KEY),
            devices=Devices(store, os.urandom, KEY),
            outbox=MemoryOutbox(),
            clock=clock,
            randomness=os.urandom,
            limits=SignInLimits(),
        )
    )
    verified = (shown(PASSWORD, FactorKind.KNOWLEDGE, clock()),)
    _, cookie = sessions.establish(None, account.user, verified, shared_computer=False)
    return House(signin, clock, account.user, cookie)


def shown(factor: FactorName, kind: FactorKind, at: datetime) -> Verification:
    return Verification(factor, frozenset({kind}), (), at)


def test_a_password_that_is_fresh_enough_is_not_asked_again(house: House) -> None:
    house.clock.now += timedelta(minutes=5)
    done = house.answered(house.comes(max_age=timedelta(minutes=5)))
    assert not isinstance(done.outcome, Refused)
    assert done.outcome.authn_instant == house.clock.now - timedelta(minutes=5)


def test_a_password_that_is_too_old_is_asked_again_with_the_name_known(house: House) -> None:
    house.clock.now += timedelta(minutes=5, seconds=1)
    at = house.comes(max_age=timedelta(minutes=5))
    assert isinstance(at.transaction.state, AwaitIdentity)
    assert at.login == "alice"
    house.clock.now += timedelta(minutes=1)
    moved = house.signin.identify(
        at.transaction.id,
        at.binding,
        at.transaction.version,
        typed=Typed("alice", b"demo-alice", shared_computer=False),
        device_cookie=None,
        seen=CAMPUS,
    )
    assert isinstance(moved, At)
    done = house.answered(moved)
    assert not isinstance(done.outcome, Refused)
    assert done.outcome.authn_instant == house.clock.now


def test_a_max_age_of_nothing_asks_always(house: House) -> None:
    house.clock.now += timedelta(milliseconds=1)
    at = house.comes(max_age=timedelta(0))
    assert isinstance(at.transaction.state, AwaitIdentity)
    assert at.login == "alice"


def test_who_must_not_be_asked_is_not_refused_for_another_reason(house: House) -> None:
    house.clock.now += timedelta(minutes=6)
    at = house.comes(max_age=timedelta(minutes=5), is_passive=True)
    assert isinstance(at.transaction.state, Refused)
    assert at.transaction.state.why is Refusal.INTERACTION_REQUIRED


def test_force_knows_the_name_too(house: House) -> None:
    at = house.comes(force_authn=True)
    assert isinstance(at.transaction.state, AwaitIdentity)
    assert at.login == "alice"


def test_without_either_the_session_answers(house: House) -> None:
    house.clock.now += timedelta(minutes=59)
    assert not isinstance(house.answered(house.comes()).outcome, Refused)
