"""Every page in every state that its face can put it in, drawn without a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from idp_mfa import locale, pictures
from idp_mfa.audit import TOLD_TO_OWNER, AuditEvent
from idp_mfa.desk.callers import NotProved, Otherwise
from idp_mfa.desk.outcome import NotDone as NotMended
from idp_mfa.desk.roles import Act, Role
from idp_mfa.desk.story import Advice
from idp_mfa.factor import Rejection
from idp_mfa.model import AccountState, Because, Cause, CredentialState, Refusal
from idp_mfa.own_pages import Onward
from idp_mfa.passkeys import NotDone, PasskeyKind
from idp_mfa.platforms import Platform
from idp_mfa.policy.cases import Outcome
from idp_mfa.policy.places import Place
from idp_mfa.recovery import NotRecoverable
from idp_mfa.rosters import Roster
from idp_mfa.weather import Weather
from tests.project.desk_traces import gone_through

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
HOSTILE = '"><script>alert(1)</script>'
KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
REQUEST_PROBLEMS = [
    "unknown-service",
    "bad-signature",
    "unsigned",
    "expired-request",
    "wrong-destination",
    "unknown-endpoint",
    "malformed",
    "duplicate-parameter",
    "unsupported",
]
ERRORS = [
    "not-found",
    "bad-request",
    "method",
    "too-large",
    "too-many",
    "unavailable",
    "internal",
    "forbidden",
]

OUTSIDE = Place("outside", "outside", address="203.0.113.10")
NOWHERE = Place("unknown", "unknown")
ELSEWHERE = (
    Place("campus", "campus", "", "Use the Wi-Fi.", "2001:db8:1::10"),
    Place("vpn", "vpn", "", "Use the VPN.", "198.51.100.10"),
    Place("clinic", "campus", HOSTILE, "", "192.0.2.10"),
    Place("guest", "other", address="192.0.2.200"),
)
LOST = {"code_action": "/o", "renew_action": "/n", "reissue_action": "/l"}
ONWARD = (Onward(HOSTILE, "/signin/one"), Onward("Library", "/signin/two"))
PLACES = (OUTSIDE, NOWHERE, *ELSEWHERE)

BOARD = {"order": " ".join(pictures.by_id()), "figures": "12345678" * 8}

Context = Mapping[str, object]


@cache
def environment(language: locale.Language) -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_translations(  # type: ignore[attr-defined]
        locale.translations(language), newstyle=True
    )
    return made


def every_page(language: locale.Language) -> Context:
    """What browser.py gives to each page."""
    other = next(code for code in locale.LANGUAGES if code != language)
    site = SimpleNamespace(
        name="Example University",
        short_name="Example",
        brand="#2E7D32",
        brand_ink="#FFFFFF",
        factor_brand="#FFD84D",
        logo=None,
        contact_url="https://www.example.ac.jp/help",
        manual_url="https://www.example.ac.jp/manual",
        footer="Example University",
    )
    return {
        "language": language,
        "other_languages": [(other, locale.LANGUAGE_NAMES[other], f"?lang={other}")],
        "site": site,
        "host": "idp.example.ac.jp",
        "asset": lambda name: f"/static/{name}?v=1",
        "pictures": pictures,
        "reference": None,
        "csrf": "",
        "version": 0,
    }


def passkeys(user: SimpleNamespace) -> Iterator[tuple[str, str, Context]]:
    """The pages of passkeys."""
    at = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    listed = [
        SimpleNamespace(
            credential=SimpleNamespace(id="one", label=HOSTILE, bound_at=at),
            kind=kind,
            platform=platform,
            backed_up=kind is PasskeyKind.SYNCED and platform is Platform.IPAD,
            used_at=at if platform is Platform.IPAD else None,
            is_of_a_platform=kind is not PasskeyKind.SECURITY_KEY,
        )
        for kind in PasskeyKind
        for platform in Platform
    ]
    shared = {"user": user, "csrf": "token", "rename_action": "/r", "list_url": "/l"}
    page = {**shared, "new_url": "/n", "remove_action": "/x", "accepted": '{"rpId": "a"}'}
    for error in (None, *(one.value for one in NotDone)):
        context = {**page, "passkeys": listed if error is None else listed[:1], "error": error}
        yield f"passkeys {error}", "portal/fido2.html", context
    nothing = {**page, "passkeys": [], "error": None, "accepted": None}
    yield "passkeys none", "portal/fido2.html", nothing
    for error in (None, "too-many", "platform-full", "expired", "rejected", "changed-elsewhere"):
        for full in ((), tuple(listed[:2])):
            yield (
                f"passkey new {error} {len(full)}",
                "portal/fido2_new.html",
                {
                    **shared,
                    "action": "/a",
                    "error": error,
                    "full": full,
                    "platform": "ipad" if full else "unknown",
                    "shared_computer": bool(full),
                    "onward": ONWARD if full else (),
                },
            )
    made = {**shared, "action": "/a", "options": '{"a": "\'""}', "touch": 0, "replaces": HOSTILE}
    made |= {"onward": ONWARD}
    yield "passkey create", "portal/fido2_create.html", made
    for one in listed[::4]:
        ended = {**shared, "passkey": one, "onward": (), "replaced": None, "only_one": True}
        yield f"passkey done {one.kind}", "portal/fido2_done.html", ended
    yield "passkey replaced", "portal/fido2_done.html", {**ended, "replaced": HOSTILE}


def states() -> Iterator[tuple[str, str, Context]]:
    """A name, a template and what its face gives it, for every state that a page can be in."""
    service = SimpleNamespace(name=HOSTILE, host="library.example.ac.jp", logo="/logo/1")
    user = SimpleNamespace(login="alice", display_name=HOSTILE)
    proof = {"csrf": "token", "version": 3, "reference": "7K3MQ9XT"}

    def because(cause: Cause, address: str | None = "203.0.113.10") -> Because:
        return Because("rule", "outside", address, cause)

    def problem(kind: str, left: int | None = 4, seconds: int | None = None) -> SimpleNamespace:
        return SimpleNamespace(
            kind=kind, left=left, seconds=seconds, issuer="OMU", minutes=5, day="3 November 2026"
        )

    password = {
        "passkey_action": "/p",
        "question_url": "/q",
        "action": "/a",
        "cancel_action": "/c",
        "service": service,
        "login": "",
        **proof,
    }
    for error, signed_in_as in (
        (None, None),
        ("passkey", None),
        ("wrong", None),
        ("throttled", None),
        (None, "bob"),
    ):
        yield (
            f"password {error} {signed_in_as}",
            "signin/password.html",
            {**password, "error": error, "signed_in_as": signed_in_as, "wait": 125},
        )
    asked = {
        "action": "/a",
        "cancel_action": "/c",
        "choose_action": "/o",
        "lost": LOST,
        "service": service,
        "user": user,
        "others": True,
        **proof,
    }
    names = ["totp", "fido2", "image_matrix", "recovery_code", "made_up"]
    for cause in Cause:
        for where in PLACES:
            context = {
                **asked,
                "because": because(cause, where.address),
                "place": where,
                "elsewhere": ELSEWHERE if where.kind == "outside" else (),
                "factors": names,
            }
            yield f"choose {cause} {where.name}", "signin/choose.html", context
    field = SimpleNamespace(
        name="code", input_mode="numeric", autocomplete="one-time-code", max_length=12
    )
    kinds = (
        *("malformed", "wrong", "already-used", "no-credential", "unspent", "locked"),
        *("clock", "our-clock", "old-key", "unfinished", "left"),
    )
    problems = [None, *(problem(kind, 1, 17) for kind in kinds), *map(problem, kinds)]
    for factor in names:
        for error in problems:
            yield (
                f"challenge {factor} {error}",
                "signin/challenge.html",
                {
                    **asked,
                    "because": because(Cause.NETWORK),
                    "place": OUTSIDE,
                    "elsewhere": (),
                    "factor": factor,
                    "shown": BOARD if factor == "image_matrix" else {"options": "{}"},
                    "worn": error is None,
                    "fields": () if factor == "fido2" else (field,),
                    "error": error,
                },
            )
    for error in (None, problem("malformed")):
        yield (
            f"challenge of a token {error}",
            "signin/challenge.html",
            {
                **asked,
                "because": because(Cause.NETWORK),
                "place": OUTSIDE,
                "elsewhere": (),
                "factor": "totp",
                "shown": {"digits": "8"},
                "worn": False,
                "fields": (field,),
                "error": error,
            },
        )
    refused = {
        "service": service,
        "return_action": "/r",
        "restart_action": None,
        "takes": [],
        "set_ups": [{"factor": "totp", "url": "/t"}, {"factor": "fido2", "url": "/f"}],
        "cancel_action": None,
        "message": None,
        "because": None,
        "place": None,
        "elsewhere": (),
        "set_up": (),
        "set_up_here": False,
        "demanded": False,
        **proof,
    }
    for refusal in Refusal:
        ended = {**refused, "refusal": refusal.value}
        yield f"refused {refusal} None", "signin/refused.html", {**ended, "message": HOSTILE}
        passkey = {**ended, "takes": [{"factor": "fido2", "url": "/f"}]}
        yield f"refused {refusal} passkey", "signin/refused.html", passkey
        yield f"refused {refusal} again", "signin/refused.html", {**ended, "restart_action": "/a"}
        told = {**ended, "because": because(Cause.NO_FACTOR), "place": OUTSIDE}
        yield f"refused {refusal} because", "signin/refused.html", told
    for cause in Cause:
        for where in PLACES:
            told = {
                **refused,
                "refusal": Refusal.POLICY.value,
                "because": because(cause, where.address),
                "place": where,
                "elsewhere": ELSEWHERE if where.kind == "outside" else (),
            }
            yield f"refused by policy {cause} {where.name}", "signin/refused.html", told
    for refusal in (Refusal.NO_FACTOR_ENROLLED, Refusal.ACR_UNMET):
        for demanded in (False, True):
            for here in (False, True):
                told = {
                    **refused,
                    "refusal": refusal.value,
                    "because": because(Cause.NO_FACTOR),
                    "place": OUTSIDE,
                    "elsewhere": ELSEWHERE,
                    "set_up": ELSEWHERE[:1],
                    "set_up_here": here,
                    "demanded": demanded,
                }
                yield f"refused {refusal} {demanded} {here}", "signin/refused.html", told
                ways = [{"factor": "totp", "action": "/s"}, {"factor": "fido2", "action": "/f"}]
                waits = {"return_action": None, "set_ups": ways, "cancel_action": "/c"}
                yield f"waits {demanded} {here}", "signin/refused.html", told | waits
    yield (
        "moved stale",
        "signin/moved.html",
        {"kind": "stale", "service": None, "continue_url": "/"},
    )
    yield "moved gone", "signin/moved.html", {"kind": "expired", "service": None, "start_url": None}
    for kind in ("other-browser", "answered"):
        context = {"kind": kind, "service": service, "restart_action": "/a", "start_url": "/s"}
        yield f"moved {kind}", "signin/moved.html", context
    lost = {
        "kind": "answered",
        "service": service,
        "start_url": "/s",
        "fetch_url": "/saml/answer/i",
    }
    yield "moved answered and lost", "signin/moved.html", lost
    yield "sign out", "signin/sign_out.html", {"user": user, "action": "/sign-out", **proof}
    yield "signed out", "signin/signed_out.html", {"service": None, "continue_url": "/"}
    error_page = {"request_problem": None, "continue_url": None, "resubmit": None, **proof}
    for kind in ERRORS:
        yield f"error {kind}", "error.html", {**error_page, "kind": kind, "retry_after": 10}
    for word in (*REQUEST_PROBLEMS, None):
        context = {**error_page, "kind": "request", "request_problem": word}
        yield f"error request {word}", "error.html", context
    resubmit = {"action": "/saml/sso", "fields": {"SAMLRequest": HOSTILE}}
    yield (
        "error resubmit",
        "error.html",
        {**error_page, "kind": "unavailable", "resubmit": resubmit, "retry_after": None},
    )
    fields = {"SAMLResponse": "PD94", "RelayState": HOSTILE}
    yield (
        "saml post",
        "saml/post.html",
        {"action": "https://sp.example/acs", "fields": fields, "service_name": "SP", "nonce": "n"},
    )
    tiles = [
        {"key": key, "url": "/x", "available": key != "ios"}
        for key in ("totp.setup", "totp.show", "reissue", "mail", "fido2", "matrix", "codes")
    ]
    bound = SimpleNamespace(
        factor="totp", label=HOSTILE, bound_at=datetime(2026, 11, 3, tzinfo=UTC)
    )
    home = {"tiles": tiles, "apple": False, "csrf": "token"}
    yield from activity(user)
    held = [
        {
            "credential": SimpleNamespace(**{**vars(bound), "factor": factor}),
            "left": left,
            "due": due,
        }
        for factor, left, due in (
            ("totp", None, False),
            ("image_matrix", None, True),
            ("recovery_code", 1, False),
            ("made_up", 7, True),
        )
    ]
    for someone, factors, sign_in in (
        (user, held[:1], None),
        (user, held, None),
        (user, [], None),
        (None, (), "/in"),
    ):
        context = {**home, "user": someone, "factors": factors, "sign_in_action": sign_in}
        yield f"home {someone} {factors}", "portal/home.html", context
    begin = {"user": user, "action": "/a", "replaces": True, "csrf": "token", "onward": ONWARD}
    yield "totp begin", "portal/totp_begin.html", begin
    yield from passkeys(user)
    card = {
        **begin,
        "key": KEY,
        "key_groups": [KEY[at : at + 4] for at in range(0, len(KEY), 4)],
        "uri": f"otpauth://totp/OMU:alice?secret={KEY}&issuer=OMU",
        "qr_png": "data:image/png;base64,AAAA",
        "label": "OMU(2026-11)",
        "account": "alice",
        "issuer": "OMU",
    }
    for error in (None, *(problem(kind, None) for kind in kinds)):
        yield f"totp setup {error}", "portal/totp_setup.html", {**card, "error": error}
    for error in (None, *(problem(kind, None) for kind in kinds)):
        shown_key = {**card, "error": error, "since": datetime(2026, 11, 3, tzinfo=UTC)}
        for valid in (True, False):
            yield (
                f"totp show {error} {valid}",
                "portal/totp_show.html",
                shown_key | {"valid": valid},
            )
    for words in ((), ("safari",), ("no-such-word",)):
        everything = {"", "mail", "totp", "fido2", "image_matrix"}
        for needs in ({""}, everything):
            context = {"typed": HOSTILE, "words": words, "needs": needs}
            yield f"help {words} {len(needs)}", "help.html", context
    for system in ("", "ios", "windows"):
        now = {"now": datetime(2026, 11, 3, tzinfo=UTC), "shown": "09:00:00 (JST)"}
        yield f"clock {system}", "clock.html", now | {"system": system}
    for able in ("possible", "too-old", "other-browser", "other-device"):
        yield f"ios {able}", "ios.html", {"auto_fill": able, "link": "/ios/link"}
    yield "apple", "portal/apple.html", {**begin, "uri": f"apple-otpauth://totp/OMU:a?secret={KEY}"}
    for onward in ((), ONWARD[:1], ONWARD):
        yield from by_mail({"user": user, "csrf": "token", "onward": onward}, card)
        context = {
            "label": "OMU(2026-11)",
            "replaced": True,
            "onward": onward,
            "only_one": len(onward) != 1,
        }
        yield f"totp done {len(onward)}", "portal/totp_done.html", context
        for error in (None, *(problem(kind, None) for kind in kinds)):
            for proven in (False, True):
                name = f"reissue 4 {len(onward)} {proven} {error}"
                context = {**card, "onward": onward, "proven": proven, "error": error}
                yield name, "portal/reissue_4.html", {**context, "action": "/a"}
    for cause in Cause:
        for message in (None, HOSTILE):
            for elsewhere in ((), ELSEWHERE, ELSEWHERE[:2]):
                told = {
                    "message": message,
                    "because": because(cause),
                    "place": OUTSIDE,
                    "elsewhere": elsewhere,
                    "onward": ONWARD,
                    "reference": "7K3MQ9XT",
                }
                yield f"portal refused {cause}", "portal/refused.html", told
    roads = {"direct": OUTSIDE, "relayed": ELSEWHERE[0], "unreadable": NOWHERE, "not-ours": NOWHERE}
    for asked_there in ("nothing", "factor", "denied"):
        for road, where in roads.items():
            family = None if where.address is None else 4 if "." in where.address else 6
            shown = {
                "place": where,
                "family": family,
                "asked": asked_there,
                "road": road,
                "elsewhere": ELSEWHERE,
                "skipping": {"campus", "vpn"},
                "other_protocols": [("v6", "https://ipv6.example.ac.jp/network?lang=ja")],
                "reference": "7K3MQ9XT",
            }
            yield f"network {asked_there} {road}", "network.html", shown


def activity(user: object) -> Iterator[tuple[str, str, Context]]:
    """One's own sign-ins: none but this one, others, and a history that is away."""
    here = {"name": "a", "here": True, "began": "1 Nov", "seen": "2 Nov", "shared": True}
    rows = [{**here, "factors": ["password", "totp"]}]
    others = [{**rows[0], "name": name, "here": False, "shared": False} for name in "bc"]
    event = {"at": "3 Nov", "address": "203.0.113.10", "desk": False, "reference": "7K3MQ9XT"}
    told = [{**event, "kind": kind.value, "service": HOSTILE} for kind in TOLD_TO_OWNER]
    told.append({**told[0], "kind": "assertion.issued", "service": None})
    page = {"user": user, "end_action": "/a", "csrf": "token"}
    for sessions in (rows, [*rows, *others]):
        for events in (told, [], None):
            name = f"activity {len(sessions)} {events if events is None else len(events)}"
            context = {**page, "sessions": sessions, "events": events}
            yield name, "portal/activity.html", context


