"""Where somebody is, who he is and which host he asked: nothing of that is what a client writes.

Advisories 1, 19, 20 and 54 (docs/reference/security.md).
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from tests.protocol.attacked import (
    CAMPUS,
    Attacked,
    carried,
    filled,
    form,
    path_of,
    raw,
)
from tests.simulators.person import Person

Headers = tuple[tuple[str, str], ...]

DOUBTFUL: dict[str, Headers] = {
    "no header": (),
    "a word": (("X-Forwarded-For", "a"),),
    "empty": (("X-Forwarded-For", ""),),
    "word, private": (("X-Forwarded-For", "a, 10.0.0.1"),),
    "private with port": (("X-Forwarded-For", "10.0.0.1:1"),),
    "mapped private": (("X-Forwarded-For", "::ffff:10.0.0.1"),),
    "campus first, word last": (("X-Forwarded-For", f"{CAMPUS}, a"),),
    "campus first, outside last": (("X-Forwarded-For", f"{CAMPUS}, 203.0.113.10"),),
    "two headers, outside last": (
        ("X-Forwarded-For", CAMPUS),
        ("X-Forwarded-For", "203.0.113.10"),
    ),
    "two headers, word last": (("X-Forwarded-For", CAMPUS), ("X-Forwarded-For", "a")),
    "the proxy alone": (("X-Forwarded-For", "127.0.0.1"),),
    "leading zeros": (("X-Forwarded-For", "192.000.002.010"),),
    "as a number": (("X-Forwarded-For", "3221225994"),),
    "with a zone": (("X-Forwarded-For", "2001:db8:1::10%eth0"),),
    "full width": (("X-Forwarded-For", "１９２.0.2.10".encode().decode("latin-1")),),
    "too long": (("X-Forwarded-For", ", ".join(["203.0.113.10"] * 500)),),
    "another header": (("X-Real-IP", CAMPUS),),
    "another standard": (("Forwarded", f"for={CAMPUS}"),),
    "underscores": (("X_Forwarded_For", CAMPUS),),
    "underscores win": (("X-Forwarded-For", "203.0.113.10"), ("X_Forwarded_For", CAMPUS)),
    "a cookie of the demo": (("Cookie", "seen=campus"),),
    "many names": (
        ("Client-IP", CAMPUS),
        ("True-Client-IP", CAMPUS),
        ("X-Client-IP", CAMPUS),
        ("CF-Connecting-IP", CAMPUS),
        ("X-Original-Forwarded-For", CAMPUS),
        ("X-Forwarded-Host", "campus.example"),
        ("Via", CAMPUS),
    ),
}


def after_password(
    site: Attacked, person: Person, headers: Headers, source: str = "127.0.0.1"
) -> tuple[str, str]:
    """What the page is after the right password, every request with these headers: mark, text."""
    page = site.at_password()
    cookie = "; ".join(f"{each.name}={each.value}" for each in page.agent.session.cookies)
    sent = [*(pair for pair in headers if pair[0] != "Cookie"), ("Cookie", cookie)]
    sent[-1] = ("Cookie", "; ".join([cookie, *(v for k, v in headers if k == "Cookie")]))
    body = form(filled(page, "password", username=person.login, password=person.password))
    typed = ("Content-Type", "application/x-www-form-urlencoded")
    status, head, text = raw(
        site, "POST", path_of(page, "password"), (*sent, typed), body, source=source
    )
    assert status == 303, (status, text[:500])
    new = head["set-cookie"].partition(";")[0]
    for _ in range(3):
        status, head, text = raw(
            site, "GET", head["location"], (*sent[:-1], ("Cookie", new)), source=source
        )
        if status != 303:
            break
    found = re.search(r'data-page="([^"]+)"', text)
    return found[1] if found else "", text


@pytest.mark.parametrize("case", DOUBTFUL)
def test_what_cannot_be_told_for_sure_is_asked(site: Attacked, somebody: Person, case: str) -> None:
    mark, text = after_password(site, somebody, DOUBTFUL[case])
    assert mark == "signin.challenge"
    assert "SAMLResponse" not in text


def test_the_same_road_with_a_campus_address_skips(site: Attacked, somebody: Person) -> None:
    mark, text = after_password(site, somebody, (("X-Forwarded-For", CAMPUS),))
    assert mark == "saml.post"
    assert "SAMLResponse" in text


def test_a_peer_that_is_no_listed_proxy_is_not_believed(site: Attacked, somebody: Person) -> None:
    mark, _ = after_password(site, somebody, (("X-Forwarded-For", CAMPUS),), source="127.0.0.2")
    assert mark == "signin.challenge"


HOSTS = {
    "capitals": "IDP.Example",
    "dot": "idp.example.",
    "port": "idp.example:8443",
    "international": "xn--wgv71a.example",
    "campus": CAMPUS,
    "nonsense": "a b",
    "forged": "evil.example",
}


@pytest.mark.parametrize("case", HOSTS)
def test_the_host_that_was_asked_for_changes_nothing(
    site: Attacked, somebody: Person, case: str
) -> None:
    headers: Headers = (
        ("Host", HOSTS[case]),
        ("X-Forwarded-Host", HOSTS[case]),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-For", "203.0.113.10"),
    )
    mark, text = after_password(site, somebody, headers)
    assert mark == "signin.challenge"
    shown = urlsplit(site.idp.origin).netloc
    assert shown in text
    if case != "campus":
        assert HOSTS[case] not in text


@pytest.mark.parametrize("case", ["forged", "port"])
def test_a_forged_host_leads_nowhere(site: Attacked, case: str) -> None:
    headers = (("Host", HOSTS[case]), ("X-Forwarded-Host", HOSTS[case]))
    for target in ("/", "/portal/totp", "/saml/metadata", "/sign-out", "/nowhere"):
        _, head, text = raw(site, "GET", target, headers)
        assert HOSTS[case] not in text + str(head)
        assert head.get("location", "/").startswith("/")


SPELLINGS = (
    "/portal/%2e%2e/portal/totp",
    "/portal/../portal/totp",
    "//portal/totp",
    "///portal//totp",
    "/portal//totp",
    "/portal/totp;x",
    "/portal/totp/",
    "/portal/totp/.",
    "/PORTAL/TOTP",
    "/portal%2ftotp",
    "/portal/totp%00",
    "/portal/totp%20",
    "/portal\\totp",
    "/./portal/totp",
    "/static/../portal/totp",
    "/static/%2e%2e/%2e%2e/browser.py",
    "/static/..%2f..%2fbrowser.py",
    "/static//etc/passwd",
    "http://campus.example/portal/totp",
)


@pytest.mark.parametrize("target", SPELLINGS)
def test_no_spelling_of_a_path_opens_a_page_of_its_owner(site: Attacked, target: str) -> None:
    status, head, text = raw(site, "GET", target, (("X-Forwarded-For", CAMPUS),))
    assert status in (303, 400, 404)
    if status == 303:
        assert head["location"].startswith("/signin/")
    assert "data-totp-key" not in text
    assert "def " not in text
    assert "root:" not in text


def test_a_link_on_our_pages_never_leads_where_the_address_says(site: Attacked) -> None:
    for target in ("//evil.example/x", "/%5Cevil.example", "/%2f%2fevil.example/", "/x?y=evil"):
        _, _, text = raw(site, "GET", target)
        assert "evil" not in text


CLAIMS: Headers = (
    ("X-Remote-User", "alice"),
    ("Remote-User", "alice"),
    ("REMOTE_USER", "alice"),
    ("X-Forwarded-User", "alice"),
    ("X-SSL-Client-S-DN", "uid=alice"),
    ("X-SSL-Client-Verify", "SUCCESS"),
    ("SSL_CLIENT_S_DN", "uid=alice"),
    ("X-Client-Cert", "alice"),
    ("Authorization", "Basic YWxpY2U6ZGVtby1hbGljZQ=="),
)


def test_a_user_that_a_header_names_is_nobody(site: Attacked) -> None:
    headers = (*CLAIMS, ("X-Forwarded-For", CAMPUS))
    status, _, home = raw(site, "GET", "/", headers)
    assert status == 200
    assert "alice" not in home.lower()
    status, head, _ = raw(site, "GET", "/portal/totp", headers)
    assert (status, head["location"][:8]) == (303, "/signin/")
    status, _, asked = raw(site, "GET", head["location"], (*headers, _cookie(head)))
    assert 'data-page="signin.password"' in asked


def test_a_user_that_a_header_names_skips_no_factor(site: Attacked, somebody: Person) -> None:
    mark, _ = after_password(site, somebody, (*CLAIMS, ("X-Forwarded-For", "203.0.113.10")))
    assert mark == "signin.challenge"


def test_an_address_that_changes_under_way_is_judged_anew(site: Attacked, somebody: Person) -> None:
    page = site.browser(CAMPUS).ask()
    answer = page.agent.once(
        "POST",
        f"{site.idp.origin}{path_of(page, 'password')}",
        filled(page, "password", username=somebody.login, password=somebody.password),
    )
    assert answer.status == 303
    page.agent.address = "203.0.113.10"
    outside = page.agent.open(page.url)
    assert outside.mark == "signin.challenge"
    assert not carried(outside)


def _cookie(head: dict[str, str]) -> tuple[str, str]:
    return "Cookie", head["set-cookie"].partition(";")[0]
