"""Passkeys of one person, on every store: registered once, limited, removed, raced for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from idp_mfa.factor import Accepted, CounterSpend, Rejected, step_key, use_key
from idp_mfa.factor import Response as Answer
from idp_mfa.factors.fido2 import Fido2
from idp_mfa.factors.totp import NAME as TOTP
from idp_mfa.letters import Notice, NoticeKind
from idp_mfa.model import Account, BoundBy, CredentialId, FactorKind, FactorName, Reference, Seen
from idp_mfa.passkeys import (
    Asked,
    Fido2Options,
    NotDone,
    Passkey,
    PasskeyKind,
    Passkeys,
    PlatformFull,
    Registered,
)
from idp_mfa.platforms import Platform
from idp_mfa.ports import Change, StateStore
from idp_mfa.store.memory import MemoryStore
from idp_mfa.store.memory_outbox import MemoryOutbox
from idp_mfa.store.redis import RedisStore
from idp_mfa.webauthn import Finding
from tests.contracts.directory_sites import Site, SqliteSite, account, credential, now
from tests.contracts.store_acts import connected_to
from tests.servers.valkey import StoreServer
from tests.simulators.authenticator import (
    BACKED_UP,
    ELIGIBLE,
    PRESENT,
    VERIFIED,
    Authenticator,
)

RACERS = 64
FIDO2 = Fido2("idp.example.ac.jp", "OMU", "https://idp.example.ac.jp", lambda: bytes(range(32)))
KINDS = {
    FactorName("fido2"): FIDO2.may_show,
    TOTP: frozenset({FactorKind.POSSESSION}),
    FactorName("recovery_code"): frozenset[FactorKind](),
}


@dataclass
class House:
    site: Site
    store: StateStore
    options: Fido2Options = field(default_factory=Fido2Options)

    def __post_init__(self) -> None:
        self.outbox = MemoryOutbox()

    @property
    def passkeys(self) -> Passkeys:
        return Passkeys(
            factor=FIDO2,
            kinds=KINDS,
            credentials=self.site.directory,
            store=self.store,
            outbox=self.outbox,
            options=self.options,
            clock=now,
            randomness=os.urandom,
        )

    def account(self, login: str) -> Account:
        return account(self.site.directory, login)

    def notice(self, who: Account) -> Notice:
        return Notice(
            NoticeKind.FACTOR_ADDED, who.user.id, now(), Seen(None, ()), Reference("7K3MQ9XT")
        )

    def register(
        self,
        login: str,
        device: Authenticator,
        platform: Platform = Platform.IPHONE,
        *,
        session: str = "session",
        replaces: CredentialId | None = None,
        **lies: Any,
    ) -> Registered | Rejected | PlatformFull | NotDone:
        who, asked = self.account(login), Asked(session, platform)
        begun = self.passkeys.begin(who, asked, BoundBy.CAMPUS)
        if isinstance(begun, NotDone):
            return begun
        posted = device.create(begun.shown["options"], **lies)
        return self.passkeys.complete(
            who,
            asked,
            Answer({"credential": posted}),
            replaces=replaces,
            notice=self.notice(who),
        )

    def remove(self, login: str, id: CredentialId) -> object:
        who = self.account(login)
        return self.passkeys.remove(who, id, self.notice(who))


@pytest.fixture
def store(server_if_any: StoreServer | None) -> Iterator[StateStore]:
    """Memory, Redis and Valkey, with keys of this test's own."""
    if server_if_any is None:
        yield MemoryStore(now)
        return
    with connected_to(server_if_any) as ours:
        yield RedisStore(ours)


@pytest.fixture
def house(tmp_path: Path, store: StateStore) -> House:
    made = House(SqliteSite(tmp_path / "directory.sqlite"), store)
    for login in ("alice", "bob"):
        made.site.person(login)
    return made


def registered(found: object) -> Passkey:
    assert isinstance(found, Registered), found
    return found.passkey


def labels(house: House, login: str) -> list[str]:
    return [one.credential.label for one in house.passkeys.held(house.account(login))]


def test_registered_named_by_its_system_and_told(house: House) -> None:
    passkey = registered(house.register("alice", Authenticator(), Platform.IPAD))
    assert passkey.credential.label == f"iPad ({now():%Y-%m})"
    assert (passkey.kind, passkey.platform) == (PasskeyKind.THIS_DEVICE, Platform.IPAD)
    assert passkey.used_at is None
    assert house.passkeys.held(house.account("alice")) == (passkey,)
    (told,) = house.outbox.take(9, now(), timedelta(minutes=1))
    assert isinstance(told.letter, Notice)
    assert told.letter.about == passkey.credential.label


