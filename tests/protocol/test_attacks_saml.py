"""What is sent to /saml/sso and /saml/slo by somebody who means harm, over HTTP.

Advisories 34, 35, 36, 38, 41, 42 and 43; message by message they stand in test_saml_hostile.py.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import xmlsec
from lxml import etree

from tests.protocol.attacked import (
    CAMPUS,
    FOREIGN_KEY,
    PLAIN,
    STRICT,
    Attacked,
    carried,
    filled,
    form,
    new_id,
    raw,
    stranger,
)
from tests.simulators.person import Person
from tests.simulators.service_provider import (
    DS,
    NAMES,
    RSA_SHA1,
    RSA_SHA256,
    SAMLP,
    TestServiceProvider,
    deflated,
    query,
    signature_of,
    signed,
)

KEY = STRICT.signing[-1]
FORM = ("Content-Type", "application/x-www-form-urlencoded")
ENGLISH = ("Accept-Language", "en")


def asked(
    site: Attacked,
    service: TestServiceProvider = STRICT,
    *,
    ago: timedelta = timedelta(0),
    destination: str | None = "/saml/sso",
    attributes: str = "",
    content: str = "",
    issuer: str | None = None,
) -> str:
    """A request that would be right if nothing were changed."""
    to = None if destination is None else site.idp.origin + destination
    return service.authn_request(
        datetime.now(UTC) - ago,
        id=new_id(),
        destination=to,
        attributes=attributes,
        content=content,
        issuer=issuer,
    )


def by_redirect(site: Attacked, octets: bytes, path: str = "/saml/sso") -> tuple[int, str]:
    """What a GET with that query is answered."""
    headers = (ENGLISH, stranger())
    status, head, text = raw(site, "GET", f"{path}?{octets.decode()}", headers)
    return status, text + head.get("location", "")


def by_post(site: Attacked, xml: str | bytes, path: str = "/saml/sso") -> tuple[int, str]:
    """What a POST of that message is answered."""
    octets = xml.encode() if isinstance(xml, str) else xml
    body = form({"SAMLRequest": base64.b64encode(octets).decode()})
    status, head, text = raw(site, "POST", path, (FORM, ENGLISH, stranger()), body)
    return status, text + head.get("location", "")


def test_the_honest_ones_are_taken(site: Attacked) -> None:
    for octets in (query(asked(site), "state", KEY), query(asked(site), None, STRICT.signing[0])):
        assert by_redirect(site, octets)[0] == 303
    assert by_post(site, signed(asked(site), KEY))[0] == 303
    assert by_post(site, asked(site, PLAIN))[0] == 303


# -- the octets that were signed are the octets that are read (34) ---------------------------


def doubled(name: str) -> Callable[[Attacked], bytes]:
    def make(site: Attacked) -> bytes:
        honest = query(asked(site), "state", KEY).decode()
        (own,) = (part for part in honest.split("&") if part.startswith(f"{name}="))
        return f"{honest}&{own}".encode()

    return make


def smuggled(name: str) -> Callable[[Attacked], bytes]:
    def make(site: Attacked) -> bytes:
        evil = quote(deflated(asked(site, attributes='ForceAuthn="true"').encode()), safe="")
        return f"{name}={evil}&".encode() + query(asked(site), "state", KEY)

    return make


def respelt(site: Attacked) -> bytes:
    honest = query(asked(site), "a/b", KEY)
    assert b"a%2Fb" in honest
    return honest.replace(b"a%2Fb", b"a%2fb")


def plus_for_blank(site: Attacked) -> bytes:
    return query(asked(site), "a b", KEY).replace(b"a%20b", b"a+b")


def other_state(site: Attacked) -> bytes:
    return query(asked(site), "state", KEY).replace(b"RelayState=state", b"RelayState=evil!")


def without_state(site: Attacked) -> bytes:
    return query(asked(site), "state", KEY).replace(b"&RelayState=state", b"")


def by_sha1(site: Attacked) -> bytes:
    return query(asked(site), None, KEY, RSA_SHA1)


def by_nobody(site: Attacked) -> bytes:
    return query(asked(site), None, FOREIGN_KEY)


def unsigned(site: Attacked) -> bytes:
    return query(asked(site))


def garbage_signature(site: Attacked) -> bytes:
    algorithm = quote(RSA_SHA256, safe="").encode()
    return query(asked(site, PLAIN)) + b"&SigAlg=" + algorithm + b"&Signature=AAAA"


def signature_without_algorithm(site: Attacked) -> bytes:
    return query(asked(site, PLAIN)) + b"&Signature=AAAA"


def request_and_response(site: Attacked) -> bytes:
    return query(asked(site), "state", KEY) + b"&SAMLResponse=AAAA"


QUERIES: dict[str, Callable[[Attacked], bytes]] = {
    **{f"{name} twice": doubled(name) for name in ("SAMLRequest", "RelayState", "SigAlg")},
    "Signature twice": doubled("Signature"),
    "escaped name": smuggled("SAMLReques%74"),
    "escaped first letter": smuggled("%53AMLRequest"),
    "two requests": smuggled("SAMLRequest"),
    "response too": request_and_response,
    "other escapes": respelt,
    "plus": plus_for_blank,
    "other state": other_state,
    "no state": without_state,
    "SHA-1": by_sha1,
    "foreign key": by_nobody,
    "not signed": unsigned,
    "garbage": garbage_signature,
    "no algorithm": signature_without_algorithm,
    "old": lambda site: query(asked(site, PLAIN, ago=timedelta(minutes=6))),
    "from the future": lambda site: query(asked(site, PLAIN, ago=timedelta(minutes=-6))),
    "elsewhere": lambda site: query(asked(site, PLAIN, destination="/saml/slo")),
    "signed to nowhere": lambda site: query(asked(site, destination=None), None, KEY),
    "nothing": lambda _: b"",
    "half an escape": lambda _: b"SAMLRequest=%zz",
    "not deflated": lambda _: b"SAMLRequest=QUFBQQ%3D%3D",
    "other encoding": lambda site: query(asked(site, PLAIN)) + b"&SAMLEncoding=urn:other",
}


@pytest.mark.parametrize("case", QUERIES)
def test_a_query_that_was_tampered_with_begins_nothing(site: Attacked, case: str) -> None:
    began = site.audited().count("sign-in.began")
    status, text = by_redirect(site, QUERIES[case](site))
    assert status == 400
    assert 'data-page="error"' in text
    assert "data-reference" in text
    assert site.audited().count("sign-in.began") == began


def test_the_signature_is_over_the_octets_as_they_came(site: Attacked) -> None:
    parts = [f"SAMLRequest={quote(deflated(asked(site).encode()), safe='')}", "RelayState=a%2fb"]
    parts.append(f"SigAlg={quote(RSA_SHA256, safe='').replace('%3A', '%3a')}")
    text = "&".join(parts)
    signature = quote(signature_of(text, KEY), safe="")
    assert by_redirect(site, f"{text}&Signature={signature}".encode())[0] == 303


def test_any_parameter_twice_is_refused(site: Attacked) -> None:
    for target in ("/?lang=en&lang=ja", "/sign-out?a=1&a=1", "/saml/metadata?x=&x="):
        assert raw(site, "GET", target)[0] == 400
    body = b"username=a&username=b&password=c"
    assert raw(site, "POST", "/portal/signin", (FORM,), body)[0] == 400


# -- the element that was verified is the element that is read (35) --------------------------


def wrapped(site: Attacked, shape: int) -> bytes:
    """Eight ways to put a verified element where it is not read."""
    original = etree.fromstring(signed(asked(site), KEY))
    signature = original.find("ds:Signature", NAMES)
    assert signature is not None
    evil = etree.fromstring(asked(site, attributes='IsPassive="true"'))
    match shape:
        case 1:
            evil.insert(1, signature)
            etree.SubElement(signature, f"{{{DS}}}Object").append(original)
        case 2:
            evil.insert(1, signature)
            etree.SubElement(evil, f"{{{SAMLP}}}Extensions").append(original)
        case 3:
            evil.set("ID", original.get("ID", ""))
            evil.insert(1, signature)
            etree.SubElement(evil, f"{{{SAMLP}}}Extensions").append(original)
        case 4:
            evil.append(original)
        case 5:
            etree.SubElement(original, f"{{{SAMLP}}}Extensions").append(signature)
            return etree.tostring(original)
        case 6:
            original.insert(2, etree.fromstring(etree.tostring(signature)))
            return etree.tostring(original)
        case 7:
            extensions = etree.SubElement(original, f"{{{SAMLP}}}Extensions")
            etree.SubElement(extensions, "x").set("Id", original.get("ID", ""))
            return etree.tostring(original)
        case 8:
            text = etree.tostring(original).decode()
            return text.replace(f'URI="#{original.get("ID")}"', 'URI=""').encode()
    return etree.tostring(evil)


@pytest.mark.parametrize("shape", range(1, 9))
def test_a_wrapped_signature_signs_nothing(site: Attacked, shape: int) -> None:
    status, text = by_post(site, wrapped(site, shape))
    assert (status, 'data-page="error"' in text) == (400, True)


def key_brought_along(site: Attacked) -> bytes:
    root = etree.fromstring(signed(asked(site), FOREIGN_KEY))
    signature = root.find("ds:Signature", NAMES)
    assert signature is not None
    numbers = FOREIGN_KEY.private.public_key().public_numbers()
    info = etree.SubElement(signature, f"{{{DS}}}KeyInfo")
    value = etree.SubElement(etree.SubElement(info, f"{{{DS}}}KeyValue"), f"{{{DS}}}RSAKeyValue")
    for name, number in (("Modulus", numbers.n), ("Exponent", numbers.e)):
        octets = number.to_bytes((number.bit_length() + 7) // 8)
        etree.SubElement(value, f"{{{DS}}}{name}").text = base64.b64encode(octets).decode()
    return etree.tostring(root)


def by_hmac(site: Attacked) -> bytes:
    text = signed(asked(site), KEY)
    return text.replace(RSA_SHA256, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256").encode()


DOCTYPE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
LAUGHS = "<!DOCTYPE x [" + "".join(
    f'<!ENTITY l{n} "{("&l" + str(n - 1) + ";") * 10 if n else "ha"}">' for n in range(9)
)
COMMENT = "<!-- -->"

POSTS: dict[str, Callable[[Attacked], str | bytes]] = {
    "key in the message": key_brought_along,
    "certificate in the message": lambda site: signed(
        asked(site), FOREIGN_KEY, certificate=FOREIGN_KEY
    ),
    "HMAC": by_hmac,
    "SHA-1": lambda site: signed(asked(site), KEY, signature=xmlsec.constants.TransformRsaSha1),
    "SHA-1 digest": lambda site: signed(asked(site), KEY, digest=xmlsec.constants.TransformSha1),
    "not signed": asked,
    "changed": lambda site: signed(asked(site), KEY).replace('Version="2.0"', 'Version="2.1"'),
    "signed by another service": lambda site: signed(asked(site), PLAIN.signing[0]),
    "file": lambda site: DOCTYPE + asked(site, PLAIN).replace(PLAIN.entity_id, "&e;"),
    "doctype alone": lambda site: DOCTYPE + asked(site, PLAIN),
    "laughs": lambda site: LAUGHS + "]>" + asked(site, PLAIN).replace(PLAIN.entity_id, "&l8;"),
    "UTF-7": lambda site: '<?xml version="1.0" encoding="UTF-7"?>' + asked(site, PLAIN),
    "UTF-16": lambda site: asked(site, PLAIN).encode("utf-16"),
    "comment cuts the issuer": lambda site: asked(
        site, PLAIN, issuer=f"{PLAIN.entity_id}{COMMENT}x"
    ),
    "comment in the issuer": lambda site: asked(
        site, PLAIN, issuer=PLAIN.entity_id.replace("example", f"example{COMMENT}")
    ),
    "instruction in the issuer": lambda site: asked(
        site, PLAIN, issuer=f"{PLAIN.entity_id}<?x?>.evil.tld"
    ),
    "CDATA after the issuer": lambda site: asked(
        site, PLAIN, issuer=f"{PLAIN.entity_id}<![CDATA[.evil.tld]]>"
    ),
    "element in the issuer": lambda site: asked(site, PLAIN, issuer=f"{PLAIN.entity_id}<x/>"),
    "deep": lambda _: "<a>" * 2000 + "</a>" * 2000,
    "wide": lambda site: asked(site, PLAIN, content="<x/>" * 5000),
    "not XML": lambda _: "SAML",
    "a response": lambda _: f'<samlp:Response xmlns:samlp="{SAMLP}"/>',
    "a log-out": lambda site: asked(site, PLAIN).replace("AuthnRequest", "LogoutRequest"),
}


@pytest.mark.parametrize("path", ["/saml/sso", "/saml/slo"])
@pytest.mark.parametrize("case", POSTS)
def test_a_document_that_means_harm_begins_nothing(site: Attacked, case: str, path: str) -> None:
    began = site.audited().count("sign-in.began")
    status, text = by_post(site, POSTS[case](site), path)
    assert status == 400
    assert 'data-page="error"' in text
    assert "evil" not in text
    assert "root:" not in text
    assert site.audited().count("sign-in.began") == began


def test_a_log_out_whose_name_is_cut_by_a_comment_ends_nothing(
    site: Attacked, somebody: Person
) -> None:
    agent = site.browser(CAMPUS)
    read = site.answer(somebody.give_password(agent.ask()))
    name = read.name_id.text or ""
    for evil in (f"{name}{COMMENT}.evil", f"{name[:4]}{COMMENT}{name[4:]}", f"{name}<?x?>x"):
        xml = PLAIN.logout_request(
            datetime.now(UTC),
            read.name_id_xml.replace(name, evil),
            read.statement.get("SessionIndex", ""),
            id=new_id(),
            destination=f"{site.idp.origin}/saml/slo",
        )
        octets = query(xml, None, PLAIN.signing[0])
        assert by_redirect(site, octets, "/saml/slo")[0] == 400
    assert carried(agent.ask())


# -- a request twice -------------------------------------------------------------------------


def test_a_request_counts_once(site: Attacked, somebody: Person) -> None:
    agent = site.browser(CAMPUS)
    target = f"{site.idp.origin}/saml/sso?{query(asked(site, PLAIN)).decode()}"
    first = agent.open(target)
    same = agent.open(target)
    assert same.url == first.url, "the same browser finds its page"
    other = site.browser(CAMPUS).open(target)
    assert (other.mark, other.status) == ("signin.moved", 409)
    assert carried(somebody.give_password(same))
    for browser in (agent, site.browser(CAMPUS)):
        again = browser.open(target)
        assert (again.mark, again.status) == ("signin.moved", 409)
        assert not carried(again)


# -- a small request that is large inside (41) -----------------------------------------------


def workers(site: Attacked) -> list[Path]:
    """Where the kernel tells of each worker."""
    pids = Path(f"/proc/{site.idp.pid}/task/{site.idp.pid}/children").read_text().split()
    return [Path(f"/proc/{pid}") for pid in pids]


def peak(site: Attacked) -> int:
    """Kilobytes of memory that the workers had at most, since they were last asked to forget."""
    return sum(
        int(line.split()[1])
        for worker in workers(site)
        for line in (worker / "status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )


def bomb(octets: int) -> bytes:
    """So many bytes that inflate to a thousand times as many."""
    deflate = zlib.compressobj(9, wbits=-15)
    blanks = b" " * 1_000_000
    packed = b""
    while len(packed) < octets:
        packed += deflate.compress(blanks)
    return packed[:octets]


def test_a_bomb_is_not_inflated(site: Attacked) -> None:
    small = b"SAMLRequest=" + quote(base64.b64encode(bomb(5_500)).decode(), safe="").encode()
    assert len(small) < 8_000
    # Each thread of each worker has its own memory by then.
    for _ in range(60):
        assert by_redirect(site, small)[0] == 400
    for worker in workers(site):
        (worker / "clear_refs").write_text("5")
    before = peak(site)
    for _ in range(30):
        assert by_redirect(site, small)[0] == 400
    assert peak(site) - before < 3_000, "one of them inflates to more than five megabytes"


def test_what_is_too_large_is_refused_before_it_is_read(site: Attacked) -> None:
    status, text = by_post(site, b" " * 400_000)
    assert status == 413
    assert 'data-page="error"' in text
    status, _, _ = raw(site, "GET", "/saml/sso?SAMLRequest=" + "A" * 20_000)
    assert status in (400, 414)


# -- where an answer goes (42, 43) -----------------------------------------------------------

ELSEWHERE = (
    "https://plain.example.evil.tld/acs",
    "https://plain.example@evil.tld/acs",
    "https://plain.example\\@evil.tld/acs",
    "https://plain.example/acs/",
    "https://plain.example/acs/../evil",
    "https://plain.example/acs?x",
    "https://plain.example/acs#x",
    "https://plain.example/ACS",
    "https://PLAIN.example/acs",
    "https://plain.example:443/acs",
    "http://plain.example/acs",
    "//plain.example/acs",
    " https://plain.example/acs",
    "https://plain.example/acs%20",
    "javascript:alert(1)",
    "https://strict.example/acs",
    "",
)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_an_address_that_metadata_does_not_list_gets_nothing(site: Attacked, address: str) -> None:
    attribute = f'AssertionConsumerServiceURL="{address}"'
    status, text = by_redirect(site, query(asked(site, PLAIN, attributes=attribute)))
    assert status == 400
    assert "evil" not in text
    assert "alert(1)" not in text


@pytest.mark.parametrize("index", ["1", "-1", "99", "0x0", ""])
def test_an_index_that_metadata_does_not_list_gets_nothing(site: Attacked, index: str) -> None:
    attribute = f'AssertionConsumerServiceIndex="{index}"'
    assert by_redirect(site, query(asked(site, PLAIN, attributes=attribute)))[0] == 400


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://sp.example/acs",
        "https://a@sp.example/acs",
    ],
)
def test_metadata_with_such_an_address_is_refused_at_load(site: Attacked, address: str) -> None:
    evil = replace(PLAIN, entity_id="https://evil.example/sp", acs_url=address)
    file = site.idp.folder / "evil.xml"
    file.write_bytes(evil.metadata())
    added = site.idp.command("sp", "add", str(file))
    assert added.returncode == 1, added.stdout + added.stderr
    assert by_redirect(site, query(asked(site, evil)))[0] == 400


@pytest.mark.parametrize(
    "state",
    ['"><script>alert(1)</script>', "'-alert(1)-'", "</form>", "javascript:1", "ä\u2028<b>"],
)
def test_a_relay_state_comes_back_as_it_was_and_runs_nowhere(
    site: Attacked, somebody: Person, state: str
) -> None:
    agent = site.browser(CAMPUS)
    xml = asked(site, PLAIN)
    page = somebody.give_password(
        agent.open(f"{site.idp.origin}/saml/sso?{query(xml, state).decode()}")
    )
    assert filled(page, "SAMLResponse")["RelayState"] == state
    assert page.form_with("SAMLResponse").action == PLAIN.acs_url
    assert len(page.tree.findall(".//script")) == 1
    assert "<script>alert" not in page.text
    policy = page.headers["Content-Security-Policy"]
    nonce = page.tree.find(".//script").get("nonce")
    assert f"script-src 'nonce-{nonce}'" in policy
    assert "form-action" not in policy


def test_a_relay_state_that_is_too_long_is_refused(site: Attacked) -> None:
    assert by_redirect(site, query(asked(site, PLAIN), "x" * 1024))[0] == 303
    assert by_redirect(site, query(asked(site, PLAIN), "x" * 1025))[0] == 400
