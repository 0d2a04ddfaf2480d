"""What every factor owes, whatever it asks."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from idp_mfa import factors
from idp_mfa.factor import (
    Accepted,
    Challenge,
    CounterSpend,
    CredentialSpend,
    Enrolled,
    Enrolment,
    Factor,
    Lapses,
    Rejected,
    Response,
    StepSpend,
    step_key,
    terms,
)
from idp_mfa.factors import image_matrix
from idp_mfa.factors.fido2 import Fido2
from idp_mfa.factors.image_matrix import ImageMatrix
from idp_mfa.factors.recovery_code import PASSCODES, RECOVERY_CODES
from idp_mfa.factors.totp import Totp, code_at
from idp_mfa.model import (
    Account,
    BoundBy,
    Credential,
    CredentialId,
    CredentialState,
    FactorName,
    User,
    UserId,
)
from idp_mfa.policy.assurance import SHIPPED_FACTORS
from idp_mfa.ports import Change, ChangeAnswer
from idp_mfa.store.memory import MemoryStore
from tests.contracts.directory_sites import SqliteSite
from tests.simulators.authenticator import Authenticator

AT = datetime(2026, 4, 1, 12, 0, 7, tzinfo=UTC)
ALICE = User(UserId("id-alice"), "alice", "Alice")
Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody with one factor: what they type at the set-up, and later."""

    factor: Factor
    proof: Callable[[Enrolment], Fields]
    types: Callable[[Enrolment, Credential, datetime, Challenge], Fields]

    def begun(self) -> Enrolment:
        empty = Credential(
            CredentialId("one"),
            self.factor.name,
            CredentialState.UNFINISHED,
            "label",
            AT,
            BoundBy.CAMPUS,
            1,
            terms(AT + timedelta(hours=1), "campus") if self.factor in PASSCODES else {},
        )
        return self.factor.begin_enrolment(ALICE, empty, os.urandom)

    def bound(self, begun: Enrolment) -> Credential:
        done = self.factor.complete_enrolment(begun, Response(self.proof(begun)), AT)
        assert isinstance(done, Enrolled)
        return done.credential

    def asked(self, held: tuple[Credential, ...], at: datetime = AT) -> Challenge:
        return replace(self.factor.challenge(held, os.urandom), asked_at=at)

    def answered(
        self, begun: Enrolment, held: tuple[Credential, ...], at: datetime = AT
    ) -> Accepted | Rejected:
        asked = self.asked(held, at)
        fields = self.types(begun, held[0], at, asked)
        return self.factor.verify(asked, Response(fields), held, at)


def _matrix_proof(begun: Enrolment) -> Fields:
    first, second = (
        image_matrix.answer(begun.credential, image_matrix.board(begun.credential, f"question {n}"))
        for n in (0, 1)
    )
    return {"practice": first, "code": second}


def _matrix_answer(_begun: Enrolment, held: Credential, _at: datetime, _asked: Challenge) -> Fields:
    shown = ImageMatrix().challenge((held,), os.urandom).shown
    return {"code": image_matrix.answer(held, shown)}


def _first_code(begun: Enrolment, *_: object) -> Fields:
    return {"code": begun.shown["codes"].split()[0]}


_DEVICE = Authenticator(counts=True)


def _made(begun: Enrolment) -> Fields:
    return {"credential": _DEVICE.create(begun.shown["options"])}


def _signed(_begun: Enrolment, held: Credential, _at: datetime, asked: Challenge) -> Fields:
    """By the credential itself, whatever the question allows."""
    options = {**json.loads(asked.shown["options"]), "allowCredentials": [_listed(held)]}
    return {"credential": _DEVICE.get(json.dumps(options))}


def _listed(held: Credential) -> dict[str, str]:
    return {"type": "public-key", "id": FIDO2.public_id(held)}


FIDO2 = Fido2("idp.example.ac.jp", "T", "https://idp.example.ac.jp", lambda: bytes(range(32)))


OWNERS = [
    Owner(
        Totp("T"),
        lambda begun: {"code": code_at(begun.credential, AT)},
        lambda _begun, held, at, _asked: {"code": code_at(held, at)},
    ),
    Owner(ImageMatrix(), _matrix_proof, _matrix_answer),
    *(Owner(one, _first_code, _first_code) for one in (RECOVERY_CODES, *PASSCODES)),
    Owner(FIDO2, _made, _signed),
]


@pytest.fixture(params=OWNERS, ids=lambda one: one.factor.name)
def owner(request: pytest.FixtureRequest) -> Owner:
    found: Owner = request.param
    return found


def test_every_module_is_tried_here() -> None:
    modules = {one.name for one in pkgutil.iter_modules(factors.__path__)}
    assert modules == {type(one.factor).__module__.split(".")[2] for one in OWNERS}
    for name in modules:
        importlib.import_module(f"idp_mfa.factors.{name}")


def test_it_shows_no_more_than_policies_believe(owner: Owner) -> None:
    begun = owner.begun()
    done = owner.answered(begun, (owner.bound(begun),))
    assert isinstance(done, Accepted)
    assert owner.factor.may_show == SHIPPED_FACTORS[owner.factor.name]
    assert done.verification.kinds <= owner.factor.may_show
    assert done.verification.factor == owner.factor.name
    assert done.verification.at == AT


def test_a_set_up_begins_unfinished_and_is_proved_by_its_owner_alone(owner: Owner) -> None:
    begun, others = owner.begun(), owner.begun()
    assert begun.credential.state is CredentialState.UNFINISHED
    wrong = owner.factor.complete_enrolment(begun, Response(owner.proof(others)), AT)
    assert isinstance(wrong, Rejected)
    for empty in ({}, dict.fromkeys(owner.proof(begun), "")):
        assert isinstance(owner.factor.complete_enrolment(begun, Response(empty), AT), Rejected)
    bound = owner.bound(begun)
    assert (bound.state, bound.id) == (CredentialState.ACTIVE, begun.credential.id)