@pytest.mark.parametrize(
    ("device", "kind"),
    [
        (Authenticator(), PasskeyKind.THIS_DEVICE),
        (Authenticator(flags=PRESENT | VERIFIED | ELIGIBLE | BACKED_UP), PasskeyKind.SYNCED),
        (Authenticator(attachment="cross-platform", transports=("usb",)), PasskeyKind.SECURITY_KEY),
    ],
)
def test_each_kind_is_told(house: House, device: Authenticator, kind: PasskeyKind) -> None:
    found = registered(house.register("alice", device))
    assert found.kind is kind
    assert found.backed_up is (kind is PasskeyKind.SYNCED)


def test_an_answer_counts_once_and_only_in_the_session_that_asked(house: House) -> None:
    who, device = house.account("alice"), Authenticator()
    mine, other = Asked("mine", Platform.MAC), Asked("other", Platform.MAC)
    begun = house.passkeys.begin(who, mine, BoundBy.CAMPUS)
    assert not isinstance(begun, NotDone)
    answer = Answer({"credential": device.create(begun.shown["options"])})

    def complete(by: Account, asked: Asked) -> object:
        return house.passkeys.complete(by, asked, answer, replaces=None, notice=house.notice(by))

    assert complete(who, other) is NotDone.NOTHING_BEGUN
    assert isinstance(complete(who, mine), Registered)
    assert complete(house.account("alice"), mine) is NotDone.NOTHING_BEGUN


def test_a_question_of_one_person_is_none_of_anothers(house: House) -> None:
    device, asked = Authenticator(), Asked("shared session", Platform.MAC)
    begun = house.passkeys.begin(house.account("alice"), asked, BoundBy.CAMPUS)
    assert not isinstance(begun, NotDone)
    bob = house.account("bob")
    found = house.passkeys.complete(
        bob,
        asked,
        Answer({"credential": device.create(begun.shown["options"])}),
        replaces=None,
        notice=house.notice(bob),
    )
    assert found is NotDone.NOTHING_BEGUN
    assert labels(house, "bob") == []


def test_a_wrong_answer_spends_the_question_too(house: House) -> None:
    who, device, asked = house.account("alice"), Authenticator(), Asked("s", Platform.MAC)
    begun = house.passkeys.begin(who, asked, BoundBy.CAMPUS)
    assert not isinstance(begun, NotDone)
    for origin, expected in (("https://evil.example", Rejected), (device.origin, NotDone)):
        posted = Answer({"credential": device.create(begun.shown["options"], origin=origin)})
        found = house.passkeys.complete(who, asked, posted, replaces=None, notice=house.notice(who))
        assert isinstance(found, expected)


def test_an_id_is_nobody_elses_and_free_again_once_removed(house: House) -> None:
    """G5: of all users, whatever their passkeys' keys are."""
    id = os.urandom(32)
    first = registered(house.register("alice", Authenticator(), id=id))
    registered(house.register("alice", Authenticator(), Platform.MAC))
    again = house.register("bob", Authenticator(), id=id)
    assert isinstance(again, Rejected)
    assert again.detail == Finding.ID_TAKEN.value
    house.remove("alice", first.credential.id)
    registered(house.register("bob", Authenticator(), id=id))


def test_the_limit_counts_devices_of_one_system_and_no_keys(house: House) -> None:
    """SUMS 5: one for each system; 7: a lost one is replaced in the same act."""
    house.options = Fido2Options(per_platform=1)
    key = Authenticator(attachment="cross-platform", transports=("usb", "nfc"))
    first = registered(house.register("alice", Authenticator(), Platform.IPHONE))
    registered(house.register("alice", Authenticator(), Platform.ANDROID))
    registered(house.register("alice", key, Platform.IPHONE))
    second = house.register("alice", Authenticator(), Platform.IPHONE)
    assert second == PlatformFull((first,))
    new = house.register("alice", Authenticator(), Platform.IPHONE, replaces=first.credential.id)
    assert isinstance(new, Registered)
    assert new.replaced == first.credential
    held = house.passkeys.held(house.account("alice"))
    assert first.credential.id not in {one.credential.id for one in held}
    assert len(held) == 3


