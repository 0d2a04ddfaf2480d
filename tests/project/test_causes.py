"""Each cause of a decision has words of its own, in each language, on the page that it leads to."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from idp_mfa import locale
from idp_mfa.model import Because, Cause, Refusal, WaysOn
from idp_mfa.policy.places import Place
from tests.project.page_states import Context, drawn, environment

SERVICE = SimpleNamespace(name="Library", host="library.example.ac.jp", logo=None)
OUTSIDE = Place("outside", "outside", address="203.0.113.10")
CAMPUS = Place("campus", "campus", "", "Use the campus Wi-Fi.", "192.0.2.10")
VPN = Place("vpn", "vpn", "", "Connect to the VPN.", "198.51.100.10")
WARD = Place("ward", "campus", "the clinic", "", "2001:db8:1::10")
NOWHERE = Place("unknown", "unknown")

ASKED: dict[tuple[Cause, Place], dict[str, str]] = {
    (Cause.NETWORK, OUTSIDE): {
        "ja": "学外ネットワーク（203.0.113.10）からのアクセスのため、確認が必要です。",
        "en": "You are connecting from outside the campus network (203.0.113.10), so we need",
    },
    (Cause.NETWORK, VPN): {
        "ja": "VPN（198.51.100.10）からのアクセスのため、確認が必要です。",
        "en": "You are connecting from the VPN (198.51.100.10), so we need to check it is you.",
    },
    (Cause.NETWORK, WARD): {
        "ja": "the clinic（2001:db8:1::10）からのアクセスのため、確認が必要です。",
        "en": "You are connecting from the clinic (2001:db8:1::10), so we need to check",
    },
    (Cause.NETWORK_UNKNOWN, NOWHERE): {
        "ja": "接続元を確認できなかったため、確認が必要です。",
        "en": "We could not tell where you are connecting from, so we need to check it is you.",
    },
    (Cause.SERVICE_DEMAND, CAMPUS): {
        "ja": "Library は、学内からでも二要素認証を求めています。",
        "en": "Library asks for two-factor sign-in even on campus.",
    },
    (Cause.SERVICE_DEMAND, OUTSIDE): {
        "ja": "Library は二要素認証を求めています。あと1つの要素の確認が必要です。",
        "en": "Library asks for two-factor sign-in, and one of the two is still missing.",
    },
    (Cause.TWO_KINDS, CAMPUS): {
        "ja": "種類の異なる2つの要素の確認が必要です。",
        "en": "two different kinds of proof are needed, and one is still missing.",
    },
    (Cause.FRESHNESS, CAMPUS): {
        "ja": "前回の確認から時間がたっているため、もう一度確認が必要です。",
        "en": "It has been a while since we last checked that it is you, so we ask again.",
    },
    (Cause.RULE, CAMPUS): {
        "ja": "Library のご利用には、確認が必要です。",
        "en": "To use Library, we need to check it is you.",
    },
}
"""Every cause for which a factor can be asked, from where, and the reason that is given."""

REFUSED: dict[tuple[Refusal, Cause, Place], dict[str, str]] = {
    (Refusal.POLICY, Cause.NETWORK, OUTSIDE): {
        "ja": "学外ネットワーク（203.0.113.10）からは利用できません。",
        "en": "It is not allowed from outside the campus network (203.0.113.10).",
    },
    (Refusal.POLICY, Cause.NETWORK_UNKNOWN, NOWHERE): {
        "ja": "接続元を確認できる場合にのみ利用できます。",
        "en": "it is allowed only from places that we know.",
    },
    (Refusal.POLICY, Cause.RULE, CAMPUS): {
        "ja": "サービス、アカウント、端末または時間帯についての規則によるものです。",
        "en": "A rule about this service, your account, your device or the time says so.",
    },
    (Refusal.POLICY, Cause.NO_RULE, CAMPUS): {
        "ja": "利用を認める規則が設定されていません。",
        "en": "No rule of this site provides for it.",
    },
    (Refusal.POLICY, Cause.FRESHNESS, CAMPUS): {
        "ja": "前回の確認から時間がたっているため、有効ではありません。",
        "en": "What you showed before is too old to count.",
    },
    (Refusal.NO_FACTOR_ENROLLED, Cause.NO_FACTOR, OUTSIDE): {
        "ja": "利用できる認証方法が登録されていません。",
        "en": "you have not set up one that can be used for it.",
    },
    (Refusal.CREDENTIAL_UNREADABLE, Cause.UNREADABLE, OUTSIDE): {
        "ja": "登録内容を読み取れませんでした。",
        "en": "We could not read your registration.",
    },
    (Refusal.ACR_UNMET, Cause.SERVICE_DEMAND, CAMPUS): {
        "ja": "Library が求める認証の種類は、このサイトでは提供していません。",
        "en": "Library asks for a kind of sign-in that is not offered here.",
    },
}
"""Every cause for which somebody can be refused, and what the page says."""


def text(language: locale.Language, template: str, context: Context) -> str:
    page = drawn(language, template, context)
    body = page[page.index("<main") : page.index("</main>")]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", body))


def because(cause: Cause, place: Place) -> Because:
    return Because("rule", place.name, place.address, cause)


def test_every_cause_is_told_here() -> None:
    told = {cause for cause, _ in ASKED} | {cause for _, cause, _ in REFUSED}
    assert told == set(Cause)


@pytest.mark.parametrize("language", locale.LANGUAGES)
@pytest.mark.parametrize(("cause", "place"), ASKED)
def test_the_yellow_page_says_why_and_where(
    language: locale.Language, cause: Cause, place: Place
) -> None:
    context = {
        "action": "/a",
        "choose_action": "/o",
        "lost": {"code_action": None, "renew_action": None, "reissue_action": "/l"},
        "service": SERVICE,
        "user": SimpleNamespace(login="alice", display_name="Alice"),
        "because": because(cause, place),
        "place": place,
        "elsewhere": (),
        "reference": "7K3MQ9XT",
    }
    field = SimpleNamespace(name="code", input_mode="", autocomplete="", max_length=6)
    asked = {"factor": "totp", "fields": (field,), "error": None, "others": False, "worn": False}
    asked["shown"] = {}
    for template, more in (
        ("signin/challenge.html", asked),
        ("signin/choose.html", {"factors": ["totp"]}),
    ):
        page = drawn(language, template, {**context, **more})
        words = text(language, template, {**context, **more})
        assert ASKED[cause, place][language] in words
        assert (place.address or "") in words
        assert 'href="/network"' in page
        assert "7K3MQ9XT" in words


@pytest.mark.parametrize("language", locale.LANGUAGES)
def test_no_reason_to_ask_is_told_as_another(language: locale.Language) -> None:
    why = environment(language).get_template("places.html").module.why  # type: ignore[attr-defined]
    told = [str(why(because(cause, place), place, SERVICE)) for cause, place in ASKED]
    unknown = str(why(SimpleNamespace(cause=SimpleNamespace(value="new")), CAMPUS, SERVICE))
    assert len({*told, unknown}) == len(told) + 1


@pytest.mark.parametrize("language", locale.LANGUAGES)
@pytest.mark.parametrize(("refusal", "cause", "place"), REFUSED)
def test_a_refusal_says_why_and_where(
    language: locale.Language, refusal: Refusal, cause: Cause, place: Place
) -> None:
    context = refused(refusal, cause, place)
    words = text(language, "signin/refused.html", context)
    assert REFUSED[refusal, cause, place][language] in words
    assert (place.address or "") in words
    assert 'href="/network"' in drawn(language, "signin/refused.html", context)
    if refusal is Refusal.POLICY:
        portal = {**context, "elsewhere": (CAMPUS,), "message": None}
        assert REFUSED[refusal, cause, place][language] in text(
            language, "portal/refused.html", portal
        )


def refused(refusal: Refusal, cause: Cause, place: Place) -> dict[str, object]:
    return {
        "refusal": refusal.value,
        "message": None,
        "service": SERVICE,
        "return_action": "/r",
        "restart_action": None,
        "takes": [],
        "set_ups": [{"factor": "totp", "url": "/portal/totp"}],
        "cancel_action": None,
        "because": because(cause, place),
        "place": place,
        "elsewhere": (),
        "set_up": (),
        "set_up_here": False,
        "demanded": False,
        "onward": (),
        "reference": "7K3MQ9XT",
    }


def test_who_cannot_give_what_a_service_demands_is_told_so_and_where_to_set_it_up() -> None:
    for refusal in (Refusal.NO_FACTOR_ENROLLED, Refusal.ACR_UNMET):
        asked = {**refused(refusal, Cause.SERVICE_DEMAND, VPN), "demanded": True}
        reached = {**asked, "set_up": (CAMPUS,), "elsewhere": (CAMPUS, VPN)}
        words = text("en", "signin/refused.html", reached)
        assert "Library asks for two-factor sign-in even on campus" in words
        assert "Use the campus Wi-Fi." in words
        assert words.count("Campus network") == 1, "one place is told once"
        assert 'href="/portal/totp"' not in drawn("en", "signin/refused.html", reached)
        here = drawn("en", "signin/refused.html", {**reached, "set_up_here": True})
        assert 'class="main" href="/portal/totp"' in here
        nowhere = text("en", "signin/refused.html", asked)
        assert "Contact us with the reference below." in nowhere


def test_a_page_of_ours_that_needs_a_factor_leads_to_the_set_up() -> None:
    set_up = WaysOn(set_up=("campus",))
    for place, here in ((CAMPUS, True), (VPN, False)):
        told = Because("rule", place.name, place.address, Cause.NO_FACTOR, set_up)
        context = {
            "message": None,
            "because": told,
            "place": place,
            "elsewhere": (CAMPUS,),
            "onward": (),
            "reference": "7K3MQ9XT",
        }
        page = drawn("en", "portal/refused.html", context)
        assert ('class="main" href="/portal/totp"' in page) is here
        assert ("Use the campus Wi-Fi." in page) is not here