MAILED_PROBLEMS = (
    *("no-address", "same-password", "unchanged"),
    *("malformed", "wrong", "expired", "newer-sent", "another-browser", "void", "none-sent"),
)


def by_mail(begin: Context, card: Context) -> Iterator[tuple[str, str, Context]]:
    """The pages that wait for a mailed code, and what they lead to."""
    errors = [None, *({"kind": kind, "left": 3, "newest_at": "21:04"} for kind in MAILED_PROBLEMS)]
    actions = {"send_action": "/s", "code_action": "/c", "again_action": "/a"}
    begin = {**begin, "replace_url": "/portal/totp"}
    for error in errors:
        for to in (None, "hanako@home.example"):
            mail = {**begin, **actions, "to": to, "until": "21:30", "error": error, "again": True}
            for road, later in (("first", "/later"), ("change", None)):
                context = {**mail, "road": road, "later_action": later, "typed": HOSTILE}
                for now in (None, "h*****@home.example"):
                    name = f"address {road} {to} {now} {error and error['kind']}"
                    yield name, "portal/address.html", context | {"now": now}
        for sent in (True, False):
            context = {**mail, "to": "h*****@home.example", "sent": sent}
            yield f"reissue 2 {sent} {error and error['kind']}", "portal/reissue_2.html", context
    for paused in (True, False):
        context = {**begin, "to": "h*****@home.example", "paused": paused}
        yield f"address done {paused}", "portal/address_done.html", context
    yield "reissue 3", "portal/reissue_3.html", {**begin, "action": "/key"}
    for why in NotRecoverable:
        context = {**begin, "why": why.value, "reference": "7K3MQ9XT"}
        yield f"reissue closed {why}", "portal/reissue_closed.html", context


