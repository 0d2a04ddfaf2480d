"""Sixty-four right answers at once, on Valkey and LDAP: one counts, and nothing is half spent."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import count
from pathlib import Path

import pytest

from idp_mfa import assets
from idp_mfa.audit_log.options import AuditOptions
from idp_mfa.audit_log.trail import audit_trail
from idp_mfa.audit_log.window import MemoryWindow
from idp_mfa.devices import Devices
from idp_mfa.directory.ldap import LdapDirectory
from idp_mfa.factor import Enrolment, Rejection, Response, terms
from idp_mfa.factors.image_matrix import PRACTISED, ImageMatrix
from idp_mfa.factors.recovery_code import PASSCODES, RECOVERY_CODES
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.factors.totp import Totp
from idp_mfa.model import (
    AuthnRequest,
    BoundBy,
    Credential,
    CredentialState,
    FactorName,
    Page,
    Seen,
    Service,
    ServiceId,
    new_credential_id,
)
from idp_mfa.policy.load import load
from idp_mfa.policy.model import Policy
from idp_mfa.ports import Change, ChangeAnswer, StateStore
from idp_mfa.sealed import Sealer
from idp_mfa.session import SessionLimits, Sessions
from idp_mfa.signin.flow import Authenticated, AwaitResponse
from idp_mfa.signin.outcomes import AnswerNotAccepted, At, Begun, Stale, Typed
from idp_mfa.signin.parts import SignInParts
from idp_mfa.signin.service import SignIn
from idp_mfa.signin.transactions import SignInLimits
from idp_mfa.standing_alone import StandingAlone
from idp_mfa.store.memory_outbox import MemoryOutbox
from idp_mfa.store.redis import RedisStore
from idp_mfa.throttle import Limits, Throttle
from tests.contracts.audit_acts import ADDRESSES, CHAIN
from tests.contracts.directory_sites import RING, LdapSite, account, bind, credential
from tests.contracts.store_acts import RACERS, connected_to, race
from tests.contracts.test_factors import OWNERS, Owner
from tests.servers import valkey
from tests.servers.slapd import slapd
from tests.servers.valkey import Kind

OUTSIDE = Seen(ip_address("203.0.113.10"), ())
KEY = b"k" * 32
PATIENCE = timedelta(seconds=60)
WIDE = Limits(
    factor_tries_per_transaction=1000,
    factor_burst=1000,
    factor_per_day=1000,
    factor_sticky=1000,
    factor_in_a_row=1000,
    transactions_per_minute=1000,
)
FACTORS = {one.name: one for one in (ImageMatrix(), RECOVERY_CODES, *PASSCODES)}
_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class House:
    """A sign-in off campus on real parts."""

    site: LdapSite
    store: StateStore
    signin: SignIn

    def asked(self, login: str) -> At:
        """The yellow page, behind a right password."""
        service = Service(ServiceId("https://sp.example/"), {}, "sp.example")
        begun = self.signin.begin(AuthnRequest(service, Page.SIGN_IN, "/answer", {}), OUTSIDE)
        assert isinstance(begun, Begun)
        typed = Typed(login, f"demo-{login}".encode(), shared_computer=False)
        at = self.signin.identify(
            begun.transaction.id, begun.binding, 0, typed=typed, device_cookie=None, seen=OUTSIDE
        )
        assert isinstance(at, At), at
        assert isinstance(at.transaction.state, AwaitResponse), at.transaction.state
        return at

    def respond(self, at: At, fields: dict[str, str]) -> object:
        return self.signin.respond(
            at.transaction.id,
            at.binding,
            at.transaction.version,
            response=Response(fields),
            device_cookie=None,
            seen=OUTSIDE,
        )

    def held(self, login: str, factor: FactorName) -> tuple[Credential, ...]:
        return account(self.site.directory, login).credentials.of(factor)


@dataclass(frozen=True, slots=True)
class Somebody:
    """A login with one factor, and what its owner types at a question."""

    login: str
    owner: Owner
    begun: Enrolment

    def types(self, house: House) -> dict[str, str]:
        (held,) = house.held(self.login, self.owner.factor.name)
        return self.owner.types(self.begun, held, now(), self.owner.asked((held,), now()))


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with (
        slapd() as directory,
        valkey.running(Kind.VALKEY) as server,
        connected_to(server) as connected,
    ):
        site, store = LdapSite(directory), RedisStore(connected)
        # So many at once on a busy machine take longer than anybody would wait at a page.
        patient = replace(
            directory.options(),
            connect_timeout=PATIENCE,
            operation_timeout=PATIENCE,
            total_timeout=PATIENCE,
        )
        people = LdapDirectory(patient, Sealer(RING, os.urandom), now, time.monotonic)
        yield House(site, store, _signin(people, store, tmp_path_factory.mktemp("record")))
        people.close()
        site.close()


def _signin(people: LdapDirectory, store: StateStore, place: Path) -> SignIn:
    file = assets.folder("policies") / "default.yaml"
    kinds = {name: one.may_show for name, one in FACTORS.items()}
    policy = load(file.read_text("utf-8"), str(file), kinds)
    assert isinstance(policy, Policy)
    return SignIn(
        SignInParts(
            directory=people,
            credentials=people,
            store=store,
            audit=audit_trail(
                AuditOptions(place / "audit.jsonl"), MemoryWindow(99), ADDRESSES, CHAIN
            ),
            sessions=Sessions(store, now, os.urandom, SessionLimits()),
            policy=lambda: policy,
            factors=FACTORS,
            preference=tuple(FACTORS),
            throttle=Throttle(WIDE, KEY),
            devices=Devices(store, os.urandom, KEY),
            outbox=MemoryOutbox(),
            clock=now,
            randomness=os.urandom,
            limits=SignInLimits(),
        )
    )


@pytest.fixture(params=["image_matrix", "recovery_code", "passcode"])
def somebody(request: pytest.FixtureRequest, house: House) -> Somebody:
    """Somebody new, who has that factor and no other."""
    owner = next(one for one in OWNERS if one.factor.name == request.param)
    login = f"racer{next(_NUMBERS)}"
    house.site.person(login)
    who = account(house.site.directory, login)
    empty = Credential(
        new_credential_id(os.urandom),
        owner.factor.name,
        CredentialState.UNFINISHED,
        "label",
        now(),
        BoundBy.CAMPUS,
        1,
        terms(now() + timedelta(hours=1), None) if owner.factor in PASSCODES else {},
    )
    begun = owner.factor.begin_enrolment(who.user, empty, os.urandom)
    changes = (Change(None, owner.bound(begun)),)
    done = house.site.directory.change(who.user.id, who.credentials, changes)
    assert done is ChangeAnswer.DONE
    return Somebody(login, owner, begun)


SPENT_ONCE: dict[str, Callable[[tuple[Credential, ...]], bool]] = {
    "image_matrix": lambda held: held[0].secret["number"] == str(PRACTISED + 1),
    "recovery_code": lambda held: RECOVERY_CODES.left(held[0]) == 9,
    "passcode": lambda held: not held,
}


def kind(found: object) -> str:
    """What became of one answer, in a word."""
    match found:
        case At(transaction) if isinstance(transaction.state, Authenticated):
            return "in"
        case AnswerNotAccepted(_, rejected) if rejected.why in (
            Rejection.ALREADY_USED,
            Rejection.WRONG,
            Rejection.NO_CREDENTIAL,
        ):
            return "refused"
        case Stale():
            return "stale"
        case _:
            return repr(found)


def test_of_many_sign_ins_with_one_answer_one_gets_in(house: House, somebody: Somebody) -> None:
    asked = [house.asked(somebody.login) for _ in range(RACERS)]
    fields = somebody.types(house)
    ended = Counter(race(lambda number: kind(house.respond(asked[number], fields))))
    assert ended == {"in": 1, "refused": RACERS - 1}
    name = somebody.owner.factor.name
    assert SPENT_ONCE[name](house.held(somebody.login, name)), "spent once, and whole"


def test_of_many_posts_of_one_sign_in_one_moves_it(house: House, somebody: Somebody) -> None:
    asked, fields = house.asked(somebody.login), somebody.types(house)
    ended = Counter(race(lambda _: kind(house.respond(asked, fields))))
    assert ended["in"] == 1
    assert ended["in"] + ended["stale"] + ended["refused"] == RACERS, ended
    name = somebody.owner.factor.name
    assert SPENT_ONCE[name](house.held(somebody.login, name)), "spent once, and whole"


def test_of_two_factors_removed_at_once_one_stays(house: House) -> None:
    login = f"racer{next(_NUMBERS)}"
    house.site.person(login)
    both = bind(house.site.directory, login, credential("c1"), credential("c2"))
    standing = StandingAlone({TOTP: Totp("T")}, frozenset())

    def remove(number: int) -> bool:
        read = both if number < RACERS // 2 else account(house.site.directory, login)
        one = next((c for c in read.credentials.active if c.id == f"c{number % 2 + 1}"), None)
        if one is None or not standing.may_remove(read, one):
            return False
        changes = (Change(one, None),)
        done = house.site.directory.change(read.user.id, read.credentials, changes)
        return done is ChangeAnswer.DONE

    assert sum(race(remove)) == 1
    assert len(house.held(login, TOTP)) == 1