def test_what_its_owner_says_of_its_system_is_what_counts(house: House) -> None:
    """SUMS 6: an iPad that called itself a Mac."""
    house.options = Fido2Options(per_platform=1)
    ipad = registered(house.register("alice", Authenticator(), Platform.MAC))
    assert isinstance(house.register("alice", Authenticator(), Platform.MAC), PlatformFull)
    done = house.passkeys.rename(
        house.account("alice"), ipad.credential.id, "  My\u3000iPad \x00", Platform.IPAD
    )
    assert isinstance(done, Passkey)
    assert (done.credential.label, done.platform) == ("My iPad", Platform.IPAD)
    registered(house.register("alice", Authenticator(), Platform.MAC))
    empty = house.passkeys.rename(house.account("alice"), ipad.credential.id, " \n ", None)
    assert empty is NotDone.NO_LABEL


def test_no_more_than_the_site_allows(house: House) -> None:
    house.options = Fido2Options(most=2)
    registered(house.register("alice", Authenticator()))
    registered(house.register("alice", Authenticator()))
    assert house.register("alice", Authenticator()) is NotDone.TOO_MANY


def test_the_last_method_is_not_removed(house: House) -> None:
    only = registered(house.register("alice", Authenticator())).credential
    codes = replace(credential(), factor=FactorName("recovery_code"))
    who = house.account("alice")
    house.site.directory.change(who.user.id, who.credentials, [Change(None, codes)])
    assert house.remove("alice", only.id) is NotDone.LAST_ONE
    registered(house.register("alice", Authenticator(), Platform.MAC))
    assert house.remove("alice", only.id) == only
    assert len(labels(house, "alice")) == 1


def test_anothers_is_neither_renamed_nor_removed(house: House) -> None:
    alices = registered(house.register("alice", Authenticator())).credential
    registered(house.register("bob", Authenticator()))
    bob = house.account("bob")
    assert house.remove("bob", alices.id) is NotDone.CHANGED_ELSEWHERE
    assert house.passkeys.rename(bob, alices.id, "x", None) is NotDone.CHANGED_ELSEWHERE
    assert len(labels(house, "alice")) == 1


# -- races -----------------------------------------------------------------------------------


def race(act: Callable[[int], object]) -> list[object]:
    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(act, range(RACERS)))


def test_of_many_who_answer_one_question_one_registers(house: House) -> None:
    who, device, asked = house.account("alice"), Authenticator(), Asked("s", Platform.MAC)
    begun = house.passkeys.begin(who, asked, BoundBy.CAMPUS)
    assert not isinstance(begun, NotDone)
    answer = Answer({"credential": device.create(begun.shown["options"])})
    found = race(
        lambda _: house.passkeys.complete(
            who, asked, answer, replaces=None, notice=house.notice(who)
        )
    )
    assert sum(isinstance(one, Registered) for one in found) == 1
    assert found.count(NotDone.NOTHING_BEGUN) == RACERS - 1
    assert len(labels(house, "alice")) == 1


def test_of_many_with_one_count_one_spends_it(house: House) -> None:
    """G8: two copies that answer at once, on any node."""
    user = house.account("alice").user.id
    key = step_key(user, CredentialId("one"))
    spend = CounterSpend(CredentialId("one"), 7, timedelta(days=1))
    found = race(lambda _: house.store.raise_to(key, spend.number, spend.remembered))
    assert found.count(True) == 1
    assert not house.store.raise_to(key, 6, spend.remembered)


def test_what_was_noted_of_its_last_use_is_seen(house: House) -> None:
    device = Authenticator(flags=PRESENT | VERIFIED | ELIGIBLE)
    held = registered(house.register("alice", device)).credential
    asked = replace(FIDO2.challenge((held,), os.urandom), asked_at=now())
    posted = device.get(asked.shown["options"], flags=PRESENT | VERIFIED | ELIGIBLE | BACKED_UP)
    found = FIDO2.verify(asked, Answer({"credential": posted}), (held,), now())
    assert isinstance(found, Accepted)
    user = house.account("alice").user.id
    used_at = now()
    kept = f'{{"backed_up": "{found.noted["backed_up"]}", "at": "{used_at.isoformat()}"}}'
    house.store.put(use_key(user, held.id), kept.encode(), timedelta(days=1))
    (seen,) = house.passkeys.held(house.account("alice"))
    assert seen.backed_up
    assert seen.used_at == used_at
