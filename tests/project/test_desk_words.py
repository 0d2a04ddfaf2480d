"""What the help desk reads has words in each language: no code of the program stands there raw."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_network
from types import SimpleNamespace

import pytest

from idp_mfa import locale
from idp_mfa.audit import AuditEvent
from idp_mfa.client_address import TrustedProxies, see
from idp_mfa.factor import Rejection
from idp_mfa.mailed_codes import CodeProblem
from idp_mfa.model import BoundBy, Cause, CredentialState, Device, Page, Refusal
from idp_mfa.policy.assurance import GAKUNIN_AAL2, ONE_KIND, PHISHING_RESISTANT, REFEDS_MFA
from idp_mfa.policy.places import Place
from tests.project.desk_traces import gone_through
from tests.project.page_states import drawn, environment, overviews

LANGUAGES = pytest.mark.parametrize("language", locale.LANGUAGES)
ADMINISTRATORS = ("service.", "policy.", "key.added", "key.activated", "key.retired", "records.")
"""Events that stand under no reference of a user."""
CODES = re.compile(
    r"\b(fido2|totp|image_matrix|recovery_code|portal\.[a-z-]+|sign-in|mailed-code|fresh-factor"
    r"|passed-over|in-doubt|none|outside|vpn|active|suspended|KP|JP|mon|sat|phr)\b"
)


def told(
    language: locale.Language, template: str, macro: str, words: Iterable[object]
) -> list[str]:
    say = getattr(environment(language).get_template(template).module, macro)
    return [str(say(word)).strip() for word in words]


SAID = {
    ("admin/trace_words.html", "page_name"): [page.value for page in Page],
    ("admin/trace_words.html", "cause_words"): [*(cause.value for cause in Cause), "no-role"],
    ("admin/trace_words.html", "proof_name"): [proof.value for proof in BoundBy],
    ("admin/trace_words.html", "class_name"): [REFEDS_MFA, GAKUNIN_AAL2, PHISHING_RESISTANT],
    ("admin/trace_words.html", "device_name"): ["phone", "tablet", "computer"],
    ("admin/words.html", "state_name"): [state.value for state in CredentialState],
    ("admin/story_words.html", "part_name"): ["directory", "store", "mail"],
}


@LANGUAGES
@pytest.mark.parametrize(("where", "codes"), SAID.items(), ids=[macro for _, macro in SAID])
def test_each_code_has_words_of_its_own(
    language: locale.Language, where: tuple[str, str], codes: list[str]
) -> None:
    words = told(language, *where, codes)
    assert language == "en" or not set(codes) & set(words)
    assert len(set(words)) == len(codes)


def test_every_device_and_class_is_told_here() -> None:
    devices = SAID["admin/trace_words.html", "device_name"]
    assert {*devices, Device.UNKNOWN.value} == {one.value for one in Device}
    for language in locale.LANGUAGES:
        words = told(language, "admin/trace_words.html", "class_name", ONE_KIND)
        assert [word for word in words if ":" in word] == []


@LANGUAGES
def test_every_event_and_reason_of_a_story_has_words(language: locale.Language) -> None:
    events = [
        SimpleNamespace(event=one.value, told={"factor": "totp", "page": "desk", "part": "mail"})
        for one in AuditEvent
        if not one.value.startswith(ADMINISTRATORS)
    ]
    words = told(language, "admin/story_words.html", "happened", events)
    assert [one.event for one, word in zip(events, words, strict=True) if word == one.event] == []
    reasons = [one.value for each in (Rejection, Refusal, CodeProblem) for one in each]
    said = told(language, "admin/story_words.html", "diagnosis", [{"why": one} for one in reasons])
    assert [one for one, word in zip(reasons, said, strict=True) if word == one] == []


@LANGUAGES
def test_a_trace_through_every_condition_shows_no_code(language: locale.Language) -> None:
    zones = {name: Place(name, name) for name in ("campus", "vpn", "outside")}
    words = {
        "zones": {**zones, "guest": Place("guest", "other")},
        "country": lambda code: locale.country(code, language),
        "service": lambda _: "Library",
        "moment": lambda at: locale.moment(at, language, "Asia/Tokyo"),
    }
    say = environment(language).get_template("admin/trace_words.html").module.clause_row  # type: ignore[attr-defined]
    for clause in gone_through():
        text = re.sub(r"<[^>]*>", " ", str(say(clause, words)))
        assert CODES.findall(text.replace("(phr)", "").replace("（phr）", "")) == [], text
        if language == "ja":
            assert not re.search(r"\b(met|rule|here|within|ago|or|campus)\b", text, re.I), text


@LANGUAGES
def test_every_step_of_the_walk_over_addresses_has_words(language: locale.Language) -> None:
    proxies = TrustedProxies((ip_network("127.0.0.0/8"),), "X-Forwarded-For")
    walks = [
        see("127.0.0.1", lines, proxies).walk
        for lines in (
            ["203.0.113.10, 127.0.0.2"],
            ["gibberish"],
            ["127.0.0.3"],
            [],
            [""],
            ["1" * 3000],
            ["1.1.1.1," * 40],
        )
    ]
    walks += [see("203.0.113.9", [], proxies).walk, see("203.0.113.9", [], TrustedProxies()).walk]
    hops = sorted({hop for walk in walks for hop in walk})
    assert len(hops) == 12
    words = told(language, "admin/trace_words.html", "hop_words", hops)
    assert [hop for hop, word in zip(hops, words, strict=True) if hop == word] == []
    if language == "ja":
        assert [word for word in words if re.search(r"\b(peer|client|proxy|hop)\b", word)] == []


@LANGUAGES
def test_a_list_says_factor_and_state_in_words(language: locale.Language) -> None:
    mine = {"user": SimpleNamespace(id="1", login="x", display_name="X"), "csrf": "t"}
    for name, template, context in overviews({**mine, "home_url": "/admin"}):
        if name.startswith("desk lists disabled"):
            page = drawn(language, template, {**context, "group": ""})
            text = re.sub(r"<[^>]*>", " ", page[page.index("<h2") : page.index("</main>")])
            assert not re.search(r"\b(totp|active|retired|unfinished)\b", text), text
