"""The image matrix: what a question shows, what answers it, and what watching gains."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from math import perm

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from idp_mfa.factor import Accepted, CredentialSpend, Enrolled, Rejected, Rejection, Response
from idp_mfa.factors.image_matrix import FIGURES, NAME, ImageMatrix, answer, board
from idp_mfa.model import (
    BoundBy,
    Credential,
    CredentialId,
    CredentialState,
    FactorKind,
    Randomness,
    User,
    UserId,
)
from idp_mfa.pictures import by_id, groups
from tests.simulators.watcher import best_after_one_recording, best_answer, best_blind

MATRIX = ImageMatrix()
AT = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
ALICE = User(UserId("alice"), "alice", "Alice")


def drawn(id: str = "one", chance: Randomness = os.urandom) -> Credential:
    empty = Credential(
        CredentialId(id), NAME, CredentialState.UNFINISHED, "m", AT, BoundBy.CAMPUS, 1, {}
    )
    return MATRIX.begin_enrolment(ALICE, empty, chance).credential


def active(id: str = "one", chance: Randomness = os.urandom) -> Credential:
    begun = MATRIX.show_enrolment(ALICE, drawn(id, chance))
    first, second = (
        answer(begun.credential, MATRIX.first_question(begun.credential, n)) for n in (0, 1)
    )
    done = MATRIX.complete_enrolment(begun, Response({"practice": first, "code": second}), AT)
    assert isinstance(done, Enrolled)
    return done.credential


def seeded(seed: int) -> Randomness:
    return random.Random(seed).randbytes


def answered(credential: Credential, typed: str | None = None) -> Accepted | Rejected:
    asked = MATRIX.challenge((credential,), os.urandom)
    code = answer(credential, asked.shown) if typed is None else typed
    return MATRIX.verify(asked, Response({"code": code}), (credential,), AT)


def test_the_figures_under_ones_own_pictures_are_right_and_are_knowledge() -> None:
    done = answered(active())
    assert isinstance(done, Accepted)
    assert done.verification.kinds == {FactorKind.KNOWLEDGE}
    assert not done.verification.amr


def test_one_wrong_figure_is_wrong_wherever_it_stands() -> None:
    credential = active()
    right = answer(credential, MATRIX.challenge((credential,), os.urandom).shown)
    for place, figure in enumerate(right):
        other = FIGURES[FIGURES.index(figure) - 1]
        typed = right[:place] + other + right[place + 1 :]
        assert answered(credential, typed) == Rejected(Rejection.WRONG)
    assert answered(credential, right[:5]) == Rejected(Rejection.MALFORMED)


def test_asking_anew_gains_nothing_until_it_is_answered() -> None:
    credential = active()
    first = MATRIX.challenge((credential,), os.urandom)
    assert all(MATRIX.challenge((credential,), os.urandom) == first for _ in range(20))
    assert isinstance(answered(credential, "000000"), Rejected)
    assert MATRIX.challenge((credential,), os.urandom) == first
    done = answered(credential)
    assert isinstance(done, Accepted)
    assert isinstance(done.spend, CredentialSpend)
    assert done.spend.after is not None
    assert MATRIX.challenge((done.spend.after,), os.urandom).shown != first.shown


def test_an_answered_question_is_dead() -> None:
    credential = active()
    asked = MATRIX.challenge((credential,), os.urandom)
    typed = Response({"code": answer(credential, asked.shown)})
    done = MATRIX.verify(asked, typed, (credential,), AT)
    assert isinstance(done, Accepted)
    assert isinstance(done.spend, CredentialSpend)
    assert done.spend.after is not None
    again = MATRIX.verify(asked, typed, (done.spend.after,), AT)
    assert again == Rejected(Rejection.ALREADY_USED)
    assert MATRIX.verify(asked, typed, (), AT) == Rejected(Rejection.NO_CREDENTIAL)
    assert MATRIX.verify(asked, typed, (active("two"),), AT) == Rejected(Rejection.NO_CREDENTIAL)


def test_a_set_up_takes_two_right_answers() -> None:
    begun = MATRIX.show_enrolment(ALICE, drawn())
    first, second = (
        answer(begun.credential, MATRIX.first_question(begun.credential, n)) for n in (0, 1)
    )
    for fields in (
        {"code": second},
        {"practice": first},
        {"practice": second, "code": first},
        {"practice": first, "code": first},
        {"practice": "", "code": ""},
    ):
        assert isinstance(MATRIX.complete_enrolment(begun, Response(fields), AT), Rejected)


def test_no_practice_shows_a_question_of_a_sign_in() -> None:
    credential = active()
    ahead = [
        board(replace(credential, secret={**credential.secret, "number": str(n)}), f"question {n}")
        for n in range(200)
    ]
    for n in range(50):
        assert MATRIX.practice(credential, str(n)) not in ahead
    for number in (-1, 2, 3):
        with pytest.raises(ValueError, match="sign-in"):
            MATRIX.first_question(credential, number)


def test_each_figure_has_its_exact_share_of_pictures_in_every_question() -> None:
    for number in range(300):
        shown = board(active(), f"question {number}")
        assert Counter(shown["figures"]) == dict.fromkeys(FIGURES, 8)
        assert sorted(shown["order"].split()) == sorted(by_id())


def test_two_people_see_two_boards() -> None:
    one, two = (MATRIX.challenge((active(),), os.urandom).shown for _ in range(2))
    assert one["order"] != two["order"]
    assert one["figures"] != two["figures"]
    credential = active()
    later = replace(credential, secret={**credential.secret, "number": "9"})
    here, there = (MATRIX.challenge((which,), os.urandom).shown for which in (credential, later))
    assert here["order"] == there["order"], "each person knows where their pictures are"


ALPHA_LIMIT = 622.1
"""The 0.9999 quantile of chi square with 64 * 7 + 64 = 512 - 1 degrees: alpha is 1e-4."""


def test_figures_and_pictures_are_uniform() -> None:
    """With this seed the same on every machine; a fair one fails with alpha = 1e-4."""
    credential, questions = active(chance=seeded(1)), 4000
    beside: Counter[tuple[int, str]] = Counter()
    for number in range(questions):
        figures = board(credential, f"question {number}")["figures"]
        beside.update(enumerate(figures))
    expected = questions / 8
    chi = sum(
        (beside[place, figure] - expected) ** 2 / expected
        for place in range(64)
        for figure in FIGURES
    )
    assert chi < ALPHA_LIMIT
    remembered = Counter(
        one for seed in range(3000) for one in drawn(chance=seeded(seed)).secret["pattern"].split()
    )
    share = 3000 * 6 / 64
    spread = sum((remembered[one] - share) ** 2 / share for one in by_id())
    # The 0.9999 quantile with 63 degrees.
    assert spread < 114.0


def test_pictures_are_drawn_in_order_and_differ() -> None:
    for _ in range(50):
        pattern = drawn().secret["pattern"].split()
        assert len(set(pattern)) == 6
        assert set(pattern) <= set(by_id())


# -- figures of docs/adr -------------------------------------------------------------------------


def test_the_best_blind_guess_is_as_the_record_says() -> None:
    assert best_blind() == pytest.approx(8**6 / perm(64, 6))
    assert best_blind() <= 5e-6


def test_one_recorded_sign_in_gives_a_thousandth_at_most() -> None:
    found = best_after_one_recording(3000, random.Random(1))
    assert found.mean + 4 * found.error <= 1e-3


def test_the_watcher_is_no_straw_man() -> None:
    """What is computed is what trying every pattern that fits the recording comes to."""
    chance = random.Random(3)
    for typed in ([1, 2, 3], [1, 1, 2], [4, 4, 4]):
        seen, asked = ([*map(int, FIGURES * 8)] for _ in range(2))
        chance.shuffle(seen)
        chance.shuffle(asked)
        fitting = ([one for one in range(64) if seen[one] == figure] for figure in typed)
        answers = Counter(
            tuple(asked[one] for one in pattern)
            for pattern in product(*fitting)
            if len(set(pattern)) == len(pattern)
        )
        (_, most), *_ = answers.most_common(1)
        assert best_answer(typed, seen, asked) == pytest.approx(most / answers.total())


# -- life and price ------------------------------------------------------------------------------


def test_new_pictures_are_due_after_uses_and_after_time() -> None:
    credential = active()
    assert not MATRIX.is_due(credential, AT + timedelta(days=179))
    assert MATRIX.is_due(credential, AT + timedelta(days=180))
    used = replace(credential, secret={**credential.secret, "number": "51"})
    assert MATRIX.left(used) == 1
    assert not MATRIX.is_due(used, AT)
    assert MATRIX.is_due(replace(used, secret={**used.secret, "number": "52"}), AT)


def test_an_answer_costs_half_a_signature_at_most() -> None:
    credential = active()
    asked = MATRIX.challenge((credential,), os.urandom)
    typed = Response({"code": answer(credential, asked.shown)})
    key = rsa.generate_private_key(65537, 2048)

    def calmest(act: object) -> float:
        best = 1.0
        for _ in range(200):
            began = time.perf_counter()
            act()  # type: ignore[operator]
            best = min(best, time.perf_counter() - began)
        return best

    signature = calmest(lambda: key.sign(b"x", padding.PKCS1v15(), SHA256()))
    assert calmest(lambda: MATRIX.verify(asked, typed, (credential,), AT)) <= signature / 2


def test_no_secret_in_a_repr() -> None:
    credential = active()
    for told in (repr(credential), repr(MATRIX.challenge((credential,), os.urandom).kept)):
        assert credential.secret["seed"] not in told
        assert credential.secret["pattern"] not in told


# -- the pictures --------------------------------------------------------------------------------


def test_there_are_eight_groups_of_eight_and_no_name_is_another_read_aloud() -> None:
    pictures = list(by_id().values())
    assert [len(group.pictures) for group in groups()] == [8] * 8
    for names in (
        [one.name("ja") for one in pictures],
        [one.kana for one in pictures],
        [one.name("en") for one in pictures],
        [str(one.drawing) for one in pictures],
    ):
        assert len(set(names)) == 64


def test_drawings_have_no_colour_and_no_script() -> None:
    for one in by_id().values():
        drawing = str(one.drawing).lower()
        assert drawing.startswith("<svg ")
        assert drawing.endswith("</svg>")
        for word in ("fill=", "stroke=", "style", "script", "href", "class", " on", 'width="24'):
            assert word not in drawing, (one.id, word)