def matrix_states() -> Iterator[tuple[str, str, Context]]:
    """The pages of the factors that are drawn, written down or of other packages."""
    user = SimpleNamespace(login="alice", display_name=HOSTILE)
    mine = {"user": user, "csrf": "token", "action": "/a"}
    since = datetime(2026, 11, 1, tzinfo=UTC)
    wrong = {"kind": "wrong", "left": None}
    every = list(pictures.by_id())
    codes = " ".join(["ABCDE-FGHJK-LMNPQ"] * 10)
    field = SimpleNamespace(name="code", input_mode="text", autocomplete="off", max_length=32)
    for factor, shown in (
        ("recovery_code", {"codes": codes}),
        ("recovery_code", {}),
        ("made_up", {"word": HOSTILE}),
    ):
        page = {**mine, "name": "portal.codes", "set_up": factor}
        for left in (None, 0, 1, 7):
            for another_first in (False, True):
                held = [{"since": since, "left": left}]
                begin = {**page, "held": held, "another_first": another_first}
                begin["remove_url"] = None if left is None else "/remove"
                name = f"set-up {factor} {len(shown)} {left} {another_first}"
                yield name, "portal/set_up_begin.html", begin
        for error in (None, wrong, {"kind": "malformed", "left": None}):
            for replaces in (False, True):
                fields = {"fields": (field,), "shown": shown, "again": "/again"}
                drawn_ = {**page, **fields, "error": error, "replaces": replaces}
                yield f"set-up {factor} {shown} {error} {replaces}", "portal/set_up.html", drawn_
        for replaced in (False, True):
            ended = {**page, "replaced": replaced, "only_one": not replaced, "onward": ()}
            yield f"set-up done {factor} {len(shown)} {replaced}", "portal/set_up_done.html", ended
    for another_first in (False, True):
        begin = {**mine, "another_first": another_first}
        yield f"matrix begin {another_first}", "portal/matrix_begin.html", begin
    for replaces in (False, True):
        pattern = {**mine, "pattern": every[:6], "replaces": replaces}
        yield f"matrix pattern {replaces}", "portal/matrix_pattern.html", pattern
    for number, before, question in ((0, "", "A1"), (1, "", ""), (2, "123456", "")):
        for error in (None, wrong):
            asked = {
                **mine,
                "shown": BOARD,
                "number": number,
                "before": before,
                "question": question,
                "error": error,
                "look_url": "/look",
            }
            yield f"matrix question {number} {error}", "portal/matrix_question.html", asked
    for due in (False, True):
        seen = {
            **mine,
            "pattern": every[6:12],
            "since": since,
            "due": due,
            "begin_action": "/b",
            "remove_url": "/r",
            "practice_url": "/p",
        }
        yield f"matrix {due}", "portal/matrix.html", seen
    yield "matrix practised", "portal/matrix_practised.html", {**mine, "practice_url": "/p"}
    yield from removals(mine)