def test_a_set_up_is_shown_again_as_it_was_or_not_at_all(owner: Owner) -> None:
    begun = owner.begun()
    again = owner.factor.show_enrolment(ALICE, begun.credential)
    assert again.credential == begun.credential
    assert again.shown in (begun.shown, {})


@pytest.mark.parametrize("typed", ["", "0", "x" * 100_000, "\0", "１２３", "😀" * 6])
def test_what_is_no_answer_is_refused_and_breaks_nothing(owner: Owner, typed: str) -> None:
    held = (owner.bound(owner.begun()),)
    asked = owner.asked(held)
    fields = {"credential": typed} | {field.name: typed for field in owner.factor.fields}
    assert isinstance(owner.factor.verify(asked, Response(fields), held, AT), Rejected)
    assert isinstance(owner.factor.verify(asked, Response({}), held, AT), Rejected)


def test_another_persons_answer_is_wrong(owner: Owner) -> None:
    mine, theirs = owner.begun(), owner.begun()
    held, other = (owner.bound(mine),), replace(owner.bound(theirs), id=CredentialId("two"))
    asked = owner.asked(held)
    fields = owner.types(theirs, other, AT, asked)
    assert isinstance(owner.factor.verify(asked, Response(fields), held, AT), Rejected)
    assert isinstance(owner.factor.verify(asked, Response(fields), (), AT), Rejected)


def test_no_secret_is_in_a_repr(owner: Owner) -> None:
    begun = owner.begun()
    held = owner.bound(begun)
    told = repr((begun, held, owner.factor))
    public = ("campus", "internal", "platform")
    secrets = [one for one in held.secret.values() if len(one) > 2 and one not in public]
    for secret in (*begun.shown.get("codes", "").split(), *secrets):
        assert secret not in told


def test_of_sixty_four_answers_at_once_one_counts(owner: Owner, tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "people.db")
    site.person("alice")
    begun = owner.begun()
    held = owner.bound(begun)
    account = _read(site)
    changes = (Change(None, held),)
    assert site.directory.change(account.user.id, account.credentials, changes) is ChangeAnswer.DONE
    store, gate, won = MemoryStore(lambda: AT), threading.Barrier(64), []
    read = [_read(site) for _ in range(64)]

    def send(mine: Account) -> None:
        done = owner.answered(begun, mine.credentials.of(owner.factor.name))
        assert isinstance(done, Accepted)
        gate.wait()
        match done.spend:
            case CredentialSpend(before, after):
                change = (Change(before, after),)
                answer = site.directory.change(mine.user.id, mine.credentials, change)
                won.append(answer is ChangeAnswer.DONE)
            case StepSpend(id, number, remembered, length):
                key = step_key(mine.user.id, id)
                won.append(store.raise_to(key, number, remembered, step=length))
            case CounterSpend(id, _, remembered):
                # One authenticator copied 64 times: each says the same count.
                won.append(store.raise_to(step_key(mine.user.id, id), 2, remembered))
            case other:
                raise AssertionError(f"nothing of {other} closes the race")

    threads = [threading.Thread(target=send, args=(one,)) for one in read]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (len(won), sum(won)) == (64, 1)


def _read(site: SqliteSite) -> Account:
    account = site.directory.find("alice")
    assert account is not None
    return account


# -- codes that are written down -----------------------------------------------------------------


def test_of_ten_codes_each_counts_once_and_none_is_kept_in_clear() -> None:
    owner = OWNERS[2]
    begun = owner.begun()
    codes, held = begun.shown["codes"].split(), owner.bound(begun)
    assert RECOVERY_CODES.left(held) == 10, "the one that was typed in is unused"
    kept = " ".join(held.secret.values())
    for place, code in enumerate(codes):
        assert code not in kept
        assert code.replace("-", "") not in kept
        asked = RECOVERY_CODES.challenge((held,), os.urandom)
        done = RECOVERY_CODES.verify(asked, Response({"code": code}), (held,), AT)
        assert isinstance(done, Accepted)
        assert isinstance(done.spend, CredentialSpend)
        assert done.spend.after is not None
        held = done.spend.after
        again = RECOVERY_CODES.verify(asked, Response({"code": code}), (held,), AT)
        assert isinstance(again, Rejected)
        assert RECOVERY_CODES.left(held) == 9 - place
    assert not RECOVERY_CODES.counts(held, "outside", AT), "an empty sheet is not offered"


@pytest.mark.parametrize("passcode", PASSCODES, ids=lambda one: one.name)
def test_a_passcode_ends_and_keeps_to_its_zone(passcode: Lapses) -> None:
    owner = next(one for one in OWNERS if one.factor is passcode)
    begun = owner.begun()
    held = owner.bound(begun)
    assert passcode.counts(held, "campus", AT)
    assert not passcode.counts(held, "outside", AT)
    late = AT + timedelta(hours=1)
    assert not passcode.counts(held, "campus", late)
    assert isinstance(owner.answered(begun, (held,), late), Rejected)
    done = owner.answered(begun, (held,))
    assert isinstance(done, Accepted)
    assert isinstance(done.spend, CredentialSpend)
    assert done.spend.after is None


def test_codes_have_sixty_four_bits_and_more() -> None:
    begun = OWNERS[2].begun()
    assert all(len(code.replace("-", "")) * 5 >= 64 for code in begun.shown["codes"].split())
    assert FactorName("recovery_code") == RECOVERY_CODES.name
