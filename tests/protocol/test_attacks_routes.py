"""Every way in is known, asks what it should, and repeats nothing that it was told.

Advisories 31, 49, 51 and 53. The list of the ways in is that of docs/reference/security.md.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from idp_mfa.compose import compose
from idp_mfa.settings import Settings, load
from tests.protocol.attacked import CAMPUS, Attacked, carried, form, path_of, raw, stranger
from tests.simulators.person import Person

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "security.md"
_ROW = re.compile(r"^\| `(/[^`]*)` \| ([A-Z, ]+) \| (\w+) \|", re.M)
OPEN = "anyone"
Way = tuple[str, str]


def listed() -> dict[Way, str]:
    """Address and method of each row of the document, and who may."""
    rows = _ROW.findall(DOCUMENT.read_text(encoding="utf-8"))
    ways = [
        ((rule, method.strip()), who)
        for rule, methods, who in rows
        for method in methods.split(",")
    ]
    assert len(ways) == len(dict(ways)), "a way in is listed twice"
    return dict(ways)


LISTED = listed()
WAYS = sorted(LISTED)


def concrete(rule: str) -> str:
    """An address that the rule matches, of a sign-in that nobody has begun."""
    return rule.replace("<path:filename>", "style.css").replace("<id>", "AAAAAAAAAAAAAAAAAAAAAAAA")


def test_every_way_in_is_listed(site: Attacked) -> None:
    settings = load(site.idp.folder / "idp_mfa.yaml")
    assert isinstance(settings, Settings)
    app = compose(settings).application()
    there = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert there == set(LISTED)


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
@pytest.mark.parametrize("address", [CAMPUS, "203.0.113.10"], ids=["campus", "outside"])
def test_a_stranger_gets_no_further_than_listed(
    site: Attacked, somebody: Person, way: Way, address: str
) -> None:
    rule, method = way
    headers = (("X-Forwarded-For", address), ("Content-Type", "application/x-www-form-urlencoded"))
    body = form({"csrf": "x", "code": "000000", "username": somebody.login, "version": "0"})
    status, head, text = raw(
        site, method, concrete(rule), headers, body if method == "POST" else b""
    )
    assert somebody.login not in text
    assert "data-totp-key" not in text
    assert "SAMLResponse" not in text
    assert not re.search(r"(^|\n)idp=[^;]", head.get("set-cookie", ""))
    match LISTED[way]:
        case "anyone":
            assert status in (200, 303, 400)
        case "browser":
            assert status in (303, 410)
        case "session":
            assert (status, head["location"][:8]) == (303, "/signin/")
        case other:
            raise AssertionError(other)


def test_another_persons_browser_gets_no_further_than_listed(
    site: Attacked, somebody: Person
) -> None:
    page = site.at_code(somebody)
    id = urlsplit(page.url).path.split("/")[2]
    other = site.browser(CAMPUS)
    site.person().give_password(other.ask())
    for rule, method in WAYS:
        if "<id>" in rule:
            target = f"{site.idp.origin}{rule.replace('<id>', id)}"
            answer = other.once(method, target, {} if method == "POST" else None)
            assert somebody.login not in answer.text
            assert not carried(answer)
            assert answer.status in (303, 409)
    assert page.agent.open(page.url).mark == "signin.challenge"


METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "PURGE")


@pytest.mark.parametrize("rule", sorted({rule for rule, _ in WAYS if "static" not in rule}))
def test_other_methods_are_refused(site: Attacked, rule: str) -> None:
    ours = {method for each, method in WAYS if each == rule}
    for method in METHODS:
        status, head, text = raw(site, method, concrete(rule), (stranger(),))
        if method in ours:
            assert status != 405
        else:
            assert status == 405, (method, rule)
            assert "data-reference" in text
            assert "TRACE" not in head.get("allow", "")


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_every_answer_has_the_headers(site: Attacked, way: Way) -> None:
    rule, method = way
    _, head, _ = raw(site, method, concrete(rule), (stranger(),))
    if "static" in rule:
        assert "immutable" in head["cache-control"]
    else:
        assert head["cache-control"] == "no-store"
        assert "cookie" in head["vary"].lower()
    has_the_headers(head)


@pytest.mark.parametrize("target", ["/nowhere", "/static/nowhere", "/?a=1&a=2", "/saml/sso"])
def test_every_error_has_the_headers(site: Attacked, target: str) -> None:
    status, head, text = raw(site, "GET", target)
    assert status >= 400
    assert head["cache-control"] == "no-store"
    has_the_headers(head)
    for told in ("Traceback", "werkzeug", "Werkzeug", "Flask", "Python", ".py"):
        assert told not in text + str(head)


def has_the_headers(head: dict[str, str]) -> None:
    policy = head["content-security-policy"]
    for part in (
        "default-src 'none'",
        "style-src 'self'",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    ):
        assert part in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert head["x-content-type-options"] == "nosniff"
    assert head["x-frame-options"] == "DENY"
    assert head["referrer-policy"] == "no-referrer"
    assert head["cross-origin-opener-policy"] == "same-origin"
    assert head["cross-origin-resource-policy"] == "same-origin"
    assert "publickey-credentials-get=(self)" in head["permissions-policy"]
    assert not any(name.startswith("access-control") for name in head)
    assert not re.search(r"\d", head.get("server", ""))
    assert "x-powered-by" not in head


def test_pages_of_a_session_are_kept_by_nobody(site: Attacked) -> None:
    person = site.person(enrolled=False)
    agent = site.browser(CAMPUS)
    page = person.give_password(agent.open(f"{site.idp.origin}/portal/totp"))
    begin = {"csrf": page.form_with("csrf").form_values()[0][1]}
    pages = [
        agent.open(f"{site.idp.origin}/"),
        page,
        agent.send("POST", f"{site.idp.origin}/portal/totp/begin", begin),
        agent.open(f"{site.idp.origin}/sign-out"),
        agent.ask(),
    ]
    assert "data-totp-key" in pages[2].text
    for each in pages:
        assert each.headers["Cache-Control"] == "no-store"
        assert "Cookie" in each.headers["Vary"]


def test_signing_out_is_possible_on_every_page_of_a_session(site: Attacked) -> None:
    person = site.person(enrolled=False)
    agent = site.browser(CAMPUS)
    begin = person.give_password(agent.open(f"{site.idp.origin}/portal/totp"))
    for page in (begin, agent.open(f"{site.idp.origin}/")):
        assert page.tree.xpath("//form[@action='/sign-out'] | //a[@href='/sign-out']"), page.url


def test_nothing_is_fetched_from_elsewhere(site: Attacked, somebody: Person) -> None:
    agent = site.browser(CAMPUS)
    pages = [
        agent.open(f"{site.idp.origin}/"),
        agent.ask(),
        site.at_code(somebody),
        agent.open(f"{site.idp.origin}/nowhere"),
        somebody.give_password(agent.ask()),
    ]
    for page in pages:
        found = page.tree.xpath("//link/@href | //script/@src | //img/@src | //iframe/@src")
        assert found
        for source in found:
            assert urlsplit(source)[:2] in (("", ""), tuple(urlsplit(site.idp.origin)[:2])) or (
                source.startswith("data:")
            )
        assert not page.tree.xpath("//*[@style] | //style | //iframe | //object | //base")


MARK = "zqx-mark"
EVIL = f'{MARK}"><script>alert(1)</script>'
PARAMETERS = (
    *("error", "message", "next", "url", "return", "target", "service", "username", "login_hint"),
    *("lang", "reference", "kind", "csrf", "version", "code", "factor", "RelayState", "SigAlg"),
    *("SAMLRequest", "entityID", "providerId", "shire", "user", "q", "v", "_"),
)


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_what_was_sent_is_shown_nowhere(site: Attacked, somebody: Person, way: Way) -> None:
    rule, method = way
    page = site.at_code(somebody)
    target = path_of(page, "code").rpartition("/")[0] if "<id>" in rule else ""
    path = rule.replace("/signin/<id>", target).replace("<id>", "AAAAAAAAAAAAAAAAAAAAAAAA")
    path = path.replace("<path:filename>", f"{MARK}.css")
    query = "&".join(f"{name}={MARK}" for name in PARAMETERS)
    if rule == "/help":
        # What is searched for stands in its field, as the next test has it.
        query = query.replace(f"&q={MARK}", "")
    for target in (f"{path}?{query}", f"{path}?{MARK}"):
        headers = [("Cookie", f"lang={MARK}; idp={MARK}; {MARK}={MARK}"), ("X-Test", MARK)]
        headers += [("Accept-Language", MARK), ("User-Agent", MARK), ("Referer", MARK)]
        headers += [("Content-Type", "application/x-www-form-urlencoded"), stranger()]
        body = form(dict.fromkeys(PARAMETERS, EVIL)) if method == "POST" else b""
        status, head, text = raw(site, method, target, headers, body)
        assert MARK not in text, status
        allowed = head.pop("location", "")
        assert MARK not in str(head)
        assert MARK not in urlsplit(allowed).query


def test_what_was_typed_comes_back_in_its_own_field_alone(site: Attacked) -> None:
    page = site.at_password()
    back = page.submit(page.form_with("password"), username=EVIL, password=f"{MARK}-password")
    assert back.form_with("username").fields["username"] == EVIL
    assert back.text.count(MARK) == 1
    assert "<script>alert" not in back.text
    assert MARK not in back.words
    searched = page.agent.send("GET", f"{site.idp.origin}/help?{urlencode({'q': EVIL})}", None)
    assert searched.form_with("q").fields["q"] == EVIL
    assert "<script>alert" not in searched.text