def removals(mine: Context) -> Iterator[tuple[str, str, Context]]:
    """What is set up and may go, may not, or goes elsewhere; and what went."""
    since = datetime(2026, 11, 1, tzinfo=UTC)
    credentials = [
        SimpleNamespace(id=factor, factor=factor, label=HOSTILE, bound_at=since)
        for factor in ("fido2", "totp", "image_matrix", "recovery_code", "passcode", "made_up")
    ]
    for may_go in (False, True):
        held = [
            {
                "credential": one,
                "may_go": may_go,
                "elsewhere": "/portal/fido2" if one.factor == "fido2" else None,
            }
            for one in credentials
        ]
        yield f"remove {may_go}", "portal/remove.html", {**mine, "held": held}
    yield "remove nothing", "portal/remove.html", {**mine, "held": []}
    for one in credentials:
        yield f"removed {one.factor}", "portal/removed.html", {**mine, "removed": one}


def overviews(mine: Context) -> Iterator[tuple[str, str, Context]]:
    """What goes on at the moment, and the lists."""
    calm = Weather(
        since=datetime(2026, 11, 22, 12, tzinfo=UTC),
        sign_ins=0,
        wrong_codes={},
        skews={},
        asked={},
        skipped={},
        failures={},
        unavailable={},
        letters=0,
        oldest_letter=timedelta(0),
    )
    stormy = Weather(
        since=datetime(2026, 11, 22, 12, tzinfo=UTC),
        sign_ins=4711,
        wrong_codes={"wrong": 17, "already-used": 4, "clock": 2, HOSTILE: 1},
        skews={-6: 3, -1: 1, 1: 1, 12: 2},
        asked={"outside": 900, HOSTILE: 1},
        skipped={"campus": 3000, "vpn": 1},
        failures={"https://sp.example/": 3, "": 1},
        unavailable={"directory": 5, "store": 1, "mail": 1, HOSTILE: 1},
        letters=7,
        oldest_letter=timedelta(minutes=3),
    )
    now = {**mine, "at": "12:00:00", "minutes": 15, "now_url": "/n", "cut": None}
    now |= {"zones": {"campus": ELSEWHERE[0], "outside": OUTSIDE}, "service": str}
    yield "desk now calm", "admin/now.html", {**now, "weather": calm}
    yield "desk now stormy", "admin/now.html", {**now, "weather": stormy, "cut": 5000}
    off = replace(calm, skews={6: 5}, letters=None, oldest_letter=None)
    yield "desk now our clock", "admin/now.html", {**now, "weather": off}
    factors = [("totp", state.value) for state in CredentialState]
    row = {"url": "/p", "login": "alice", "name": HOSTILE, "factors": factors}
    lists = {**mine, "rosters": [one.value for one in Roster], "action": "/l", "most": 2}
    for roster in (None, *(one.value for one in Roster)):
        for rows in ([], [{**row, "since": "1 Nov"}, {**row, "since": None, "factors": ()}]):
            count = None if roster is None else len(rows) + 1 if rows else 0
            shown = {"roster": roster, "group": HOSTILE, "rows": rows, "count": count}
            yield (
                f"desk lists {roster} {count}",
                "admin/lists.html",
                {
                    **lists,
                    **shown,
                    "file_url": "/c",
                },
            )


def desk_states() -> Iterator[tuple[str, str, Context]]:
    """The help desk's pages."""
    user = SimpleNamespace(id="id-1", login="alice", display_name=HOSTILE)
    mine = {"user": user, "csrf": "token", "home_url": "/admin"}
    number = {"shown": ("password", "totp"), "otherwise": None, "note": "", "opens": True}
    proofs = [None, number, {**number, "shown": ("password",), "opens": False}]
    proofs += [{**number, "otherwise": how.value, "note": HOSTILE} for how in Otherwise]
    home = {
        **mine,
        "roles": [role.value for role in Role],
        "find_action": "/f",
        "story_action": "/s",
        "now_url": "/n",
        "lists_url": "/l",
        "most": 1,
        "person_url": "/admin/person/{}".format,
        "typed": HOSTILE,
    }
    errors = [
        None,
        *(f"caller-{one.value}" for one in NotProved),
        *(one.value for one in NotMended),
    ]
    waits = {"url": "/p", "reason": HOSTILE, "person": user, "by": HOSTILE, "at": "1 Nov"}
    for error in errors:
        page = {**home, "error": error, "waiting": [], "found": None}
        yield f"desk home {error}", "admin/home.html", page
    rows = [
        {
            **waits,
            "act": act.value,
            "mine": act in (Act.RESET, Act.RESYNCHRONISE),
            "approved_by": second,
            "caller": one,
        }
        | {"address": HOSTILE if second else None, "serial": HOSTILE if second else None}
        for act in Act
        for second in (None, HOSTILE)
        for one in proofs[:2]
    ]
    for found in ([], [user]):
        page = {**home, "error": None, "waiting": rows, "found": found}
        yield f"desk home {len(found)}", "admin/home.html", page
    since = datetime(2026, 11, 1, tzinfo=UTC)
    factors = [
        {"id": state.value, "factor": "totp", "state": state.value, "label": HOSTILE}
        | {"since": since, "bound_by": "campus"}
        for state in CredentialState
    ]
    person = {
        **mine,
        "person": user,
        "groups": ["students", HOSTILE],
        "protected": False,
        "unreadable": 0,
        "address": "h*****@home.example",
        "wrong_codes": SimpleNamespace(lately=3, in_a_row=4, disabled_at=100),
        "sessions": 2,
        "generation": 4,
        "acts": [act.value for act in Act],
        "two": ["address"],
        "tokens": factors[:1],
        "stock": True,
        "resettable": ["totp"],
        "suspended": ["totp"],
        "zones": ["campus"],
        "hours": (1, 8),
        "otherwise": [one.value for one in Otherwise],
        "opened": "reset",
        "sent": {"reason": HOSTILE, "serial": HOSTILE, "address": HOSTILE},
        "caller_action": "/c",
        "act_action": "/a",
    }
    for error in errors:
        shown = {**person, "error": error, "proof": None, "factors": factors, "standing": "active"}
        yield f"desk person {error}", "admin/person.html", shown
    for proof in proofs:
        for standing in AccountState:
            shown = {**person, "error": None, "proof": proof, "standing": standing.value}
            yield f"desk person {proof} {standing}", "admin/person.html", shown | {"factors": []}
    two = {**person, "error": None, "proof": None, "factors": factors, "standing": "active"}
    two |= {"two": [act.value for act in Act]}
    yield "desk person protected", "admin/person.html", two
    bare = {"acts": [], "two": [], "wrong_codes": None, "address": None, "protected": True}
    yield "desk person bare", "admin/person.html", {**shown, **bare, "factors": [], "unreadable": 1}
    for act in Act:
        for code in (None, "ABCDE-FGHJK-LMNPQ"):
            done = {**mine, "person": user, "act": act.value, "code": code, "until": "17:00"}
            done |= {"person_url": "/p", "reference": "7K3MQ9XT"}
            yield f"desk done {act} {code}", "admin/done.html", done
    yield from overviews(mine)
    yield "desk refused", "admin/refused.html", {**mine, "reference": "7K3MQ9XT"}
    yield "desk no story", "admin/no_story.html", mine
    yield from stories(mine, user)
    for digits in (None, "012345"):
        context = {**mine, "action": "/a", "digits": digits, "until": "9:05"}
        yield f"caller {digits}", "portal/caller.html", context


def stories(mine: Context, user: SimpleNamespace) -> Iterator[tuple[str, str, Context]]:
    """Stories with every event, diagnosis and outcome, and every advice."""
    told = dict.fromkeys(("factor", "page", "part", "reason", "asked"), "totp")
    words = [*Rejection, *Refusal, *("clock", "our-clock", "old-key", "unfinished", "left")]
    step = {"at": "9:00", "service": HOSTILE, "address": "192.0.2.1", "walk": (HOSTILE,)}
    decided = {"rule": HOSTILE, "zone": "campus", "factors": ["totp"], "enrolled": ["totp"]}
    steps = [
        {**step, "event": event.value, "actor": None, "told": told, "decided": None}
        for event in AuditEvent
    ]
    steps += [
        {**steps[0], "told": {**told, "diagnosis": getattr(word, "value", word)}} for word in words
    ]
    steps += [
        {
            **steps[0],
            "decided": {
                **decided,
                "outcome": outcome.value,
                "trace": gone_through(),
                "cause": "rule",
            },
        }
        for outcome in Outcome
    ]
    steps += [
        {
            **steps[0],
            "decided": {**decided, "outcome": "deny", "trace": trace, "cause": cause.value},
        }
        for trace in ((), None)
        for cause in Cause
    ]
    words = {"zones": {}, "service": str, "country": str, "moment": str}
    words |= {"zones": {"campus": ELSEWHERE[0], "outside": OUTSIDE, "unknown": NOWHERE}}
    story = {**mine, "people": [user], "person_urls": ["/p"], "code": "7K3MQ9XT", "steps": steps}
    story["words"] = words
    away = {"store": 2, "mail": 1, "directory": 1, "keys": 1}
    for advice in Advice:
        context = {**story, "advice": advice.value, "well": True, "away": {}, "steps": steps[:2]}
        yield f"story {advice}", "admin/story.html", context
    for well in (None, False):
        context = {**story, "advice": "nothing", "well": well, "away": away}
        yield f"story health {well}", "admin/story.html", context


def drawn(language: locale.Language, template: str, context: Context) -> str:
    page = environment(language).get_template(template)
    return page.render({**every_page(language), **context})


STATES = [*states(), *matrix_states(), *desk_states()]
